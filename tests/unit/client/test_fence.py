"""What may not write any more sends no change; what may, for a while, is given no longer than that."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.cluster import eventually
from tests.unit.client.test_watch_over_http import Handler, Query, Server

from seconder.client.api import Api, ApiError, Fenced
from seconder.client.watch import Watch

PATH = "/things"
CHANGES: dict[str, Callable[[Api], Any]] = {
    "create": lambda api: api.create(PATH, {}),
    "replace": lambda api: api.replace(PATH, {}),
    "apply": lambda api: api.apply(PATH, {}),
    "merge": lambda api: api.merge(PATH, {}),
    "delete": lambda api: api.delete(PATH, uid="u"),
}


@pytest.fixture
def served() -> Iterator[Server]:
    """An API server on loopback."""
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def _answered(server: Server, seconds: float = 0.0) -> list[Query]:
    """Answer with an empty object, after so many seconds; give the list that gets the query of each request."""
    asked: list[Query] = []

    def answer(handler: Handler, query: Query) -> None:
        asked.append(query)
        time.sleep(seconds)
        handler.whole(json.dumps({}).encode())

    server.serve(PATH, answer)
    return asked


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_no_change_is_sent_by_who_may_not_write(served: Server, change: Callable[[Api], Any]) -> None:
    """Whatever it is; nor is anything read."""
    asked = _answered(served)
    api = served.api_with(fence=lambda: 0.0)
    with pytest.raises(Fenced):
        change(api)
    with pytest.raises(Fenced):
        api.get(PATH)
    assert asked == []


def test_a_watch_of_who_may_not_write_ends_without_a_word(served: Server) -> None:
    """Others' watches go on, and say what is wrong."""
    left, wrong = [5.0], []

    def answer(handler: Handler, query: Query) -> None:
        handler.whole(json.dumps({"metadata": {"resourceVersion": "7"}, "items": []}).encode())

    # A path of its own: threads are told apart by it.
    path = "/fenced"
    served.serve(path, answer)
    listed = threading.Event()
    watch: Watch[str] = Watch(
        served.api_with(fence=lambda: left[0]),
        path,
        lambda _: None,
        lambda _: listed.set(),
        lambda what, error: wrong.append((what, error)),
    )
    watch.start()
    assert listed.wait(5)
    left[0] = 0.0
    eventually(lambda: not any(each.name == f"watch {path}" for each in threading.enumerate()), 20, "it has ended")
    assert not any(isinstance(error, Fenced) for _, error in wrong)


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_the_api_server_is_told_how_long_a_change_may_take(served: Server, change: Callable[[Api], Any]) -> None:
    """It drops what it has not done by then. Nobody else's requests carry it."""
    asked = _answered(served)
    change(served.api_with(fence=lambda: 3.5))
    served.api_with(fence=lambda: 3.5).get(PATH)
    change(served.api)
    assert [query.get("timeout") for query in asked] == ["3.500s", None, None]


def test_a_change_is_given_up_when_the_time_is_over(served: Server) -> None:
    """However long the request itself may take."""
    _answered(served, seconds=1.0)
    started = time.monotonic()
    with pytest.raises(ApiError, match="no answer in time"):
        served.api_with(fence=lambda: 0.2).replace(PATH, {}, timeout=10.0)
    assert time.monotonic() - started < 0.8


def test_being_fenced_is_no_error_of_the_api_server() -> None:
    """Whoever tries again after those would go on."""
    assert not issubclass(Fenced, ApiError)
