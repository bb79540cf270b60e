"""Approvals for the corpus: keys that are the same each time, and signatures that are, too.

The keys protect nothing: whoever reads this file has them.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.corpus.builders import kinds

NOW: Final = 1_795_320_100
AUDIENCE: Final = "urn:uuid:0b54b4e5-6c1f-4a53-8b32-b4bfbbd3c7b1"
REQUESTER: Final = "system:serviceaccount:seconder-agents:kiro"
TXN: Final = "7d7c5ea4-1f1d-4c3b-9a39-4f9c1df0a1c2"
_NAMESPACE: Final = "k8s-approval@seconder.dev"
_DEVICE: Final = b"sk-ssh-ed25519@openssh.com"


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"corpus key of {name}".encode()).digest()


@dataclass(frozen=True)
class Key:
    """An Ed25519 key as SSH has it."""

    name: str
    purpose: str = _NAMESPACE

    @property
    def registered(self) -> dict[str, Any]:
        """The entry of an Approver."""
        return {"name": self.name, "ssh": f"{self._type.decode()} {base64.b64encode(self._blob).decode()} {self.name}"}

    def sign(self, line: str) -> str:
        """Give the value of an annotation: the line, and a signature over it."""
        digest = hashlib.sha512(line.encode()).digest()
        parts = (self.purpose.encode(), b"", b"sha512")
        signed = b"SSHSIG" + b"".join(map(_string, (*parts, digest)))
        whole = (1).to_bytes(4, "big") + b"".join(map(_string, (self._blob, *parts, self._signature(signed))))
        text = base64.b64encode(b"SSHSIG" + whole).decode()
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        return line + "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"])

    @property
    def _private(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(_seed(self.name))

    @property
    def _point(self) -> bytes:
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def _type(self) -> bytes:
        return b"ssh-ed25519"

    @property
    def _blob(self) -> bytes:
        return _string(self._type) + _string(self._point)

    def _signature(self, signed: bytes) -> bytes:
        return _string(self._type) + _string(self._private.sign(signed))


@dataclass(frozen=True)
class Device(Key):
    """A FIDO authenticator's key (OpenSSH's PROTOCOL.u2f). ``flags``: 1 for a touch, 4 for a PIN."""

    flags: int = 1

    @property
    def _type(self) -> bytes:
        return _DEVICE

    @property
    def _blob(self) -> bytes:
        return super()._blob + _string(b"ssh:")

    def _signature(self, signed: bytes) -> bytes:
        suffix = bytes([self.flags]) + (7).to_bytes(4, "big")
        data = hashlib.sha256(b"ssh:").digest() + suffix + hashlib.sha256(signed).digest()
        return _string(self._type) + _string(self._private.sign(data)) + suffix


@dataclass(frozen=True)
class Token(Key):
    """A key that signs JSON Web Signatures. ``curve`` is Ed25519 or P-256; ``header`` changes the header."""

    curve: str = "Ed25519"
    header: tuple[tuple[str, Any], ...] = ()

    @property
    def registered(self) -> dict[str, Any]:
        """The entry of an Approver."""
        if self.curve == "Ed25519":
            return {"name": "kms", "jwk": {"kty": "OKP", "crv": "Ed25519", "kid": self.name, "x": _b64(self._point)}}
        numbers = self._elliptic.public_key().public_numbers()
        x, y = (_b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"name": "kms", "jwk": {"kty": "EC", "crv": "P-256", "kid": self.name, "x": x, "y": y}}

    def sign(self, line: str) -> str:
        """Give the value of an annotation: the compact form, over the line without its newline."""
        algorithm = "EdDSA" if self.curve == "Ed25519" else "ES256"
        header = {"alg": algorithm, "kid": self.name, "typ": "k8s-approval+jwt"} | dict(self.header)
        signed = f"{_b64(json.dumps(header, separators=(',', ':')).encode())}.{_b64(line.rstrip().encode())}"
        return f"{signed}.{_b64(self._made(signed.encode()))}"

    @property
    def _elliptic(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(_seed(self.name), "big"), ec.SECP256R1())

    def _made(self, signed: bytes) -> bytes:
        if self.curve == "Ed25519":
            return self._private.sign(signed)
        r, s = decode_dss_signature(self._elliptic.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


ALICE: Final = Key("alice")
BOB: Final = Key("bob")


def claims(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Give the claims with which alice approves the agent's deletion of this object.

    ``detail`` changes the element of ``authorization_details``; a change to None leaves a claim out.
    """
    metadata = document["metadata"]
    served = kinds.kind(document["kind"])
    detail = {
        "actions": ["Delete"],
        "group": served.group,
        "identifier": metadata["uid"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "resource": served.plural,
        "type": "https://seconder.dev/approval/v1",
    } | changes.pop("detail", {})
    given = {
        "act": {"sub": "kiro"},
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


def impact(held: Sequence[dict[str, Any]], custom: Sequence[str] = ()) -> dict[str, Any]:
    """Give the impact of a namespace that holds these objects. ``custom`` are kinds that count beside the built-in."""
    counted = [kinds.kind(each) for each in (*_COUNTED, *custom)]
    names = {
        (each.group, each.plural): f"{each.plural}.{each.group}" if each.kind in custom else each.plural
        for each in counted
    }
    counts = dict.fromkeys(names.values(), 0)
    lines = []
    for each in held:
        served, metadata = kinds.kind(each["kind"]), each["metadata"]
        if served in counted:
            counts[names[served.group, served.plural]] += 1
            lines.append(f"{served.group}/{served.plural}/{metadata['name']}/{metadata['uid']}\n")
    return {"counts": counts, "sha256": hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()}


_COUNTED: Final = (
    "PersistentVolumeClaim",
    "Service",
    "DaemonSet",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "Ingress",
)


def line(given: dict[str, Any]) -> str:
    """Give claims as one canonical line, with its newline."""
    return json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def approval(document: dict[str, Any], by: Key = ALICE, **changes: Any) -> str:
    """Give a value that approves, but for the changes. Its issuer is the key's owner by the key's name."""
    owner = by.name.partition("-")[0]
    return by.sign(line(claims(document, **({"iss": f"{owner}@example.com"} | changes))))


def annotation(document: dict[str, Any], by: Key = ALICE, slug: str = "", **changes: Any) -> dict[str, str]:
    """Give the annotation that holds such an approval."""
    return {f"approval.seconder.dev/{slug or by.name}": approval(document, by, **changes)}


def approved(document: dict[str, Any], by: Key = ALICE, **changes: Any) -> dict[str, Any]:
    """Give the object with such an approval on it, beside the annotations that it has."""
    metadata = document["metadata"]
    held = metadata.get("annotations", {}) | annotation(document, by, **changes)
    return {**document, "metadata": {**metadata, "annotations": held}}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
