"""The signed statement: a closed set of claims (RFC 7519, 8693, 9396, 8417) in one canonical form (RFC 8785).

What was signed must be byte for byte what re-encoding its claims gives. That one comparison refuses duplicate and
unknown claims, other spellings of numbers and strings, spaces and reordering, whatever a JSON parser makes of them.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import Action

_CLOSED: Final = {"forbid_unknown_fields": True, "frozen": True, "kw_only": True, "gc": False}
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that steer the display: control, format (bidi among them), surrogates, line and paragraph ends."""

Text = Annotated[str, Meta(min_length=1, max_length=253)]
Subject = Annotated[str, Meta(min_length=1, max_length=512)]
"""A user name. That of a ServiceAccount alone may have 339 characters."""

Time = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Actor(Struct, **_CLOSED):
    """The ``act`` claim (RFC 8693 section 4.1): the agent, as the requester's credential names it."""

    sub: Subject


class NamedImpact(Struct, **_CLOSED):
    """What goes down with the object. ``sha256`` counts; ``counts`` are what the approver was shown."""

    counts: Annotated[dict[Annotated[str, Meta(pattern=r"\A[a-z0-9.-]{1,253}\Z")], Count], Meta(max_length=64)]
    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


_Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class NamedChange(Struct, **_CLOSED):
    """A change of an object: the digests of what is stored and of what is wanted."""

    before: _Digest = msgspec.field(name="from")
    after: _Digest = msgspec.field(name="to")


class Detail(Struct, **_CLOSED):
    """One element of ``authorization_details`` (RFC 9396): the object and what may be done to it."""

    actions: Annotated[list[Action], Meta(min_length=1, max_length=5)]
    group: Annotated[str, Meta(max_length=253)]
    identifier: Annotated[str, Meta(min_length=1, max_length=128)]
    name: Text
    resource: Annotated[str, Meta(min_length=1, max_length=63)]
    type: Literal["https://seconder.dev/approval/v1"]
    namespace: Annotated[str, Meta(min_length=1, max_length=63)] | UnsetType = UNSET
    impact: NamedImpact | UnsetType = UNSET
    change: NamedChange | UnsetType = UNSET


class Statement(Struct, **_CLOSED):
    """The claims. Times are seconds since 1970 (NumericDate, whole)."""

    iss: Subject
    sub: Subject
    aud: Text
    iat: Time
    exp: Time
    jti: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{22,64}\Z")]
    reason: Annotated[str, Meta(min_length=1, max_length=256)]
    authorization_details: Annotated[list[Detail], Meta(min_length=1, max_length=16)]
    act: Actor | UnsetType = UNSET
    txn: Text | UnsetType = UNSET

    def detail_for(self, uid: str) -> Detail:
        """The element about the object of this uid; of a statement about others alone, its first."""
        return self.detail_of(uid) or self.authorization_details[0]

    def detail_of(self, uid: str) -> Detail | None:
        """The element of ``authorization_details`` that is about the object of this uid."""
        for detail in self.authorization_details:
            if detail.identifier == uid:
                return detail
        return None

    @property
    def agent(self) -> str | None:
        """The agent's name, if the statement names one."""
        return self.act.sub if isinstance(self.act, Actor) else None


_decoder: Final = msgspec.json.Decoder(Statement, strict=True)
_encoder: Final = msgspec.json.Encoder(order="sorted")


def parse(signed: bytes) -> Statement:
    """Read what an SSH key signed: one line of canonical JSON with its newline.

    Raises Rejected (ApprovalMalformed).
    """
    if not signed.endswith(b"\n"):
        raise _malformed("the statement does not end with a newline")
    return parse_line(signed[:-1])


def parse_line(line: bytes) -> Statement:
    """Read the same line without its newline, as it is the payload of a JSON Web Signature.

    Raises Rejected (ApprovalMalformed).
    """
    try:
        statement = _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise _malformed("the statement does not have exactly the claims of its type") from None
    if _encoder.encode(statement) != line:
        raise _malformed("the statement is not in canonical form (RFC 8785), one line")
    _check_details(statement.authorization_details)
    # Whatever is of these categories is not printable, and nearly every reason is.
    printable = statement.reason.isprintable()
    if not printable and any(unicodedata.category(character) in _UNSEEN for character in statement.reason):
        raise _malformed("the reason holds control or format characters")
    if statement.exp <= statement.iat:
        raise _malformed("the statement ends before it begins")
    return statement


def _check_details(details: Sequence[Detail]) -> None:
    """Raise Rejected where the elements contradict each other or themselves."""
    if len(details) > 1 and len({detail.identifier for detail in details}) != len(details):
        raise _malformed("the statement names an object twice")
    for detail in details:
        if len(set(detail.actions)) != len(detail.actions):
            raise _malformed("the statement names an action twice")
        changes = not isinstance(detail.change, UnsetType)
        if changes != (detail.actions == [Action.CHANGE]) or (not changes and Action.CHANGE in detail.actions):
            raise _malformed("a Change stands alone, and with the change that it is")


def encode(statement: Statement) -> bytes:
    """The canonical line with its newline: the bytes that an SSH key signs."""
    return _encoder.encode(statement) + b"\n"


def identity(statement: Statement) -> str:
    """The SHA-256, in hex, of what was signed: the same in whatever form a signature of it is written."""
    return hashlib.sha256(encode(statement)).hexdigest()


def _malformed(detail: str) -> Rejected:
    return Rejected(Reason.APPROVAL_MALFORMED, detail)
