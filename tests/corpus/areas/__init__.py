"""The cases of the corpus, by what rules they are about."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.corpus.areas import deletions
from tests.corpus.builders.scene import Expected

AREAS: Final[dict[str, Callable[[], Iterator[Expected]]]] = {
    "deletions": deletions.cases,
}
