"""What holds when a part is down, changed by somebody, or renewed. These tests put the shared stack back in order."""

import base64
import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.cluster import AGENT, Cluster, eventually
from tests.support.operator import operator_with
from tests.support.requests import Stream, delete_review, post_review

from localstack.stack import Stack

pytestmark = pytest.mark.core

_CONFIGURATION = ("validatingwebhookconfiguration", "seconder")


@contextmanager
def _webhook_down(stack: Stack) -> Iterator[None]:
    stack.seconder.stop_webhook()
    try:
        yield
    finally:
        stack.seconder.start_webhook()
        stack.seconder.wait_ready()


def test_with_the_webhook_down_agents_are_refused_and_people_unaffected(cluster: Cluster) -> None:
    """Their requests fail closed, for agents alone; an Audit policy blocks nobody even then."""
    cluster.deployment()
    cluster.deployment("other")
    cluster.approve(cluster.alice)
    cluster.policy("watching", subjects="Everyone", mode="Audit")
    with _webhook_down(cluster.stack):
        result = cluster.delete(cluster.agent)
        assert result.code == 1
        assert 'failed calling webhook "agents.seconder.dev"' in result.err
        human = cluster.delete(cluster.human, "deployment", "other")
        assert human.code == 0, human.err
        assert cluster.agent("create", "configmap", "x", f"--namespace={cluster.namespace}").code == 0
    assert cluster.delete(cluster.agent).code == 0


def test_with_the_operator_down_all_goes_on(cluster: Cluster) -> None:
    """Refusals and approvals need the webhook alone."""
    cluster.deployment()
    with operator_with(cluster.stack):
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
        cluster.approve(cluster.alice)
        assert cluster.delete(cluster.agent).code == 0


def test_a_deleted_configuration_is_back_within_a_second(cluster: Cluster) -> None:
    """Whoever deleted it."""
    before = cluster.get(*_CONFIGURATION)
    repairs = _metric(cluster, "seconder_webhook_configuration_repairs_total")
    cluster.admin("delete", *_CONFIGURATION)
    eventually(lambda: cluster.there(*_CONFIGURATION), 1.0, "the configuration is back")
    assert cluster.get(*_CONFIGURATION)["webhooks"] == before["webhooks"]
    cluster.deployment()
    eventually(lambda: cluster.delete(cluster.agent).refused_with("ApprovalMissing"), 1, "agents are refused")
    eventually(lambda: _metric(cluster, "seconder_webhook_configuration_repairs_total") > repairs, 2, "it is counted")


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}],
        [{"op": "replace", "path": "/webhooks/0/namespaceSelector", "value": {"matchLabels": {"a": "b"}}}],
        [{"op": "remove", "path": "/webhooks/0"}],
        [{"op": "replace", "path": "/webhooks/0/rules", "value": []}],
        [{"op": "add", "path": "/webhooks/0/matchConditions/-", "value": {"name": "off", "expression": "false"}}],
    ],
    ids=["ignore", "selector", "entry removed", "rules removed", "condition added"],
)
def test_a_changed_configuration_is_as_compiled_within_a_second(cluster: Cluster, patch: list[dict[str, Any]]) -> None:
    """Every field is compared, not only whether it is there."""
    before = cluster.get(*_CONFIGURATION)["webhooks"]
    cluster.admin("patch", *_CONFIGURATION, "--type=json", "-p", json.dumps(patch))
    eventually(lambda: cluster.get(*_CONFIGURATION)["webhooks"] == before, 1.5, "the configuration is as compiled")


def test_a_configuration_given_to_an_owner_that_does_not_exist_is_kept(cluster: Cluster) -> None:
    """The garbage collector would take it away; whether it did or not, it is there with its own owner soon after."""
    before = cluster.get(*_CONFIGURATION)["webhooks"]
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": "ghost", "uid": "00000000-0000-4000-8000-000000000000"}
    patch = json.dumps({"metadata": {"ownerReferences": [owner]}})
    cluster.admin("patch", *_CONFIGURATION, "--type=merge", "-p", patch)

    def mended() -> bool:
        # The garbage collector may take it at any moment.
        stored = cluster.objects.find(*_CONFIGURATION) or {"metadata": {}, "webhooks": []}
        owners = stored["metadata"].get("ownerReferences") or []
        own = [(each["kind"], each["name"]) for each in owners] == [("ClusterRole", "seconder-operator")]
        return own and bool(stored["webhooks"] == before)

    eventually(mended, 5, "the configuration is as it was, with its own owner alone")


def test_certificates_and_ca_are_rotated_without_a_failed_review(cluster: Cluster) -> None:
    """Under a steady stream every single answer is our refusal, while CA and leaf are exchanged."""
    cluster.deployment()
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/checkout"
    with operator_with(cluster.stack, "--rotation-settle=1"):
        old = _bundle(cluster)
        leaf = _leaf(cluster)
        with Stream(cluster.stack.agent_kubeconfig, path) as stream:
            eventually(lambda: stream.outcomes.total() > 20, 10, "the stream runs")
            place = "--namespace=seconder-system"
            cluster.admin(
                "annotate", "secret", "seconder-ca", place, "--overwrite", f"seconder.dev/renew={time.time()}"
            )
            eventually(lambda: _bundle(cluster).count(b"BEGIN") == 2, 10, "both CAs are trusted")
            assert old in _bundle(cluster)
            eventually(lambda: _leaf(cluster) != leaf, 20, "a certificate by the new CA is served")
            eventually(lambda: _bundle(cluster).count(b"BEGIN") == 1, 20, "the old CA is trusted no more")
            mark = stream.outcomes.total()
            eventually(lambda: stream.outcomes.total() > mark + 20, 10, "the stream goes on")
    assert _bundle(cluster) != old
    assert set(stream.outcomes) == {"403 ApprovalMissing"}, stream.outcomes


def test_without_the_api_server_the_webhook_refuses_from_its_last_snapshot(cluster: Cluster) -> None:
    """A review that reaches it is refused with the right reason, and approvals count only while it is proven fresh."""
    cluster.deployment()
    secret = cluster.get("secret", "seconder-webhook-tls", "seconder-system")
    address = cluster.stack.seconder.webhook_address
    plain = delete_review(cluster.get("deployment", "checkout"), AGENT)
    cluster.approve(cluster.alice)
    approved = delete_review(cluster.get("deployment", "checkout"), AGENT)
    assert post_review(address, secret, approved)["allowed"] is True
    cluster.stack.control_plane.stop_apiserver()
    try:
        refusal = post_review(address, secret, plain)
        assert refusal["allowed"] is False
        assert refusal["status"]["details"]["causes"][0]["reason"] == "ApprovalMissing"
        assert refusal["status"]["code"] == 403
    finally:
        cluster.stack.control_plane.restart_apiserver()
    eventually(lambda: post_review(address, secret, approved)["allowed"], 30, "approvals count again")
    cluster.wait_for_records()


def test_a_certificate_secret_that_is_deleted_is_made_anew(cluster: Cluster) -> None:
    """The webhook goes on with what it has, and takes the new one when it is there."""
    cluster.deployment()
    with operator_with(cluster.stack, "--rotation-settle=1"):
        cluster.admin("delete", "secret", "seconder-webhook-tls", "--namespace=seconder-system")
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
        secret = ("secret", "seconder-webhook-tls", "seconder-system")
        eventually(lambda: cluster.objects.find(*secret), 10, "the Secret is back")
        for _ in range(20):
            assert cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").refused_with(
                "ApprovalMissing"
            )


def test_a_webhook_that_was_stopped_for_long_does_not_count_approvals_at_once(cluster: Cluster) -> None:
    """After SIGSTOP and SIGCONT it has to hear from the API server first; it refuses meanwhile, and recovers."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    pid = cluster.stack.seconder.pid_of("webhook")
    os.kill(pid, signal.SIGSTOP)
    try:
        result = cluster.delete(cluster.agent, "deployment", "checkout", "--request-timeout=3s")
        assert result.code == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(
        lambda: cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").code == 0, 15, "it recovers"
    )


def _bundle(cluster: Cluster) -> bytes:
    bundle = cluster.get(*_CONFIGURATION)["webhooks"][0]["clientConfig"]["caBundle"]
    return base64.b64decode(bundle)


def _leaf(cluster: Cluster) -> str:
    return str(cluster.get("secret", "seconder-webhook-tls", "seconder-system")["data"]["tls.crt"])


def _metric(cluster: Cluster, name: str) -> float:
    address = cluster.stack.seconder.operator_metrics_address
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name):
                return float(line.split()[-1])
    return 0.0
