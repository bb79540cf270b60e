"""Servers for the tests of what a client meets at the webhook's door."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.http import Pair, Served

Start = Callable[..., Served]


@pytest.fixture(scope="session")
def pair() -> Pair:
    """A certificate and its key."""
    return Pair()


@pytest.fixture(scope="session")
def pair_folder(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tls.crt and tls.key."""
    folder = tmp_path_factory.mktemp("tls")
    pair.write(folder)
    return folder


@pytest.fixture
def start(pair_folder: Path) -> Iterator[Start]:
    """Start servers that are ended with the test; see ``Served`` for the options."""
    with ExitStack() as stack:

        def begin(folder: Path = pair_folder, **options: Any) -> Served:
            served = stack.enter_context(Served(folder, **options))
            if (folder / "tls.crt").exists():
                served.wait_for("ready")
            else:
                served.wait_for_ops()
            return served

        yield begin
