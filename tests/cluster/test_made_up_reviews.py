"""Reviews that no API server sent: whoever reaches the webhook's port can post some, in anybody's name."""

import base64
import json
import os
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import urllib3
from tests.support.cluster import AGENT, Cluster, eventually
from tests.support.requests import api_servers_pair

_INNOCENT = "system:serviceaccount:seconder-agents:innocent"
_WAIT = 3.0


class _Poster:
    """Posts reviews about the Deployment ``checkout`` straight to the webhook."""

    def __init__(self, cluster: Cluster, stored: dict[str, Any], pair: Path | None = None) -> None:
        (configuration,) = cluster.objects.all("validatingwebhookconfigurations")
        authority = base64.b64decode(configuration["webhooks"][0]["clientConfig"]["caBundle"])
        context = ssl.create_default_context(cadata=authority.decode())
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if pair is not None:
            context.load_cert_chain(pair)
        self._cluster = cluster
        self._stored = stored
        self._url = f"https://{cluster.stack.seconder.webhook_address}/validate"
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False)

    def __call__(self, operation: str = "DELETE", user: str = _INNOCENT, **changes: Any) -> dict[str, Any]:
        request = {
            "uid": os.urandom(8).hex(),
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "name": "checkout",
            "namespace": self._cluster.namespace,
            "operation": operation,
            "userInfo": {"username": user, "extra": {"seconder.dev/operator": ["ceo@example.com"]}},
            "object": None,
            "oldObject": self._stored,
            "dryRun": False,
            **changes,
        }
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        headers = {"Content-Type": "application/json"}
        answer = self._pool.request("POST", self._url, body=json.dumps(body), headers=headers, timeout=10)
        assert answer.status == 200, answer.data
        response: dict[str, Any] = json.loads(answer.data)["response"]
        return response


@pytest.fixture
def api_server(cluster: Cluster, tmp_path: Path) -> Path:
    """The certificate and key by which the API server proves itself to webhooks."""
    return api_servers_pair(cluster.stack.control_plane, tmp_path)


def _traces(cluster: Cluster) -> list[str]:
    """What tells of the innocent agent: change requests, events, the webhook's log."""
    records = [each for each in cluster.objects.all("changerequests") if each["spec"]["requester"] == _INNOCENT]
    events = json.loads(cluster.admin("get", "events", "-n", cluster.namespace, "-o", "json"))["items"]
    told = [each["message"] for each in events if each.get("reportingComponent", "").startswith("seconder")]
    return [each["metadata"]["name"] for each in records] + told


def _counted(cluster: Cluster, reason: str) -> float:
    with urllib.request.urlopen(
        f"http://{cluster.stack.seconder.webhook_metrics_address}/metrics", timeout=5
    ) as answer:
        lines = answer.read().decode().splitlines()
    name = f'seconder_admission_unproven_reviews_total{{reason="{reason}"}}'
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def _log_of(cluster: Cluster) -> str:
    return cluster.stack.seconder.log_of("webhook").read_text()


def test_a_review_of_nobody_proven_leaves_no_trace_but_a_counter(cluster: Cluster) -> None:
    """All that it says of the object is true; only that the agent asked for it is made up."""
    cluster.deployment()
    post = _Poster(cluster, cluster.get("deployment", "checkout"))
    before = _counted(cluster, "NotAuthenticated")
    response = post()
    assert (response["allowed"], "needs approval" in response["status"]["message"]) == (False, True)
    assert "chg-" not in response["status"]["message"], "no change request is announced"
    eventually(lambda: _counted(cluster, "NotAuthenticated") == before + 1, 5, "it is counted")
    # What is recorded is there before: the next refusal, of the API server's, is written after it.
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    eventually(lambda: [told for told in _traces(cluster) if AGENT in told], 10, "the agent's own is recorded")
    assert [told for told in _traces(cluster) if AGENT not in told] == []
    assert _INNOCENT not in _log_of(cluster)


def test_a_certificate_of_somebody_else_is_turned_away(cluster: Cluster, tmp_path: Path) -> None:
    """The cluster's own CA issues many: to people, to nodes, to whoever asks for one and is approved."""
    cluster.deployment()
    kubeconfig = cluster.stack.control_plane.client_kubeconfig("mallory")
    user = json.loads(cluster.stack.control_plane.kubectl.must(kubeconfig, "config", "view", "--raw", "-o", "json"))
    credential = user["users"][0]["user"]
    pair = tmp_path / "pair.pem"
    pair.write_bytes(b"".join(base64.b64decode(credential[f"client-{part}-data"]) for part in ("key", "certificate")))
    with pytest.raises(urllib3.exceptions.HTTPError):
        _Poster(cluster, cluster.get("deployment", "checkout"), pair)()
    assert _traces(cluster) == []


def _changed(stored: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return stored | {"spec": stored["spec"] | spec}


def test_what_an_api_server_says_is_recorded_only_where_the_object_is_so(cluster: Cluster, api_server: Path) -> None:
    """Another uid, another state, or none at all. Without a client CA all reviews are held to this."""
    cluster.deployment()
    stored = cluster.get("deployment", "checkout")
    post = _Poster(cluster, stored, api_server)
    before = _counted(cluster, "NotAsStored")
    another = stored | {"metadata": stored["metadata"] | {"uid": "6f0c1f62-9f1c-4d0e-8f0a-2f8f3c6f7f11"}}
    assert not post(oldObject=another)["allowed"]
    made_up = _changed(stored, revisionHistoryLimit=3)
    assert not post("UPDATE", oldObject=made_up, object=_changed(made_up, paused=True))["allowed"]
    gone = stored | {"metadata": stored["metadata"] | {"name": "gone", "uid": "1"}}
    assert not post(name="gone", oldObject=gone)["allowed"]
    eventually(lambda: _counted(cluster, "NotAsStored") == before + 3, 10, "all three are counted")
    assert _traces(cluster) == []
    # And what is so is recorded.
    assert not post("UPDATE", object=_changed(stored, paused=True))["allowed"]
    eventually(lambda: _traces(cluster), 10, "a change of the object as it is")


def test_a_made_up_use_makes_no_change_request_used(cluster: Cluster, api_server: Path) -> None:
    """With an approval that is there: the object is neither gone nor changed."""
    cluster.deployment(finalizers=["example.com/hold"])
    assert cluster.delete(cluster.human).code == 0
    patch = '{"metadata":{"finalizers":null}}'
    remove = ("patch", "deployment/checkout", "-n", cluster.namespace, "--type=merge", f"--patch={patch}")
    assert cluster.agent(*remove).refused_with("ApprovalMissing")
    eventually(lambda: _traces_of_agent(cluster), 10, "it is recorded")
    (chg,) = _traces_of_agent(cluster)
    cluster.approve(cluster.alice, detail={"actions": ["RemoveFinalizers"]})
    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Approved", 10, "it is approved")
    stored = cluster.get("deployment", "checkout")
    freed = stored | {"metadata": {key: value for key, value in stored["metadata"].items() if key != "finalizers"}}
    post = _Poster(cluster, stored, api_server)
    used = post("UPDATE", AGENT, oldObject=stored, object=freed, userInfo={"username": AGENT})
    assert used["allowed"], used
    eventually(lambda: cluster.get("chg", chg)["status"].get("allowedAt"), 10, "the webhook noted it")
    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Approved", _WAIT, "it still waits")
    assert cluster.agent(*remove).code == 0
    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Used", 10, "now it is")


def _traces_of_agent(cluster: Cluster) -> list[str]:
    records = cluster.objects.all("changerequests")
    return [
        each["metadata"]["name"] for each in records if each["spec"]["object"].get("namespace") == cluster.namespace
    ]
