"""A FIDO authenticator in software: sk- keys and signatures that the real ``ssh-keygen -Y verify`` takes.

OpenSSH's PROTOCOL.u2f gives both layouts. The flags are free to choose, as they never are on a real device.
"""

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.signing import NAMESPACE, armor, mpint, sshsig_blob, string

WEBAUTHN = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
PAGE = "approve.example.com"
ORIGIN = f"https://{PAGE}"
PRESENT = 0x01
VERIFIED = 0x04


class Authenticator:
    """Holds one key, of type ``sk-ssh-ed25519@openssh.com`` or ``sk-ecdsa-sha2-nistp256@openssh.com``."""

    def __init__(self, kind: str = "ed25519", application: bytes = b"ssh:") -> None:
        self.application = application
        self._key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
        if kind == "ed25519":
            self.type = b"sk-ssh-ed25519@openssh.com"
            self._key = ed25519.Ed25519PrivateKey.generate()
            point = string(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        else:
            self.type = b"sk-ecdsa-sha2-nistp256@openssh.com"
            self._key = ec.generate_private_key(ec.SECP256R1())
            encoded = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            point = string(b"nistp256") + string(encoded)
        self.blob = string(self.type) + point + string(application)

    @property
    def line(self) -> str:
        """The line of the ``.pub`` file."""
        return f"{self.type.decode()} {base64.b64encode(self.blob).decode()} key"

    def sign(self, message: bytes, *, flags: int = PRESENT, counter: int = 7, namespace: str = NAMESPACE) -> str:
        """Give the armored signature over the message."""
        suffix = bytes([flags]) + counter.to_bytes(4, "big")
        signature = self._signature(suffix, challenge_of(message, namespace))
        return armor(sshsig_blob(self.blob, string(self.type) + signature + suffix, namespace=namespace))

    def _signature(self, suffix: bytes, told: bytes) -> bytes:
        signed = hashlib.sha256(self.application).digest() + suffix + hashlib.sha256(told).digest()
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return string(self._key.sign(signed))
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(SHA256())))
        return string(mpint(r) + mpint(s))


def challenge_of(message: bytes, namespace: str = NAMESPACE) -> bytes:
    """Give what an SSH signature over the message is made over."""
    digest = hashlib.sha512(message).digest()
    return b"SSHSIG" + b"".join(string(part) for part in (namespace.encode(), b"", b"sha512", digest))


class Passkey(Authenticator):
    """A key that a browser made for a page: its signatures are of OpenSSH's type ``webauthn-...``."""

    def __init__(self, host: str = PAGE) -> None:
        super().__init__("ecdsa", host.encode())

    def sign(self, message: bytes, **choices: Any) -> str:
        """Give the armored signature, as a browser and OpenSSH's form make it of the message, but for the choices."""
        return armor(sshsig_blob(self.blob, self.signature(message, **choices)))

    def signature(
        self,
        message: bytes,
        *,
        flags: int = PRESENT | VERIFIED,
        counter: int = 7,
        origin: str = ORIGIN,
        told: str | None = None,
        more: str = ',"crossOrigin":false}',
        challenge: bytes | None = None,
        extensions: bytes = b"",
        kind: bytes = WEBAUTHN,
    ) -> bytes:
        """Give the signature's own blob. ``told`` is clientDataJSON, made as browsers do unless it is given."""
        asked = base64.urlsafe_b64encode(challenge or challenge_of(message)).decode().rstrip("=")
        data = told or f'{{"type":"webauthn.get","challenge":"{asked}","origin":"{origin}"{more}'
        suffix = bytes([flags]) + counter.to_bytes(4, "big")
        signature = self._signature(suffix + extensions, data.encode())
        fields = (origin.encode(), data.encode(), extensions)
        return string(kind) + signature + suffix + b"".join(string(field) for field in fields)
