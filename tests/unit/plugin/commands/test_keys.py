"""keys lint on files that people take for public keys."""

import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.support import signing, ssh_ca

from seconder.plugin.main import main
from seconder.plugin.terminal import connection


@pytest.mark.parametrize("format", ["OpenSSH", "PEM", "PKCS8"])
def test_a_private_key_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:  # noqa: A002
    """One line for the file, which says what to give instead and shows nothing of what is in it."""
    path = tmp_path / "key"
    kind = ("-t", "ed25519") if format == "OpenSSH" else ("-t", "ecdsa", "-m", format)
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", "-f", str(path)], check=True)
    assert main(["keys", "lint", str(path)]) == 1
    told = capsys.readouterr().out
    assert told.startswith(f"{path}: PROBLEM: this is a private key")
    assert "in the .pub file" in told
    assert told.count("\n") == 1
    assert path.read_text().splitlines()[1] not in told


def test_a_certificate_is_told_with_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose, by whom, until when; an ended one, one that is spoilt, and one of a host are told as such."""
    ca, alice = signing.key("ca"), signing.key("alice")
    now = int(time.time())
    good = ssh_ca.issue(ca, alice.line, "alice@example.com", valid=(now - 60, now + 600))
    ended = ssh_ca.issue(ca, alice.line, "alice@example.com")
    host = ssh_ca.issue(ca, alice.line, "alice@example.com", host=True)
    spoilt = ssh_ca.made(ca, alice.blob, signed_by=signing.key("other-ca").blob)
    file = tmp_path / "certificates"
    file.write_text("\n".join(each.line for each in (good, ended, host, spoilt)))
    assert main(["keys", "lint", str(file)]) == 1
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert f"{file}:1: OK {signing.ssh_fingerprint(alice.line)} certificate of ssh-ed25519" in first
    assert f"by {signing.ssh_fingerprint(ca.line)} for alice@example.com, serial 7" in first
    assert second.endswith("it has ended")
    assert "not one of a user" in third
    assert "does not verify" in fourth


def test_authorities_are_linted_with_approvers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By their manifests, against each other."""
    file = tmp_path / "authorities.yaml"
    two = [ssh_ca.document("a"), ssh_ca.document("b", signing.key("other-ca").line, principals=["x@example.com"])]
    file.write_text(yaml.safe_dump_all(two))
    assert main(["keys", "lint", str(file)]) == 1
    told = capsys.readouterr().out
    assert f"{file}: approverauthority/a key 1: OK SHA256:" in told
    assert "approverauthority/b principals: PROBLEM: Duplicate: x@example.com is for ApproverAuthority a too" in told
    file.write_text(yaml.safe_dump(ssh_ca.document("a", principals=["*"])))
    assert main(["keys", "lint", str(file)]) == 1
    assert "not an ApproverAuthority" in capsys.readouterr().out


_PATH = "/apis/seconder.dev/v1alpha1"


def _registered(name: str, *teams: str) -> dict[str, Any]:
    user = f"{name}@example.com"
    keys = [{"name": "laptop", "ssh": signing.key(name).line}]
    spec = {"principal": user, "kubernetesUsers": [user], "teams": teams, "keys": keys}
    return {"metadata": {"name": name}, "spec": spec}


def _policy(mode: str = "Enforce", **approvals: Any) -> dict[str, Any]:
    spec = {"mode": mode, "resources": [{"group": "apps", "resources": ["deployments"]}], "approvals": approvals}
    return {"metadata": {"name": "production", "generation": 1}, "spec": spec}


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (_policy(), ""),
        (_policy(required=2), ""),
        (_policy(required=3), "asks for 3 approvers, and 2 such are registered: "),
        (_policy(required=3, mode="Audit"), ""),
        (_policy(teams=["payments"]), ""),
        (_policy(required=2, teams=["payments"]), "asks for 2 approvers of payments, and 1 such is registered: "),
        (
            _policy(assurance="Presence"),
            "asks for 1 approver with keys that prove Presence, and 0 such are registered: ",
        ),
    ],
)
def test_a_policy_that_asks_for_more_peers_than_are_registered_is_told(
    policy: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its agents, and people under Everyone, would wait for ever, and find out when it matters."""
    listed = {
        "approvers": [_registered("alice", "payments"), _registered("bob")],
        "approverauthorities": [],
        "protectionpolicies": [policy],
    }
    api = SimpleNamespace(items=lambda path: (listed[path.removeprefix(f"{_PATH}/")], ""))
    monkeypatch.setattr(connection, "connect", lambda _: SimpleNamespace(api=api))
    assert main(["keys", "lint"]) == 0
    error = capsys.readouterr().err
    assert told in error
    assert bool(error) is bool(told)
