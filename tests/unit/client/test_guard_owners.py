"""Who owns what the guard stands on, of the objects that count."""

from typing import Any, cast

import pytest

from seconder.client import guard_owners
from seconder.client.api import Api

NAMESPACES = frozenset({"seconder-system", "seconder-agents"})


class _Served:
    """Lists whatever the test put at a path."""

    def __init__(self, listed: dict[str, list[dict[str, Any]]]) -> None:
        self._listed = listed

    def pages(self, path: str, **_: Any) -> Any:
        yield self._listed.get(path, []), "1"


def _owned(name: str, namespace: str = "", owner: str = "uid-owner") -> dict[str, Any]:
    reference = {"apiVersion": "example.com/v1", "kind": "Tenant", "name": "t", "uid": owner}
    place = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": [reference]} | place}


def _owns(path: str, *items: dict[str, Any], key: str = "uid-owner") -> bool:
    found = guard_owners.listed(cast(Api, _Served({path: list(items)})), "seconder-system")
    return guard_owners.owning(found, frozenset({key}), NAMESPACES)


@pytest.mark.parametrize(
    ("path", "name", "other"),
    [
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "seconder-operator", "view"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "seconder-webhook", "view"),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "approvers.seconder.dev", "tenants.example.com"),
        ("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", "seconder", "other"),
        ("/api/v1/namespaces", "seconder-system", "payments"),
        ("/api/v1/namespaces", "seconder-agents", "payments"),
    ],
)
def test_what_owns_the_guards_own_is_known(path: str, name: str, other: str) -> None:
    """By uid and by group; what others own is none of it."""
    assert _owns(path, _owned(name))
    assert _owns(path, _owned(name), key="*.example.com")
    assert not _owns(path, _owned(name), key="uid-else")
    assert not _owns(path, _owned(other))


def test_policies_and_what_runs_the_guard_count() -> None:
    """Policies and approvers wherever they come from, and the programs in the guard's namespace."""
    assert _owns("/apis/seconder.dev/v1alpha1/protectionpolicies", _owned("default"))
    assert _owns("/apis/seconder.dev/v1alpha1/approvers", _owned("alice"))
    here = "seconder-system"
    assert _owns(f"/apis/apps/v1/namespaces/{here}/deployments", _owned("seconder-webhook", here))
    assert _owns(f"/api/v1/namespaces/{here}/services", _owned("seconder-webhook", here))


def test_an_owner_among_very_many_counts() -> None:
    """Of a namespace of agents, which may be anybody's to make."""
    path = "/api/v1/namespaces"
    item = _owned("seconder-agents")
    item["metadata"]["ownerReferences"] += [
        {"apiVersion": "v1", "kind": "X", "name": "x", "uid": f"uid-{number}"} for number in range(500)
    ]
    assert _owns(path, item)
    assert _owns(path, item, key="uid-499")
    assert not _owns(path, item, key="uid-500")
    assert not _owns(path, item | {"metadata": item["metadata"] | {"name": "payments"}})
