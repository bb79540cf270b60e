"""Ed25519 signatures (RFC 8032 section 5.1.7), verified by libsodium (see ADR 28)."""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

SIGNATURE_BYTES: Final = 64


def verify(key: Ed25519PublicKey, signature: bytes, message: bytes) -> None:
    """Check that ``key`` made the signature over ``message``. Raises InvalidSignature."""
    # libsodium takes both in one piece: a signature of another length would move what is the message.
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature
    try:
        crypto_sign_open(signature + message, key.public_bytes_raw())
    except BadSignatureError:
        raise InvalidSignature from None
