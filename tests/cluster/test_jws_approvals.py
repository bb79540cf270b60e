"""Approvals by a JSON Web Key, as a KMS or a CI job makes them, on a real API server."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.support import jws
from tests.support.cluster import Cluster, eventually
from tests.support.jws import Signer, signer

CI = "ci@example.com"


def _document(name: str, *jwks: dict[str, str]) -> dict[str, Any]:
    spec = {
        "principal": f"{name}@example.com",
        "kubernetesUsers": [f"{name}@example.com"],
        "keys": [{"name": f"kms-{at}", "jwk": jwk} for at, jwk in enumerate(jwks)],
    }
    return {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def ci(cluster: Cluster) -> Iterator[Cluster]:
    """A signer of a CI system, registered with an Ed25519 and a P-256 key, and Ready."""
    cluster.apply(_document("ci", signer("ci-1").jwk, signer("ci-2", "es256").jwk))
    cluster.admin("wait", "approver/ci", "--for=condition=Ready", "--timeout=10s")
    cluster.deployment()
    yield cluster
    cluster.admin("delete", "approver", "ci", "--ignore-not-found")


def _value(cluster: Cluster, by: Signer, **changes: Any) -> str:
    claims = cluster.claims(cluster.get("deployment", "checkout"), "deployments", "apps", **{"iss": CI} | changes)
    line = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return jws.compact(by, jws.header(by), line.encode())


def _annotate(cluster: Cluster, value: str) -> None:
    cluster.annotate("deployment", "checkout", f"approval.seconder.dev/ci={value}")


def _refused(cluster: Cluster, reason: str) -> None:
    result = cluster.delete(cluster.agent)
    assert result.refused_with(reason), result.err
    assert cluster.exists("deployment", "checkout")


def _metrics(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def test_an_approver_with_json_web_keys_becomes_ready(ci: Cluster) -> None:
    """With the fingerprints of the same keys in SSH's notation, counted as what they are."""
    keys = ci.get("approver", "ci")["status"]["keys"]
    assert [(key["name"], key["assurance"], key["problem"]) for key in keys] == [
        ("kms-0", "Software", ""),
        ("kms-1", "Software", ""),
    ]
    assert all(key["fingerprint"].startswith("SHA256:") for key in keys)
    counted = 'seconder_approver_keys{assurance="Software",format="jws"} 2.0'
    address = ci.stack.seconder.operator_metrics_address
    eventually(lambda: counted in _metrics(address), 5, "the operator counts both keys")


@pytest.mark.parametrize(("kid", "kind"), [("ci-1", "ed25519"), ("ci-2", "es256")])
def test_an_approval_by_a_ci_signer_lets_the_agent_delete(ci: Cluster, kid: str, kind: str) -> None:
    """Refused before, let through after, and counted under its own format."""
    _refused(ci, "ApprovalMissing")
    _annotate(ci, _value(ci, signer(kid, kind)))
    result = ci.delete(ci.agent)
    assert result.code == 0, result.err
    assert not ci.exists("deployment", "checkout")
    counted = f'seconder_approval_verifications_total{{format="jws",key_type="{kind}",reason="",result="accepted"}}'
    assert counted in _metrics(ci.stack.seconder.webhook_metrics_address)


def test_a_tampered_token_is_refused(ci: Cluster) -> None:
    """Each for its own reason: another payload, another key, another kid, another form, another header."""
    by = signer("ci-1")
    value = _value(ci, by)
    head, _, signature = value.split(".")
    other = _value(ci, by, reason="INC-4821 decommissioN").split(".")[1]
    unsigned = jws.b64(json.dumps(jws.header(by, alg="none")).replace(" ", "").encode())
    for tampered, reason in (
        (f"{head}.{other}.{signature}", "SignatureInvalid"),
        (_value(ci, Signer("ci-1", signer("eve").private)), "SignatureInvalid"),
        (_value(ci, by, iss="alice@example.com"), "SignatureInvalid"),
        (f"{unsigned}.{value.split('.')[1]}.", "SignatureInvalid"),
        (_value(ci, signer("eve")), "ApproverUnknown"),
        (value + "=", "ApprovalMalformed"),
        (jws.compact(by, jws.header(by, jwk=by.jwk), jws.unb64(value.split(".")[1])), "ApprovalMalformed"),
        (_value(ci, by, exp=1_700_000_000, iat=1_600_000_000), "ApprovalExpired"),
    ):
        _annotate(ci, tampered)
        _refused(ci, reason)
    _annotate(ci, value)
    assert ci.delete(ci.agent).code == 0


def test_a_key_replaced_under_its_kid_stops_counting(ci: Cluster) -> None:
    """Although the webhook had verified the very token before."""
    _annotate(ci, _value(ci, signer("ci-1")))
    dry_run = ("deployment", "checkout", "--dry-run=server")
    assert ci.delete(ci.agent, *dry_run).code == 0
    ci.apply(_document("ci", signer("ci-1", number=1).jwk))
    eventually(lambda: ci.delete(ci.agent, *dry_run).refused_with("SignatureInvalid"), 2, "the old key counts no more")
    _annotate(ci, _value(ci, signer("ci-1", number=1)))
    assert ci.delete(ci.agent).code == 0


def test_one_peer_by_ssh_and_one_by_json_web_key_are_two(ci: Cluster) -> None:
    """Each alone is not enough."""
    ci.policy("two-peers", approvals={"required": 2})
    ci.approve(ci.alice, txn="change-1")
    _refused(ci, "QuorumNotReached")
    _annotate(ci, _value(ci, signer("ci-2", "es256"), txn="change-2"))
    _refused(ci, "QuorumNotReached")
    _annotate(ci, _value(ci, signer("ci-2", "es256"), txn="change-1"))
    assert ci.delete(ci.agent).code == 0


def test_a_kid_in_two_approvers_counts_in_neither(ci: Cluster) -> None:
    """Both say Duplicate, and the approval counts no more."""
    _annotate(ci, _value(ci, signer("ci-1")))
    dry_run = ("deployment", "checkout", "--dry-run=server")
    assert ci.delete(ci.agent, *dry_run).code == 0
    ci.apply(_document("other", Signer("ci-1", signer("other").private).jwk))
    try:
        for name in ("ci", "other"):
            ci.admin("wait", f"approver/{name}", "--for=condition=Duplicate", "--timeout=10s")
        eventually(lambda: ci.delete(ci.agent, *dry_run).refused_with("ApproverNotAllowed"), 2, "neither counts")
    finally:
        ci.admin("delete", "approver", "other")


def test_the_member_y_is_quoted_in_yaml(cluster: Cluster) -> None:
    """Kubernetes' YAML takes a plain y for true. It is told as an unknown field, never taken for a key without y."""
    text = yaml.safe_dump(_document("broken", signer("ci-2", "es256").jwk), default_flow_style=False)
    assert " y: " in text
    create = ("create", "--dry-run=server", "--filename=-")
    plain = cluster.kubectl(cluster.stack.admin_kubeconfig, *create, stdin=text)
    assert 'unknown field "spec.keys[0].jwk.true"' in plain.err
    quoted = cluster.kubectl(cluster.stack.admin_kubeconfig, *create, stdin=text.replace(" y: ", ' "y": '))
    assert quoted.code == 0, quoted.err


@pytest.mark.parametrize(
    "change",
    [
        {"crv": "P-256"},
        {"kty": "EC"},
        {"y": "A" * 43},
        {"x": "A" * 42},
        {"kid": ""},
        {"d": "A" * 43},
        {"kty": "RSA"},
    ],
    ids=str,
)
def test_a_json_web_key_that_cannot_be_one_is_refused_at_apply(cluster: Cluster, change: dict[str, str]) -> None:
    """Members that do not belong together, and a private key, get no further than the API server."""
    document = json.dumps(_document("broken", signer("broken").jwk | change))
    made = cluster.kubectl(cluster.stack.admin_kubeconfig, "create", "--dry-run=server", "--filename=-", stdin=document)
    assert made.code != 0
    assert "spec.keys[0].jwk" in made.err, made.err
