"""Who owns what, as the webhook follows it: the API server's answers are scripted, the threads and watches are real."""

import contextlib
import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial
from typing import Any, Self, cast

import msgspec
import pytest
from tests.support.builders import CONFIG_MAPS, DEPLOYMENTS, WIDGETS, policy, target
from tests.support.cluster import eventually

from seconder.admission.dependents import Dependent, Kind, group_key, kind_key
from seconder.admission.policy_index import PolicyIndex
from seconder.api.resources import NAMESPACES, REPLICA_SETS, GroupResource, Target
from seconder.client.api import Api, ApiError
from seconder.client.dependents import DependentsIndex
from seconder.client.ownership import ownership

CONFIG_MAP = target(CONFIG_MAPS, "owner", uid="uid-owner")


class Clock:
    """Seconds, set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Server:
    """An API server: what each collection holds, the events that follow, and what goes wrong."""

    def __init__(self) -> None:
        self.holds: dict[str, list[dict[str, Any]]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.errors: dict[str, int] = {}
        self.asked: list[tuple[str, bool]] = []
        self.wake = threading.Condition()
        self.over = False

    def on_one_connection(self) -> Self:
        """See Api."""
        return self

    def pages(self, path: str, *, metadata_only: bool = False, **_: Any) -> Iterator[tuple[list[Any], str]]:
        """List in pages of two."""
        self.asked.append((path, metadata_only))
        if path in self.errors:
            raise ApiError(self.errors[path], "no")
        items = self.holds.get(path, [])
        for start in range(0, max(1, len(items)), 2):
            yield items[start : start + 2], "1"

    @contextlib.contextmanager
    def stream(self, path: str, **_: Any) -> Iterator[Iterator[bytes]]:
        """Watch until the test is over."""
        yield self._events(path)

    def _events(self, path: str) -> Iterator[bytes]:
        while True:
            with self.wake:
                self.wake.wait_for(lambda: self.over or self.events.get(path), 10)
                if self.over:
                    return
                event = self.events[path].pop(0)
            yield json.dumps(event).encode()

    def tell(self, path: str, kind: str, document: dict[str, Any]) -> None:
        """Send an event."""
        with self.wake:
            self.events.setdefault(path, []).append({"type": kind, "object": document})
            self.wake.notify_all()

    def end(self) -> None:
        """Let all watches end."""
        with self.wake:
            self.over = True
            self.wake.notify_all()


class Followed:
    """What is followed over a scripted API server."""

    def __init__(self) -> None:
        self.server = Server()
        self.clock = Clock()
        self.troubles: list[str] = []
        self.index = DependentsIndex(
            cast(Api, self.server), lambda path, _: self.troubles.append(path), clock=self.clock
        )

    def follow(self, *resources: GroupResource, **fields: Any) -> PolicyIndex:
        """Follow what one policy names."""
        policies = _index(*resources, **fields)
        self.index.follow(policies)
        return policies

    def found(self, policies: PolicyIndex, *keys: str, target: Target = CONFIG_MAP) -> list[str] | None:
        """Give the names of what goes along."""
        found = self.index.dependents(policies, frozenset(keys or {target.uid}), target)
        return None if found is None else sorted(each.name for each in found)

    def finds(self, policies: PolicyIndex, expected: list[str]) -> bool:
        """Say whether exactly these go along with the ConfigMap."""
        return self.found(policies) == expected

    def known(self, policies: PolicyIndex) -> None:
        """Wait until everything is listed."""
        eventually(lambda: self.found(policies) is not None, 5, "loaded")


@pytest.fixture
def followed() -> Iterator[Followed]:
    """Follow nothing yet."""
    made = Followed()
    yield made
    made.index.stop()
    made.server.end()


def _index(*resources: GroupResource, **fields: Any) -> PolicyIndex:
    return PolicyIndex([policy(*resources, **fields)])


def _object(name: str, *owners: str, api_version: str = "v1", uid: str = "") -> dict[str, Any]:
    references = [{"apiVersion": api_version, "kind": "X", "name": "x", "uid": owner} for owner in owners]
    metadata = {"namespace": "payments", "name": name, "uid": uid or f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata | ({"ownerReferences": references} if owners else {})}


_DEPLOYMENTS_PATH = "/apis/apps/v1/deployments"


def test_what_an_object_owns_is_found_by_its_uid(followed: Followed) -> None:
    """With its kind, place and uid; read as metadata alone."""
    followed.server.holds[_DEPLOYMENTS_PATH] = [_object("a", "uid-owner"), _object("b"), _object("c", "uid-else")]
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    found = followed.index.dependents(policies, frozenset({"uid-owner"}), CONFIG_MAP)
    resource = policies.all[0].resolved[DEPLOYMENTS]
    assert found == [Dependent(resource, "payments", "a", "uid-a", CONFIG_MAP.resource)]
    assert sorted(followed.server.asked) == [("/api/v1/namespaces", True), (_DEPLOYMENTS_PATH, True)]


def test_what_goes_along_is_told_in_a_fixed_order(followed: Followed) -> None:
    """So that the same request is refused in the same words by each replica."""
    names = [f"d-{number:02}" for number in range(20)]
    followed.server.holds[_DEPLOYMENTS_PATH] = [_object(name, "uid-owner") for name in reversed(names)]
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    found = followed.index.dependents(policies, frozenset({"uid-owner"}), CONFIG_MAP) or []
    assert [dependent.name for dependent in found] == names


def test_that_nothing_is_owned_is_said_only_where_it_is_known(followed: Followed) -> None:
    """Of none of the owners asked about."""
    followed.server.holds[_DEPLOYMENTS_PATH] = [_object("a", "uid-owner")]
    policies = _index(DEPLOYMENTS)
    assert not followed.index.none_owned(policies, frozenset({"uid-else"}), "payments")
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    assert followed.index.none_owned(policies, frozenset({"uid-else", "*.example.com"}), "payments")
    assert not followed.index.none_owned(policies, frozenset({"uid-else", "uid-owner"}), "payments")
    assert not followed.index.none_owned(_index(DEPLOYMENTS, CONFIG_MAP.resource), frozenset({"uid-else"}), "payments")


def test_changes_are_followed(followed: Followed) -> None:
    """An owner added later, one taken away, an object that is gone."""
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    assert followed.found(policies) == []
    for kind, document, expected in (
        ("ADDED", _object("a"), []),
        ("MODIFIED", _object("a", "uid-owner", "uid-else"), ["a"]),
        ("ADDED", _object("b", "uid-owner"), ["a", "b"]),
        ("MODIFIED", _object("a", "uid-else"), ["b"]),
        ("DELETED", _object("b", "uid-owner"), []),
    ):
        followed.server.tell(_DEPLOYMENTS_PATH, kind, document)
        eventually(partial(followed.finds, policies, expected), 5, f"{kind} is seen")


def test_what_is_owned_by_what_is_owned_goes_too(followed: Followed) -> None:
    """Over kinds that are followed, in a circle as well, and never the object itself."""
    followed.server.holds |= {
        _DEPLOYMENTS_PATH: [_object("a", "uid-owner"), _object("round", "uid-set"), _object("self", "uid-self")],
        "/apis/apps/v1/replicasets": [_object("set", "uid-a", "uid-round")],
    }
    policies = followed.follow(DEPLOYMENTS, REPLICA_SETS)
    followed.known(policies)
    found = followed.index.dependents(policies, frozenset({"uid-owner"}), CONFIG_MAP) or []
    assert {each.name: each.through for each in found} == {
        "a": CONFIG_MAP.resource,
        "set": DEPLOYMENTS,
        "round": REPLICA_SETS,
    }
    itself = Target(DEPLOYMENTS, "Deployment", "payments", "self", "uid-self")
    assert followed.found(policies, target=itself) == []


def test_all_owners_of_a_group_are_found_by_it(followed: Followed) -> None:
    """For the deletion of a definition, which names no object."""
    followed.server.holds[_DEPLOYMENTS_PATH] = [
        _object("a", "uid-1", api_version="example.com/v1beta1"),
        _object("b", "uid-2", api_version="other.example.com/v1"),
        _object("c", "uid-3"),
    ]
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    assert followed.found(policies, group_key("example.com")) == ["a"]
    assert followed.found(policies, group_key("")) == ["c"]


def test_the_kinds_of_what_owns_protected_objects_are_known_by_place(followed: Followed) -> None:
    """Anywhere, or in a namespace; not those of what no policy protects."""
    elsewhere = _object("b", "uid-2", api_version="example.com/v1")
    elsewhere["metadata"]["namespace"] = "dev"
    followed.server.holds[_DEPLOYMENTS_PATH] = [_object("a", "uid-owner"), elsewhere]
    core, stack, none = (kind_key(Kind(*each)) for each in (("v1", "X"), ("example.com/v1", "X"), ("v1", "Y")))
    asked = [core, stack, none]
    assert followed.index.owner_keys(_index(DEPLOYMENTS), "", asked) is None
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    assert followed.index.owner_keys(policies, "", asked) == frozenset({core, stack})
    assert followed.index.owner_keys(policies, "payments", asked) == frozenset({core})
    assert followed.index.owner_keys(policies, "pay", asked) == frozenset()
    only = _index(DEPLOYMENTS, namespaces=frozenset({"dev"}))
    assert followed.index.owner_keys(only, "", asked) == frozenset({stack})


def test_what_owns_a_namespace_is_known_everywhere(followed: Followed) -> None:
    """It is in no namespace itself: who may delete it may from wherever they are."""
    namespace = _object("payments", "uid-tenant", api_version="example.com/v1")
    del namespace["metadata"]["namespace"]
    followed.server.holds["/api/v1/namespaces"] = [namespace]
    policies = followed.follow(NAMESPACES)
    followed.known(policies)
    for place in ("", "payments", "dev"):
        tenant = kind_key(Kind("example.com/v1", "X"))
        assert followed.index.owner_keys(policies, place, [tenant]) == frozenset({tenant})


def test_nothing_is_known_before_all_of_it_is(followed: Followed) -> None:
    """One kind that cannot be listed leaves all unknown; it is tried again, and then it is known."""
    followed.server.errors["/apis/example.com/v1/widgets"] = 403
    policies = followed.follow(DEPLOYMENTS, WIDGETS)
    eventually(lambda: followed.troubles, 5, "refused")
    assert followed.found(policies) is None
    del followed.server.errors["/apis/example.com/v1/widgets"]
    followed.known(policies)


def test_what_policies_of_a_moment_later_name_is_not_known_yet(followed: Followed) -> None:
    """A decision's policies and what is followed may differ for a moment; then nothing is said."""
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    assert followed.found(_index(DEPLOYMENTS, WIDGETS)) is None
    unseen = _index(DEPLOYMENTS, resolution_current=False)
    assert followed.found(unseen) is None


def test_silence_makes_it_unknown(followed: Followed) -> None:
    """A watch that has given no sign of life for a minute proves nothing."""
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    followed.clock.now += 59
    assert followed.found(policies) == []
    followed.clock.now += 2
    assert followed.found(policies) is None


def test_kinds_that_cannot_be_listed_or_watched_own_nothing_to_collect(followed: Followed) -> None:
    """The garbage collector needs both as well. A wildcard names some of them; they are not asked for again."""
    followed.server.errors["/apis/example.com/v1/widgets"] = 405
    policies = followed.follow(DEPLOYMENTS, WIDGETS)
    followed.known(policies)
    assert followed.troubles == []


def test_what_no_policy_names_any_more_is_left(followed: Followed) -> None:
    """And what is named again is listed anew."""
    followed.server.holds["/apis/example.com/v1/widgets"] = [_object("w", "uid-owner")]
    both = followed.follow(DEPLOYMENTS, WIDGETS)
    followed.known(both)
    one = followed.follow(DEPLOYMENTS)
    assert followed.found(one) == []
    assert followed.found(both) is None
    again = followed.follow(DEPLOYMENTS, WIDGETS)
    eventually(partial(followed.finds, again, ["w"]), 5, "listed anew")
    assert followed.server.asked.count((_DEPLOYMENTS_PATH, True)) == 1


def test_very_many_kinds_are_not_followed(followed: Followed) -> None:
    """Nothing is said then, rather than something wrong."""
    policies = followed.follow(*(GroupResource("example.com", f"kind{number}") for number in range(300)))
    assert followed.found(policies) is None
    assert followed.server.asked == []


def test_readiness_waits_until_all_of_it_is_known(followed: Followed) -> None:
    """And never comes back to it, whatever happens to a watch or a policy names later."""
    assert followed.index.unmet()
    followed.server.errors["/apis/example.com/v1/widgets"] = 403
    policies = followed.follow(DEPLOYMENTS, WIDGETS)
    eventually(lambda: followed.troubles, 5, "refused")
    assert followed.index.unmet()
    del followed.server.errors["/apis/example.com/v1/widgets"]
    followed.known(policies)
    assert followed.index.unmet() == []
    followed.server.errors["/apis/apps/v1/replicasets"] = 403
    more = followed.follow(DEPLOYMENTS, WIDGETS, REPLICA_SETS)
    assert followed.found(more) is None
    assert followed.index.unmet() == []
    followed.clock.now += 3600
    assert followed.found(policies) is None
    assert followed.index.unmet() == []


def test_one_broken_api_keeps_nobody_from_being_ready_for_long(followed: Followed) -> None:
    """Half a minute after the first policies it is given up; what is not known stays refused."""
    followed.server.errors["/apis/example.com/v1/widgets"] = 503
    policies = followed.follow(DEPLOYMENTS, WIDGETS)
    followed.clock.now += 29
    followed.follow(DEPLOYMENTS, WIDGETS)
    assert followed.index.unmet()
    followed.clock.now += 2
    assert followed.index.unmet() == []
    assert followed.found(policies) is None


def test_a_relisted_collection_is_all_there_is(followed: Followed) -> None:
    """What was deleted while nobody watched is not found any more, by no owner of its own."""
    followed.server.holds[_DEPLOYMENTS_PATH] = [_object("a", "uid-owner"), _object("b", "uid-owner")]
    policies = followed.follow(DEPLOYMENTS)
    eventually(partial(followed.finds, policies, ["a", "b"]), 5, "listed")
    followed.server.holds[_DEPLOYMENTS_PATH] = [_object("b", "uid-owner"), _object("a", "uid-else")]
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    with followed.server.wake:
        followed.server.events.setdefault(_DEPLOYMENTS_PATH, []).append(gone)
        followed.server.wake.notify_all()
    eventually(partial(followed.finds, policies, ["b"]), 5, "listed anew")


def test_owners_that_come_and_go_leave_nothing_behind(followed: Followed) -> None:
    """Two thousand of them in turn take no more memory than the last."""
    followed.server.holds[_DEPLOYMENTS_PATH] = [_object("a", "uid-owner")]
    policies = followed.follow(DEPLOYMENTS)
    followed.known(policies)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(2000):
            followed.server.tell(_DEPLOYMENTS_PATH, "MODIFIED", _object("a", f"uid-of-owner-{number}"))
        followed.server.tell(_DEPLOYMENTS_PATH, "MODIFIED", _object("a", "uid-owner", "uid-last"))
        eventually(lambda: followed.found(policies, "uid-last") == ["a"], 20, "the last one is seen")
        assert tracemalloc.get_traced_memory()[0] - before < 0.2e6
    finally:
        tracemalloc.stop()
    assert followed.found(policies) == ["a"]
    assert followed.found(policies, "uid-of-owner-7") == []


_CROWD = [f"{number:08d}-aaaa-4d0e-8f0a-6f0c1f627f11" for number in range(16_000)]


def test_an_object_of_very_many_owners_is_found_by_each_of_them(followed: Followed) -> None:
    """By their groups and kinds, too; and when they are taken away, by none."""
    crowded = _object("a", *_CROWD, "uid-owner", api_version="example.com/v1")
    followed.server.holds[_DEPLOYMENTS_PATH] = [crowded, _object("b", "uid-else")]
    policies = followed.follow(DEPLOYMENTS)
    eventually(partial(followed.finds, policies, ["a"]), 10, "listed")
    kind = kind_key(Kind("example.com/v1", "X"))
    for key in (_CROWD[0], _CROWD[-1], group_key("example.com"), kind):
        assert followed.found(policies, key) == ["a"]
    assert not followed.index.none_owned(policies, frozenset({_CROWD[7]}), "payments")
    assert followed.index.none_owned(policies, frozenset({"uid-of-nobody", group_key("other.com")}), "payments")
    assert followed.index.owner_keys(policies, "payments", [kind, kind_key(Kind("v1", "Y"))]) == frozenset({kind})
    followed.server.tell(_DEPLOYMENTS_PATH, "MODIFIED", _object("a", "uid-else"))
    eventually(partial(followed.finds, policies, []), 5, "taken away")
    assert followed.found(policies, "uid-else") == ["a", "b"]


def test_an_object_of_very_many_owners_takes_little_memory() -> None:
    """Eight bytes for each: 16,000 of them are 128 KB, whatever they are called."""
    made = _object("a", *_CROWD)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        owned = ownership(made)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert owned is not None
    assert kept < 140_000
    assert kept / 2 < owned.weight < kept * 2


def _bounded(most_bytes: int) -> Followed:
    """Follow with so much room; only the want of it counts as trouble."""
    followed = Followed()

    def failed(path: str, error: Exception) -> None:
        if "memory" in str(error):
            followed.troubles.append(path)

    followed.index = DependentsIndex(cast(Api, followed.server), failed, clock=followed.clock, most_bytes=most_bytes)
    return followed


@pytest.mark.long
def test_more_owners_than_there_is_memory_for_are_not_known() -> None:
    """Of all kinds together, by list and by change; with fewer, it is known again. Nobody but agents asks."""
    followed = _bounded(20_000)
    try:
        widgets = "/apis/example.com/v1/widgets"
        followed.server.holds[widgets] = [_object(f"w{number}", "uid-w") for number in range(10)]
        followed.server.holds[_DEPLOYMENTS_PATH] = [_object(f"d{number}", "uid-owner") for number in range(20)]
        policies = followed.follow(DEPLOYMENTS, WIDGETS)
        eventually(lambda: followed.troubles, 5, "there is no room for both")
        assert followed.found(policies) is None
        followed.server.holds[_DEPLOYMENTS_PATH] = [_object("d0", "uid-owner")]
        eventually(partial(followed.finds, policies, ["d0"]), 20, "there is room")
        before = len(followed.troubles)
        for number in range(20):
            followed.server.tell(_DEPLOYMENTS_PATH, "ADDED", _object(f"more-{number}", "uid-owner"))
        eventually(lambda: len(followed.troubles) > before, 8, "there is none again")
    finally:
        followed.index.stop()
        followed.server.end()


def test_changes_that_change_no_owner_take_no_room() -> None:
    """However many there are."""
    followed = _bounded(20_000)
    try:
        followed.server.holds[_DEPLOYMENTS_PATH] = [_object("a", "uid-owner")]
        policies = followed.follow(DEPLOYMENTS)
        followed.known(policies)
        for _ in range(200):
            followed.server.tell(_DEPLOYMENTS_PATH, "MODIFIED", _object("a", "uid-owner"))
        followed.server.tell(_DEPLOYMENTS_PATH, "ADDED", _object("b", "uid-owner"))
        eventually(partial(followed.finds, policies, ["a", "b"]), 20, "all were seen")
        assert followed.troubles == []
    finally:
        followed.index.stop()
        followed.server.end()


def test_a_look_up_takes_no_longer_for_what_others_own(followed: Followed) -> None:
    """Among 20,000 owned objects a look-up takes less than a millisecond; one by one it would take several."""
    followed.server.holds[_DEPLOYMENTS_PATH] = [
        *(_object(f"d-{number}", f"uid-of-{number}") for number in range(20_000)),
        _object("mine", "uid-owner"),
    ]
    policies = followed.follow(DEPLOYMENTS)
    eventually(partial(followed.finds, policies, ["mine"]), 20, "listed")
    started = time.process_time()
    for _ in range(1000):
        assert followed.found(policies) == ["mine"]
    assert time.process_time() - started < 1.0


@pytest.mark.long
@pytest.mark.parametrize(("owned", "megabytes"), [(True, 8.0), (False, 0.1)])
def test_ten_thousand_deployments_take_little_memory(owned: bool, megabytes: float) -> None:
    """At no moment more than 20 MB, the pages of the list included; of what has no owner nothing is kept."""
    fields = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {f"f:field-{n}": {} for n in range(60)}}]
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 1000}

    def document(number: int) -> dict[str, Any]:
        uid = f"{number:08d}-92a6-4d0e-8f0a-6f0c1f627f11"
        made = _object(
            f"deployment-{number}", *([f"{number:08d}-aaaa-4d0e-8f0a-6f0c1f627f11"] if owned else []), uid=uid
        )
        made["metadata"] |= {"managedFields": fields, "annotations": annotations}
        return made

    class Large(Server):
        def pages(self, path: str, **_: Any) -> Iterator[tuple[list[Any], str]]:
            for start in range(0, 10_000, 500) if path == _DEPLOYMENTS_PATH else ():
                page = json.dumps({"items": [document(start + each) for each in range(500)]}).encode()
                yield msgspec.json.decode(page)["items"], "1"
            yield [], "1"

    server = Large()
    index = DependentsIndex(cast(Api, server), lambda *_: None)
    policies = _index(DEPLOYMENTS)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        index.follow(policies)
        eventually(lambda: index.dependents(policies, frozenset({"none"}), CONFIG_MAP) is not None, 60, "loaded")
        kept, peak = (each - before for each in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
        index.stop()
        server.end()
    assert kept < megabytes * 1e6
    assert peak < 20e6
