"""How the webhook's process is set up."""

import sys
from collections.abc import Iterator

import pytest

from seconder.webhook import run


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    limit, interval = sys.getrecursionlimit(), sys.getswitchinterval()
    yield
    sys.setrecursionlimit(limit)
    sys.setswitchinterval(interval)


def test_a_thread_that_computes_gives_way_to_reviews_soon() -> None:
    """Asked of the interpreter: what it comes to cannot be timed on a machine that does something else."""
    run.prepare_interpreter()
    assert sys.getswitchinterval() <= 0.001


def test_json_as_deep_as_the_api_server_takes_it_is_read() -> None:
    """Of 10,000 levels (sigs.k8s.io/json)."""
    run.prepare_interpreter()
    assert sys.getrecursionlimit() >= 10_000
