"""verify on files alone, as an auditor has them: no cluster, no network, no mercy for what is not exactly right."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import jws, signing
from tests.support.signing import AGENT, AUDIENCE, DEPLOYMENT, NOW, REQUESTER

pytestmark = pytest.mark.long

_ALONE = """
import sys
def refuse(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system")):
        raise AssertionError(f"{event} {arguments}")
sys.addaudithook(refuse)
from seconder.plugin.main import main
sys.exit(main(sys.argv[1:]))
"""


def _at(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _approvers(*names: str, **changes: Any) -> dict[str, Any]:
    items = [
        {
            "apiVersion": "seconder.dev/v1alpha1",
            "kind": "Approver",
            "metadata": {"name": name},
            "spec": {
                "principal": f"{name}@example.com",
                "kubernetesUsers": [f"{name}@example.com"],
                "keys": [{"name": "laptop", "ssh": signing.key(name).line, **changes}],
            },
        }
        for name in names
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _object(**values: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": DEPLOYMENT.name,
            "namespace": DEPLOYMENT.namespace,
            "uid": DEPLOYMENT.uid,
            "creationTimestamp": "2026-11-01T00:00:00Z",
            "annotations": {"other": "x", **{f"approval.seconder.dev/{slug}": each for slug, each in values.items()}},
        },
        "spec": {"replicas": 1},
    }


class Folder:
    """An auditor's folder and the plugin in it, which may open no socket and run no program."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.save("approvers.yaml", _approvers("alice", "bob"))
        self.save("object.yaml", _object(alice=signing.signed(signing.line_of(signing.claims()))))

    def save(self, name: str, document: Any) -> None:
        """Write YAML as kubectl does; a text as it is."""
        content = document if isinstance(document, str) else yaml.safe_dump(document)
        (self.path / name).write_text(content)

    def verify(self, *arguments: str, stdin: str = "", at: int = NOW) -> subprocess.CompletedProcess[str]:
        """Verify the saved object, as of a time at which the approval is valid."""
        files = ["-f", "object.yaml", "--approvers", "approvers.yaml", "--at", _at(at)]
        return self.run("verify", *files, *arguments, stdin=stdin)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run any verb there."""
        return subprocess.run(
            [sys.executable, "-c", _ALONE, *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            cwd=self.path,
            env={"PATH": os.environ["PATH"], "HOME": str(self.path)},
            timeout=30,
            check=False,
        )

    def told(self, *arguments: str, at: int = NOW) -> dict[str, Any]:
        """Give the JSON of it."""
        found: dict[str, Any] = json.loads(self.verify("-o", "json", *arguments, at=at).stdout)
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A saved object with alice's approval, and both approvers."""
    return Folder(tmp_path)


def test_a_good_approval_passes_and_ssh_keygen_agrees(folder: Folder) -> None:
    """Every claim is told as it was signed."""
    done = folder.verify()
    assert (done.returncode, done.stderr) == (0, ""), done
    found = folder.told()["approvals"][0]
    assert found["fingerprint"] == signing.ssh_fingerprint(signing.key("alice").line)
    assert (found["valid"], found["proven"], found["keyType"], found["assurance"]) == (
        True,
        True,
        "ssh-ed25519",
        "Software",
    )
    statement = found["statement"]
    assert (statement["by"], statement["requester"], statement["agent"]) == ("alice@example.com", REQUESTER, AGENT)
    assert (statement["issuedAt"], statement["expiresAt"]) == (_at(NOW - 100), _at(NOW + 800))
    assert (statement["cluster"], statement["object"]["uid"]) == (AUDIENCE, DEPLOYMENT.uid)
    line = signing.line_of(signing.claims())
    assert signing.ssh_verify(
        signing.key("alice").line, line.encode(), signing.ssh_sign(signing.key("alice"), line.encode())
    )


@pytest.mark.parametrize(
    ("at", "reason"),
    [(NOW - 161, "ApprovalNotYetValid"), (NOW - 160, ""), (NOW + 799, ""), (NOW + 800, "ApprovalExpired")],
)
def test_it_is_judged_as_of_the_time_that_is_given(folder: Folder, at: int, reason: str) -> None:
    """To the second; and who signed is proven all the same."""
    found = folder.told(at=at)
    assert found["approvals"][0]["reason"] == reason
    assert found["approvals"][0]["proven"]
    assert found["valid"] == (not reason)
    assert folder.verify(at=at).returncode == (1 if reason else 0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--audience", AUDIENCE, "--requester", REQUESTER), ""),
        (("--cluster", AUDIENCE, "--requester", REQUESTER), ""),
        (("--audience", "urn:uuid:other"), "WrongCluster"),
        (("--requester", "eve"), "WrongRequester"),
        (("--requester", "alice@example.com"), "WrongRequester"),
        (("--resource", "replicasets"), "WrongObject"),
    ],
)
def test_what_is_given_is_checked_and_what_is_not_is_said(
    folder: Folder, arguments: tuple[str, ...], reason: str
) -> None:
    """What was taken from the statement itself is named."""
    found = folder.told(*arguments)
    assert found["approvals"][0]["reason"] == reason
    assert ("cluster" in found["notChecked"]) == (not {"--audience", "--cluster"} & {*arguments})
    assert ("requester" in found["notChecked"]) == ("--requester" not in arguments)
    assert "hence not checked: action, agent" in folder.verify(*arguments).stdout


@pytest.mark.parametrize(
    ("change", "reason", "proven"),
    [
        ({"reason": "INC-4822"}, "SignatureInvalid", False),
        ({"exp": NOW + 9000}, "SignatureInvalid", False),
        ({"iss": "bob@example.com"}, "SignatureInvalid", False),
    ],
)
def test_a_changed_statement_is_found_out_as_ssh_keygen_would(
    folder: Folder, change: dict[str, Any], reason: str, proven: bool
) -> None:
    """What it says is shown as unproven."""
    genuine, forged = signing.line_of(signing.claims()), signing.line_of(signing.claims(**change))
    armored = signing.ssh_sign(signing.key("alice"), genuine.encode())
    assert not signing.ssh_verify(signing.key("alice").line, forged.encode(), armored)
    folder.save("object.yaml", _object(alice=forged + armored.rstrip("\n")))
    found = folder.told()["approvals"][0]
    assert (found["reason"], found["proven"], found["valid"]) == (reason, proven, False)
    assert "what it says, unproven:" in folder.verify().stdout


def test_a_json_web_signature_is_verified_too(folder: Folder) -> None:
    """By the general steps, whatever the envelope."""
    signer = jws.signer("alice", "es256")
    entry = {"name": "kms", "jwk": signer.jwk}
    document = _approvers("alice")
    document["items"][0]["spec"]["keys"] = [entry]
    folder.save("approvers.yaml", document)
    folder.save("object.yaml", _object(alice=jws.approval(signer)))
    found = folder.told()["approvals"][0]
    assert (found["valid"], found["keyType"]) == (True, "es256"), found
    folder.save("object.yaml", _object(alice=jws.approval(signer)[:-8] + "AAAAAAAA"))
    assert folder.told()["approvals"][0]["reason"] == "SignatureInvalid"


def test_an_unregistered_key_a_revoked_one_and_rubbish_are_told_apart(folder: Folder) -> None:
    """One line of reason each; one good approval does not make up for them."""
    line = signing.line_of(signing.claims())
    folder.save(
        "object.yaml", _object(good=signing.signed(line), mallory=signing.signed(line, signing.key("mallory")), x="x")
    )
    found = {each["name"]: each["reason"] for each in folder.told()["approvals"]}
    assert found == {"good": "", "mallory": "ApproverUnknown", "x": "ApprovalMalformed"}
    assert folder.verify().returncode == 1
    folder.save("object.yaml", _object(good=signing.signed(line)))
    folder.save("approvers.yaml", _approvers("alice", notAfter=_at(NOW - 1)))
    revoked = folder.told()["approvals"][0]
    assert (revoked["reason"], revoked["proven"]) == ("KeyRevoked", True)


def test_another_object_than_the_one_approved_is_found_out(folder: Folder) -> None:
    """By its uid, its name, its namespace and its kind."""
    value = signing.signed(signing.line_of(signing.claims()))
    for change in ({"uid": "another"}, {"name": "billing"}, {"namespace": "elsewhere"}):
        document = _object(alice=value)
        document["metadata"] |= change
        folder.save("object.yaml", document)
        assert folder.told()["approvals"][0]["reason"] == "WrongObject", change
    folder.save("object.yaml", _object(alice=value) | {"kind": "StatefulSet"})
    assert folder.told()["approvals"][0]["reason"] == "WrongObject"


def test_the_operator_who_approved_for_themselves_is_the_requester(folder: Folder) -> None:
    """Whoever the statement is for cannot have signed it."""
    value = signing.signed(signing.line_of(signing.claims(sub="alice@example.com", act=None)))
    folder.save("object.yaml", _object(alice=value))
    assert folder.told()["approvals"][0]["reason"] == "SelfApproval"


@pytest.mark.parametrize(
    ("kind", "plural", "arguments"),
    [
        ("Ingress", "ingresses", ()),
        ("NetworkPolicy", "networkpolicies", ()),
        ("Endpoints", "endpoints", ()),
        ("Mouse", "mice", ("--resource", "mice")),
    ],
)
def test_plurals_are_guessed_as_kubernetes_does_or_given(
    folder: Folder, kind: str, plural: str, arguments: tuple[str, ...]
) -> None:
    """A saved object knows its kind only."""
    value = signing.signed(signing.line_of(signing.claims(detail={"resource": plural})))
    folder.save("object.yaml", _object(alice=value) | {"kind": kind})
    assert folder.verify(*arguments).returncode == 0


def test_json_lists_of_one_and_standard_input_are_read_too(folder: Folder) -> None:
    """Whatever kubectl gives."""
    document = (folder.path / "object.yaml").read_text()
    parsed = yaml.safe_load(document)
    for content in (json.dumps(parsed), json.dumps({"kind": "DeploymentList", "items": [parsed]}), document):
        folder.save("object.yaml", content)
        assert folder.verify().returncode == 0
    files = ("verify", "-f", "-", "--approvers", "approvers.yaml", "--at", _at(NOW))
    assert folder.run(*files, stdin=document).returncode == 0
    folder.save("approvers.yaml", "---\n".join(map(yaml.safe_dump, _approvers("bob", "alice")["items"])))
    assert folder.verify().returncode == 0


def test_text_that_would_steer_a_terminal_is_taken_out(folder: Folder) -> None:
    """Names of annotations are whatever somebody wrote there."""
    document = _object()
    document["metadata"]["annotations"] = {"approval.seconder.dev/a\x1b[2J\u202eb": "x\x07"}
    document["metadata"]["name"] = "check\x1b]0;out"
    folder.save("object.yaml", json.dumps(document))
    out = folder.verify().stdout
    assert "approval a[2Jb: not valid" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("object.yaml", "", "holds 0 objects"),
        ("object.yaml", "a: b: c", "neither YAML nor JSON"),
        ("object.yaml", "{", "neither YAML nor JSON"),
        ("object.yaml", "[1, 2]", "no Kubernetes object"),
        ("object.yaml", "kind: Deployment", "no whole object"),
        ("object.yaml", "[" * 100_000, "neither YAML nor JSON"),
        ("object.yaml", '{"kind":' + "[" * 100_000, "neither YAML nor JSON"),
        ("object.yaml", "a: b\n---\na: c\n", "holds 2 objects"),
        ("object.yaml", "!!python/object/apply:os.system [true]", "neither YAML nor JSON"),
        ("approvers.yaml", "kind: List\nitems: []\n", "holds no Approver"),
        ("approvers.yaml", "kind: Deployment\n", "holds no Approver"),
        ("approvers.yaml", "apiVersion: seconder.dev/v1alpha1\nkind: Approver\nspec: {}\n", "not usable"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_what_is_needed_is_one_line(folder: Folder, name: str, content: str, words: str) -> None:
    """It names the file and says what to do."""
    folder.save(name, content)
    _one_line(folder.verify(), name, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name an object (TYPE/NAME), or a saved one with -f FILE"),
        (("-f", "object.yaml"), "-f needs --approvers"),
        (("deploy/x", "-f", "object.yaml", "--approvers", "approvers.yaml"), "either TYPE/NAME or -f"),
        (("-f", "absent", "--approvers", "approvers.yaml"), "cannot read absent: No such file"),
        (("-f", "object.yaml", "--approvers", "."), "cannot read .: Is a directory"),
        (("-f", "-", "--approvers", "-"), "standard input cannot be both"),
        (("-f", "object.yaml", "--approvers", "approvers.yaml", "-n", "x"), "knows its namespace"),
        (("-f", "object.yaml", "--approvers", "approvers.yaml", "--at", "noon"), "--at noon is not a time"),
        (("-f", "object.yaml", "--approvers", "approvers.yaml", "--at", "2026-11-22T14:30:00"), "is not a time"),
        (("-f", "object.yaml", "--approvers", "approvers.yaml", "--at", ""), "is not a time"),
        (("-f", "object.yaml", "--approvers", "approvers.yaml", "--nonsense"), "--nonsense"),
        (("deploy/x", "--resource", "x"), "--resource goes with -f"),
        (("deploy/x",), "no kubeconfig"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(folder: Folder, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 1, and nothing on standard output."""
    _one_line(folder.run("verify", *arguments), words)


def _one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr
