"""A drill: approvers sign that they could be reached. An answer approves nothing, and no approval is an answer.

Two things keep them apart, and either would do: an answer is signed for another SSHSIG namespace, and its closed claims
are of another type. Whose key it is, whether it counts and what its signature proves is found as for approvals.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from seconder.api import constants
from seconder.api.policy import Assurance
from seconder.api.reasons import Reason, Rejected
from seconder.approvals import sshsig, verification
from seconder.approvals.registry import Approver, RegisteredKey, Registry
from seconder.approvals.statement import Subject, Time

PREFIX: Final = "answer."
"""An answer stands under ``answer.<name>`` in the drill's data. The name decides nothing."""

_NAMESPACE: Final = constants.DRILL_NAMESPACE.encode()


class Claims(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed. ``drill``: uid of the ConfigMap that calls; ``iat``: seconds since 1970, by the signer."""

    drill: Annotated[str, Meta(min_length=1, max_length=128)]
    iat: Time
    iss: Subject
    says: Literal["This is a drill: it approves nothing."] = "This is a drill: it approves nothing."
    type: Literal["https://seconder.dev/drill/v1"] = "https://seconder.dev/drill/v1"


class Answer(Struct, frozen=True):
    """A registered person's answer to one drill. ``at``: seconds since 1970, as its signer says. Made by ``verify``.

    ``name`` is what it stands under.
    """

    name: str
    at: int
    key: RegisteredKey
    key_type: str
    assurance: Assurance


class Refused(Struct, frozen=True):
    """Why what stands under a name is no answer."""

    name: str
    reason: Reason
    detail: str


_decoder: Final = msgspec.json.Decoder(Claims, strict=True)
_encoder: Final = msgspec.json.Encoder(order="sorted")


def encode(claims: Claims) -> bytes:
    """The canonical line (RFC 8785) with its newline: the bytes that a key signs."""
    return _encoder.encode(claims) + b"\n"


def verify(name: str, value: str, uid: str, begun: float, registry: Registry, now: float) -> Answer:
    """Verify an answer to the drill of this uid. ``begun`` and ``now``: seconds since 1970. Raises Rejected."""
    data = value.encode(errors="replace")
    if len(data) > constants.MAX_APPROVAL_BYTES:
        raise _malformed(f"it has more than {constants.MAX_APPROVAL_BYTES} bytes")
    envelope = sshsig.parse(data, _NAMESPACE)
    claims = _claims(envelope.message)
    found = registry.find(envelope.key_blob) or registry.certified(envelope.key_blob)
    key, public = verification.counting(found, now)
    if claims.iss != key.approver.principal:
        raise Rejected(Reason.SIGNATURE_INVALID, "it speaks for somebody else than the key's owner")
    verification.check_signature(envelope, key, public)
    if claims.drill != uid:
        raise Rejected(Reason.WRONG_OBJECT, "it is for another drill")
    skew = constants.CLOCK_SKEW_SECONDS
    if not begun - skew <= claims.iat <= now + skew:
        raise Rejected(Reason.APPROVAL_NOT_YET_VALID, "it was made before the drill, or in the future: compare clocks")
    if key.certified is not None:
        verification.check_validity(key.certified.certificate, claims.iat, now)
    flags = envelope.signature.flags
    verification.check_touch(key, public, flags)
    return Answer(name, claims.iat, key, str(public.type), verification.assurance_by(flags))


def answers(
    data: Mapping[str, str], uid: str, begun: float, registry: Registry, now: float
) -> tuple[Sequence[Answer], Sequence[Refused]]:
    """Verify all that stands in a drill's data as answers."""
    found, refused = [], []
    for name in sorted(data):
        if not name.startswith(PREFIX):
            continue
        try:
            found.append(verify(name, data[name], uid, begun, registry, now))
        except Rejected as rejected:
            refused.append(Refused(name, rejected.reason, rejected.detail))
    return found, refused


def obstacle(approver: Approver, registry: Registry, now: float) -> str:
    """The reason why this person cannot answer whatever happens; empty where they can."""
    keys = [key for key in approver.keys if key.format == "ssh"]
    certified = approver.certificates and any(registry.authorities)
    for key in keys:
        in_time = key.not_after is None or now < key.not_after
        if in_time and not registry.problems[approver.name, key.name]:
            return ""
    if certified:
        return ""
    return "no key that counts" if keys or not approver.keys else "JSON Web Keys alone, which take no part in drills"


def first_of_each(found: Iterable[Answer]) -> list[Answer]:
    """The first answer of each person, as a quorum counts them: distinct people with distinct keys."""
    people: dict[str, Answer] = {}
    for answer in found:
        people.setdefault(answer.key.approver.principal.casefold(), answer)
    return list({answer.key.entry.blob: answer for answer in people.values()}.values())


def _claims(line: bytes) -> Claims:
    try:
        claims = _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise _malformed("it does not have exactly the claims of a drill's answer") from None
    if encode(claims) != line:
        raise _malformed("it is not in canonical form (RFC 8785), one line")
    return claims


def _malformed(detail: str) -> Rejected:
    return Rejected(Reason.APPROVAL_MALFORMED, detail)
