"""People whose user names change with each login, on a real API server."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually

_ROLE = "arn:aws:sts::111122223333:assumed-role/Admin"
_SESSION = f"{_ROLE}/botocore-session-1764233000"


def _approver(folder: Path, name: str, *users: str, **spec: Any) -> dict[str, Any]:
    key = folder / name
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    line = key.with_suffix(".pub").read_text().strip()
    given = {"principal": f"{name}@example.com", "kubernetesUsers": list(users), "keys": [{"name": "k", "ssh": line}]}
    kind = {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": name}}
    return kind | {"spec": given | spec}


def _agent_of(cluster: Cluster, operator: str) -> None:
    cluster.objects.annotate("serviceaccount", "kiro", "seconder-agents", {"seconder.dev/operator": operator or None})


def _tried(cluster: Cluster) -> str:
    result = cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server")
    first = result.err.strip().partition("\n")[0]
    return "" if result.code == 0 else first.rpartition("(")[2].rstrip(")")


def _answered(cluster: Cluster, operator: str, reason: str) -> None:
    _agent_of(cluster, operator)
    eventually(lambda: _tried(cluster) == reason, 10, f"{operator or 'nobody'}: {reason or 'let through'}")


def test_an_operator_with_a_session_name_never_approves_for_its_agent(cluster: Cluster, tmp_path: Path) -> None:
    """By a pattern; and where no approver's name tells who it is, unknownOperator: Refuse takes nobody's approval."""
    exact, pattern = f"{_ROLE}/amy@example.com", f"{_ROLE}/botocore-session-*"
    cluster.apply(_approver(tmp_path, "amy", exact))
    cluster.policy("known-operators", approvals={"unknownOperator": "Refuse"})
    cluster.deployment()
    cluster.approve(tmp_path / "amy", slug="amy", iss="amy@example.com")
    try:
        for operator, reason in (("", "SelfApproval"), (_SESSION, "SelfApproval"), ("bob@example.com", "")):
            _answered(cluster, operator, reason)
        cluster.objects.delete("protectionpolicies", "known-operators")
        _answered(cluster, _SESSION, "")
        cluster.apply(_approver(tmp_path, "amy", exact, pattern))
        eventually(lambda: _tried(cluster) == "SelfApproval", 10, "the pattern counts")
    finally:
        _agent_of(cluster, "")
        cluster.objects.delete("approvers", "amy")


def test_a_requester_told_by_its_extra_approves_nothing_of_its_own(cluster: Cluster, tmp_path: Path) -> None:
    """Its user name says nothing, but what stays the same of it does; the change request records whom that tells."""
    identity = {"extra": {"key": "canonicalArn", "value": "arn:aws:iam::111122223333:role/amy"}}
    cluster.apply(_approver(tmp_path, "amy", "amy@example.com", identities=[identity]))
    cluster.policy("everyone", subjects="Everyone")
    cluster.deployment()
    cluster.approve(tmp_path / "amy", slug="amy", iss="amy@example.com", sub=_SESSION, act=None)
    extra = "--as-user-extra=canonicalarn=arn:aws:iam::111122223333:role/"
    asked = (f"--as={_SESSION}", "--as-group=system:masters", "delete", "deployment", "checkout", "--wait=false")
    place = f"--namespace={cluster.namespace}"
    try:
        by_amy = cluster.kubectl(cluster.scene.admin_kubeconfig, *asked, place, f"{extra}amy")
        assert by_amy.refused_with("SelfApproval"), by_amy.err
        name = by_amy.err.partition("change request: ")[2].split()[0]
        assert cluster.recorded(name)["spec"]["requesterPrincipals"] == ["amy@example.com"]
        by_another = cluster.kubectl(cluster.scene.admin_kubeconfig, *asked, place, f"{extra}bea")
        assert by_another.code == 0, by_another.err
    finally:
        cluster.objects.delete("approvers", "amy")


_SPELLINGS = {
    "entra": ("amy@example.com", "Amy@Example.com"),
    "object id": ("6f1d2c3b-aaaa-4bbb-8ccc-0123456789ab", "6F1D2C3B-AAAA-4BBB-8CCC-0123456789AB"),
    "guest": ("amy_example.com#EXT#@example.onmicrosoft.com", "amy_example.com#ext#@example.onmicrosoft.com"),
    "federation": (
        "principal://iam.googleapis.com/*/subject/amy",
        "principal://iam.googleapis.com/pools/x/subject/Amy",
    ),
    "distinguished name": ("CN=Doe\\, Amy,OU=People,DC=example", "cn=Doe\\, Amy,ou=People,dc=example"),
    "white space": ("amy@example.com", " amy@example.com "),
    "pattern": ("oidc:*@example.com", "OIDC:amy@example.com"),
}


@pytest.mark.parametrize(("listed", "came"), _SPELLINGS.values(), ids=_SPELLINGS)
def test_nobody_is_their_own_peer_by_another_spelling(cluster: Cluster, tmp_path: Path, listed: str, came: str) -> None:
    """Neither as an agent's recorded operator nor as the requester, though Kubernetes tells the names apart."""
    cluster.apply(_approver(tmp_path, "amy", listed, principal="amy"))
    cluster.deployment()
    cluster.approve(tmp_path / "amy", slug="amy", iss="amy")
    try:
        _answered(cluster, "", "")
        _answered(cluster, came, "SelfApproval")
        cluster.policy("everyone", subjects="Everyone")
        cluster.approve(tmp_path / "amy", slug="amy", iss="amy", sub=came, act=None)
        asked = (f"--as={came}", "--as-group=system:masters", "delete", "deployment", "checkout", "--dry-run=server")
        refused = cluster.kubectl(cluster.scene.admin_kubeconfig, *asked, f"--namespace={cluster.namespace}")
        assert refused.refused_with("SelfApproval"), refused
    finally:
        _agent_of(cluster, "")
        cluster.objects.delete("approvers", "amy")


def test_a_name_for_two_and_a_name_for_all_are_told(cluster: Cluster, tmp_path: Path) -> None:
    """The one by a condition on both Approvers, the other by the API server, which takes no star alone."""
    refused = cluster.kubectl(
        cluster.scene.admin_kubeconfig, "apply", "-f-", stdin=str(_approver(tmp_path, "amy", "**")).replace("'", '"')
    )
    assert refused.code != 0
    assert "kubernetesUsers" in refused.err
    cluster.apply(_approver(tmp_path, "amy", f"{_ROLE}/*"), _approver(tmp_path, "bea", f"{_ROLE}/bea"))

    def told(name: str) -> str:
        conditions = cluster.get("approver", name).get("status", {}).get("conditions", [])
        return next((each["message"] for each in conditions if each["type"] == "SharedUserName"), "")

    try:
        eventually(lambda: "approver bea too" in told("amy") and "approver amy too" in told("bea"), 10, "both are told")
    finally:
        for name in ("amy", "bea"):
            cluster.objects.delete("approvers", name)
