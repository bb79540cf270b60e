"""Kinds that are not served any more: what cannot be seen is not absent."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually

_VERSION = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
}


def _definition(group: str, *, served: bool) -> dict[str, Any]:
    names = {"plural": "gears", "singular": "gear", "kind": "Gear", "listKind": "GearList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gears.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [_VERSION | {"served": served}]},
    }


@pytest.fixture
def group(cluster: Cluster) -> Iterator[str]:
    """An API group with a kind of its own, an object of it in the test's namespace, and a policy that protects it."""
    group = f"{cluster.namespace[-6:]}.example.com"
    cluster.apply(_definition(group, served=True))
    eventually(lambda: cluster.human("get", f"gears.{group}").code == 0, 20, "the kind is served")
    place = {"name": "precious", "namespace": cluster.namespace}
    cluster.objects.create({"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": place})
    default = cluster.get("protectionpolicy", "default")
    yield group
    cluster.apply({key: default[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "default"}})
    cluster.apply(_definition(group, served=True))
    cluster.objects.delete("customresourcedefinitions", f"gears.{group}")


def _shown(cluster: Cluster, group: str) -> str:
    """How the policy's status says that objects of the kind can be seen."""
    status = cluster.get("protectionpolicy", "gears").get("status", {})
    found = [each for each in status.get("resources", ()) if each["group"] == group]
    return str(found[0].get("presence", "Served")) if found else "unknown"


def test_a_namespace_that_holds_what_is_not_served_any_more_is_kept_from_agents_alone(
    cluster: Cluster, group: str
) -> None:
    """Over a new start of both programs too. A person is bound as long as it can be seen, and never for its absence."""
    cluster.objects.apply(_everything_but_its_namespace(cluster))
    cluster.policy("gears", resources=[{"group": group, "resources": ["gears"]}], subjects="Everyone")
    delete = ("namespace", cluster.namespace, "--dry-run=server")
    assert cluster.delete(cluster.agent, *delete).refused_with("ApprovalMissing")
    assert cluster.delete(cluster.human, *delete).refused_with("ApprovalMissing")

    cluster.apply(_definition(group, served=False))
    eventually(lambda: _shown(cluster, group) == "Unserved", 20, "the policy tells of it")
    hidden = f"gears.{group}, which policy gears protects, cannot be seen"
    ready = [
        each for each in cluster.get("protectionpolicy", "gears")["status"]["conditions"] if each["type"] == "Ready"
    ]
    assert (ready[0]["status"], f"gears.{group}" in ready[0]["message"]) == ("True", True)
    eventually(lambda: cluster.delete(cluster.human, *delete).code == 0, 10, "a person is let through")
    assert hidden in cluster.delete(cluster.agent, *delete).err

    seconder = cluster.stack.seconder
    seconder.stop_operator()
    seconder.stop_webhook()
    seconder.start_operator()
    seconder.start_webhook()
    seconder.wait_ready()
    assert hidden in cluster.delete(cluster.agent, *delete).err
    assert _shown(cluster, group) == "Unserved"

    cluster.apply(_definition(group, served=True))
    eventually(lambda: cluster.delete(cluster.human, *delete).refused_with("ApprovalMissing"), 20, "it is seen again")
    assert cluster.delete(cluster.agent, *delete).refused_with("ApprovalMissing")


def _everything_but_its_namespace(cluster: Cluster) -> dict[str, Any]:
    """The default policy, elsewhere: the namespace itself is nobody's."""
    stored = cluster.get("protectionpolicy", "default")
    spec = stored["spec"] | {"namespaces": ["elsewhere"]}
    return {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "metadata": {"name": "default"}, "spec": spec}
