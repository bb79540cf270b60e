"""How long answers of the authorizer are remembered."""

import random
from concurrent.futures import Future
from typing import Any, Self

import pytest
from tests.support.cluster import eventually
from tests.unit.client.test_dependents import Server

from seconder.admission.lookups import Account, Right
from seconder.client.grants import BoundRoles, Grants, binding
from seconder.client.rights import Rights

_WHO = Account("payments", "worker")
_THERE = Right("delete", "apps", "deployments", "", "shop")
_EVERYWHERE = Right("delete", "", "nodes", "", "")


class Clock:
    """Seconds, set by the test."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The present time."""
    return Clock()


def _counts(rights: Rights, right: Right) -> bool:
    return rights.open(_WHO, [right]) == (None, [])


def _told(clock: Clock, *, followed: bool = True) -> Rights:
    """What remembers a no of each right, asked for now."""
    rights = Rights(followed=lambda: followed, clock=clock)
    for right in (_THERE, _EVERYWHERE):
        assert not rights.answering(_WHO, right, lambda: False)
    return rights


def test_a_no_counts_for_ten_minutes_while_nothing_changes(clock: Clock) -> None:
    """And no longer: another authorizer than RBAC may come to say yes."""
    rights = _told(clock)
    clock.now += 599
    assert _counts(rights, _THERE)
    coming, _ = rights.asked(_WHO, _THERE, Future)
    assert coming.result(0) is False
    clock.now += 2
    assert not _counts(rights, _THERE)


def test_a_no_counts_for_a_minute_while_changes_are_not_seen(clock: Clock) -> None:
    """As before a watch has begun, or while it is broken."""
    rights = _told(clock, followed=False)
    clock.now += 59
    assert _counts(rights, _THERE)
    clock.now += 2
    assert not _counts(rights, _THERE)


def test_a_yes_counts_for_a_minute_whatever_is_followed(clock: Clock) -> None:
    """It refuses: whoever takes a right away sees that soon."""
    rights = Rights(followed=lambda: True, clock=clock)
    assert rights.answering(_WHO, _THERE, lambda: True)
    assert rights.open(_WHO, [_THERE]) == (_THERE, [])
    clock.now += 61
    assert rights.open(_WHO, [_THERE]) == (None, [_THERE])


@pytest.mark.parametrize(
    ("namespace", "there", "everywhere"), [("shop", False, True), ("other", True, True), (None, False, False)]
)
def test_after_a_change_a_no_from_before_counts_for_its_minute_alone(
    clock: Clock, namespace: str | None, *, there: bool, everywhere: bool
) -> None:
    """What a binding in a namespace gives it gives there."""
    rights = _told(clock)
    clock.now += 30
    rights.changed(namespace)
    assert _counts(rights, _THERE)
    clock.now += 31
    assert (_counts(rights, _THERE), _counts(rights, _EVERYWHERE)) == (there, everywhere)


def test_a_no_from_soon_after_a_change_counts_for_its_minute_alone(clock: Clock) -> None:
    """The API server's authorizer may have seen the change later than we have."""
    rights = _told(clock)
    rights.changed("shop")
    clock.now += 29
    rights.answering(_WHO, _THERE, lambda: False)
    clock.now += 61
    assert not _counts(rights, _THERE)
    rights.answering(_WHO, _THERE, lambda: False)
    clock.now += 500
    assert _counts(rights, _THERE)


def test_changes_in_very_many_namespaces_are_as_one_everywhere(clock: Clock) -> None:
    """None of them is forgotten."""
    rights = _told(clock)
    clock.now += 1
    for number in range(5000):
        rights.changed(f"n{number}")
    clock.now += 60
    assert not _counts(rights, _EVERYWHERE)


_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_READS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
_DELETES = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}


def _document(name: str, version: int, namespace: str = "", **fields: Any) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, "resourceVersion": str(version)} | place, **fields}


def _role(name: str, version: int, *rules: dict[str, Any], namespace: str = "", **metadata: Any) -> dict[str, Any]:
    role = _document(name, version, namespace, rules=list(rules) or None)
    role["metadata"] |= metadata
    return role


def _binding(
    name: str, version: int, role: str, subject: str = "worker", *, namespace: str = "", kind: str = "ClusterRole"
) -> dict[str, Any]:
    return _document(
        name,
        version,
        namespace,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        subjects=[{"kind": "ServiceAccount", "namespace": "payments", "name": subject}],
    )


class Followed:
    """What is told of a scripted API server's roles and bindings."""

    def __init__(self, most: int | None = None, **holds: list[dict[str, Any]]) -> None:
        self.server = Server()
        self.server.holds |= {f"{_RBAC}/{plural}": items for plural, items in holds.items()}
        self.seen = list[str | None]()
        bound = {} if most is None else {"most": most}
        self.grants = Grants(self.server, self.seen.append, lambda *_: None, **bound)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        """Wait until all is listed."""
        assert not self.grants.fresh()
        self.grants.start()
        eventually(self.grants.fresh, 5, "all are listed")
        assert self.seen == [None] * 4
        self.seen.clear()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the watches end."""
        self.grants.stop()
        self.server.end()

    def told(self, plural: str, kind: str, document: dict[str, Any]) -> list[str | None]:
        """Give what is told of an event: all of it, since the same watch tells of another one after it."""
        self.server.tell(f"{_RBAC}/{plural}", kind, document)
        # Bound where nothing else is.
        mark = "bindings" in plural and _binding("mark", 1, "none", namespace="mark")
        role = _role("mark", 1, _READS, namespace="mark")
        self.server.tell(f"{_RBAC}/{plural}", "ADDED", mark or role)
        self.server.tell(f"{_RBAC}/{plural}", "DELETED", mark or role)
        eventually(lambda: self.seen[-2:] == ["mark", "mark"], 5, "what came later is told")
        seen = [each for each in self.seen if each != "mark"]
        self.seen.clear()
        return seen


_MARK = _binding("marked", 1, "mark", namespace="mark", kind="Role")
"""Binds the role that each test tells of last."""


def test_roles_and_bindings_are_followed() -> None:
    """A change is told with its namespace, a list as a change of all; a ClusterRole's where it is bound."""
    everywhere, there = _binding("all", 1, "one"), _binding("some", 1, "two", namespace="shop")
    here = _binding("own", 1, "one", namespace="shop", kind="Role")
    with Followed(
        clusterroles=[_role("one", 1, _READS), _role("two", 1, _READS)],
        roles=[_role("one", 1, _READS, namespace="shop")],
        clusterrolebindings=[everywhere],
        rolebindings=[there, here, _MARK],
    ) as followed:
        told = followed.told
        assert told("clusterroles", "MODIFIED", _role("one", 2, _READS, _DELETES)) == [None]
        assert told("clusterroles", "MODIFIED", _role("two", 2, _READS, _DELETES)) == ["shop"]
        assert told("roles", "MODIFIED", _role("one", 2, _READS, _DELETES, namespace="shop")) == ["shop"]
        assert told("clusterrolebindings", "MODIFIED", _binding("all", 2, "one", "other")) == [None]
        assert told("rolebindings", "MODIFIED", _binding("some", 2, "two", "other", namespace="shop")) == ["shop"]
        assert told("rolebindings", "ADDED", _binding("more", 2, "two", namespace="other")) == ["other"]
        assert sorted(map(str, told("clusterroles", "MODIFIED", _role("two", 3)))) == ["other", "shop"]


@pytest.mark.parametrize(
    "metadata",
    [{"annotations": {"a": "b"}}, {"labels": {"a": "b"}}, {"managedFields": []}, {"finalizers": ["a.example/b"]}],
    ids=str,
)
def test_what_is_written_beside_rules_and_subjects_changes_no_rights(metadata: dict[str, Any]) -> None:
    """A controller or an agent that annotates a role once a minute has nothing asked again."""
    everywhere, here = _binding("all", 1, "one"), _binding("some", 1, "one", namespace="shop", kind="Role")
    with Followed(
        clusterroles=[_role("one", 1, _READS)],
        roles=[_role("one", 1, _READS, namespace="shop")],
        clusterrolebindings=[everywhere],
        rolebindings=[here, _MARK],
    ) as followed:
        assert followed.told("clusterroles", "MODIFIED", _role("one", 2, _READS, **metadata)) == []
        assert followed.told("roles", "MODIFIED", _role("one", 2, _READS, namespace="shop", **metadata)) == []
        for plural, binding in (("clusterrolebindings", everywhere), ("rolebindings", here)):
            again = binding | {"metadata": binding["metadata"] | {"resourceVersion": "2"} | metadata}
            assert followed.told(plural, "MODIFIED", again) == []


def test_a_role_that_nothing_binds_changes_no_rights_until_something_does() -> None:
    """Whoever may write one of its own, and bind it to nobody, has nothing asked again."""
    with Followed(clusterroles=[_role("one", 1, _READS)], rolebindings=[_MARK]) as followed:
        assert followed.told("clusterroles", "MODIFIED", _role("one", 2, _DELETES)) == []
        assert followed.told("clusterrolebindings", "ADDED", _binding("all", 3, "one")) == [None]
        assert followed.told("clusterroles", "MODIFIED", _role("one", 4, _READS)) == [None]
        assert followed.told("clusterrolebindings", "DELETED", _binding("all", 5, "one")) == [None]
        assert followed.told("clusterroles", "MODIFIED", _role("one", 6, _DELETES)) == []


def test_rules_that_come_back_by_another_object_change_rights() -> None:
    """Deleted and made again as it was, or bound before it is there."""
    with Followed(clusterrolebindings=[_binding("all", 1, "one")], rolebindings=[_MARK]) as followed:
        assert followed.told("clusterroles", "ADDED", _role("one", 2, _DELETES)) == [None]
        assert followed.told("clusterroles", "DELETED", _role("one", 3, _DELETES)) == [None]
        assert followed.told("clusterroles", "ADDED", _role("one", 4, _DELETES)) == [None]


def test_a_field_that_is_not_known_yet_counts_as_rules_do() -> None:
    """Of what the authorizer looks at, only what it does not is written down here."""
    with Followed(
        clusterroles=[_role("one", 1, _READS)], clusterrolebindings=[_binding("all", 1, "one")], rolebindings=[_MARK]
    ) as followed:
        role = _role("one", 2, _READS) | {"conditions": ["new"]}
        assert followed.told("clusterroles", "MODIFIED", role) == [None]


def test_a_role_of_a_namespace_is_not_the_one_of_the_cluster_by_its_name() -> None:
    """Each counts where it is bound itself."""
    here = _binding("own", 1, "one", namespace="shop", kind="Role")
    with Followed(clusterroles=[_role("one", 1, _READS)], rolebindings=[here, _MARK]) as followed:
        assert followed.told("clusterroles", "MODIFIED", _role("one", 2, _DELETES)) == []


def test_of_very_many_bindings_each_role_counts_everywhere_until_there_are_less() -> None:
    """What is known of them is bounded; which are beyond is not known."""
    bindings = [_binding(f"b{number}", 1, f"r{number}", namespace="shop") for number in range(3)]
    with Followed(most=3, clusterroles=[_role("one", 1)], rolebindings=[*bindings[:2], _MARK]) as followed:
        told = followed.told
        assert told("rolebindings", "ADDED", bindings[2]) == ["shop"]
        followed.server.tell(f"{_RBAC}/clusterroles", "MODIFIED", _role("one", 2, _READS))
        eventually(lambda: followed.seen == [None], 5, "it is told")
        followed.seen.clear()
        # One more of what is known already needs no room.
        assert told("rolebindings", "ADDED", _binding("b0-again", 2, "r0", namespace="shop")) == ["shop"]
        assert told("rolebindings", "DELETED", bindings[2]) == ["shop"]
        assert told("clusterroles", "MODIFIED", _role("one", 3, _DELETES)) == []
        assert told("rolebindings", "DELETED", bindings[0]) == ["shop"]
        assert told("clusterroles", "ADDED", _role("r0", 4, _DELETES)) == ["shop"]
        assert told("rolebindings", "DELETED", _binding("b0-again", 5, "r0", namespace="shop")) == ["shop"]
        assert told("clusterroles", "MODIFIED", _role("r0", 6, _READS)) == []


def test_no_place_in_which_a_role_is_bound_is_missed_whatever_comes_and_goes() -> None:
    """And none is told too much while there is room: what does not fit is told of each role, until it does."""
    chance = random.Random(1)  # noqa: S311 - bindings, not keys
    for most in (0, 1, 3, 100):
        known, there = BoundRoles(most), dict[str, tuple[str, bytes]]()
        for version in range(1000):
            place, name, role = (chance.choice(each) for each in (["", "a", "b"], "xyz", "rst"))
            key = f"{place}/{name}" if place else name
            before = there.pop(key, None)
            if chance.random() < 0.7:
                there[key] = (role, binding(_binding(name, version, role, str(version), namespace=place)))
            now = there.get(key)
            known.take_one(key, before and before[1], now and now[1])
            if version % 100 == 0:
                known.take({key: each for key, (_, each) in there.items()})
            places = {
                each: {key.rpartition("/")[0] for key, (bound, _) in there.items() if bound == each} for each in "rst"
            }
            told = {each: {*known.places(each)} for each in "rst"}
            assert all(told[each] == {""} or told[each] == places[each] for each in "rst")
            if sum(map(len, places.values())) > most:
                assert all(told[each] == {""} for each in "rst")
            if most == 100:
                assert told == places
