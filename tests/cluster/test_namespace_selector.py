"""Policies that select namespaces by labels, on a real API server."""

import json
import secrets

import pytest
from tests.support.cluster import Cluster, eventually

pytestmark = pytest.mark.core

_KEY = "tier.example.com/level"


def _label(cluster: Cluster, value: str | None) -> None:
    cluster.objects.label("namespace", cluster.namespace, {_KEY: value})


def _refused(cluster: Cluster) -> bool:
    result = cluster.delete(cluster.agent, "job", "report", "--dry-run=server")
    assert result.code == 0 or result.refused_with("ApprovalMissing"), result.err
    return result.code != 0


def _effective(cluster: Cluster, covered: bool) -> None:
    eventually(lambda: _refused(cluster) is covered, 2, "the label counts")


def _job(cluster: Cluster) -> None:
    container = {"name": "main", "image": "none:0"}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    metadata = {"name": "report", "namespace": cluster.namespace}
    document = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}
    cluster.objects.create(document)


def test_a_relabelling_by_a_person_is_effective_within_two_seconds(cluster: Cluster) -> None:
    """Both ways, for what is in the namespace and for the namespace; the policy is in force for no other."""
    _job(cluster)
    jobs = [{"group": "batch", "resources": ["jobs"]}]
    selector = {"matchLabels": {_KEY: "prod"}}
    two = {"required": 2}
    cluster.policy("selected", resources=jobs, namespaces=[], namespaceSelector=selector, approvals=two)
    eventually(lambda: not _refused(cluster), 10, "labels are known")
    for value, covered in (("prod", True), ("dev", False), ("prod", True), (None, False)):
        _label(cluster, value)
        _effective(cluster, covered)
        gone = cluster.delete(cluster.agent, "namespace", cluster.namespace, "--dry-run=server")
        # The default policy covers namespaces, and asks for one peer.
        assert ("needs approval by 2 peers" in gone.err) is covered, gone.err


def test_an_agent_changes_no_label_that_a_policy_selects_by(cluster: Cluster) -> None:
    """Not by any way to write a namespace, nor by making one; all other labels are its own."""
    cluster.policy(
        "selected", namespaces=[], namespaceSelector={"matchExpressions": [{"key": _KEY, "operator": "Exists"}]}
    )
    _label(cluster, "prod")
    place, path = cluster.namespace, f"/api/v1/namespaces/{cluster.namespace}"
    try_to = cluster.agent_with_all_rights
    stored = cluster.get("namespace", place)
    stored["metadata"]["labels"].pop(_KEY)
    name = f"made-{secrets.token_hex(3)}"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    labelled = made | {"metadata": {"name": name, "labels": {_KEY: "dev"}}}

    def attempts() -> list[tuple[str, bool]]:
        tried = {
            "label": try_to("label", "namespace", place, f"{_KEY}=dev", "--overwrite"),
            "unlabel": try_to("label", "namespace", place, f"{_KEY}-"),
            "replace": try_to("replace", f"--raw={path}", "--filename=-", stdin=json.dumps(stored)),
            "status": try_to("patch", "namespace", place, "--subresource=status", "--type=merge", _patch()),
            "create": try_to("create", "--dry-run=server", "--filename=-", stdin=json.dumps(labelled)),
        }
        return [(name, result.refused_with("ProtectedConfiguration")) for name, result in tried.items()]

    eventually(lambda: cluster.get("namespace", place)["metadata"]["labels"].get(_KEY) == "prod", 5, "it is labelled")
    eventually(
        lambda: try_to("label", "namespace", place, f"{_KEY}=x", "--overwrite", "--dry-run=server").refused, 10, ""
    )
    assert [name for name, refused in attempts() if not refused] == []
    assert cluster.get("namespace", place)["metadata"]["labels"][_KEY] == "prod"
    assert try_to("label", "namespace", place, "mine=yes").code == 0
    assert try_to("create", "--dry-run=server", "--filename=-", stdin=json.dumps(made)).code == 0


def _patch() -> str:
    return f"--patch={json.dumps({'metadata': {'labels': {_KEY: 'dev'}}})}"


def test_a_selector_that_is_none_is_refused_or_said_to_be_invalid(cluster: Cluster) -> None:
    """By the API server where its schema can tell, else on the policy, which then refuses what it names everywhere."""
    spec = {"resources": [{"group": "batch", "resources": ["jobs"]}]}
    policy = {"apiVersion": "seconder.dev/v1alpha1", "kind": "ProtectionPolicy", "metadata": {"name": "selected"}}

    def applied(selector: object) -> str:
        document = json.dumps(policy | {"spec": spec | {"namespaceSelector": selector}})
        return cluster.kubectl(cluster.scene.admin_kubeconfig, "apply", "--filename=-", stdin=document).err

    assert "take none" in applied({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]})
    assert applied({"matchLabels": {"-": "x"}}) == ""

    def ready() -> str:
        conditions = cluster.get("protectionpolicy", "selected").get("status", {}).get("conditions", [])
        return next((each["reason"] for each in conditions if each["type"] == "Ready"), "")

    eventually(lambda: ready() == "SpecInvalid", 10, "it is told")
    _job(cluster)
    denied = cluster.delete(cluster.agent, "job", "report", "--dry-run=server")
    assert denied.refused_with("PolicyInvalid"), denied.err
