"""One OpenSSH user certificate, read as strictly as it can be (OpenSSH's PROTOCOL.certkeys).

``parse`` takes it apart and trusts nothing; ``verify`` does the authority's arithmetic. Whose authority counts, and for
whom, is not asked here. Whatever passes both, ``ssh-keygen -Y verify`` takes too.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from msgspec import Struct

from seconder.api.reasons import Reason, Rejected
from seconder.approvals import keys, signatures
from seconder.approvals.keys import CERTIFIED, SECURITY_KEYS, KeyType, PublicKey
from seconder.approvals.signatures import USER_PRESENT, Signature
from seconder.approvals.sshwire import Reader, WireError, string

MAX_BYTES: Final = 6144
"""An approval has 8 KiB at most. One by an RSA key of 8,192 bits, by an authority's of as many, has 3 KiB."""

NONCE_BYTES: Final = (16, 64)
"""CAs use 32, older ones 16: it keeps a signature from being foreseen."""

MAX_PRINCIPALS: Final = 256
"""As OpenSSH takes (SSHKEY_CERT_MAX_PRINCIPALS)."""

_USER: Final = 1
_FIELDS: Final = {
    KeyType.ED25519: 1,
    KeyType.ECDSA_P256: 2,
    KeyType.ECDSA_P384: 2,
    KeyType.RSA: 2,
    KeyType.SK_ED25519: 2,
    KeyType.SK_ECDSA_P256: 3,
}
"""How many fields a public key of this type has behind its name."""

VERIFY_REQUIRED: Final = "verify-required"
"""The one critical option that is taken: signatures must say that a PIN or biometric was given."""


class Certificate(Struct, frozen=True, gc=False):
    """What a certificate says, unproven until ``verify`` has passed.

    ``key_blob`` is the certified key's own encoding. ``valid_after`` and ``valid_before`` are in seconds since 1970,
    the latter excluded. ``authority_blob`` is the encoding of the key that is said to have signed ``signed``.
    """

    key_blob: bytes
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    options: frozenset[str]
    authority_blob: bytes
    signed: bytes
    signature: Signature


def is_certificate(blob: bytes) -> bool:
    """Whether an encoding begins as that of a certificate of a known type does."""
    try:
        return Reader(blob).string() in CERTIFIED
    except WireError:
        return False


def parse(blob: bytes) -> Certificate:
    """Take a certificate apart. Raises Rejected: ApprovalMalformed, or ApproverNotAllowed for another purpose's."""
    if len(blob) > MAX_BYTES:
        raise _malformed(f"it has more than {MAX_BYTES} bytes")
    try:
        return _parse(blob)
    except WireError as error:
        raise _malformed(str(error)) from None


def _parse(blob: bytes) -> Certificate:
    reader = Reader(blob)
    key_type = CERTIFIED.get(reader.string())
    if key_type is None:
        raise WireError("its type is not known")
    least, most = NONCE_BYTES
    if not least <= len(reader.string()) <= most:
        raise WireError(f"its nonce does not have {least} to {most} bytes")
    key_blob = string(key_type.encode()) + b"".join(string(reader.string()) for _ in range(_FIELDS[key_type]))
    serial, purpose = reader.uint64(), reader.uint32()
    key_id = _text(reader.string())
    principals = _principals(Reader(reader.string()))
    valid_after, valid_before = reader.uint64(), reader.uint64()
    critical, extensions = _options(Reader(reader.string())), _options(Reader(reader.string()))
    del extensions  # They grant what logins may do, and nothing of it is done here.
    if reader.string():
        raise WireError("its reserved field is in use")
    authority_blob, signature = reader.string(), reader.string()
    reader.end()
    signed = blob[: -len(string(signature))]
    read = signatures.read(Reader(authority_blob).string(), signature)
    if valid_after >= valid_before:
        raise WireError("it ends before it begins")
    if purpose != _USER:
        raise _not_allowed("the certificate is not one of a user")
    return Certificate(
        key_blob,
        serial,
        key_id,
        principals,
        valid_after,
        valid_before,
        _critical(critical),
        authority_blob,
        signed,
        read,
    )


def _principals(reader: Reader) -> tuple[str, ...]:
    names: list[str] = []
    while reader.more:
        names.append(_text(reader.string()))
        if len(names) > MAX_PRINCIPALS:
            raise WireError(f"it has more than {MAX_PRINCIPALS} principals")
    if len(set(names)) != len(names):
        raise WireError("it names a principal twice")
    return tuple(names)


def _options(reader: Reader) -> dict[str, bytes]:
    """Names and values; PROTOCOL.certkeys has them in order, each once."""
    options: dict[str, bytes] = {}
    last = b""
    while reader.more:
        name = reader.string()
        if name <= last:
            raise WireError("its options are not in order, each once")
        options[_text(name)] = reader.string()
        last = name
    return options


def _critical(options: dict[str, bytes]) -> frozenset[str]:
    """The names of the critical options, all of which are known to mean nothing else than what is held to here."""
    for name, value in options.items():
        # force-command and source-address bind a login: to a command, and to an address that no approval tells.
        if name != VERIFY_REQUIRED:
            raise _not_allowed("the certificate has a critical option that no approval can be held to")
        if value:
            raise _malformed(f"its option {VERIFY_REQUIRED} has a value")
    return frozenset(options)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError("a name in it is not UTF-8") from None


def key_of(certificate: Certificate) -> PublicKey:
    """The certified key, by the same rules as any other. Raises Rejected (ApproverNotAllowed)."""
    try:
        return keys.parse(certificate.key_blob)
    except keys.UnusableKey as error:
        raise _not_allowed(f"the certified key is not usable: {error}") from None


def verify(certificate: Certificate, authority: PublicKey) -> None:
    """Check that the authority signed it. Raises Rejected (SignatureInvalid)."""
    bad = Rejected(Reason.SIGNATURE_INVALID, "the authority's signature on the certificate does not verify")
    if certificate.authority_blob != authority.blob:
        raise bad
    if authority.type in SECURITY_KEYS and not certificate.signature.flags & USER_PRESENT:
        raise bad
    try:
        signatures.check(certificate.signature, authority, certificate.signed)
    except InvalidSignature:
        raise bad from None


def _malformed(detail: str) -> Rejected:
    return Rejected(Reason.APPROVAL_MALFORMED, f"the certificate cannot be read: {detail}")


def _not_allowed(detail: str) -> Rejected:
    return Rejected(Reason.APPROVER_NOT_ALLOWED, detail)
