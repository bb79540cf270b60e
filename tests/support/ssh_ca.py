"""SSH certificates for tests: made by the real ssh-keygen, or field by field for what that would not write."""

import base64
import functools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import signing
from tests.support.fido import Authenticator
from tests.support.signing import NOW, SshKey, armor, line_of, sshsig_blob, string

from seconder.approvals.certificates.authority import Authority
from seconder.approvals.certificates.authority_documents import parse_authority
from seconder.approvals.registry import Approver, Registry

HOUR = 3600
USUAL = (NOW - 2 * HOUR, NOW + 2 * HOUR)
"""When a certificate is valid unless it is said otherwise: seconds since 1970."""


@dataclass(frozen=True)
class Issued:
    """A certificate as the line of its ``-cert.pub`` file."""

    line: str

    @property
    def blob(self) -> bytes:
        """Its wire encoding."""
        return base64.b64decode(self.line.split()[1])


@functools.cache
def issue(
    ca: SshKey,
    line: str,
    *principals: str,
    valid: tuple[int, int] = USUAL,
    serial: int = 7,
    key_id: str = "alice-laptop",
    host: bool = False,
    options: tuple[str, ...] = (),
) -> Issued:
    """Issue a certificate with ssh-keygen over the public key in ``line``. ``options`` are those of ``-O``."""
    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder) / "id.pub"
        public.write_text(f"{line}\n")
        command = ["ssh-keygen", "-q", "-s", str(ca.path), "-I", key_id, "-z", str(serial)]
        command += ["-V", f"0x{valid[0]:x}:0x{valid[1]:x}", *(["-h"] if host else [])]
        command += ["-n", ",".join(principals)] if principals else []
        command += [part for option in options for part in ("-O", option)]
        subprocess.run([*command, str(public)], check=True, capture_output=True)
        return Issued((Path(folder) / "id-cert.pub").read_text().strip())


def signature(issued: Issued, signer: SshKey | Authenticator, message: bytes, **choices: Any) -> str:
    """Give the armored signature by a certified key: ssh-keygen's own, with the certificate in the key's place."""
    if isinstance(signer, SshKey):
        armored = signing.ssh_sign(signer, message, **choices)
    else:
        armored = signer.sign(message, **choices)
    _, namespace, _, hash_algorithm, made = signing.fields_of(signing.unarmor(armored))
    return armor(sshsig_blob(issued.blob, made, namespace=namespace.decode(), hash_algorithm=hash_algorithm))


def sign_with_file(issued: Issued, signer: SshKey, message: bytes) -> str:
    """Give the armored signature that ``ssh-keygen -Y sign -f key-cert.pub`` makes."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "id"
        key.write_bytes(signer.path.read_bytes())
        key.chmod(0o600)
        certificate = Path(folder) / "id-cert.pub"
        certificate.write_text(f"{issued.line}\n")
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", signing.NAMESPACE, "-f", str(certificate)]
        return subprocess.run(command, input=message, check=True, capture_output=True).stdout.decode()


def approval(
    issued: Issued, signer: SshKey | Authenticator, *, choices: dict[str, Any] | None = None, **changes: Any
) -> str:
    """Give a value that approves by a certificate, but for the changes of its claims."""
    line = line_of(signing.claims(**changes))
    return line + signature(issued, signer, line.encode(), **(choices or {})).rstrip("\n")


def verify(
    value: str,
    ca_line: str,
    principal: str,
    *,
    at: int = NOW,
    pattern: str = "*@example.com",
    revoked: str | None = None,
) -> bool:
    """Say whether ``ssh-keygen -Y verify`` takes a value by an authority. ``revoked``: a KRL's specification."""
    line, newline, armored = value.partition("\n")
    stamp = subprocess.run(
        ["date", "-u", "-d", f"@{at}", "+%Y%m%d%H%M%SZ"], check=True, capture_output=True
    ).stdout.decode()
    with tempfile.TemporaryDirectory() as folder:
        signed, allowed, krl = Path(folder, "signature"), Path(folder, "allowed"), Path(folder, "krl")
        signed.write_text(armored)
        allowed.write_text(f"{pattern} cert-authority {ca_line}\n")
        command = ["ssh-keygen", "-Y", "verify", "-n", signing.NAMESPACE, "-I", principal]
        command += ["-O", f"verify-time={stamp.strip()}", "-f", str(allowed), "-s", str(signed)]
        if revoked is not None:
            _krl(krl, ca_line, revoked)
            command += ["-r", str(krl)]
        return (
            subprocess.run(command, input=(line + newline).encode(), capture_output=True, check=False).returncode == 0
        )


def _krl(path: Path, ca_line: str, told: str) -> None:
    ca, specification = path.with_suffix(".ca"), path.with_suffix(".spec")
    ca.write_text(f"{ca_line}\n")
    specification.write_text(f"{told}\n")
    command = ["ssh-keygen", "-q", "-k", "-f", str(path), "-s", str(ca), str(specification)]
    subprocess.run(command, check=True, capture_output=True)


def document(name: str = "engineering", *lines: str, **changes: Any) -> dict[str, Any]:
    """Give an ApproverAuthority; of the key ``ca`` unless others are named."""
    spec = {
        "ssh": list(lines or (signing.key("ca").line,)),
        "principals": ["*@example.com"],
        "teams": {"prefix": "team:"},
    }
    metadata = {"name": name, "generation": 1}
    api = {"apiVersion": "seconder.dev/v1alpha1", "kind": "ApproverAuthority"}
    return api | {"metadata": metadata, "spec": spec | changes}


def authority(name: str = "engineering", *lines: str, **changes: Any) -> Authority:
    """Give an authority as the document of the same arguments makes it."""
    return parse_authority(document(name, *lines, **changes))


def registry(*approvers: Approver, **changes: Any) -> Registry:
    """Give a registry of one authority, with the changes, and these people."""
    return Registry(approvers, [authority(**changes)])


def made(
    ca: SshKey,
    key_blob: bytes,
    *,
    kind: bytes | None = None,
    nonce: bytes = b"n" * 32,
    serial: int = 7,
    purpose: int = 1,
    key_id: bytes = b"alice-laptop",
    principals: bytes = string(b"alice@example.com"),
    valid: tuple[int, int] = USUAL,
    critical: bytes = b"",
    extensions: bytes = b"",
    reserved: bytes = b"",
    signed_by: bytes | None = None,
    tail: bytes = b"",
    spoil: bytes | None = None,
) -> Issued:
    """Make a certificate field by field, signed by an Ed25519 key of ssh-keygen's as it stands."""
    fields = signing.strings_in(key_blob)
    plain = fields[0]
    kind = kind or plain.removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"
    body = string(kind) + string(nonce) + b"".join(string(field) for field in fields[1:])
    body += serial.to_bytes(8) + purpose.to_bytes(4) + string(key_id) + string(principals)
    body += valid[0].to_bytes(8) + valid[1].to_bytes(8) + string(critical) + string(extensions) + string(reserved)
    body += string(signed_by or ca.blob)
    blob = body + string(spoil if spoil is not None else _raw_signature(ca, body)) + tail
    return Issued(f"{kind.decode()} {base64.b64encode(blob).decode()}")


def _raw_signature(ca: SshKey, body: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    key = load_ssh_private_key(ca.path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return string(b"ssh-ed25519") + string(key.sign(body))
