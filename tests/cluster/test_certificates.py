"""Approving by SSH certificates, on a real API server with the real ssh-keygen and ssh-agent."""

import base64
import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import AGENT, Cluster, Result, eventually, sign
from tests.support.plugin import PROGRAM, Plugin

_DRY_RUN = ("deployment", "checkout", "--dry-run=server")
_NAME = "engineering"
_ANN = "ann@corp.example"


class Person:
    """Somebody with a key and a certificate of the test's own authority, which lies beside it."""

    def __init__(self, folder: Path, ca: Path, name: str, *more: str) -> None:
        home = folder / name / ".ssh"
        home.mkdir(parents=True)
        self.home, self.key, self.certificate = home.parent, home / "id_ed25519", home / "id_ed25519-cert.pub"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        principals = ",".join((f"{name}@corp.example", *more))
        command = ["ssh-keygen", "-q", "-s", str(ca), "-I", f"{name}-laptop", "-z", "7", "-V", "+8h", "-n", principals]
        subprocess.run([*command, str(self.key.with_suffix(".pub"))], check=True)

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen prints it, of the certificate too."""
        command = ["ssh-keygen", "-l", "-f", str(self.certificate)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """The key of an authority."""
    key = tmp_path / "ca"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "user-ca", "-f", key], check=True)
    return key


def _document(ca: Path, name: str = _NAME, **spec: Any) -> dict[str, Any]:
    line = ca.with_suffix(".pub").read_text().strip()
    usual = {"ssh": [line], "principals": ["*@corp.example"], "teams": {"prefix": "team:"}}
    kind = {"apiVersion": "seconder.dev/v1alpha1", "kind": "ApproverAuthority"}
    return kind | {"metadata": {"name": name}, "spec": usual | spec}


@pytest.fixture
def authority(cluster: Cluster, ca: Path) -> Iterator[Path]:
    """An authority that is registered, and its key."""
    cluster.apply(_document(ca))
    eventually(lambda: _conditions(cluster).get("Ready") == "True", 10, "it is judged")
    yield ca
    for document in cluster.objects.all("approverauthorities"):
        cluster.objects.delete("approverauthorities", document["metadata"]["name"])


def _conditions(cluster: Cluster, name: str = _NAME) -> dict[str, str]:
    conditions = cluster.get("approverauthority", name).get("status", {}).get("conditions", [])
    return {each["type"]: each["status"] for each in conditions}


def _tried(cluster: Cluster) -> str:
    result = cluster.delete(cluster.agent, *_DRY_RUN)
    return "" if result.code == 0 else result.err.strip().partition("\n")[0].rpartition("(")[2].rstrip(")")


def _answered(cluster: Cluster, reason: str) -> None:
    eventually(lambda: _tried(cluster) == reason, 10, reason or "let through")


def _allowed(cluster: Cluster) -> None:
    _answered(cluster, "")


def _change_request(cluster: Cluster) -> str:
    refused = cluster.delete(cluster.agent)
    found = re.search(r"change request: (chg-[a-z0-9]+)", refused.err)
    assert found, refused.err
    return found[1]


@pytest.mark.parametrize("by", ["serial number", "key id", "fingerprint", "authority", "key of the authority"])
def test_a_revoked_certificate_stops_counting_within_two_seconds(
    cluster: Cluster, authority: Path, tmp_path: Path, by: str
) -> None:
    """Whichever way it is revoked; and until then it counts, as soon as its authority is there."""
    ann = Person(tmp_path, authority, "ann")
    cluster.deployment()
    cluster.approve(ann.certificate, slug="ann", iss=_ANN)
    _allowed(cluster)
    other = tmp_path / "next"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    changes: dict[str, tuple[dict[str, Any] | None, str]] = {
        "serial number": ({"revoked": {"serials": [7]}}, "KeyRevoked"),
        "key id": ({"revoked": {"keyIds": ["ann-laptop"]}}, "KeyRevoked"),
        "fingerprint": ({"revoked": {"fingerprints": [ann.fingerprint]}}, "KeyRevoked"),
        "authority": (None, "ApproverUnknown"),
        "key of the authority": ({"ssh": [other.with_suffix(".pub").read_text().strip()]}, "ApproverUnknown"),
    }
    spec, reason = changes[by]
    if spec is None:
        cluster.objects.delete("approverauthorities", _NAME)
    else:
        cluster.apply(_document(authority, **spec))
    eventually(lambda: _tried(cluster) == reason, 2, f"revoked by its {by}")


def test_no_agent_writes_an_authority(cluster: Cluster, authority: Path) -> None:
    """However it tries: an agent that could would make itself an approver."""
    place = "/apis/seconder.dev/v1alpha1/approverauthorities"
    mine = json.dumps(_document(authority, "mine"))
    patch = json.dumps({"spec": {"principals": ["*@agents.example"]}})
    status = json.dumps({"status": {"conditions": []}})
    tries: dict[str, tuple[str, ...]] = {
        "create": ("create", f"--raw={place}", "-f-"),
        "apply": ("apply", "--server-side", "-f-"),
        "patch": ("patch", "approverauthority", _NAME, "--type=merge", "-p", patch),
        "status": ("patch", "approverauthority", _NAME, "--type=merge", "--subresource=status", "-p", status),
        "delete": ("delete", "approverauthority", _NAME),
        "delete all": ("delete", f"--raw={place}"),
        "annotate": ("annotate", "approverauthority", _NAME, "x=y"),
        "definition": ("delete", "crd", "approverauthorities.seconder.dev", "--wait=false"),
    }
    for what, arguments in tries.items():
        result = cluster.agent_with_all_rights(*arguments, stdin=mine)
        assert result.refused_with("ProtectedConfiguration"), (what, result.err)
    assert cluster.get("approverauthority", _NAME)["spec"]["principals"] == ["*@corp.example"]
    assert not cluster.exists("approverauthority", "mine")


def test_nobody_approves_for_their_own_agent_by_certificate(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """The operator goes by a name that the authority's template gives its principal; unknown ones are refused."""
    ann = Person(tmp_path, authority, "ann")
    arn = "arn:aws:sts::111122223333:assumed-role/Admin"
    users = ["{principal}", "arn:aws:sts::*:assumed-role/Admin/{principal}"]
    cluster.apply(_document(authority, kubernetesUsers=users))
    cluster.policy("known-operators", approvals={"unknownOperator": "Refuse"})
    cluster.deployment()
    cluster.approve(ann.certificate, slug="ann", iss=_ANN)
    try:
        for operator, reason in (
            (_ANN, "SelfApproval"),
            (f"{arn}/{_ANN}", "SelfApproval"),
            (f"{arn}/botocore-session-1764233000", "SelfApproval"),
            (f"{arn}/ben@corp.example", ""),
            ("ben@corp.example", ""),
        ):
            cluster.objects.annotate("serviceaccount", "kiro", "seconder-agents", {"seconder.dev/operator": operator})
            _answered(cluster, reason)
    finally:
        cluster.objects.annotate("serviceaccount", "kiro", "seconder-agents", {"seconder.dev/operator": None})


def test_teams_stand_in_the_certificate(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """And an Approver of the same principal may take some away."""
    ann = Person(tmp_path, authority, "ann", "team:payments", "team:platform")
    cluster.policy("by-payments", approvals={"teams": ["payments"]})
    cluster.deployment()
    cluster.approve(ann.certificate, slug="ann", iss=_ANN)
    _allowed(cluster)
    spare = tmp_path / "spare"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", spare], check=True)
    line = spare.with_suffix(".pub").read_text().strip()
    spec = {
        "principal": _ANN,
        "kubernetesUsers": [_ANN],
        "teams": ["platform"],
        "keys": [{"name": "spare", "ssh": line}],
    }
    document = {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": "ann"}}
    try:
        cluster.apply(document | {"spec": spec})
        eventually(lambda: _tried(cluster) == "ApproverNotAllowed", 5, "the Approver narrows it")
        cluster.apply(document | {"spec": spec | {"teams": ["payments"]}})
        _allowed(cluster)
        cluster.apply(document | {"spec": spec | {"teams": ["payments"], "certificates": "Refuse"}})
        eventually(lambda: _tried(cluster) == "ApproverNotAllowed", 5, "the Approver takes its own keys alone")
    finally:
        cluster.objects.delete("approvers", "ann")


def test_statuses_say_what_is_wrong(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """A key that nobody may use, and principals for whom two authorities speak; what is too wide is not taken."""
    weak = tmp_path / "weak"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", weak], check=True)
    cluster.apply(_document(weak, "weak"))
    eventually(lambda: _conditions(cluster, "weak") == {"Ready": "False", "Duplicate": "True"}, 10, "both are told")
    eventually(lambda: _conditions(cluster).get("Duplicate") == "True", 10, "the other one is told, too")
    [key] = cluster.get("approverauthority", "weak")["status"]["authorities"]
    assert "2048 bits" in key["problem"]
    cluster.objects.delete("approverauthorities", "weak")
    eventually(lambda: _conditions(cluster) == {"Ready": "True"}, 10, "it is alone again")
    too_wide: tuple[dict[str, Any], ...] = (
        {"principals": ["*"]},
        {"principals": ["*@*"]},
        {"principals": ["*@com"]},
        {"principals": []},
        {"kubernetesUsers": ["everybody"]},
        {"kubernetesUsers": ["*{principal}"]},
        {"kubernetesUsers": []},
        {"maxValidity": "10000h"},
        {"ssh": []},
    )
    for wide in too_wide:
        refused = cluster.kubectl(
            cluster.scene.admin_kubeconfig, "apply", "-f-", stdin=json.dumps(_document(authority, "wide", **wide))
        )
        assert refused.code != 0, wide
        assert "wide" in refused.err, refused.err
    cluster.apply(_document(authority, revoked={"serials": [7, "18446744073709551615"]}))


# The plugin


def _plugin(cluster: Cluster, person: Person) -> Plugin:
    return Plugin(cluster, person.home)


@contextlib.contextmanager
def _ssh_agent(person: Person) -> Iterator[dict[str, str]]:
    """An ssh-agent that holds the key with its certificate, both of which are then gone from the disk."""
    socket = person.home / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as running:
        try:
            environment = {"SSH_AUTH_SOCK": str(socket)}
            eventually(socket.exists, 5, "the agent listens")
            subprocess.run(["ssh-add", "-q", str(person.key)], check=True, env=os.environ | environment)
            person.key.unlink()
            person.certificate.unlink()
            yield environment
        finally:
            running.terminate()


def _approved(cluster: Cluster, done: Result) -> None:
    assert done.code == 0, done
    assert "approved (Delete for" in done.out
    annotations = cluster.get("deployment", "checkout")["metadata"]["annotations"]
    assert "approval.seconder.dev/ann-corp-example" in annotations
    _allowed(cluster)


@pytest.mark.parametrize("where", ["beside the key", "named", "in the ssh-agent"])
def test_the_plugin_signs_with_a_certificate(cluster: Cluster, authority: Path, tmp_path: Path, where: str) -> None:
    """Found beside the key, named by --key, or held by the ssh-agent."""
    ann = Person(tmp_path, authority, "ann")
    cluster.deployment()
    name = _change_request(cluster)
    arguments = ["approve", name, "--yes", "--reason=INC-1"]
    plugin = _plugin(cluster, ann)
    human = cluster.stack.human_kubeconfig
    if where == "in the ssh-agent":
        with _ssh_agent(ann) as environment:
            _approved(cluster, plugin.script(human, *arguments, **environment))
    else:
        _approved(cluster, plugin.script(human, *arguments, *([f"--key={ann.certificate}"] * (where == "named"))))
    eventually(lambda: cluster.recorded(name).get("status", {}).get("phase") == "Approved", 35, "it is seen")
    [approval] = cluster.recorded(name)["status"]["approvals"]
    assert approval["certificate"] == "engineering: ann-laptop (serial 7)"
    assert approval["fingerprint"] == _certified_fingerprint(approval, cluster)


def _certified_fingerprint(approval: dict[str, Any], cluster: Cluster) -> str:
    """Give the fingerprint of the key in the certificate that stands in the approval on the object."""
    value = cluster.get("deployment", "checkout")["metadata"]["annotations"][
        f"approval.seconder.dev/{approval['name']}"
    ]
    blob = base64.b64decode("".join(value.split("\n")[2:-1]))
    size = int.from_bytes(blob[10:14])
    line = f"ssh-ed25519-cert-v01@openssh.com {base64.b64encode(blob[14 : 14 + size]).decode()}"
    told = subprocess.run(["ssh-keygen", "-l", "-f-"], input=line, check=True, capture_output=True, text=True).stdout
    return told.split()[1]


def test_the_plugin_says_why_a_certificate_does_not_count(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """Before anything is signed."""
    ann = Person(tmp_path, authority, "ann")
    cluster.deployment()
    name = _change_request(cluster)
    cluster.apply(_document(authority, revoked={"keyIds": ["ann-laptop"]}))
    done = _plugin(cluster, ann).script(cluster.stack.human_kubeconfig, "approve", name, "--yes", "--reason=INC-1")
    assert done.code != 0
    assert "the certificate is revoked" in done.err, done.err
    assert "Traceback" not in done.err


def test_verify_and_lint_know_certificates(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """In the cluster, and from files alone, as ssh-keygen does with cert-authority."""
    ann = Person(tmp_path, authority, "ann")
    cluster.deployment()
    cluster.approve(ann.certificate, slug="ann", iss=_ANN)
    plugin, human = _plugin(cluster, ann), cluster.stack.human_kubeconfig
    place = f"--namespace={cluster.namespace}"
    online = plugin.script(human, "verify", "deploy/checkout", place)
    assert online.code == 0, online
    assert "engineering: ann-laptop (serial 7)" in online.out
    (tmp_path / "object.yaml").write_text(cluster.admin("get", "deployment", "checkout", place, "--output=yaml"))
    kinds = "approvers,approverauthorities"
    (tmp_path / "who.yaml").write_text(cluster.admin("get", kinds, "--output=yaml"))
    files = [f"--filename={tmp_path}/object.yaml", f"--approvers={tmp_path}/who.yaml"]
    offline = plugin.run([str(PROGRAM), "verify", *files], PATH=os.environ["PATH"], KUBECONFIG="/nowhere")
    assert offline.code == 0, offline
    assert "engineering: ann-laptop (serial 7)" in offline.out
    for verb in ("explain", "show"):
        told = plugin.script(human, verb, "deploy/checkout", place, "--output=json", f"--requester={AGENT}")
        assert "engineering: ann-laptop (serial 7)" in told.out, told
    linted = plugin.script(human, "keys", "lint")
    assert f"approverauthority/{_NAME} key 1: OK SHA256:" in linted.out, linted
    own = plugin.run([str(PROGRAM), "keys", "lint", str(ann.certificate)])
    assert own.code == 0, own
    assert ann.fingerprint in own.out
    assert _ANN in own.out


def test_a_person_with_a_certificate_says_no(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """Under the authority's name; and takes it back."""
    ann = Person(tmp_path, authority, "ann")
    cluster.deployment()
    name = _change_request(cluster)
    plugin, human = _plugin(cluster, ann), cluster.stack.human_kubeconfig
    done = plugin.script(human, "deny", name, "--reason=not today", f"--key={ann.key}")
    assert done.code == 0, done
    eventually(lambda: cluster.recorded(name).get("status", {}).get("phase") == "Denied", 35, "it is denied")
    [denial] = cluster.recorded(name)["status"]["denials"]
    assert denial == {"name": "engineering.ann-corp-example", "reason": "not today"}
    assert plugin.script(human, "deny", name, "--take-back", f"--key={ann.key}").code == 0


def test_the_readmes_function_signs_with_a_certificate(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """Nothing but kubectl and ssh-keygen: the certificate's file stands where the key's would."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    function = readme[readme.index("seconder_approve() (") :].partition("```")[0]
    ann = Person(tmp_path, authority, "ann")
    cluster.deployment()
    name = _change_request(cluster)
    eventually(
        lambda: ((cluster.objects.find("changerequest", name) or {}).get("status") or {}).get("statement"),
        10,
        "it can be signed",
    )
    script = f"{function}\nseconder_approve {name} {ann.certificate} {_ANN} 'INC-1'\n"
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.scene.admin_kubeconfig),
        "PATH": f"{cluster.stack.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(["sh", "-e"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _allowed(cluster)


def test_an_ended_certificate_counts_no_more(cluster: Cluster, authority: Path, tmp_path: Path) -> None:
    """What was approved while it was valid ends with it."""
    ann = Person(tmp_path, authority, "ann")
    now = int(time.time())
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "ann", "-V", f"0x{now - 60:x}:0x{now + 4:x}", "-n", _ANN]
    subprocess.run([*command, str(ann.key.with_suffix(".pub"))], check=True)
    cluster.deployment()
    value = sign(
        ann.certificate, cluster.claims(cluster.get("deployment", "checkout"), "deployments", "apps", iss=_ANN)
    )
    cluster.annotate("deployment", "checkout", f"approval.seconder.dev/ann={value}")
    assert _tried(cluster) == ""
    eventually(lambda: _tried(cluster) == "KeyRevoked", 8, "the certificate has ended")
