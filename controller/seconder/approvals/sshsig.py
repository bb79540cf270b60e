"""SSHSIG, the signature that ``ssh-keygen -Y sign`` makes, clear-signed: OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f.

A value is one line of text, a newline and the armored signature over that line with its newline. ``parse`` takes it
apart and trusts nothing; ``verify_signature`` does the arithmetic. Both are stricter than ssh-keygen: whatever they
take, ``ssh-keygen -Y verify`` takes too.
"""

import functools
import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from msgspec import Struct

from seconder.api import constants
from seconder.api.reasons import Reason, Rejected
from seconder.approvals import signatures
from seconder.approvals.keys import PublicKey
from seconder.approvals.signatures import Signature
from seconder.approvals.sshwire import Reader, WireError, decode_base64, string

_BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----\n"
_END: Final = b"\n-----END SSH SIGNATURE-----"
_MAX_LINE: Final = 76
_MAGIC: Final = b"SSHSIG"
_BEGINNING: Final = _MAGIC + (1).to_bytes(4)
"""With the version."""

_NAMESPACE: Final = constants.SSHSIG_NAMESPACE.encode()
_HASHES: Final = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


class Envelope(Struct, frozen=True, gc=False):
    """A signature that has been read but not verified.

    ``message`` is the signed line with its newline. ``key_blob`` is the key that the signer claims. ``namespace`` is
    what it was signed for, as the one who parsed it asked.
    """

    message: bytes
    key_blob: bytes
    hash_algorithm: bytes
    signature: Signature
    namespace: bytes


def parse(value: bytes, namespace: bytes = _NAMESPACE) -> Envelope:
    """Take a clear-signed value apart. Raises ``Rejected`` (ApprovalMalformed).

    What was signed for another purpose than ``namespace`` is refused; left out, that is to approve.
    """
    line, newline, armor = value.partition(b"\n")
    try:
        return _parse_blob(line + newline, _unarmor(armor), namespace)
    except WireError as error:
        raise Rejected(Reason.APPROVAL_MALFORMED, f"the SSH signature cannot be read: {error}") from None


def _unarmor(armor: bytes) -> bytes:
    body = armor.removesuffix(b"\n")
    if not body.startswith(_BEGIN) or not body.endswith(_END) or len(body) <= len(_BEGIN) + len(_END):
        raise WireError("not one line and one armored signature")
    lines = body[len(_BEGIN) : -len(_END)].split(b"\n")
    width = len(lines[0])
    # ssh-keygen breaks at 70, PROTOCOL.sshsig recommends 76: any width up to that, but the same for every line.
    if width > _MAX_LINE or not 0 < len(lines[-1]) <= width or not {width}.issuperset(map(len, lines[:-1])):
        raise WireError("ragged lines in the armor")
    return decode_base64(b"".join(lines))


def _parse_blob(message: bytes, blob: bytes, namespace: bytes) -> Envelope:
    reader = Reader(blob)
    if reader.take(len(_BEGINNING)) != _BEGINNING:
        raise WireError("not SSHSIG version 1")
    key_blob, purpose, reserved, hash_algorithm, signature = reader.strings(5)
    if purpose != namespace:
        raise WireError(f"signed for another purpose than {namespace.decode()}")
    if reserved:
        raise WireError("the reserved field is in use")
    if hash_algorithm not in _HASHES:
        raise WireError("another hash than sha256 or sha512")
    reader.end()
    read = signatures.read(Reader(key_blob).strings(1)[0], signature)
    return Envelope(message, key_blob, hash_algorithm, read, namespace)


@functools.lru_cache(16)
def _before(namespace: bytes, hash_algorithm: bytes) -> bytes:
    """What stands before the digest in what is signed."""
    return _MAGIC + string(namespace) + string(b"") + string(hash_algorithm)


def verify_signature(envelope: Envelope, key: PublicKey, named: bytes = b"") -> int:
    """The FIDO flags of a signature by ``key`` over ``envelope.message``; 0 for a key that is not a security key.

    What the flags must hold is for the caller to say: ssh-keygen itself is content with 0. ``named``: a certificate of
    the key, where the value must name that in the key's place. Raises ``Rejected`` (SignatureInvalid).
    """
    if envelope.key_blob != (named or key.blob):
        raise Rejected(Reason.SIGNATURE_INVALID, "the signature is by another key")
    digest = _HASHES[envelope.hash_algorithm](envelope.message).digest()
    try:
        signatures.check(envelope.signature, key, _before(envelope.namespace, envelope.hash_algorithm) + string(digest))
    except InvalidSignature:
        raise Rejected(Reason.SIGNATURE_INVALID, "the signature does not verify") from None
    return envelope.signature.flags
