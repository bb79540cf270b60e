"""Which owners exist: what is asked of the API server, and what each of its answers means."""

import time
from typing import Any

import pytest
from tests.support.served import Served

from seconder.admission.lookups import MissingOwners
from seconder.admission.request import Owner
from seconder.client import owner_existence
from seconder.client.api import ApiError
from seconder.client.objects import TooLate

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
CONFIG_MAPS = "/api/v1/namespaces/payments/configmaps/"
REAL = Owner("v1", "ConfigMap", "real", "uid-1")
NAMESPACE = Owner("v1", "Namespace", "payments", "uid-3")


def _metadata(uid: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"uid": uid} | more}


@pytest.fixture
def served() -> Served:
    """Nothing fails yet."""
    return Served(
        {
            "/api/v1": {"resources": CORE},
            "/apis/example.com/v1": {"resources": STACKS},
            f"{CONFIG_MAPS}real": _metadata("uid-1"),
            "/api/v1/namespaces/system/configmaps/there": _metadata("uid-2"),
            "/api/v1/namespaces/payments": _metadata("uid-3"),
            "/apis/example.com/v1/stacks/s:1": _metadata("uid-4"),
        }
    )


def _missing(served: Served, *owners: Owner, namespace: str = "payments", seconds: float = 5.0) -> frozenset[Owner]:
    return owner_existence.missing(served, MissingOwners(namespace, owners), time.monotonic() + seconds)


@pytest.mark.parametrize(
    ("owner", "namespace"),
    [
        (REAL, "payments"),
        (NAMESPACE, "payments"),
        (NAMESPACE, ""),
        (Owner("example.com/v1", "Stack", "s:1", "uid-4"), "payments"),
    ],
)
def test_an_owner_that_is_there_is_not_missing(served: Served, owner: Owner, namespace: str) -> None:
    """In the object's own namespace, or in none; read as metadata alone."""
    assert _missing(served, owner, namespace=namespace) == frozenset()
    assert "PartialObjectMetadata" in served.asked[-1].accept


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
def test_an_owner_that_is_not_there_is_missing(served: Served, owner: Owner, namespace: str) -> None:
    """By name, by uid to the letter, by namespace, by kind and by version; others beside it change nothing."""
    assert _missing(served, owner, namespace=namespace) == {owner}
    assert _missing(served, owner, NAMESPACE, namespace=namespace) == {owner}


def test_an_owner_by_a_version_that_is_not_served_any_more_is_there(served: Served) -> None:
    """Where another version of its group has it, by its uid."""
    versions = [{"groupVersion": f"example.com/{version}"} for version in ("v2", "v1", "v1beta1")]
    served.answers |= {"/apis/example.com": {"versions": versions}, "/apis/example.com/v2": {"resources": []}}
    former = Owner("example.com/v1alpha1", "Stack", "s:1", "uid-4")
    assert _missing(served, former, former._replace(api_version="example.com/v2")) == frozenset()
    assert _missing(served, former._replace(uid="uid-5")) == {former._replace(uid="uid-5")}
    served.answers["/apis/example.com/v1/stacks/s:1"] = _metadata("uid-4", deletionTimestamp="now")
    assert _missing(served, former) == {former}


def test_an_owner_under_deletion_is_missing(served: Served) -> None:
    """It goes, and takes along what it owns."""
    served.answers[f"{CONFIG_MAPS}real"] = _metadata("uid-1", deletionTimestamp="now")
    assert _missing(served, REAL) == {REAL}


@pytest.mark.parametrize(
    "fields",
    [{"name": name} for name in ("", ".", "..", "a/b", "../../secrets/x", "a%2fb", "x" * 254)]
    + [{"api_version": version} for version in ("", "/", "v1/", "../v1", "a/b/c", "v1?x", "v1/..", "A/v1", "x" * 400)],
)
def test_no_word_of_a_client_steers_a_path(served: Served, fields: dict[str, str]) -> None:
    """What can be no name or version is asked of nobody."""
    owner = REAL._replace(**fields)
    assert _missing(served, owner) == {owner}
    assert served.asked == []


@pytest.mark.parametrize("name", ["a?b=c", "a b", "a#b", "\u00e4"])
def test_odd_names_are_quoted(served: Served, name: str) -> None:
    """They stay one segment of the path."""
    assert _missing(served, REAL._replace(name=name))
    assert served.paths[-1].startswith(CONFIG_MAPS)
    assert {"?", "#", " "}.isdisjoint(served.paths[-1])


@pytest.mark.parametrize("path", ["/api/v1", f"{CONFIG_MAPS}real"])
@pytest.mark.parametrize("status", [0, 401, 403, 410, 429, 500, 503])
def test_what_was_not_answered_is_not_known(served: Served, path: str, status: int) -> None:
    """Neither there nor missing: that is for the caller to refuse."""
    served.answers[path] = status
    with pytest.raises(ApiError):
        _missing(served, REAL)


def test_of_very_many_owners_the_first_that_is_missing_is_enough(served: Served) -> None:
    """And each API version is asked once for what it serves."""
    owners = [REAL._replace(name=f"o{number}") for number in range(1000)]
    assert len(_missing(served, *owners)) == 1
    assert served.paths == ["/api/v1", f"{CONFIG_MAPS}o0"]
    served.asked.clear()
    assert _missing(served, *[REAL] * 40) == frozenset()
    assert served.paths.count("/api/v1") == 1


def test_it_ends_in_time(served: Served) -> None:
    """However many owners are left."""
    with pytest.raises(TooLate):
        _missing(served, REAL, seconds=-1.0)
    assert served.asked == []

    def slow(_: Any) -> Any:
        time.sleep(0.06)
        return {"resources": CORE}

    served.answers["/api/v1"] = slow
    with pytest.raises(TooLate):
        _missing(served, REAL, NAMESPACE, seconds=0.05)
    assert served.paths == ["/api/v1"]
