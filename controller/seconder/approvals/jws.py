"""JSON Web Signatures in compact form (RFC 7515) by Ed25519 (RFC 8037, RFC 9864) and ES256 (RFC 7518 section 3.4).

A value is ``header.payload.signature``. ``parse`` takes it apart and trusts nothing; ``verify_signature`` does the
arithmetic. The header only names a key: which algorithm counts is the registered key's to say, never the header's, and
a header that would bring its own key, or bend the rules in any other way, has a member too many.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from seconder.api import constants
from seconder.api.reasons import Reason, Rejected
from seconder.approvals import base64url, ed25519
from seconder.approvals.keys import KeyType, PublicKey

_MEMBERS: Final = frozenset({"alg", "kid", "typ"})
_ALGORITHMS: Final = {
    KeyType.ED25519: frozenset({"EdDSA", "Ed25519"}),
    KeyType.ECDSA_P256: frozenset({"ES256"}),
}
_LABELS: Final = {KeyType.ED25519: "ed25519", KeyType.ECDSA_P256: "es256"}
_SIGNATURE_BYTES: Final = 64
"""Of both: R and S (RFC 8032 section 5.1.6), or r and s (RFC 7518 section 3.4)."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signature that has been read but not verified. ``signed`` is ``header.payload``, as it stands in the value."""

    signed: bytes
    payload: bytes
    algorithm: str
    kid: str
    signature: bytes


def label(key_type: KeyType) -> str:
    """A key's type as metrics name it. Raises KeyError for one that signs no JSON Web Signature."""
    return _LABELS[key_type]


def parse(value: bytes) -> Envelope:
    """Take a value apart. Raises ``Rejected`` (ApprovalMalformed)."""
    parts = value.split(b".")
    try:
        header, payload, signature = map(base64url.decode, parts)
    except ValueError:
        raise _malformed("not three parts of base64url without padding") from None
    algorithm, kid = _header(header)
    return Envelope(b".".join(parts[:2]), payload, algorithm, kid, signature)


def _header(data: bytes) -> tuple[str, str]:
    """The header's ``alg`` and ``kid``."""
    try:
        header = _decoder.decode(data.decode())
    except (ValueError, RecursionError):
        raise _malformed("its header is not JSON with each member once") from None
    if not isinstance(header, dict) or header.keys() != _MEMBERS:
        raise _malformed("its header does not have exactly alg, kid and typ")
    if not all(isinstance(member, str) for member in header.values()):
        raise _malformed("its header holds something else than strings")
    if header["typ"] != constants.JWS_TYPE:
        raise _malformed(f"its typ is not {constants.JWS_TYPE}")
    return header["alg"], header["kid"]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


_decoder: Final = json.JSONDecoder(object_pairs_hook=_once)


def verify_signature(envelope: Envelope, key: PublicKey) -> None:
    """Check that ``key`` made the signature. Raises ``Rejected`` (SignatureInvalid)."""
    if envelope.algorithm not in _ALGORITHMS.get(key.type, frozenset()):
        raise Rejected(Reason.SIGNATURE_INVALID, "the algorithm is not that of the registered key")
    if len(envelope.signature) != _SIGNATURE_BYTES:
        raise Rejected(Reason.SIGNATURE_INVALID, f"the signature does not have {_SIGNATURE_BYTES} bytes")
    try:
        _check(envelope, key)
    except InvalidSignature:
        raise Rejected(Reason.SIGNATURE_INVALID, "the signature does not verify") from None


def _check(envelope: Envelope, key: PublicKey) -> None:
    """Check the signature. Raises ``InvalidSignature``."""
    match key.material:
        case Ed25519PublicKey() as material:
            ed25519.verify(material, envelope.signature, envelope.signed)
        case EllipticCurvePublicKey() as ecdsa:
            half = _SIGNATURE_BYTES // 2
            r, s = (int.from_bytes(part) for part in (envelope.signature[:half], envelope.signature[half:]))
            ecdsa.verify(encode_dss_signature(r, s), envelope.signed, ECDSA(SHA256()))
        case _:  # Falling out of this match would be taking the signature.
            raise InvalidSignature


def _malformed(detail: str) -> Rejected:
    return Rejected(Reason.APPROVAL_MALFORMED, f"the JSON Web Signature cannot be read: {detail}")
