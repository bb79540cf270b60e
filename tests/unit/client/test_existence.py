"""Which owners exist: what is asked of the API server, and what each of its answers means."""

import threading
from typing import Any, cast

import pytest

from seconder.admission.request import Owner
from seconder.client.api import Api, ApiError
from seconder.client.existence import Existence
from seconder.client.lookup import LookupFailed

CORE = [
    {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
    {"name": "namespaces", "kind": "Namespace", "namespaced": False},
    {"name": "namespaces/status", "kind": "Namespace", "namespaced": False},
    {"name": "pods/eviction", "kind": "Eviction", "namespaced": True},
]
STACKS = [
    {"name": "oldstacks", "kind": "Stack", "namespaced": True},
    {"name": "stacks", "kind": "Stack", "namespaced": False},
]
REAL = Owner("v1", "ConfigMap", "real", "uid-1")


class Server:
    """Serves some kinds and objects, and fails as told."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {
            "/api/v1": {"resources": CORE},
            "/apis/example.com/v1": {"resources": STACKS},
            "/api/v1/namespaces/payments/configmaps/real": {"metadata": {"uid": "uid-1"}},
            "/api/v1/namespaces/system/configmaps/there": {"metadata": {"uid": "uid-2"}},
            "/api/v1/namespaces/payments": {"metadata": {"uid": "uid-3"}},
            "/apis/example.com/v1/stacks/s:1": {"metadata": {"uid": "uid-4"}},
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

    metadata = get


@pytest.fixture
def server() -> Server:
    """Nothing fails yet."""
    return Server()


def _missing(server: Server, *owners: Owner, namespace: str = "payments") -> frozenset[Owner]:
    return Existence(cast(Api, server)).missing((namespace, owners))


@pytest.mark.parametrize(
    ("owner", "namespace"),
    [
        (REAL, "payments"),
        (Owner("v1", "Namespace", "payments", "uid-3"), "payments"),
        (Owner("v1", "Namespace", "payments", "uid-3"), ""),
        (Owner("example.com/v1", "Stack", "s:1", "uid-4"), "payments"),
    ],
)
def test_an_owner_that_is_there_is_not_missing(server: Server, owner: Owner, namespace: str) -> None:
    """In the object's own namespace, or in none."""
    assert _missing(server, owner, namespace=namespace) == frozenset()


@pytest.mark.parametrize(
    ("owner", "namespace"),
    [
        (REAL._replace(name="ghost"), "payments"),
        (REAL._replace(uid="uid-9"), "payments"),
        (REAL._replace(uid="UID-1"), "payments"),
        (REAL, "elsewhere"),
        (REAL, ""),
        (Owner("v1", "ConfigMap", "there", "uid-2"), "payments"),
        (REAL._replace(kind="Ghost"), "payments"),
        (REAL._replace(kind="configmap"), "payments"),
        (REAL._replace(kind="Eviction"), "payments"),
        (REAL._replace(api_version="v2"), "payments"),
        (REAL._replace(api_version="example.com/v1"), "payments"),
        (REAL._replace(api_version="other.example.com/v1"), "payments"),
    ],
)
def test_an_owner_that_is_not_there_is_missing(server: Server, owner: Owner, namespace: str) -> None:
    """By name, by uid to the letter, by namespace, by kind and by version; others beside it change nothing."""
    assert _missing(server, owner, namespace=namespace) == {owner}
    other = Owner("v1", "Namespace", "payments", "uid-3")
    assert _missing(server, owner, other, namespace=namespace) == {owner}


def test_an_owner_under_deletion_is_missing(server: Server) -> None:
    """It goes, and takes along what it owns."""
    server.documents["/api/v1/namespaces/payments/configmaps/real"]["metadata"]["deletionTimestamp"] = "now"
    assert _missing(server, REAL) == {REAL}


@pytest.mark.parametrize(
    "fields",
    [{"name": name} for name in ("", ".", "..", "a/b", "../../secrets/x", "a%2fb", "x" * 254)]
    + [{"api_version": version} for version in ("", "/", "v1/", "../v1", "a/b/c", "v1?x", "v1/..", "A/v1", "x" * 400)],
)
def test_no_word_of_a_client_steers_a_path(server: Server, fields: dict[str, str]) -> None:
    """What can be no name or version is asked of nobody."""
    owner = REAL._replace(**fields)
    assert _missing(server, owner) == {owner}
    assert server.asked == []


@pytest.mark.parametrize("name", ["a?b=c", "a b", "a#b", "\u00e4"])
def test_odd_names_are_quoted(server: Server, name: str) -> None:
    """They stay one segment of the path."""
    assert _missing(server, REAL._replace(name=name))
    assert server.asked[-1].startswith("/api/v1/namespaces/payments/configmaps/")
    assert {"?", "#", " "}.isdisjoint(server.asked[-1])


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/namespaces/payments/configmaps/real"])
@pytest.mark.parametrize("status", [0, 401, 403, 410, 429, 500, 503])
def test_what_was_not_answered_is_not_known(server: Server, path: str, status: int) -> None:
    """Neither there nor missing: that is for the caller to refuse."""
    server.errors[path] = status
    with pytest.raises(LookupFailed):
        _missing(server, REAL)


def test_very_many_owners_are_not_looked_for(server: Server) -> None:
    """A single request takes no more than its share."""
    owners = [REAL._replace(name=f"o{number}") for number in range(33)]
    with pytest.raises(LookupFailed, match="more than 32"):
        _missing(server, *owners)
    assert server.asked == []


def test_it_ends_in_time(server: Server) -> None:
    """Taken together, and waiting for a place as well."""
    existence = Existence(cast(Api, server), seconds=0.05, at_once=1)
    with pytest.raises(LookupFailed, match="too late"):
        Existence(cast(Api, server), seconds=-1.0).missing(("payments", [REAL]))
    busy, done = threading.Event(), threading.Event()

    def slow(path: str, *, timeout: float) -> Any:
        busy.set()
        assert done.wait(10)
        return {"resources": []}

    server.get = slow  # type: ignore[method-assign]
    thread = threading.Thread(target=existence.missing, args=(("payments", [REAL]),))
    thread.start()
    try:
        assert busy.wait(10)
        with pytest.raises(LookupFailed, match="at once"):
            existence.missing(("payments", [REAL]))
    finally:
        done.set()
        thread.join()
