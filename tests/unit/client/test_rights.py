"""How long answers of the authorizer are remembered."""

from concurrent.futures import Future

import pytest
from tests.support.cluster import eventually
from tests.unit.client.test_dependents import Server

from seconder.admission.lookups import Account, Right
from seconder.client.grants import Grants
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


def _document(name: str, version: int, namespace: str = "") -> dict[str, object]:
    place = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, "resourceVersion": str(version)} | place}


def test_roles_and_bindings_are_followed() -> None:
    """A change is told with its namespace, a list as a change of all."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    server, seen = Server(), list[str | None]()
    for plural in ("clusterroles", "clusterrolebindings"):
        server.holds[f"{rbac}/{plural}"] = [_document("one", 1)]
    for plural in ("roles", "rolebindings"):
        server.holds[f"{rbac}/{plural}"] = [_document("one", 1, "shop")]
    grants = Grants(server, seen.append, lambda *_: None)  # type: ignore[arg-type]
    assert not grants.fresh()
    grants.start()
    try:
        eventually(grants.fresh, 5, "all are listed")
        assert seen == [None] * 4
        assert all(metadata_only for _, metadata_only in server.asked)
        server.tell(f"{rbac}/rolebindings", "MODIFIED", _document("one", 2, "shop"))
        eventually(lambda: seen[4:] == ["shop"], 5, "it is told")
        server.tell(f"{rbac}/clusterroles", "DELETED", _document("one", 3))
        eventually(lambda: seen[5:] == [None], 5, "it is told")
        server.tell(f"{rbac}/roles", "ADDED", _document("two", 4, "other"))
        eventually(lambda: seen[6:] == ["other"], 5, "it is told")
    finally:
        grants.stop()
        with server.wake:
            server.over = True
            server.wake.notify_all()
