"""A FIDO authenticator in software: sk- keys and signatures that the real ``ssh-keygen -Y verify`` takes.

OpenSSH's PROTOCOL.u2f gives both layouts. The flags are free to choose, as they never are on a real device.
"""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.signing import NAMESPACE, armor, mpint, sshsig_blob, string

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
        digest = hashlib.sha512(message).digest()
        data = b"SSHSIG" + b"".join(string(part) for part in (namespace.encode(), b"", b"sha512", digest))
        suffix = bytes([flags]) + counter.to_bytes(4, "big")
        signed = hashlib.sha256(self.application).digest() + suffix + hashlib.sha256(data).digest()
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            signature = self._key.sign(signed)
        else:
            r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(SHA256())))
            signature = mpint(r) + mpint(s)
        return armor(sshsig_blob(self.blob, string(self.type) + string(signature) + suffix, namespace=namespace))
