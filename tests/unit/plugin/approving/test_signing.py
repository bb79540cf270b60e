"""Which key is the approver's own, and what comes of asking ssh-keygen."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from tests.support import ssh_ca
from tests.support.fido import Authenticator

from seconder.approvals.keys import blob_of_line, fingerprint, parse
from seconder.approvals.registry import Approver, KeyEntry, Registry
from seconder.approvals.sshsig import parse as parse_signature
from seconder.plugin.approving import signing
from seconder.plugin.terminal.problem import Problem


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of the test's own, and no ssh-agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


def make(path: Path, *options: str) -> bytes:
    """Make a key; give its public half's encoding."""
    kind = () if "-t" in options else ("-t", "ed25519")
    passphrase = () if "-N" in options else ("-N", "")
    subprocess.run(["ssh-keygen", "-q", *kind, *passphrase, *options, "-f", str(path)], check=True)
    return blob_of_line(path.with_name(f"{path.name}.pub").read_text())


def registry(*blobs: bytes) -> Registry:
    """Register each key for a person of its own."""
    return Registry(
        Approver(f"p{number}", f"p{number}", frozenset({"u"}), keys=(_entry(blob),))
        for number, blob in enumerate(blobs)
    )


def _entry(blob: bytes) -> KeyEntry:
    return KeyEntry("k", blob, parse(blob), fingerprint(blob))


@pytest.mark.parametrize("options", [(), ("-N", "secret"), ("-t", "ecdsa"), ("-t", "rsa", "-b", "3072")])
def test_a_private_key_tells_its_public_half(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Without its passphrase, and without a file beside it."""
    path = tmp_path / "key"
    blob = make(path, *options)
    path.with_suffix(".pub").unlink()
    found = signing.of_file(path)
    assert (found.blob, found.path) == (blob, path)
    assert blob_of_line(found.line) == blob


def test_an_older_private_key_needs_its_public_half_beside_it(tmp_path: Path) -> None:
    """And it is told how to write it."""
    path = tmp_path / "key"
    blob = make(path, "-t", "rsa", "-b", "3072", "-m", "PEM")
    assert signing.of_file(path).blob == blob
    path.with_suffix(".pub").unlink()
    with pytest.raises(Problem, match="ssh-keygen -y -f"):
        signing.of_file(path)


def test_a_public_key_means_the_private_one_beside_it_or_the_agents(tmp_path: Path) -> None:
    """As it does for ssh-keygen."""
    path = tmp_path / "key"
    make(path)
    public = path.with_suffix(".pub")
    assert signing.of_file(public).path == path
    path.unlink()
    assert signing.of_file(public).path is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no SSH key"),
        (b"hello", "no SSH key"),
        (b"\xff\xfe", "no SSH key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n!!!!\n-----END OPENSSH PRIVATE KEY-----\n", "public half"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n", "public half"),
        (b"x" * 70_000, "too large"),
    ],
)
def test_what_is_no_key_is_said_to_be_none(tmp_path: Path, content: bytes, words: str) -> None:
    """Whatever it holds."""
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(Problem, match=words):
        signing.of_file(path)


def test_keys_are_looked_for_in_the_home_directory(home: Path) -> None:
    """Those that are none are passed over; only registered ones are taken, by all their bytes."""
    first = make(home / ".ssh" / "id_a")
    second = make(home / ".ssh" / "id_b")
    (home / ".ssh" / "id_c").write_text("nothing")
    found = signing.at_hand(None)
    assert {key.blob for key in found.keys} == {first, second}
    assert found.looked_at.startswith("2 keys in ")
    assert found.looked_at.endswith("no ssh-agent")
    chosen = signing.registered(found, registry(second))
    assert [(each.key.name, each.registered.approver.principal) for each in chosen] == [
        (str(home / ".ssh" / "id_b"), "p0")
    ]
    assert signing.registered(found, registry(Authenticator().blob)) == []


def test_an_agent_that_does_not_answer_is_as_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And costs no traceback."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "nothing"))
    assert signing.at_hand(None).looked_at.endswith("no ssh-agent")


def test_it_signs_what_ssh_keygen_signs(tmp_path: Path) -> None:
    """And leaves nothing behind."""
    path = tmp_path / "key"
    blob = make(path)
    armored = signing.sign(signing.of_file(path), b"line\n")
    envelope = parse_signature(b'{"line"}\n' + armored.rstrip("\n").encode())
    assert envelope.key_blob == blob
    assert not list(tmp_path.glob("seconder-*"))


def _program(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    folder.mkdir()
    program = folder / "ssh-keygen"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (
            "echo 'no such \x1b[31mdevice' >&2; exit 1",
            r"did not sign with .*: no such \[31mdevice; nothing was changed",
        ),
        ("exit 0", "gave no signature"),
        ("exec sleep 30", "within 1 s: nothing was changed"),
    ],
)
def test_what_ssh_keygen_does_not_do_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    """It fails, gives nothing, or does not come to an end."""
    key = signing.LocalKey("", b"", tmp_path / "key", "key")
    _program(tmp_path / "bin", monkeypatch, program)
    started = time.monotonic()
    with pytest.raises(Problem, match=words):
        signing.sign(key, b"line\n", seconds=1)
    assert time.monotonic() - started < 10


def test_without_ssh_keygen_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSH's client."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="install OpenSSH"):
        signing.sign(signing.LocalKey("", b"", tmp_path / "key", "key"), b"line\n")


def test_the_agent_that_only_sshs_configuration_names_is_asked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As password managers are set up: IdentityAgent, and no SSH_AUTH_SOCK."""
    blob = make(tmp_path / "key")
    socket = tmp_path / "agent.sock"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as agent:
        try:
            deadline = time.monotonic() + 20
            environment = {"SSH_AUTH_SOCK": str(socket), "PATH": os.environ["PATH"]}
            while subprocess.run(["ssh-add", "-q", str(tmp_path / "key")], env=environment, check=False).returncode:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            (home / ".ssh" / "config").write_text(f'Host *\n  IdentityAgent "{socket}"\n')
            (found,) = signing.at_hand(None).keys
            assert (found.blob, found.path) == (blob, None)
            assert parse_signature(b"x\n" + signing.sign(found, b"x\n").encode())
            monkeypatch.setenv("VAULT_SOCK", str(socket))
            (home / ".ssh" / "config").write_text("Host *\n  IdentityAgent $VAULT_SOCK\n")
            assert [key.blob for key in signing.at_hand(None).keys] == [blob]
            for nothing in ("none", "SSH_AUTH_SOCK", "$NO_SUCH_VARIABLE"):
                (home / ".ssh" / "config").write_text(f"Host *\n  IdentityAgent {nothing}\n")
                assert signing.at_hand(None).keys == ()
        finally:
            agent.terminate()


def _certify(folder: Path, key: Path, principal: str = "p@example.com") -> Path:
    """Put a certificate beside a key; give its file."""
    ca = folder / "ca"
    if not ca.exists():
        make(ca)
    command = ["ssh-keygen", "-q", "-s", str(ca), "-I", "id", "-V", "+1h", "-n", principal, f"{key}.pub"]
    subprocess.run(command, check=True)
    return key.with_name(f"{key.name}-cert.pub")


def _authority(folder: Path) -> Registry:
    line = (folder / "ca.pub").read_text().strip()
    return Registry([], [ssh_ca.authority("e", line)])


def test_a_certificate_beside_a_key_is_found_with_it(home: Path) -> None:
    """In the usual folder, and beside a key that is named; each signs with what it shows."""
    key = home / ".ssh" / "id_ed25519"
    make(key)
    certificate = _certify(home, key)
    registry = _authority(home)
    for named in (None, str(key), f"{key}.pub", str(certificate)):
        [signer] = signing.registered(signing.at_hand(named), registry)
        assert (signer.key.path, signer.registered.approver.principal) == (certificate, "p@example.com")
        armored = signing.sign(signer.key, b"statement\n")
        assert parse_signature(b"statement\n" + armored.encode()).key_blob == signer.key.blob


def test_a_certificate_that_does_not_count_says_why(home: Path) -> None:
    """Instead of that no key is registered."""
    key = home / ".ssh" / "id_ed25519"
    make(key)
    _certify(home, key, "p@example.org")
    local = signing.at_hand(None)
    registry = _authority(home)
    assert signing.registered(local, registry) == []
    assert "names no principal that its ApproverAuthority" in str(signing.none_registered(local, registry, named=False))
    broken = key.with_name("id_ed25519-cert.pub")
    broken.write_text("no certificate")
    assert "is in an Approver" in str(signing.none_registered(signing.at_hand(None), registry, named=False))


def test_who_has_a_certificate_is_known_by_it_and_by_user_name(home: Path) -> None:
    """For revoking and denying, where nothing is signed."""
    key = home / ".ssh" / "id_ed25519"
    make(key)
    _certify(home, key)
    registry = _authority(home)
    known = {"p@example.com": "e.p-example-com"}
    assert signing.principals_of(registry, "somebody", None) == known
    assert signing.principals_of(registry, "somebody", str(key)) == known
    key.with_name("id_ed25519-cert.pub").unlink()
    assert signing.principals_of(registry, "q@example.com", None) == {"q@example.com": "e.q-example-com"}
    with pytest.raises(Problem):
        signing.principals_of(registry, "somebody", None)
