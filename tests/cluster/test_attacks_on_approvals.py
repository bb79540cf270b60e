"""What an agent may try with approvals, on a real API server: each attempt is refused with its own reason."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from tests.support.cluster import Cluster, sign

pytestmark = pytest.mark.core


def _refused(cluster: Cluster, reason: str, name: str = "checkout") -> None:
    result = cluster.delete(cluster.agent, "deployment", name)
    assert result.refused_with(reason), result.err
    assert cluster.exists("deployment", name)


def _value(cluster: Cluster, name: str = "checkout") -> str:
    return str(cluster.get("deployment", name)["metadata"]["annotations"]["approval.seconder.dev/alice"])


def test_an_approval_replayed_on_another_object(cluster: Cluster) -> None:
    """A copied annotation approves nothing: the uid is signed."""
    cluster.deployment("checkout")
    cluster.deployment("billing")
    cluster.approve(cluster.alice)
    cluster.annotate("deployment", "billing", f"approval.seconder.dev/alice={_value(cluster)}")
    _refused(cluster, "WrongObject", "billing")


def test_an_approval_replayed_on_a_recreated_object_of_the_same_name(cluster: Cluster) -> None:
    """A replace --force and the like bring the annotation back, but not the uid."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    value = _value(cluster)
    assert cluster.delete(cluster.agent).code == 0
    cluster.deployment(annotations={"approval.seconder.dev/alice": value})
    _refused(cluster, "WrongObject")


def test_an_approval_for_another_requester(cluster: Cluster) -> None:
    """What was approved for one agent is not for the next."""
    cluster.deployment()
    cluster.approve(cluster.alice, sub="system:serviceaccount:seconder-agents:other", act={"sub": "other"})
    _refused(cluster, "WrongRequester")


def test_an_approval_that_leaves_the_agent_out(cluster: Cluster) -> None:
    """The approver must have known that an agent asks."""
    cluster.deployment()
    cluster.approve(cluster.alice, act=None)
    _refused(cluster, "WrongRequester")


def test_an_expired_approval(cluster: Cluster) -> None:
    """It ends with its exp."""
    cluster.deployment()
    now = int(time.time())
    cluster.approve(cluster.alice, iat=now - 900, exp=now - 1)
    _refused(cluster, "ApprovalExpired")


def test_an_approval_from_the_future(cluster: Cluster) -> None:
    """A clock more than a minute ahead is told so."""
    cluster.deployment()
    now = int(time.time())
    cluster.approve(cluster.alice, iat=now + 600, exp=now + 900)
    _refused(cluster, "ApprovalNotYetValid")


def test_an_approval_that_lasts_longer_than_the_policy_lets_it(cluster: Cluster) -> None:
    """No standing approvals."""
    cluster.deployment()
    now = int(time.time())
    cluster.approve(cluster.alice, iat=now, exp=now + 901)
    _refused(cluster, "LifetimeTooLong")


def test_a_tampered_statement(cluster: Cluster) -> None:
    """One changed character of the signed line is one too many."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    tampered = _value(cluster).replace("decommission", "decommissioN")
    cluster.annotate("deployment", "checkout", f"approval.seconder.dev/alice={tampered}")
    _refused(cluster, "SignatureInvalid")


def test_a_strangers_signature(cluster: Cluster, tmp_path: Path) -> None:
    """A key that is in no Approver approves nothing, whoever the statement claims to be by."""
    cluster.deployment()
    key = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    cluster.approve(key)
    _refused(cluster, "ApproverUnknown")


def test_a_statement_in_the_name_of_another_approver(cluster: Cluster) -> None:
    """Bob's key does not sign for alice."""
    cluster.deployment()
    cluster.approve(cluster.bob)
    _refused(cluster, "SignatureInvalid")


def test_an_approval_by_the_person_who_set_the_agent_going(cluster: Cluster) -> None:
    """The operator recorded on the agent's ServiceAccount is no peer; another approver is."""
    cluster.deployment()
    place = "--namespace=seconder-agents"
    cluster.admin("annotate", "serviceaccount", "kiro", place, "seconder.dev/operator=alice@example.com")
    try:
        cluster.approve(cluster.alice)
        _refused(cluster, "SelfApproval")
        cluster.approve(cluster.bob, slug="bob", iss="bob@example.com")
        assert cluster.delete(cluster.agent).code == 0
    finally:
        cluster.admin("annotate", "serviceaccount", "kiro", place, "seconder.dev/operator-")


def test_an_approval_by_the_requester_itself(cluster: Cluster) -> None:
    """Under a policy for everyone, an approver needs another approver."""
    cluster.deployment()
    cluster.policy("self", subjects="Everyone")
    cluster.approve(cluster.alice, sub="alice@example.com", act=None)
    alice = lambda *arguments: cluster.kubectl(cluster.alice.kubeconfig, *arguments)  # noqa: E731
    result = cluster.delete(alice)
    assert result.refused_with("SelfApproval"), result.err


def test_an_approval_from_another_cluster(cluster: Cluster) -> None:
    """The audience is this cluster's own identity."""
    cluster.deployment()
    cluster.approve(cluster.alice, aud="urn:uuid:00000000-0000-4000-8000-000000000000")
    _refused(cluster, "WrongCluster")


def test_an_approval_of_another_action(cluster: Cluster) -> None:
    """Scaling to zero is less than deleting."""
    cluster.deployment()
    cluster.approve(cluster.alice, detail={"actions": ["ScaleToZero"]})
    _refused(cluster, "WrongAction")


@pytest.mark.parametrize(
    "value",
    ["yes", "{}", "eyJhbGciOiJub25lIn0.e30.", "{}\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"],
)
def test_a_value_that_is_no_approval(cluster: Cluster, value: str) -> None:
    """Anything else in the annotation is malformed, and says so."""
    cluster.deployment()
    cluster.annotate("deployment", "checkout", f"approval.seconder.dev/alice={value}")
    _refused(cluster, "ApprovalMalformed")


def test_a_removed_key_stops_counting_within_two_seconds(cluster: Cluster, tmp_path: Path) -> None:
    """Revocation is deleting the key, or the Approver."""
    cluster.deployment()
    key = tmp_path / "carol"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    spec = {
        "principal": "carol@example.com",
        "kubernetesUsers": ["carol@example.com"],
        "keys": [{"name": "laptop", "ssh": key.with_suffix(".pub").read_text().strip()}],
    }
    cluster.apply(
        {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": "carol"}, "spec": spec}
    )
    cluster.approve(key, slug="carol", iss="carol@example.com")
    dry_run = ("deployment", "checkout", "--dry-run=server")
    deadline = time.monotonic() + 2
    while cluster.delete(cluster.agent, *dry_run).code != 0:
        assert time.monotonic() < deadline, "the new approver does not count within 2 s"
    cluster.admin("delete", "approver", "carol")
    time_of_removal = time.monotonic()
    while not (result := cluster.delete(cluster.agent, *dry_run)).refused_with("ApproverUnknown"):
        assert time.monotonic() < time_of_removal + 2, result.err


def test_an_agent_that_writes_approvals_itself(cluster: Cluster) -> None:
    """Agents neither write nor remove approvals: not even genuine ones, so that none can be crowded out."""
    cluster.deployment()
    value = sign(cluster.alice.key, cluster.claims(cluster.get("deployment", "checkout"), "deployments", "apps"))
    place = f"--namespace={cluster.namespace}"
    result = cluster.agent("annotate", "deployment", "checkout", place, f"approval.seconder.dev/alice={value}")
    assert result.refused_with("ProtectedConfiguration"), result.err
    patch = json.dumps({"metadata": {"annotations": {"approval.seconder.dev/alice": value}}})
    status = cluster.agent(
        "patch", "deployment", "checkout", place, "--subresource=status", "--type=merge", "-p", patch
    )
    assert status.refused_with("ProtectedConfiguration"), status.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "protectionpolicy", "default"),
        ("delete", "approver", "alice"),
        ("patch", "protectionpolicy", "default", "--type=merge", "-p", '{"spec":{"mode":"Audit"}}'),
        ("patch", "approver", "alice", "--type=merge", "-p", '{"spec":{"teams":["x"]}}'),
        ("delete", "crd", "approvers.seconder.dev"),
        ("delete", "namespace", "seconder-system", "--wait=false"),
        ("delete", "secret", "seconder-ca", "--namespace=seconder-system"),
        ("create", "serviceaccount", "clean", "--namespace=seconder-agents"),
        ("annotate", "serviceaccount", "kiro", "--namespace=seconder-agents", "seconder.dev/operator=x"),
        ("create", "token", "default", "--namespace=seconder-agents"),
    ],
    ids=" ".join,
)
def test_an_agent_that_changes_the_guard(cluster: Cluster, arguments: tuple[str, ...]) -> None:
    """Configuration of the guard is refused to agents, approvals or not."""
    result = cluster.agent(*arguments)
    assert result.refused_with("ProtectedConfiguration"), result.err


def test_an_agent_renews_its_own_token(cluster: Cluster) -> None:
    """The new one carries the same tag."""
    result = cluster.agent("create", "token", "kiro", "--namespace=seconder-agents")
    assert result.code == 0, result.err
