"""A custom resource that names something protected, and goes with what holds it or defines it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually

_ANY = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
_VERSION = {"name": "v1", "served": True, "storage": True, "schema": _ANY}


@pytest.fixture
def group(cluster: Cluster) -> Iterator[str]:
    """A kind that no policy names, and two namespaces that none protects: one holds an object that names a Deployment.

    The Deployment is protected, in the test's own namespace.
    """
    group = f"{cluster.namespace[-6:]}.example.com"
    names = {"plural": "gears", "singular": "gear", "kind": "Gear", "listKind": "GearList"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gears.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [_VERSION]},
    }
    default = cluster.get("protectionpolicy", "default")
    kept = {key: default[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "default"}}
    cluster.apply(definition)
    eventually(lambda: cluster.human("get", f"gears.{group}").code == 0, 20, "the kind is served")
    for end, name in (("tools", "checkout"), ("free", "other")):
        place = f"{cluster.namespace}-{end}"
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
        cluster.objects.create(_gear(group, place, f"{cluster.namespace}/deployment/{name}"))
    cluster.deployment()
    cluster.policy(f"naming-{cluster.namespace}")
    cluster.apply({**kept, "spec": {**default["spec"], "namespaces": ["elsewhere"]}})
    yield group
    cluster.apply({**kept, "spec": default["spec"]})
    cluster.admin("delete", "namespace", f"{cluster.namespace}-tools", f"{cluster.namespace}-free", "--wait=false")
    cluster.admin("delete", "crd", f"gears.{group}", "--ignore-not-found", "--wait=false")


def _gear(group: str, place: str, names: str) -> dict[str, Any]:
    metadata = {"name": "precious", "namespace": place}
    return {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": metadata, "spec": {"then": [names]}}


def test_what_names_a_protected_workload_goes_with_no_namespace_or_definition(cluster: Cluster, group: str) -> None:
    """Of which no policy tells. What names nothing that is protected is free, and people are; a peer may approve."""
    free, tools = (("namespace", f"{cluster.namespace}-{end}", "--dry-run=server") for end in ("free", "tools"))
    definition = ("crd", f"gears.{group}", "--dry-run=server")
    eventually(lambda: cluster.delete(cluster.agent, *free).code == 0, 20, "the webhook looks at the kind")
    for ended in (tools, definition):
        refused = cluster.delete(cluster.agent, *ended)
        assert "needs approval by 1 peer (ApprovalMissing)" in refused.err
        assert "some program acts on an object that names it and goes along" in refused.err
        assert cluster.delete(cluster.human, *ended).code == 0
    cluster.approve(cluster.alice, "deployment", "checkout")
    for ended in (tools, definition):
        done = cluster.delete(cluster.agent, *ended)
        assert done.code == 0, done.err
