"""How the webhook's process is set up."""

import sys
import threading
import time
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
    """By Python's own interval it waits ten times as long for each of its turns."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(100))

    def counted() -> int:
        """How often this thread was given the interpreter, in so much of its process's time."""
        turns, until = 0, time.process_time() + 0.2
        while time.process_time() < until:
            time.sleep(0)
            turns += 1
        return turns

    sys.setswitchinterval(0.005)
    other = threading.Thread(target=compute)
    other.start()
    try:
        before = counted()
        run.prepare_interpreter()
        after = counted()
    finally:
        stop.set()
        other.join()
    assert after > 3 * before, f"{after} turns, {before} before"


def test_json_as_deep_as_the_api_server_takes_it_is_read() -> None:
    """Of 10,000 levels (sigs.k8s.io/json)."""
    run.prepare_interpreter()
    assert sys.getrecursionlimit() >= 10_000
