"""The main job: refused, approved by a peer, done; and a person notices nothing."""

import json
import re
import urllib.request
from typing import Any

import pytest
from tests.support.cluster import AGENT, Cluster, eventually

pytestmark = pytest.mark.core


def test_an_agents_deletion_is_refused_with_what_is_missing_and_whom_to_ask(cluster: Cluster) -> None:
    """The message names verdict, object, uid, requester and the way to an approval; the object stays."""
    uid = cluster.deployment()
    result = cluster.delete(cluster.agent)
    lines = result.err.strip().splitlines()
    path = f"{cluster.namespace}/checkout"
    name = lines[3].removeprefix("change request: ")
    assert re.fullmatch("chg-[0-9a-z]{26}", name)
    assert lines == [
        'Error from server (Forbidden): admission webhook "agents.seconder.dev" denied the request: '
        f"Delete of deployments.apps {path} needs approval by 1 peer (ApprovalMissing)",
        f"object: deployments.apps {path}, uid {uid}",
        f"requester: {AGENT} (agent kiro)",
        f"change request: {name}",
        f"Ask an approver: kubectl seconder approve {name}",
    ]
    assert result.code == 1
    assert cluster.exists("deployment", "checkout")


def test_the_same_command_goes_through_once_a_peer_has_signed(cluster: Cluster) -> None:
    """Refused, approved, done."""
    cluster.deployment()
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    cluster.approve(cluster.alice)
    result = cluster.delete(cluster.agent)
    assert result.code == 0, result.err
    assert not cluster.exists("deployment", "checkout")


def test_a_dry_run_is_refused_like_the_real_thing(cluster: Cluster) -> None:
    """An agent can find out beforehand."""
    cluster.deployment()
    assert cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").refused_with("ApprovalMissing")


def test_a_person_notices_nothing_and_costs_no_webhook_call(cluster: Cluster) -> None:
    """A human's deletion goes through, and the webhook's counters stand still."""
    cluster.deployment()
    before = _reviews(cluster)
    result = cluster.delete(cluster.human)
    assert result.code == 0, result.err
    namespace = cluster.human("delete", "namespace", cluster.namespace, "--wait=false")
    assert namespace.code == 0, namespace.err
    assert _reviews(cluster) == before


def test_an_agent_does_its_ordinary_work_freely(cluster: Cluster) -> None:
    """Creating, changing and scaling up need nobody."""
    place = f"--namespace={cluster.namespace}"
    assert cluster.agent("create", "deployment", "web", "--image=none:0", place).code == 0
    assert cluster.agent("set", "image", "deployment/web", "*=none:1", place).code == 0
    assert cluster.agent("scale", "deployment/web", "--replicas=2", place).code == 0
    assert cluster.agent("create", "configmap", "settings", place).code == 0
    assert cluster.agent("delete", "configmap", "settings", place).code == 0


def test_deletecollection_is_refused_object_by_object(cluster: Cluster) -> None:
    """A collection's deletion is one DELETE of each object."""
    cluster.deployment("one")
    cluster.deployment("two")
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments"
    assert cluster.agent("delete", "--raw", path).refused_with("ApprovalMissing")
    cluster.approve(cluster.alice, name="one")
    assert cluster.agent("delete", "--raw", path).refused
    assert cluster.exists("deployment", "two")


def test_an_approval_counts_for_as_many_tries_as_it_takes(cluster: Cluster) -> None:
    """A dry run, or a try that fails for another cause, does not use it up."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    for _ in range(3):
        assert cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").code == 0
    assert cluster.delete(cluster.agent).code == 0


def test_a_withdrawn_approval_does_not_count(cluster: Cluster) -> None:
    """Removing the annotation is all that it takes."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    cluster.admin(
        "annotate", "deployment", "checkout", f"--namespace={cluster.namespace}", "approval.seconder.dev/alice-"
    )
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_the_reason_stands_in_the_status_and_in_the_audit_log(cluster: Cluster) -> None:
    """Clients read status.details.causes, auditors the annotation beside the event."""
    uid = cluster.deployment()
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/checkout"
    refused = cluster.agent("delete", "--raw", path)
    assert refused.refused_with("ApprovalMissing")

    def event() -> dict[str, str] | None:
        # It holds what clients sent, readable or not.
        for line in cluster.stack.control_plane.audit_log.read_text(errors="replace").splitlines():
            if cluster.namespace in line and '"verb":"delete"' in line:
                entry = json.loads(line)
                if entry["responseStatus"]["code"] == 403:
                    details = entry["responseStatus"]["details"]
                    assert details["uid"] == uid
                    assert details["causes"][0]["reason"] == "ApprovalMissing"
                    found: dict[str, str] = entry["annotations"]
                    return found
        return None

    eventually(event, 5, "an audit event of the refusal")
    notes = event() or {}
    assert notes["agents.seconder.dev/reason"] == "ApprovalMissing"
    assert notes["agents.seconder.dev/decision"] == "deny"
    assert notes["agents.seconder.dev/policies"] == "default"


def test_every_decision_is_logged_as_one_json_line_and_counted(cluster: Cluster) -> None:
    """Log and metrics tell the same as the message."""
    cluster.deployment()
    assert cluster.delete(cluster.agent).refused
    # Both come after the answer.
    eventually(lambda: _logged(cluster), 5, "the decision is logged")
    ours = _logged(cluster)
    # The API server asks again where the object has changed meanwhile, as by its controller (etcd3 store, Delete).
    assert {entry["reason"] for entry in ours} == {"ApprovalMissing"}
    assert len({entry["review"] for entry in ours}) == len(ours)
    assert ours[0]["user"] == AGENT
    assert ours[0]["agent"] == "kiro"
    metrics = _metrics(cluster)
    assert (
        'seconder_admission_requests_total{decision="deny",dry_run="false",operation="DELETE",'
        'reason="ApprovalMissing",resource="deployments.apps"}' in metrics
    )
    assert 'seconder_blocked_actions_total{agent="kiro",namespace="",operation="DELETE"' in metrics


def _logged(cluster: Cluster) -> list[dict[str, Any]]:
    """What the webhook has logged of the test's namespace."""
    lines = cluster.stack.seconder.log_of("webhook").read_text().splitlines()
    return [json.loads(line) for line in lines if cluster.namespace in line]


def _metrics(cluster: Cluster) -> str:
    address = cluster.stack.seconder.webhook_metrics_address
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def _reviews(cluster: Cluster) -> list[str]:
    return [line for line in _metrics(cluster).splitlines() if line.startswith("seconder_admission_requests_total")]
