"""JSON Web Signatures for tests: keys as a KMS holds them, and tokens with whatever header and payload a test wants."""

import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.support import signing

from seconder.approvals import keys
from seconder.approvals.registry import Approver, KeyEntry

TYPE = "k8s-approval+jwt"
KINDS = ("ed25519", "es256")


def b64(data: bytes) -> str:
    """Give base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Signer:
    """A key pair that signs for one kid."""

    def __init__(self, kid: str, private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self.kid = kid
        self.private = private

    @property
    def algorithm(self) -> str:
        """The ``alg`` that this key signs by."""
        return "EdDSA" if isinstance(self.private, ed25519.Ed25519PrivateKey) else "ES256"

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as an Approver lists it."""
        public = self.private.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": b64(raw)}
        numbers = public.public_numbers()
        x, y = (b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y}

    @property
    def line(self) -> str:
        """The same public key as SSH writes it."""
        return self.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    @property
    def pem(self) -> bytes:
        """The private key, for other libraries to sign with."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public_pem(self) -> bytes:
        """The public key, for other libraries to verify with."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        """Give the 64 bytes of a signature."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signer(kid: str, kind: str = "ed25519", number: int = 0) -> Signer:
    """Make a key pair, once per kid, kind and number."""
    return _signer(kid, kind, number)


@functools.cache
def _signer(kid: str, kind: str, number: int) -> Signer:
    if kind == "ed25519":
        return Signer(kid, ed25519.Ed25519PrivateKey.generate())
    return Signer(kid, ec.generate_private_key(ec.SECP256R1()))


def entry(by: Signer, name: str = "kms", not_after: float | None = None, **changes: str) -> KeyEntry:
    """Register a key as the Approver documents do."""
    jwk = by.jwk | changes
    blob = keys.blob_of_jwk(jwk["kty"], jwk["crv"], jwk["x"], jwk.get("y"))
    return KeyEntry(name, blob, keys.parse(blob), keys.fingerprint(blob), not_after, kid=jwk["kid"])


def approver(name: str, *signers: Signer) -> Approver:
    """Give a person with these keys; with the Ed25519 key of their name when there are none."""
    held = signers or (signer(name),)
    return signing.approver(name, *(entry(each, f"kms-{at}") for at, each in enumerate(held)))


def header(by: Signer, **changes: Any) -> dict[str, Any]:
    """Give a header that counts, but for the changes. A change to None leaves a member out."""
    given = {"alg": by.algorithm, "kid": by.kid, "typ": TYPE} | changes
    return {name: value for name, value in given.items() if value is not None}


def compact(by: Signer, protected: bytes | Mapping[str, Any], payload: bytes) -> str:
    """Give the token with this header and payload, as they are."""
    raw = protected if isinstance(protected, bytes) else json.dumps(protected, separators=(",", ":")).encode()
    signed = f"{b64(raw)}.{b64(payload)}"
    return f"{signed}.{b64(by.sign(signed.encode()))}"


def payload(**changes: Any) -> bytes:
    """Give the canonical statement with which alice approves, but for the changes."""
    return signing.line_of(signing.claims(**changes)).removesuffix("\n").encode()


def approval(by: Signer | None = None, **changes: Any) -> str:
    """Give a value that approves, but for the changes to its claims."""
    found = by or signer("alice")
    return compact(found, header(found), payload(**changes))
