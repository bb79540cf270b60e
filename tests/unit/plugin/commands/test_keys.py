"""keys lint on files that people take for public keys."""

import subprocess
import time
from pathlib import Path

import pytest
import yaml
from tests.support import signing, ssh_ca

from seconder.plugin.main import main


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
