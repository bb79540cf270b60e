"""SSHSIG, the signature that ``ssh-keygen -Y sign`` makes, clear-signed: OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f.

A value is one line of text, a newline and the armored signature over that line with its newline. ``parse`` takes it
apart and trusts nothing; ``verify_signature`` does the arithmetic. Both are stricter than ssh-keygen: whatever they
take, ``ssh-keygen -Y verify`` takes too.
"""

import hashlib
from typing import Final, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from msgspec import Struct

from seconder.api import constants
from seconder.api.reasons import Reason, Rejected
from seconder.approvals.keys import SECURITY_KEYS, KeyType, PublicKey
from seconder.approvals.sshwire import Reader, WireError, decode_base64, string

USER_PRESENT: Final = 0x01
"""Somebody touched the authenticator (WebAuthn section 6.1, bit 0)."""

USER_VERIFIED: Final = 0x04
"""And was recognised by PIN or biometric (bit 2)."""

_BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----\n"
_END: Final = b"\n-----END SSH SIGNATURE-----"
_MAX_LINE: Final = 76
_MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_NAMESPACE: Final = constants.SSHSIG_NAMESPACE.encode()
_HASHES: Final = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_RSA_HASHES: Final = {b"rsa-sha2-256": SHA256(), b"rsa-sha2-512": SHA512()}
"""RFC 8332. ``ssh-rsa`` as a signature's type would mean SHA-1."""

_ECDSA_HASHES: Final = {KeyType.ECDSA_P256: SHA256(), KeyType.ECDSA_P384: SHA384(), KeyType.SK_ECDSA_P256: SHA256()}
"""RFC 5656 section 6.2.1."""

_ECDSA_TYPES: Final = frozenset(key_type.encode() for key_type in _ECDSA_HASHES)
_ED25519_TYPES: Final = frozenset({KeyType.ED25519.encode(), KeyType.SK_ED25519.encode()})
_SECURITY_KEYS: Final = frozenset(key_type.encode() for key_type in SECURITY_KEYS)


class Envelope(Struct, frozen=True, gc=False):
    """A signature that has been read but not verified.

    ``message`` is the signed line with its newline. ``key_blob`` is the key that the signer claims. ``signature`` is in
    the form that its algorithm's verification takes (DER for ECDSA). ``flags`` and ``counter`` are a FIDO
    authenticator's, else 0.
    """

    message: bytes
    key_blob: bytes
    hash_algorithm: bytes
    signature_type: bytes
    signature: bytes
    flags: int
    counter: int


def parse(value: bytes) -> Envelope:
    """Take a clear-signed value apart. Raises ``Rejected`` (ApprovalMalformed)."""
    line, newline, armor = value.partition(b"\n")
    try:
        return _parse_blob(line + newline, _unarmor(armor))
    except WireError as error:
        raise Rejected(Reason.APPROVAL_MALFORMED, f"the SSH signature cannot be read: {error}") from None


def _unarmor(armor: bytes) -> bytes:
    body = armor.removesuffix(b"\n")
    if not body.startswith(_BEGIN) or not body.endswith(_END) or len(body) <= len(_BEGIN) + len(_END):
        raise WireError("not one line and one armored signature")
    lines = body[len(_BEGIN) : -len(_END)].split(b"\n")
    width = len(lines[0])
    # ssh-keygen breaks at 70, PROTOCOL.sshsig recommends 76: any width up to that, but the same for every line.
    if width > _MAX_LINE or not 0 < len(lines[-1]) <= width or any(len(line) != width for line in lines[:-1]):
        raise WireError("ragged lines in the armor")
    return decode_base64(b"".join(lines))


def _parse_blob(message: bytes, blob: bytes) -> Envelope:
    reader = Reader(blob)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.uint32() != _VERSION:
        raise WireError("not SSHSIG version 1")
    key_blob = reader.string()
    if reader.string() != _NAMESPACE:
        raise WireError(f"signed for another purpose than {constants.SSHSIG_NAMESPACE}")
    if reader.string():
        raise WireError("the reserved field is in use")
    hash_algorithm = reader.string()
    if hash_algorithm not in _HASHES:
        raise WireError("another hash than sha256 or sha512")
    inner = Reader(reader.string())
    reader.end()

    key_type = Reader(key_blob).string()
    signature_type = inner.string()
    # A type that is not known here passes: no registered key has it, and the registry's answer says more.
    if signature_type not in (_RSA_HASHES if key_type == KeyType.RSA.encode() else (key_type,)):
        raise WireError("the signature's type does not belong to the key's type")
    signature = _signature(key_type, inner.string())
    flags, counter = (inner.take(1)[0], inner.uint32()) if key_type in _SECURITY_KEYS else (0, 0)
    inner.end()
    return Envelope(message, key_blob, hash_algorithm, signature_type, signature, flags, counter)


def _signature(key_type: bytes, data: bytes) -> bytes:
    if key_type in _ED25519_TYPES and len(data) != 64:
        raise WireError("an Ed25519 signature does not have 64 bytes")
    if key_type in _ECDSA_TYPES:
        numbers = Reader(data)
        r, s = numbers.positive_mpint(), numbers.positive_mpint()
        numbers.end()
        return encode_dss_signature(r, s)
    return data


def verify_signature(envelope: Envelope, key: PublicKey) -> int:
    """The FIDO flags of a signature by ``key`` over ``envelope.message``; 0 for a key that is not a security key.

    What the flags must hold is for the caller to say: ssh-keygen itself is content with 0. Raises ``Rejected``
    (SignatureInvalid).
    """
    if envelope.key_blob != key.blob:
        raise Rejected(Reason.SIGNATURE_INVALID, "the signature is by another key")
    digest = _HASHES[envelope.hash_algorithm](envelope.message).digest()
    signed = _MAGIC + string(_NAMESPACE) + string(b"") + string(envelope.hash_algorithm) + string(digest)
    if key.type in SECURITY_KEYS:
        signed = (
            hashlib.sha256(key.application).digest()
            + envelope.flags.to_bytes(1)
            + envelope.counter.to_bytes(4)
            + hashlib.sha256(signed).digest()
        )
    try:
        _check(envelope, key, signed)
    except InvalidSignature:
        raise Rejected(Reason.SIGNATURE_INVALID, "the signature does not verify") from None
    return envelope.flags


def _check(envelope: Envelope, key: PublicKey, signed: bytes) -> None:
    """Check the signature. Raises ``InvalidSignature``."""
    material = key.material
    match material:
        case Ed25519PublicKey() as ed25519:
            ed25519.verify(envelope.signature, signed)
        case EllipticCurvePublicKey() as ecdsa:
            ecdsa.verify(envelope.signature, signed, ECDSA(_ECDSA_HASHES[key.type]))
        case RSAPublicKey() as rsa:
            # RFC 8332 section 3: as long as the modulus. ssh-keygen pads shorter ones.
            if len(envelope.signature) != (rsa.key_size + 7) // 8:
                raise InvalidSignature
            rsa.verify(envelope.signature, signed, PKCS1v15(), _RSA_HASHES[envelope.signature_type])
        case _:  # Falling out of this match would be taking the signature.
            assert_never(material)
