"""Who is signed in: a passkey's own assertion is the session, so that there is no secret to keep and none to share.

The cookie holds what the passkey signed. Each request verifies it anew against the Approvers as they are now: several
replicas need nothing in common, and a key that is removed ends its sessions. What is signed names this portal and the
time, and can be no approval: those are made over a blob that begins with ``SSHSIG``.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from msgspec import Meta

from seconder.api.reasons import Rejected
from seconder.approvals import base64url, signatures
from seconder.approvals.keys import KeyType, PublicKey
from seconder.approvals.registry import Approver, RegisteredKey, Registry
from seconder.approvals.sshwire import WireError
from seconder.portal.paces import Pace
from seconder.portal.problem import Refused

SECONDS: Final = 3600
"""A session ends after an hour, whatever is done in it."""

SIGN_SECONDS: Final = 120
"""From the challenge to the answer: a person looks for their phone meanwhile."""

_SKEW: Final = 5
"""Seconds by which two replicas' clocks may differ."""

_PURPOSE: Final = "seconder portal sign-in v1"
_LONGEST: Final = 3800
"""Characters of a cookie's value; browsers keep 4,096 with its name (RFC 6265 section 6.1)."""

MOST_TRIED: Final = 1024
"""Passkeys that are tried where the authenticator does not say whose it is: 0.1 ms each."""

_WIDE_RATE: Final = 2.0
_WIDE_BURST: Final = 20.0
"""How often that is done, by all together: a flood of it keeps nobody out whose authenticator does say so."""

_NEEDED: Final = signatures.USER_PRESENT | signatures.USER_VERIFIED


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    begins: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    nonce: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{22}\Z")]
    key: Annotated[bytes, Meta(max_length=512)]
    signature: Annotated[bytes, Meta(max_length=2048)]


_stored: Final = msgspec.msgpack.Decoder(_Stored)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in. ``ends``: seconds since 1970. ``token`` proves that a form came from our own page."""

    approver: Approver
    key: RegisteredKey
    blob: bytes
    ends: int
    token: str


class Sessions:
    """Begins sessions and recognises them. ``origin`` is where browsers find the portal; its host is the rpId."""

    def __init__(self, origin: str, host: str) -> None:
        self._origin = origin
        self._host = host.encode()
        self._wide = Pace(_WIDE_RATE, _WIDE_BURST)

    def challenge(self, now: float) -> str:
        """What a passkey is to sign in order to sign in."""
        return self._challenge(int(now), secrets.token_urlsafe(16))

    def begin(self, challenge: str, signature: bytes, handle: str, registry: Registry, now: float) -> str:
        """The cookie's value for a passkey's answer to a challenge.

        ``signature`` is in SSH's form of a passkey's (PROTOCOL.u2f). ``handle`` tells whose passkey it may be, where
        the authenticator said so. Raises Refused.
        """
        begins, nonce = self._read(challenge)
        if not begins - _SKEW <= now <= begins + SIGN_SECONDS:
            raise Refused(400, "That took too long. Please sign in again.")
        for candidate in self._candidates(registry, handle):
            stored = _Stored(begins, nonce, candidate.blob, signature)
            if self._signed(stored, candidate):
                self._registered(candidate.blob, registry, now)
                cookie = base64.urlsafe_b64encode(msgspec.msgpack.encode(stored)).decode().rstrip("=")
                if len(cookie) > _LONGEST:
                    raise Refused(400, "The passkey's answer is too long to be kept.")
                return cookie
        raise Refused(
            403,
            "This passkey is not registered yet: it stands in no Approver of this cluster. Send its line to whoever "
            "looks after Seconder, or wait until they have registered it. The page where it was made shows the line.",
        )

    def find(self, cookie: str, registry: Registry, now: float) -> Session | None:
        """The session that a cookie proves; None where it proves none, or one that is over."""
        if not cookie or len(cookie) > _LONGEST:
            return None
        try:
            stored = _stored.decode(base64url.decode(cookie.encode()))
            if not stored.begins - _SKEW <= now < stored.begins + SECONDS:
                return None
            registered = self._registered(stored.key, registry, now)
        except (ValueError, UnicodeEncodeError, Refused):
            return None
        public = registered.entry.public
        if public is None or not self._signed(stored, public):
            return None
        token = hashlib.sha256(b"seconder form token\n" + cookie.encode()).hexdigest()
        return Session(registered.approver, registered, stored.key, stored.begins + SECONDS, token)

    def _challenge(self, begins: int, nonce: str) -> str:
        return f"{_PURPOSE}\n{self._origin}\n{begins}\n{nonce}"

    def _read(self, challenge: str) -> tuple[int, str]:
        parts = challenge.split("\n")
        known = len(parts) == 4 and parts[2].isascii() and parts[2].isdecimal() and len(parts[2]) <= 12
        if not known or self._challenge(int(parts[2]), parts[3]) != challenge:
            raise Refused(400, "That was no challenge of this portal's. Please sign in again.")
        return int(parts[2]), parts[3]

    def _signed(self, stored: _Stored, key: PublicKey) -> bool:
        """Whether the passkey signed this portal's challenge, with somebody there who was recognised."""
        message = self._challenge(stored.begins, stored.nonce).encode()
        try:
            signature = signatures.read(KeyType.SK_ECDSA_P256.encode(), stored.signature)
            if signature.client is None or signature.client.origin != self._origin.encode():
                return False
            signatures.check(signature, key, message)
        except (WireError, InvalidSignature, Rejected):
            return False
        return signature.flags & _NEEDED == _NEEDED

    def _registered(self, blob: bytes, registry: Registry, now: float) -> RegisteredKey:
        """The key, if it counts. Raises Refused."""
        key = registry.find(blob)
        if key is None or key.problem or key.entry.public is None:
            raise Refused(403, "This passkey does not count: see its Approver's status.")
        if key.entry.not_after is not None and not now < key.entry.not_after:
            raise Refused(403, "This passkey's notAfter has passed: have a new one registered.")
        if key.entry.public.application != self._host:
            raise Refused(403, "This passkey is for another page.")
        return key

    def _candidates(self, registry: Registry, handle: str) -> Iterator[PublicKey]:
        """The passkeys that may have signed: those of whom the authenticator names, then the others."""
        own: list[PublicKey] = []
        others: list[PublicKey] = []
        for approver in registry.approvers:
            for entry in approver.keys:
                if entry.public is not None and entry.public.of_page and entry.public.application == self._host:
                    (own if handle_of(approver.principal) == handle else others).append(entry.public)
        yield from own
        if others and self._wide.allows(""):
            yield from others[:MOST_TRIED]


def handle_of(principal: str) -> str:
    """WebAuthn's user handle of a person, as the page /enroll sets it: it tells a passkey's owner and nobody else."""
    return hashlib.sha256(f"seconder\n{principal}".encode()).hexdigest()
