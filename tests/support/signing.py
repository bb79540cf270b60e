"""Approvals for tests: throw-away keys and signatures made by the real ssh-keygen, and envelopes built by hand."""

import atexit
import base64
import functools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seconder.api.resources import Action, GroupResource, Target
from seconder.approvals import keys
from seconder.approvals.registry import Approver, KeyEntry, Registry
from seconder.approvals.verification import Context, Memo

NAMESPACE = "k8s-approval@seconder.dev"
NOW = 1_795_320_100
AUDIENCE = "urn:uuid:0b54b4e5-6c1f-4a53-8b32-b4bfbbd3c7b1"
REQUESTER = "system:serviceaccount:seconder-agents:kiro"
AGENT = "kiro"
DEPLOYMENT = Target(
    GroupResource("apps", "deployments"), "Deployment", "payments", "checkout", "6f0c1f62-9f1c-4d0e-8f0a-2f8f3c6f7f11"
)
TYPE = "https://seconder.dev/approval/v1"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True)
class SshKey:
    """A key pair on disk. ``line`` is the ``.pub`` file's."""

    path: Path
    line: str

    @property
    def blob(self) -> bytes:
        """The wire encoding of the public key."""
        return base64.b64decode(self.line.split()[1])


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="seconder-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def key(name: str, kind: str = "ed25519", bits: int | None = None) -> SshKey:
    """Make a key pair with ssh-keygen, once per name and kind."""
    return _key(name, kind, bits)


@functools.cache
def _key(name: str, kind: str, bits: int | None) -> SshKey:
    path = _folder() / f"{name}-{kind}-{bits}"
    size = [] if bits is None else ["-b", str(bits)]
    command = ["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return SshKey(path, path.with_suffix(".pub").read_text().strip())


@functools.cache
def ssh_sign(signer: SshKey, message: bytes, namespace: str = NAMESPACE, hash_algorithm: str = "sha512") -> str:
    """Give the armored signature of ``ssh-keygen -Y sign``."""
    options = ["-O", f"hashalg={hash_algorithm}"]
    command = ["ssh-keygen", "-q", "-Y", "sign", *options, "-n", namespace, "-f", str(signer.path)]
    return subprocess.run(command, input=message, check=True, capture_output=True).stdout.decode()


def ssh_verify(line: str, message: bytes, armored: str, namespace: str = NAMESPACE) -> bool:
    """Say whether ``ssh-keygen -Y verify`` takes the signature as that of the public key in ``line``."""
    with tempfile.TemporaryDirectory(dir=_folder()) as folder:
        signature, allowed = Path(folder, "signature"), Path(folder, "allowed")
        signature.write_text(armored)
        allowed.write_text(f"someone {line}\n")
        command = ["ssh-keygen", "-Y", "verify", "-n", namespace, "-I", "someone"]
        command += ["-f", str(allowed), "-s", str(signature)]
        return subprocess.run(command, input=message, capture_output=True, check=False).returncode == 0


def ssh_fingerprint(line: str) -> str:
    """Give the fingerprint that ``ssh-keygen -l`` prints."""
    command = ["ssh-keygen", "-l", "-f", "-"]
    return subprocess.run(command, input=line.encode(), check=True, capture_output=True).stdout.decode().split()[1]


def claims(**changes: Any) -> dict[str, Any]:
    """Give the claims with which alice approves. ``detail`` changes the object; a change to None leaves a claim out."""
    detail = {
        "actions": ["Delete"],
        "group": "apps",
        "identifier": DEPLOYMENT.uid,
        "name": "checkout",
        "namespace": "payments",
        "resource": "deployments",
        "type": TYPE,
    } | changes.pop("detail", {})
    given = {
        "act": {"sub": AGENT},
        "aud": AUDIENCE,
        "authorization_details": [{name: value for name, value in detail.items() if value is not None}],
        "exp": NOW + 800,
        "iat": NOW - 100,
        "iss": "alice@example.com",
        "jti": "00112233445566778899aabbccddeeff",
        "reason": "INC-4821 decommission",
        "sub": REQUESTER,
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def line_of(given: Mapping[str, Any]) -> str:
    """Give the claims as one canonical line, with its newline."""
    return json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def signed(line: str, signer: SshKey | None = None, **options: str) -> str:
    """Give the annotation's value: the line as it is, and a signature over it by ``signer`` (alice, left out)."""
    armored = ssh_sign(signer or key("alice"), line.encode(), **options)
    return line + armored.rstrip("\n")


def approval(signer: SshKey | None = None, **changes: Any) -> str:
    """Give a value that approves, but for the changes."""
    return signed(line_of(claims(**changes)), signer)


def entry(line: str, name: str = "key", not_after: float | None = None) -> KeyEntry:
    """Register a public key as the Approver documents do: an unusable one stays, with its problem."""
    blob = keys.blob_of_line(line)
    try:
        return KeyEntry(name, blob, keys.parse(blob), keys.fingerprint(blob), not_after)
    except keys.UnusableKey as error:
        return KeyEntry(name, blob, None, keys.fingerprint(blob), not_after, str(error))


def approver(name: str, *entries: KeyEntry, teams: tuple[str, ...] = (), users: tuple[str, ...] = ()) -> Approver:
    """Give a person with these keys; with a key of ssh-keygen's when there are none."""
    held = entries or (entry(key(name).line),)
    principal = f"{name}@example.com"
    return Approver(name, principal, frozenset(users or (principal,)), frozenset(teams), held)


def registry(*approvers: Approver) -> Registry:
    """Give a registry; of alice and bob when nobody is named."""
    return Registry(approvers or (approver("alice"), approver("bob")))


def context(**changes: Any) -> Context:
    """Give what ``claims`` approves: the agent's deletion of the Deployment."""
    given: dict[str, Any] = {
        "audience": AUDIENCE,
        "requester": REQUESTER,
        "by_agent": True,
        "agent": AGENT,
        "operators": frozenset(),
        "target": DEPLOYMENT,
        "action": Action.DELETE,
    }
    return Context(**(given | changes))


def memo() -> Memo:
    """Give an empty memory."""
    return Memo(100)


def string(data: bytes) -> bytes:
    """Encode an SSH string."""
    return len(data).to_bytes(4, "big") + data


def mpint(number: int) -> bytes:
    """Encode a positive SSH number."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def sshsig_blob(
    public: bytes,
    signature: bytes,
    *,
    magic: bytes = b"SSHSIG",
    version: int = 1,
    namespace: str = NAMESPACE,
    reserved: bytes = b"",
    hash_algorithm: bytes = b"sha512",
) -> bytes:
    """Build the signature's blob (OpenSSH's PROTOCOL.sshsig), for what ssh-keygen would not write."""
    fields = (public, namespace.encode(), reserved, hash_algorithm, signature)
    return magic + version.to_bytes(4, "big") + b"".join(string(each) for each in fields)


def armor(blob: bytes, width: int = 70) -> str:
    """Wrap a blob in the lines that mark an SSH signature."""
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"]) + "\n"


def unarmor(armored: str) -> bytes:
    """Give the blob of an armored signature."""
    return base64.b64decode("".join(armored.split("\n")[1:]).partition("-----END")[0])


def fields_of(blob: bytes) -> list[bytes]:
    """Give the five strings of a signature's blob: key, namespace, reserved, hash algorithm, signature."""
    return strings_in(blob[len(b"SSHSIG") + 4 :])


def strings_in(data: bytes) -> list[bytes]:
    """Split a sequence of SSH strings."""
    found = []
    while data:
        length = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found
