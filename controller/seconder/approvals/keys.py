"""Public keys, in SSH's notation and as JSON Web Keys: what may stand in an Approver.

A key is linted once, when it is registered. Under a small-order Ed25519 point, for one, anybody can make a signature
that verifies, so such a key must never get as far as a verification.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from seconder.api.policy import Assurance
from seconder.approvals import base64url, webauthn
from seconder.approvals.sshwire import Reader, WireError, decode_base64, string

MAX_LINE: Final = 4096
"""Characters. An RSA key of the greatest size taken has about 1,400."""

_SSH: Final = b"ssh:"
"""How the application of each security key begins that ssh-keygen makes. No host's name holds a colon."""

RSA_BITS: Final = (3072, 8192)


class UnusableKey(ValueError):
    """The key cannot be registered. The message is for people and holds nothing of the key's own text."""


class KeyType(StrEnum):
    """The key types taken, by their names in RFC 8709, RFC 5656, RFC 4253 and OpenSSH's PROTOCOL.u2f."""

    ED25519 = "ssh-ed25519"
    ECDSA_P256 = "ecdsa-sha2-nistp256"
    ECDSA_P384 = "ecdsa-sha2-nistp384"
    RSA = "ssh-rsa"
    SK_ED25519 = "sk-ssh-ed25519@openssh.com"
    SK_ECDSA_P256 = "sk-ecdsa-sha2-nistp256@openssh.com"


SECURITY_KEYS: Final = frozenset({KeyType.SK_ED25519, KeyType.SK_ECDSA_P256})
"""Keys that live in a FIDO authenticator: their signatures say whether somebody was there."""

CERTIFIED: Final = {
    key_type.encode().removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com": key_type for key_type in KeyType
}
"""The type of a certified key, by that of its certificate (OpenSSH's PROTOCOL.certkeys)."""

_OR_HOST: Final = ", and is no host of a page"

Material = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key fit to verify with.

    ``blob`` is the wire encoding and the key's identity. ``application`` is what a FIDO authenticator binds the key
    to, empty for other keys. ``fingerprint`` is written as ``ssh-keygen -l`` does.
    """

    blob: bytes
    type: KeyType
    fingerprint: str = field(compare=False)
    application: bytes = field(compare=False)
    material: Material = field(compare=False, repr=False)

    @property
    def best_assurance(self) -> Assurance:
        """What the key can prove at best. What a signature did prove is in that signature's own flags."""
        return Assurance.VERIFIED if self.type in SECURITY_KEYS else Assurance.SOFTWARE

    @property
    def of_page(self) -> bool:
        """Whether it is a passkey: a browser made it for a page, whose host is its application."""
        return self.type is KeyType.SK_ECDSA_P256 and not self.application.startswith(_SSH)


def fingerprint(blob: bytes) -> str:
    """``SHA256:`` and the unpadded base64 of the digest, as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def blob_of_line(line: str) -> bytes:
    """Decode ``TYPE BASE64 [COMMENT]``, a line of a ``.pub`` file. Raises ``UnusableKey``.

    Only the encoding is checked here, so that a key which fails ``parse`` can still be recognised and named.
    """
    if len(line) > MAX_LINE:
        raise UnusableKey("the key's line is too long")
    words = line.split()
    if len(words) < 2 or len(line.strip().splitlines()) != 1:
        raise UnusableKey("not one line of TYPE BASE64 COMMENT, as in a .pub file")
    try:
        blob = decode_base64(words[1].encode())
        inner = Reader(blob).string()
    except (WireError, UnicodeEncodeError):
        raise UnusableKey(
            "the second word is not the base64 of a key (options before the type are not taken)"
        ) from None
    if inner != words[0].encode():
        raise UnusableKey("the key's first word is not the type that the key itself names")
    return blob


def blob_of_jwk(kty: str, crv: str, x: str, y: str | None) -> bytes:
    """The SSH wire encoding of a JSON Web Key (RFC 8037 section 2, RFC 7518 section 6.2). Raises ``UnusableKey``.

    One encoding for both notations: a key is linted by the same rules, and recognised as the same key.
    """
    if (kty, crv) == ("OKP", "Ed25519") and y is None:
        return string(KeyType.ED25519.encode()) + string(_coordinate(x))
    if (kty, crv) == ("EC", "P-256") and y is not None:
        point = b"\x04" + _coordinate(x) + _coordinate(y)
        return string(KeyType.ECDSA_P256.encode()) + string(b"nistp256") + string(point)
    raise UnusableKey("the JSON Web Key is neither OKP Ed25519 with x alone nor EC P-256 with x and y")


def _coordinate(text: str) -> bytes:
    try:
        data = base64url.decode(text.encode())
    except ValueError:
        raise UnusableKey("a coordinate of the JSON Web Key is not base64url without padding") from None
    if len(data) != 32:
        raise UnusableKey("a coordinate of the JSON Web Key does not have 32 bytes")
    return data


def parse_line(line: str) -> PublicKey:
    """Parse and lint ``TYPE BASE64 [COMMENT]``. Raises ``UnusableKey``."""
    return parse(blob_of_line(line))


def parse(blob: bytes) -> PublicKey:
    """Parse and lint the wire encoding of a public key. Raises ``UnusableKey``."""
    try:
        reader = Reader(blob)
        key_type = _type(reader.string())
        material, application = _body(key_type, reader)
        reader.end()
    except WireError as error:
        raise UnusableKey(f"the key is damaged: {error}") from None
    return PublicKey(blob, key_type, fingerprint(blob), application, material)


def _type(name: bytes) -> KeyType:
    if b"-cert-v0" in name:
        raise UnusableKey(
            "a certificate is no key: register the plain public key, or the authority's in an ApproverAuthority"
        )
    if name == b"ssh-dss":
        raise UnusableKey("DSA keys are not taken")
    try:
        return KeyType(name.decode("ascii"))
    except ValueError:
        raise UnusableKey("keys of this type are not taken: use " + ", ".join(KeyType)) from None


def _body(key_type: KeyType, reader: Reader) -> tuple[Material, bytes]:
    match key_type:
        case KeyType.ED25519:
            return _ed25519(reader.string()), b""
        case KeyType.SK_ED25519:
            return _ed25519(reader.string()), _application(reader.string())
        case KeyType.ECDSA_P256:
            return _ecdsa(reader, SECP256R1()), b""
        case KeyType.ECDSA_P384:
            return _ecdsa(reader, SECP384R1()), b""
        case KeyType.SK_ECDSA_P256:
            return _ecdsa(reader, SECP256R1()), _application(reader.string(), page=True)
        case KeyType.RSA:
            return _rsa(reader.positive_mpint(), reader.positive_mpint()), b""


def _application(data: bytes, *, page: bool = False) -> bytes:
    """What the key is bound to. ``page``: a page's host is taken too, for which a browser signs (a passkey)."""
    if not data.startswith(_SSH) and not (page and webauthn.is_host(data)):
        raise UnusableKey('the security key\'s application does not begin with "ssh:"' + _OR_HOST * page)
    return data


def _ecdsa(reader: Reader, curve: SECP256R1 | SECP384R1) -> EllipticCurvePublicKey:
    """RFC 5656 section 3.1; OpenSSH, too, takes the uncompressed form alone."""
    name = b"nistp256" if isinstance(curve, SECP256R1) else b"nistp384"
    if reader.string() != name:
        raise UnusableKey("the ECDSA key names another curve than its type")
    point = reader.string()
    if len(point) != 1 + 2 * (curve.key_size // 8) or point[0] != 4:
        raise UnusableKey("the ECDSA key is not an uncompressed point")
    try:
        return EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError:
        raise UnusableKey("the ECDSA key is not a point on its curve") from None


def _rsa(exponent: int, modulus: int) -> RSAPublicKey:
    """RFC 4253 section 6.6. The exponent's bounds are FIPS 186-5's lower one and OpenSSL's habit above."""
    least, most = RSA_BITS
    if not least <= modulus.bit_length() <= most:
        raise UnusableKey(f"the RSA key has {modulus.bit_length()} bits: {least} to {most} are taken")
    if modulus % 2 == 0:
        raise UnusableKey("the RSA key's modulus is even")
    if exponent % 2 == 0 or not 2**16 < exponent < 2**32:
        raise UnusableKey("the RSA key's exponent is not an odd number between 2^16 and 2^32")
    return RSAPublicNumbers(exponent, modulus).public_key()


_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})
"""The y coordinates of the eight points whose order divides 8: orders 4, 1, 2, 8 and 8."""


def _ed25519(data: bytes) -> Ed25519PublicKey:
    """RFC 8032 section 5.1.3, and no point of small order: anybody can sign for those."""
    if len(data) != 32:
        raise UnusableKey("the Ed25519 key does not have 32 bytes")
    y = int.from_bytes(data, "little") & (2**255 - 1)
    # Reduced first, so that the encodings above the field's prime are recognised for the points that they stand for.
    if y % _P in _SMALL_ORDER_Y:
        raise UnusableKey("the Ed25519 key is a point of small order: anybody could sign for it")
    if y >= _P:
        raise UnusableKey("the Ed25519 key is not canonical")
    # x^2 = (y^2 - 1) / (d y^2 + 1) must be a square; a quotient is one exactly when the product is (Euler's criterion).
    if pow((y * y - 1) * (_D * y * y + 1), (_P - 1) // 2, _P) != 1:
        raise UnusableKey("the Ed25519 key is not a point on the curve")
    return Ed25519PublicKey.from_public_bytes(data)
