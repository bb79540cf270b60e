"""Deleting a namespace is deleting what it holds."""

import hashlib
import json
from typing import Any

from tests.support.cluster import Cluster, eventually

_COUNTED = (
    ("", "persistentvolumeclaims"),
    ("", "services"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("networking.k8s.io", "ingresses"),
)


def impact(cluster: Cluster) -> dict[str, Any]:
    """Digest the namespace as an approver would, from what kubectl shows."""
    lines, counts = [], {}
    for group, plural in _COUNTED:
        kind = f"{plural}.{group}" if group else plural
        found = json.loads(cluster.admin("get", kind, f"--namespace={cluster.namespace}", "--output=json"))["items"]
        counts[plural] = len(found)
        lines += [f"{group}/{plural}/{each['metadata']['name']}/{each['metadata']['uid']}\n" for each in found]
    return {"counts": counts, "sha256": hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()}


def _approve(cluster: Cluster, **detail: Any) -> None:
    cluster.approve(cluster.alice, "namespace", cluster.namespace, resource="namespaces", group="", detail=detail)


def _gone(cluster: Cluster) -> bool:
    return not cluster.exists("namespace", cluster.namespace)


def test_a_namespace_goes_for_good_once_approved_with_what_it_holds(cluster: Cluster) -> None:
    """The controllers' own requests to clear it are never in the way: nothing is stuck in Terminating."""
    cluster.deployment("one")
    cluster.deployment("two")
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).refused_with("ApprovalMissing")
    _approve(cluster, impact=impact(cluster))
    result = cluster.delete(cluster.agent, "namespace", cluster.namespace)
    assert result.code == 0, result.err
    eventually(lambda: _gone(cluster), 30, "the namespace is gone")


def test_an_approval_that_does_not_name_the_impact(cluster: Cluster) -> None:
    """Unless the policy says otherwise, approving a namespace means having seen what is in it."""
    _approve(cluster)
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).refused_with("ImpactChanged")


def test_a_deployment_added_after_the_approval(cluster: Cluster) -> None:
    """What was approved is what was there."""
    cluster.deployment("one")
    _approve(cluster, impact=impact(cluster))
    cluster.deployment("two")
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).refused_with("ImpactChanged")


def test_a_void_approval_of_its_deletion_gives_it_to_no_owner(cluster: Cluster) -> None:
    """With an owner's end it would go, and what people added since the approval."""
    cluster.deployment("one")
    _approve(cluster, impact=impact(cluster))
    cluster.deployment("two")
    cluster.admin("create", "clusterrole", cluster.namespace, "--verb=get", "--resource=pods")
    made = json.loads(cluster.admin("get", "clusterrole", cluster.namespace, "--output=json"))
    owner = {"apiVersion": made["apiVersion"], "kind": made["kind"]}
    owner |= {key: made["metadata"][key] for key in ("name", "uid")}
    given = json.dumps({"metadata": {"ownerReferences": [owner]}})
    give = ["patch", "namespace", cluster.namespace, "--type=merge", f"--patch={given}"]
    refused = cluster.agent(*give)
    assert refused.refused_with("ImpactChanged"), refused.err
    assert refused.err.splitlines()[0].count("ChangeOwners of namespaces") == 1
    _approve(cluster, impact=impact(cluster), actions=["ChangeOwners"])
    assert cluster.agent(*give).code == 0
    cluster.admin("delete", "clusterrole", cluster.namespace)


def test_an_agent_makes_no_approval_of_it_void(cluster: Cluster) -> None:
    """Neither by one object more nor by one less; what does not count is free, and the namespace goes."""
    agent, inside = cluster.agent, f"--namespace={cluster.namespace}"
    service = ["create", "service", "clusterip", "mine", "--tcp=80:80", inside]
    assert agent(*service).code == 0
    _approve(cluster, impact=impact(cluster))
    for asked in (
        ["create", "service", "clusterip", "more", "--tcp=80:80", inside],
        ["delete", "service", "mine", inside],
    ):
        result = agent(*asked)
        assert result.refused_with("ProtectedConfiguration"), result.err
        assert "a peer has approved that namespace" in result.err
    assert agent("create", "configmap", "mine", inside).code == 0
    assert cluster.delete(agent, "namespace", cluster.namespace).code == 0


def test_a_policy_may_leave_the_impact_out(cluster: Cluster) -> None:
    """bindImpact: false asks for no digest. The default policy still does, so both must be satisfied."""
    cluster.policy("loose", resources=[{"group": "", "resources": ["namespaces"]}], approvals={"bindImpact": False})
    _approve(cluster)
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).refused_with("ImpactChanged")
    _approve(cluster, impact=impact(cluster))
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).code == 0


class TestAPolicyOnNamespacedThingsAlone:
    """A policy that names no namespaces still covers the deletion of one that holds what it names."""

    def test_it_covers_a_namespace_that_holds_such_an_object(self, cluster: Cluster) -> None:
        """Looked up when asked; a webhook that may list just what policies name."""
        with _without_default(cluster):
            cluster.policy("jobs", resources=[{"group": "batch", "resources": ["jobs"]}])
            job = ["create", "job", "import", "--image=none:0", f"--namespace={cluster.namespace}"]
            assert cluster.human(*job).code == 0
            result = cluster.delete(cluster.agent, "namespace", cluster.namespace)
            assert result.refused_with("ApprovalMissing"), result.err

    def test_it_leaves_an_empty_namespace_free(self, cluster: Cluster) -> None:
        """Nothing protected goes down with it."""
        with _without_default(cluster):
            cluster.policy("jobs", resources=[{"group": "batch", "resources": ["jobs"]}])
            result = cluster.delete(cluster.agent, "namespace", cluster.namespace)
            assert result.code == 0, result.err

    def test_it_covers_custom_resources(self, cluster: Cluster) -> None:
        """Any kind that the cluster serves can be named."""
        names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
        schema = {"openAPIV3Schema": {"type": "object"}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        cluster.apply(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": "widgets.example.com"},
                "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
            }
        )
        cluster.established("widgets.example.com")
        with _without_default(cluster):
            cluster.policy("widgets", resources=[{"group": "example.com", "resources": ["widgets"]}])
            cluster.apply(
                {
                    "apiVersion": "example.com/v1",
                    "kind": "Widget",
                    "metadata": {"name": "w", "namespace": cluster.namespace},
                }
            )
            assert cluster.delete(cluster.agent, "widget", "w").refused_with("ApprovalMissing")
            result = cluster.delete(cluster.agent, "namespace", cluster.namespace)
            assert result.refused_with("ApprovalMissing"), result.err
        cluster.admin("delete", "crd", "widgets.example.com")


class _without_default:  # noqa: N801 - used as a statement
    """Takes the default policy away for a while: it names all namespaces."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        document = cluster.get("protectionpolicy", "default")
        self._document = {
            "apiVersion": document["apiVersion"],
            "kind": document["kind"],
            "metadata": {"name": "default"},
            "spec": document["spec"],
        }

    def __enter__(self) -> None:
        self._cluster.admin("delete", "protectionpolicy", "default")

    def __exit__(self, *_: object) -> None:
        self._cluster.apply(self._document)
        self._cluster.admin("wait", "protectionpolicy/default", "--for=condition=Ready", "--timeout=10s")
