"""By which resources kinds are reached: what is asked of the API server, what is remembered, and what is too much."""

import time

import pytest
from tests.support.served import Served

from seconder.admission.dependents import Kind
from seconder.api.resources import GroupResource
from seconder.client.api import ApiError
from seconder.client.kinds import Kinds
from seconder.client.objects import TooLate

STACK = Kind("example.com/v1", "Stack")
STACKS = GroupResource("example.com", "stacks")


@pytest.fixture
def served() -> Served:
    """Two APIs."""
    core = [{"name": "configmaps", "kind": "ConfigMap"}, {"name": "pods", "kind": "Pod"}]
    stacks = [{"name": "stacks", "kind": "Stack"}, {"name": "stacks/status", "kind": "Stack"}]
    return Served({"/api/v1": {"resources": core}, "/apis/example.com/v1": {"resources": stacks}})


def _resources(kinds: Kinds, *wanted: Kind, seconds: float = 5.0) -> frozenset[GroupResource]:
    return kinds.resources(set(wanted), time.monotonic() + seconds)


def test_a_kind_is_its_resource_without_subresources(served: Served) -> None:
    """In the core group and in others."""
    resources = _resources(Kinds(served), STACK, Kind("v1", "ConfigMap"))
    assert resources == {STACKS, GroupResource("", "configmaps")}
    assert sorted(served.paths) == ["/api/v1", "/apis/example.com/v1"]


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
def test_what_is_not_served_is_nothing(served: Served, kind: Kind) -> None:
    """Nobody deletes what cannot be reached; and nobody's words lead to other paths."""
    assert _resources(Kinds(served), kind) == frozenset()
    assert set(served.paths) <= {"/apis/example.com/v1", "/apis/gone.com/v1"}


def test_an_answer_is_remembered_for_a_minute(served: Served) -> None:
    """A kind that comes back later is found then."""
    now = 1.0
    kinds = Kinds(served, clock=lambda: now)
    assert _resources(kinds, STACK) == _resources(kinds, STACK) == {STACKS}
    assert len(served.asked) == 1
    now = 61.0
    _resources(kinds, STACK)
    assert len(served.asked) == 2


@pytest.mark.parametrize("status", [0, 403, 503])
def test_what_cannot_be_told_is_no_answer(served: Served, status: int) -> None:
    """And is asked again."""
    stacks = served.answers["/apis/example.com/v1"]
    served.answers["/apis/example.com/v1"] = status
    kinds = Kinds(served)
    with pytest.raises(ApiError):
        _resources(kinds, STACK)
    served.answers["/apis/example.com/v1"] = stacks
    assert _resources(kinds, STACK) == {STACKS}


def test_all_of_it_is_bounded(served: Served) -> None:
    """In number and in time."""
    many = [Kind(f"g{number}.example.com/v1", "X") for number in range(33)]
    with pytest.raises(TooLate, match="more than 32"):
        _resources(Kinds(served), *many)
    with pytest.raises(TooLate, match="too late"):
        _resources(Kinds(served), STACK, seconds=0.0)
    assert served.asked == []
