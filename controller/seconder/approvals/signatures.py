"""One SSH signature: read as strictly as it can be, and checked under a key (RFC 4253, 5656, 8332, 8709, PROTOCOL.u2f).

Approvals hold one, and so does every certificate, by its authority.
"""

import hashlib
from typing import Any, Final, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from msgspec import Struct

from seconder.approvals import ed25519, webauthn
from seconder.approvals.keys import CERTIFIED, SECURITY_KEYS, KeyType, PublicKey
from seconder.approvals.sshwire import Reader, WireError
from seconder.approvals.webauthn import Client

USER_PRESENT: Final = 0x01
"""Somebody touched the authenticator (WebAuthn section 6.1, bit 0)."""

USER_VERIFIED: Final = 0x04
"""And was recognised by PIN or biometric (bit 2)."""

WEBAUTHN: Final = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
"""The type of a passkey's signature (PROTOCOL.u2f)."""

_RSA_HASHES: Final = {b"rsa-sha2-256": SHA256(), b"rsa-sha2-512": SHA512()}
"""RFC 8332. ``ssh-rsa`` as a signature's type would mean SHA-1."""

_ECDSA_HASHES: Final = {KeyType.ECDSA_P256: SHA256(), KeyType.ECDSA_P384: SHA384(), KeyType.SK_ECDSA_P256: SHA256()}
"""RFC 5656 section 6.2.1."""

_ECDSA_TYPES: Final = frozenset(key_type.encode() for key_type in _ECDSA_HASHES)
_ED25519_TYPES: Final = frozenset({KeyType.ED25519.encode(), KeyType.SK_ED25519.encode()})
_SECURITY_KEYS: Final = frozenset(key_type.encode() for key_type in SECURITY_KEYS)
_OTHER_TYPES: Final = {
    KeyType.RSA.encode(): frozenset(_RSA_HASHES),
    KeyType.SK_ECDSA_P256.encode(): frozenset({KeyType.SK_ECDSA_P256.encode(), WEBAUTHN}),
}
"""The signature types of a key's type, where they are not the one type that has the key's own name."""

_BY_CERTIFICATE: Final = {name: key_type.encode() for name, key_type in CERTIFIED.items()}
"""A certified key signs as it does without its certificate."""


class Signature(Struct, frozen=True, gc=False):
    """A signature that has been read but not verified.

    ``data`` is in the form that its algorithm's verification takes (DER for ECDSA). ``flags`` and ``counter`` are a
    FIDO authenticator's, else 0. ``client`` is what a browser adds for a passkey.
    """

    type: bytes
    data: bytes
    flags: int = 0
    counter: int = 0
    client: Client | None = None


def read(key_type: bytes, blob: bytes) -> Signature:
    """Take a signature by a key, or a certificate, of this type apart. Raises WireError."""
    key_type = _BY_CERTIFICATE.get(key_type, key_type)
    reader = Reader(blob)
    kind, data = reader.strings(2)
    # A type that is not known here passes: no registered key has it, and the registry's answer says more.
    if kind not in _OTHER_TYPES.get(key_type, (key_type,)):
        raise WireError("the signature's type does not belong to the key's type")
    data = _data(key_type, data)
    flags, counter = (reader.take(1)[0], reader.uint32()) if key_type in _SECURITY_KEYS else (0, 0)
    client = webauthn.read(reader, flags) if kind == WEBAUTHN else None
    reader.end()
    return Signature(kind, data, flags, counter, client)


def _data(key_type: bytes, data: bytes) -> bytes:
    if key_type in _ED25519_TYPES and len(data) != ed25519.SIGNATURE_BYTES:
        raise WireError("an Ed25519 signature does not have 64 bytes")
    if key_type in _ECDSA_TYPES:
        numbers = Reader(data)
        r, s = numbers.positive_mpint(), numbers.positive_mpint()
        numbers.end()
        return encode_dss_signature(r, s)
    return data


def check(signature: Signature, key: PublicKey, message: bytes) -> None:
    """Check the signature by ``key`` over ``message``. What its flags must hold is for the caller to say.

    Raises InvalidSignature, and Rejected (SignatureInvalid) for what a browser signed for another page or message.
    """
    # By its type, which is the material's: to ask that itself takes an abstract base class several calls.
    material: Any = key.material
    signed = _signed(signature, key, message) if key.type in SECURITY_KEYS else message
    match key.type:
        case KeyType.ED25519 | KeyType.SK_ED25519:
            ed25519.verify(material, signature.data, signed)
        case KeyType.ECDSA_P256 | KeyType.ECDSA_P384 | KeyType.SK_ECDSA_P256:
            material.verify(signature.data, signed, ECDSA(_ECDSA_HASHES[key.type]))
        case KeyType.RSA:
            # RFC 8332 section 3: as long as the modulus. ssh-keygen pads shorter ones.
            if len(signature.data) != (material.key_size + 7) // 8:
                raise InvalidSignature
            material.verify(signature.data, signed, PKCS1v15(), _RSA_HASHES[signature.type])
        case _:  # Falling out of this match would be taking the signature.
            assert_never(key.type)


def _signed(signature: Signature, key: PublicKey, message: bytes) -> bytes:
    """The bytes that a FIDO authenticator signs."""
    # A key of a page signs through a browser, and any other never does: else a signature that one program asked for
    # would count as if another had.
    if key.of_page is not (signature.client is not None):
        raise InvalidSignature
    told, extensions = message, b""
    if signature.client is not None:
        webauthn.check(signature.client, message, key.application)
        told, extensions = signature.client.data, signature.client.extensions
    return (
        hashlib.sha256(key.application).digest()
        + signature.flags.to_bytes(1)
        + signature.counter.to_bytes(4)
        + extensions
        + hashlib.sha256(told).digest()
    )
