"""The cases of the corpus, by what rules they are about."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.corpus.areas import (
    deletions,
    dependents,
    ghosts,
    grants,
    guard,
    namespaces,
    owners,
    pods,
    stand_ins,
    updates,
)
from tests.corpus.builders.scene import Expected

AREAS: Final[dict[str, Callable[[], Iterator[Expected]]]] = {
    "deletions": deletions.cases,
    "updates": updates.cases,
    "stand-ins": stand_ins.cases,
    "namespaces": namespaces.cases,
    "owners": owners.cases,
    "dependents": dependents.cases,
    "ghosts": ghosts.cases,
    "guard": guard.cases,
    "grants": grants.cases,
    "pods": pods.cases,
}
