"""verify, against the real API server and on what kubectl saved of it; ssh-keygen has a second opinion."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.test_plugin_approve import one_line
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.plugin import PROGRAM, Plugin

_KEY = "approval.seconder.dev/alice"


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in an empty home directory."""
    return Plugin(cluster, tmp_path)


def _online(plugin: Plugin, *more: str) -> Result:
    place = f"--namespace={plugin.cluster.namespace}"
    return plugin.script(plugin.cluster.stack.human_kubeconfig, "verify", "deploy/checkout", place, *more)


def _offline(plugin: Plugin, folder: Path, *more: str) -> Result:
    """Check what was saved, where there is neither kubectl nor a kubeconfig."""
    command = [
        str(PROGRAM),
        "verify",
        f"--filename={folder}/object.yaml",
        f"--approvers={folder}/approvers.yaml",
        *more,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=40,
        env={"PATH": "/nowhere", "HOME": str(folder), "KUBECONFIG": "/nowhere"},
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def _save(cluster: Cluster, folder: Path) -> None:
    """Save the Deployment and the approvers as an auditor does."""
    place = f"--namespace={cluster.namespace}"
    (folder / "object.yaml").write_text(cluster.admin("get", "deployment", "checkout", place, "--output=yaml"))
    (folder / "approvers.yaml").write_text(cluster.admin("get", "approvers", "--output=yaml"))


def _ssh_keygen_agrees(cluster: Cluster, folder: Path) -> bool:
    """Ask ssh-keygen about the same approval."""
    value = cluster.get("deployment", "checkout")["metadata"]["annotations"][_KEY]
    line, _, signature = value.partition("\n")
    (folder / "allowed").write_text(f"alice@example.com {cluster.alice.public_key}\n")
    (folder / "signature").write_text(f"{signature}\n")
    command = ["ssh-keygen", "-Y", "verify", "-n", "k8s-approval@seconder.dev", "-I", "alice@example.com"]
    command += ["-f", str(folder / "allowed"), "-s", str(folder / "signature")]
    return subprocess.run(command, input=f"{line}\n".encode(), capture_output=True, check=False).returncode == 0


def test_a_good_approval_is_told_with_all_that_it_says(cluster: Cluster, plugin: Plugin) -> None:
    """Who, when, what for, for whom, why, by which key; exit code 0, as ssh-keygen says too."""
    uid = cluster.deployment()
    cluster.approve(cluster.alice)
    done = _online(plugin)
    assert done.code == 0, done
    for words in (
        f"deployments.apps {cluster.namespace}/checkout, uid {uid}",
        "approval alice: valid",
        "alice@example.com (Approver alice)",
        "SHA256:",
        "ssh-ed25519, Software",
        f"Delete of deployments.apps {cluster.namespace}/checkout",
        f"{AGENT} (agent kiro)",
        "INC-4821 decommission",
        "1 of 1 approvals valid",
    ):
        assert words in done.out, (words, done.out)
    found = json.loads(_online(plugin, "-o", "json").out)
    assert found["valid"]
    told = found["approvals"][0]
    assert told["statement"]["object"]["uid"] == uid
    assert told["fingerprint"] == _fingerprint(cluster)
    assert _ssh_keygen_agrees(cluster, plugin.home)


def _fingerprint(cluster: Cluster) -> str:
    command = ["ssh-keygen", "-l", "-f", str(cluster.alice.key)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]


def test_without_any_approval_it_fails(cluster: Cluster, plugin: Plugin) -> None:
    """Nothing is not good."""
    cluster.deployment()
    done = _online(plugin)
    assert (done.code, "There is no approval on it." in done.out, done.err) == (1, True, "")


def test_one_bad_approval_beside_a_good_one_fails(cluster: Cluster, plugin: Plugin) -> None:
    """Each is told by itself."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    cluster.approve(cluster.bob, slug="bob", iss="bob@example.com", detail={"identifier": "another"})
    done = _online(plugin)
    assert done.code == 1
    assert "approval alice: valid" in done.out
    assert "approval bob: not valid: the approval is for another object" in done.out
    assert "(WrongObject)" in done.out
    assert "1 of 2 approvals valid" in done.out


def test_whom_and_which_cluster_it_must_be_for_can_be_said(cluster: Cluster, plugin: Plugin) -> None:
    """Somebody else's requester, or another cluster, is not what was approved."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    assert _online(plugin, "--requester", AGENT).code == 0
    assert "(WrongRequester)" in _online(plugin, "--requester", "eve@example.com").out
    assert "(WrongCluster)" in _online(plugin, "--cluster", "urn:uuid:another").out


def test_the_operators_own_approval_is_found_out(cluster: Cluster, plugin: Plugin) -> None:
    """Who set the agent going is read from its ServiceAccount."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    place = "--namespace=seconder-agents"
    cluster.admin("annotate", "serviceaccount", "kiro", place, "seconder.dev/operator=alice@example.com")
    try:
        done = _online(plugin)
        assert (done.code, "(SelfApproval)" in done.out) == (1, True)
    finally:
        cluster.admin("annotate", "serviceaccount", "kiro", place, "seconder.dev/operator-")


def test_what_kubectl_saved_is_verified_without_any_cluster(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """The same findings as online, with no kubeconfig; then at another time, and for another cluster."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    _save(cluster, tmp_path)
    saved = _offline(plugin, tmp_path, "-o", "json")
    assert (saved.code, saved.err) == (0, "")
    found = json.loads(saved.out)
    assert found["approvals"] == json.loads(_online(plugin, "-o", "json").out)["approvals"]
    assert "requester" in found["notChecked"]
    aud = found["approvals"][0]["statement"]["cluster"]
    certain = _offline(plugin, tmp_path, "--cluster", aud, "--requester", AGENT, "-o", "json")
    assert certain.code == 0
    assert not {"cluster", "requester"} & set(json.loads(certain.out)["notChecked"])
    later = _offline(plugin, tmp_path, "--at", "2037-01-01T00:00:00Z")
    assert (later.code, "(ApprovalExpired)" in later.out, "alice@example.com" in later.out) == (1, True, True)
    assert "unproven" not in later.out
    assert "(ApprovalNotYetValid)" in _offline(plugin, tmp_path, "--at", "2020-01-01T00:00:00+01:00").out
    assert "(WrongCluster)" in _offline(plugin, tmp_path, "--cluster", "urn:uuid:other").out
    assert "(WrongRequester)" in _offline(plugin, tmp_path, "--requester", "eve").out


def test_a_saved_object_that_was_tampered_with_is_found_out(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """In the statement, in the object, or by taking the approver away; ssh-keygen refuses the first, too."""
    uid = cluster.deployment()
    cluster.approve(cluster.alice)
    _save(cluster, tmp_path)
    whole = (tmp_path / "object.yaml").read_text()
    cases: list[tuple[Path, str, str, str]] = [
        (tmp_path / "object.yaml", "INC-4821", "INC-4822", "(SignatureInvalid)"),
        (tmp_path / "object.yaml", f"uid: {uid}", "uid: 00000000-0000-0000-0000-000000000000", "(WrongObject)"),
        (tmp_path / "object.yaml", "name: checkout", "name: billing", "(WrongObject)"),
        (tmp_path / "approvers.yaml", cluster.alice.public_key.split()[1], _another_key(tmp_path), "(ApproverUnknown)"),
    ]
    for path, before, after, reason in cases:
        content = path.read_text()
        assert before in content
        path.write_text(content.replace(before, after))
        done = _offline(plugin, tmp_path)
        path.write_text(content)
        assert (done.code, reason in done.out) == (1, True), done
        assert ("unproven" in done.out) == (reason in {"(SignatureInvalid)", "(ApproverUnknown)"})
    assert (tmp_path / "object.yaml").read_text() == whole
    assert _offline(plugin, tmp_path).code == 0
    value = cluster.get("deployment", "checkout")["metadata"]["annotations"][_KEY]
    cluster.annotate("deployment", "checkout", f"{_KEY}={value.replace('INC-4821', 'INC-4822')}")
    assert not _ssh_keygen_agrees(cluster, tmp_path)


def _another_key(folder: Path) -> str:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "another")]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "another.pub").read_text().split()[1]


def test_a_namespaces_approval_is_verified_with_what_it_names(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """Cluster-scoped, of the core group, and with a namespace flag that makes no sense."""
    claims: dict[str, Any] = {"impact": {"counts": {}, "sha256": "0" * 64}}
    cluster.approve(cluster.alice, "namespace", cluster.namespace, resource="namespaces", group="", detail=claims)
    person = cluster.stack.human_kubeconfig
    done = plugin.script(person, "verify", f"namespace/{cluster.namespace}")
    assert done.code == 0, done
    assert "what goes down with it" in done.out
    one_line(plugin.script(person, "verify", f"ns/{cluster.namespace}", "-n", cluster.namespace), "leave out -n")
    (tmp_path / "object.yaml").write_text(cluster.admin("get", "namespace", cluster.namespace, "--output=yaml"))
    (tmp_path / "approvers.yaml").write_text(cluster.admin("get", "approvers", "--output=yaml"))
    assert _offline(plugin, tmp_path).code == 0


def test_who_may_not_read_the_agents_operator_gets_no_verdict(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """What cannot be checked is not taken for good."""
    kubeconfig = tmp_path / "carl.kubeconfig"
    cluster.stack.control_plane.client_kubeconfig("carl@example.com", [], kubeconfig)
    cluster.deployment()
    cluster.approve(cluster.alice)
    name = f"carl-{cluster.namespace}"
    who = "--user=carl@example.com"
    cluster.admin(
        "create",
        "clusterrole",
        name,
        "--verb=get,list",
        "--resource=deployments,namespaces,approvers,approverauthorities,protectionpolicies",
    )
    cluster.admin("create", "clusterrolebinding", name, f"--clusterrole={name}", who)
    try:
        where = ("verify", "deploy/checkout", "-n", cluster.namespace)
        eventually(lambda: "serviceaccounts" in plugin.script(kubeconfig, *where).err, 5, "all but that is readable")
        one_line(plugin.script(kubeconfig, *where), "you may not read", "serviceaccounts")
    finally:
        cluster.admin("delete", "clusterrolebinding", name)
        cluster.admin("delete", "clusterrole", name)
