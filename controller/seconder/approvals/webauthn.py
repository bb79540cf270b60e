"""What a browser adds when a passkey signs: OpenSSH's PROTOCOL.u2f, "webauthn", and WebAuthn level 2.

A passkey signs no message but what the browser says about the page: who asked, and for which challenge. Here the
challenge is the whole of what an SSH signature is made over. ssh-keygen looks at the challenge alone; here the page
must also be one that the key was made for, and not have been asked from within another's page.
"""

import binascii
import json
import re
from typing import Any, Final

from msgspec import Struct

from seconder.api.reasons import Reason, Rejected
from seconder.approvals.sshwire import Reader, WireError

ATTESTED: Final = 0x40
"""The authenticator's data hold a new credential (WebAuthn section 6.1, bit 6): made when one is registered."""

EXTENDED: Final = 0x80
"""The authenticator's data hold extensions (bit 7)."""

MAX_FIELD: Final = 2048
"""Bytes of each of the three fields. A browser's clientDataJSON has some 300."""

LOCAL: Final = b"localhost"
"""The one host that a browser takes for secure without TLS (W3C Secure Contexts, section 3.1)."""

_LABEL: Final = rb"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rb"(?:" + _LABEL + rb"\.)*" + _LABEL)
_ORIGIN: Final = re.compile(rb"(https?)://([a-z0-9.-]{1,253})(?::[1-9][0-9]{0,4})?")


class Client(Struct, frozen=True, gc=False):
    """What the browser signed for beside the authenticator's own data, each as it stood in the signature."""

    origin: bytes
    data: bytes
    extensions: bytes


def is_host(application: bytes) -> bool:
    """Whether an application is a page's host (WebAuthn's rpId): lower case, and a name, no address."""
    if not 1 <= len(application) <= 253 or not _HOST.fullmatch(application):
        return False
    return not application.rpartition(b".")[2].isdigit()


def read(reader: Reader, flags: int) -> Client:
    """Take the three fields that stand behind flags and counter. Raises WireError."""
    client = Client(reader.string(), reader.string(), reader.string())
    if max(len(client.origin), len(client.data), len(client.extensions)) > MAX_FIELD:
        raise WireError("a field of the passkey's signature is too long")
    if flags & ATTESTED or bool(flags & EXTENDED) != bool(client.extensions):
        raise WireError("the passkey's flags say something else than what follows them")
    if not _ORIGIN.fullmatch(client.origin):
        raise WireError("the origin of the passkey's signature is none of a page")
    return client


def check(client: Client, challenge: bytes, application: bytes) -> None:
    """Check that the browser asked for exactly this challenge, for a page that the key is for.

    ``application`` is the key's. Raises Rejected (SignatureInvalid).
    """
    asked = binascii.b2a_base64(challenge, newline=False).rstrip(b"=").translate(bytes.maketrans(b"+/", b"-_"))
    # WebAuthn section 5.8.1.1 gives the order of the members, so that this much can be compared byte by byte.
    head = b'{"type":"webauthn.get","challenge":"' + asked + b'","origin":"' + client.origin + b'"'
    data = client.data
    if not data.startswith(head) or data[len(head) : len(head) + 1] not in {b",", b"}"} or not data.endswith(b"}"):
        raise Rejected(Reason.SIGNATURE_INVALID, "the passkey signed something else than this statement")
    if not _belongs(client.origin, application):
        raise Rejected(Reason.SIGNATURE_INVALID, "the passkey signed for another page than the one that it is for")
    told = _members(data)
    if told is None or told.get("crossOrigin", False) is not False or "topOrigin" in told:
        raise Rejected(Reason.SIGNATURE_INVALID, "the passkey signed for a page within another page")


def _belongs(origin: bytes, application: bytes) -> bool:
    """Whether the origin's host is the application or below it, and reached in a way that a browser takes as secure."""
    matched = _ORIGIN.fullmatch(origin)
    if matched is None:
        return False
    scheme, host = matched.groups()
    if scheme == b"http":
        return bool(host == application == LOCAL)
    # A name of one label has nothing below it that is its own: all of "com" would be.
    return bool(host == application or (b"." in application and is_host(host) and host.endswith(b"." + application)))


def _members(data: bytes) -> dict[str, Any] | None:
    """The members of clientDataJSON; None where it is no one object, or names a member twice."""
    try:
        told = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members
