"""By which resources kinds are reached: what is asked of the API server, what is remembered, and what is too much."""

from typing import Any, cast

import pytest

from seconder.admission.dependents import Kind
from seconder.api.resources import GroupResource
from seconder.client.api import Api, ApiError
from seconder.client.kinds import Kinds
from seconder.client.lookup import LookupFailed

STACK = Kind("example.com/v1", "Stack")
CONFIG_MAP = Kind("v1", "ConfigMap")
STACKS = GroupResource("example.com", "stacks")


class Server:
    """Serves two APIs, and fails as told."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {
            "/api/v1": {"resources": [{"name": "configmaps", "kind": "ConfigMap"}, {"name": "pods", "kind": "Pod"}]},
            "/apis/example.com/v1": {
                "resources": [{"name": "stacks", "kind": "Stack"}, {"name": "stacks/status", "kind": "Stack"}]
            },
        }
        self.errors: dict[str, int] = {}
        self.asked: list[str] = []

    def get(self, path: str, *, timeout: float) -> Any:
        """See Api."""
        assert 0 < timeout <= 5
        self.asked.append(path)
        if path in self.errors:
            raise ApiError(self.errors[path], "no")
        if path not in self.documents:
            raise ApiError(404, "not found")
        return self.documents[path]


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def server() -> Server:
    """Nothing fails yet."""
    return Server()


def _kinds(server: Server, clock: Clock | None = None, seconds: float = 5.0) -> Kinds:
    return Kinds(cast(Api, server), seconds=seconds, clock=clock or Clock())


def test_a_kind_is_its_resource_without_subresources(server: Server) -> None:
    """In the core group and in others."""
    assert _kinds(server).resources({STACK, CONFIG_MAP}) == {STACKS, GroupResource("", "configmaps")}
    assert sorted(server.asked) == ["/api/v1", "/apis/example.com/v1"]


@pytest.mark.parametrize(
    "kind",
    [
        Kind("example.com/v1", "Gone"),
        Kind("gone.com/v1", "Stack"),
        Kind("../../api/v1", "Secret"),
        Kind("", ""),
        Kind("v1/x/y", "X"),
    ],
)
def test_what_is_not_served_is_nothing(server: Server, kind: Kind) -> None:
    """Nobody deletes what cannot be reached; and nobody's words lead to other paths."""
    assert _kinds(server).resources({kind}) == frozenset()
    assert set(server.asked) <= {"/apis/example.com/v1", "/apis/gone.com/v1"}


def test_an_answer_is_remembered_for_a_minute(server: Server) -> None:
    """A kind that comes back later is found then."""
    clock = Clock()
    kinds = _kinds(server, clock)
    clock.now = 1.0
    assert kinds.resources({STACK}) == kinds.resources({STACK}) == {STACKS}
    assert len(server.asked) == 1
    clock.now = 61.0
    kinds.resources({STACK})
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [0, 403, 503])
def test_what_cannot_be_told_is_no_answer(server: Server, status: int) -> None:
    """And is asked again."""
    server.errors["/apis/example.com/v1"] = status
    kinds = _kinds(server)
    with pytest.raises(LookupFailed):
        kinds.resources({STACK})
    server.errors.clear()
    assert kinds.resources({STACK}) == {STACKS}


def test_all_of_it_is_bounded(server: Server) -> None:
    """In number and in time."""
    many = {Kind(f"g{number}.example.com/v1", "X") for number in range(33)}
    with pytest.raises(LookupFailed, match="more than 32"):
        _kinds(server).resources(many)
    with pytest.raises(LookupFailed, match="too late"):
        _kinds(server, seconds=0.0).resources({STACK})
    assert server.asked == []
