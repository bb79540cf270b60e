"""By which resources kinds are reached: what is asked of the API server, what is remembered, and what is too much."""

import time
from typing import Any

import msgspec
import pytest
from tests.support.served import Served

from seconder.admission.dependents import Kind, group_key, kind_key
from seconder.api.resources import GroupResource
from seconder.client.api import ApiError
from seconder.client.kinds import Kinds, custom_in_namespaces, served_elsewhere, storage_version
from seconder.client.objects import TooLate

STACK = Kind("example.com/v1", "Stack")
STACKS = GroupResource("example.com", "stacks")


def _group(name: str, kinds: dict[str, str], **version: Any) -> dict[str, Any]:
    resources = [
        {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced", "verbs": ["get"]}
        for plural, kind in kinds.items()
    ]
    return {
        "metadata": {"name": name} if name else {},
        "versions": [{"version": "v1", "resources": resources, **version}],
    }


@pytest.fixture
def served() -> Served:
    """Two APIs."""
    core = _group("", {"configmaps": "ConfigMap", "pods": "Pod"})
    return Served({"/api": {"items": [core]}, "/apis": {"items": [_group("example.com", {"stacks": "Stack"})]}})


def _resources(kinds: Kinds, *wanted: Kind, seconds: float = 5.0) -> frozenset[GroupResource]:
    keys = {key for kind in wanted for key in (kind_key(kind), group_key(kind.api_version.rpartition("/")[0]))}
    return kinds.resources(keys.intersection, time.monotonic() + seconds)


def test_a_kind_is_its_resource(served: Served) -> None:
    """In the core group and in others."""
    resources = _resources(Kinds(served), STACK, Kind("v1", "ConfigMap"))
    assert resources == {STACKS, GroupResource("", "configmaps")}


def test_one_kind_may_be_served_as_several_resources(served: Served) -> None:
    """Whoever may delete by any of them may delete it."""
    served.answers["/apis"] = {"items": [_group("example.com", {"stacks": "Stack", "piles": "Stack"})]}
    assert _resources(Kinds(served), STACK) == {STACKS, GroupResource("example.com", "piles")}


@pytest.mark.parametrize(
    "kind",
    [
        Kind("example.com/v1", "Gone"),
        Kind("example.com/v2", "Stack"),
        Kind("gone.com/v1", "Stack"),
        Kind("../../api/v1", "Secret"),
        Kind("", ""),
        Kind("v1/x/y", "X"),
    ],
)
def test_what_is_not_served_is_nothing(served: Served, kind: Kind) -> None:
    """Nobody deletes what cannot be reached; and nobody's words lead to other paths."""
    assert _resources(Kinds(served), kind) == frozenset()
    assert served.paths == ["/api", "/apis"]


def test_kinds_that_somebody_made_up_cost_nothing(served: Served) -> None:
    """However many they are, and whichever were asked about before: the answer on one that is there stays."""
    kinds = Kinds(served)
    made_up = [Kind(f"g{number}.example.com/v1", "X") for number in range(10_000)]
    assert _resources(kinds, STACK, *made_up) == {STACKS}
    assert _resources(kinds, *made_up) == frozenset()
    assert served.paths == ["/api", "/apis"]


def test_an_answer_is_remembered_for_a_minute(served: Served) -> None:
    """A kind that comes back later is found then."""
    now = 1.0
    kinds = Kinds(served, clock=lambda: now)
    assert _resources(kinds, STACK) == _resources(kinds, STACK) == {STACKS}
    assert len(served.asked) == 2
    now = 61.0
    _resources(kinds, STACK)
    assert len(served.asked) == 4


@pytest.mark.parametrize("status", [0, 403, 503])
@pytest.mark.parametrize("root", ["/api", "/apis"])
def test_what_cannot_be_told_is_no_answer(served: Served, root: str, status: int) -> None:
    """And is asked again."""
    before = served.answers[root]
    served.answers[root] = status
    kinds = Kinds(served)
    with pytest.raises(ApiError):
        _resources(kinds, STACK)
    served.answers[root] = before
    assert _resources(kinds, STACK) == {STACKS}


def test_an_api_whose_server_is_away_is_no_answer_for_its_own_kinds(served: Served) -> None:
    """Its kinds are there, but the API server does not know them now. Others are answered."""
    away = _group("away.com", {}, freshness="Stale")
    served.answers["/apis"] = {"items": [_group("example.com", {"stacks": "Stack"}), away]}
    kinds = Kinds(served)
    assert _resources(kinds, STACK) == {STACKS}
    with pytest.raises(TooLate, match="does not answer"):
        _resources(kinds, STACK, Kind("away.com/v1", "Lake"))


def test_a_list_of_another_form_is_no_answer() -> None:
    """As an API server's that knows no aggregated discovery: it must not look as if nothing was served."""
    plain = Served({"/api": {"versions": ["v1"]}, "/apis": {"groups": []}})
    with pytest.raises((ApiError, msgspec.ValidationError)):
        _resources(Kinds(plain), STACK)


def test_it_is_bounded_in_time(served: Served) -> None:
    """By the review's deadline."""
    with pytest.raises(TooLate, match="too late"):
        _resources(Kinds(served), STACK, seconds=0.0)
    assert served.asked == []


def test_a_group_that_another_server_answers_for_is_told_by_its_apiservices() -> None:
    """By any of its versions. A list that cannot be had is no answer."""
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    service = {"namespace": "acme", "name": "api"}
    items = [
        {"metadata": {"name": "v1.apps"}, "spec": {"group": "apps", "version": "v1"}},
        {"metadata": {"name": "v1."}, "spec": {"version": "v1"}},
        {"metadata": {"name": "v1.acme.example.com"}, "spec": {"group": "acme.example.com", "service": service}},
    ]
    served = Served({path: {"metadata": {}, "items": items}})
    for group, elsewhere in (("acme.example.com", True), ("apps", False), ("other.example.com", False)):
        assert served_elsewhere(served, group, time.monotonic() + 5) is elsewhere
    for status in (403, 404, 500):
        with pytest.raises(ApiError):
            served_elsewhere(Served({path: status}), "apps", time.monotonic() + 5)


V1_STORED = "0BmizRfI3W8="
"""``discovery.StorageVersionHash("data.example.com", "v1", "Backup")`` of k8s.io/apiserver."""


def _serving(**hashed: str | None) -> Served:
    """Versions of Backups with the hash of their storage version; None where a version does not serve them."""
    path = "/apis/data.example.com"
    answers: dict[str, Any] = {path: {"versions": [{"version": version} for version in hashed]}}
    for version, told in hashed.items():
        served = {"name": "backups", "kind": "Backup"} | ({"storageVersionHash": told} if told else {})
        answers[f"{path}/{version}"] = {"resources": [{"name": "backups/scale"}, *([] if told is None else [served])]}
    return Served(answers)


def test_the_stored_version_is_told_by_discovery() -> None:
    """By a hash where that version is served; else it is known only where there is no other version."""
    backups = GroupResource("data.example.com", "backups")
    for served, version, stored in (
        (_serving(v1=V1_STORED, v2=V1_STORED), "v1", "v1"),
        (_serving(v1=V1_STORED, v2=V1_STORED), "v2", "v1"),
        (_serving(v1=""), "v1", "v1"),
        (_serving(v1="", v2=None), "v1", "v1"),
        (_serving(v2="", v3=""), "v2", ""),
        (_serving(v2=V1_STORED, v3=V1_STORED), "v2", ""),
    ):
        assert storage_version(served, backups, version, time.monotonic() + 5) == stored


def test_custom_kinds_in_namespaces_are_those_that_a_definition_is_there_for(served: Served) -> None:
    """Each once, in the version that comes first; none of another server's, and none of no namespace."""
    stacks, others = _group("example.com", {"stacks": "Stack", "piles": "Pile"}), _group("metrics.com", {"a": "A"})
    stacks["versions"][0]["resources"][1]["scope"] = "Cluster"
    stacks["versions"].append({**stacks["versions"][0], "version": "v1beta1"})
    served.answers["/apis"] = {"items": [stacks, others]}
    names = ("stacks.example.com", "piles.example.com", "gone.example.com")
    items = [{"metadata": {"name": name}} for name in names]
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    served.answers[path] = {"metadata": {}, "items": items}
    found = custom_in_namespaces(served, time.monotonic() + 5.0)
    assert [(each.resource, each.version, each.namespaced, each.kind) for each in found] == [
        (STACKS, "v1", True, "Stack")
    ]
    served.answers[path] = {"metadata": {}, "items": []}
    assert custom_in_namespaces(served, time.monotonic() + 5.0) == []
