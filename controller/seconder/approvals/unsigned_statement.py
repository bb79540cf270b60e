"""The statement as it stands before somebody signs: all claims but the signer's own."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from seconder.api import constants
from seconder.api.type_reader import TypeReader
from seconder.approvals.change import Change
from seconder.approvals.impact import Impact
from seconder.approvals.statement import Actor, Detail, NamedChange, NamedImpact, Statement


class UnsignedStatement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statement without ``iss``, ``iat``, ``exp``, ``jti`` and ``reason``. ``txn`` is the change request's uid."""

    aud: str
    authorization_details: list[Detail]
    sub: str
    act: Actor | UnsetType = UNSET
    txn: str | UnsetType = UNSET


MOST_OBJECTS: Final = 16
"""Of one statement: the bound of its ``authorization_details``."""

_encoder: Final = msgspec.json.Encoder(order="sorted")
_reader: Final = TypeReader(UnsignedStatement)


def for_change(change: Change, audience: str, txn: str, impact: Impact | None) -> UnsignedStatement:
    """What a peer would sign for this change. ``txn`` is empty where there is no change request."""
    target, difference = change.target, change.difference
    detail = Detail(
        actions=[change.action],
        group=target.resource.group,
        identifier=target.uid,
        name=target.name,
        resource=target.resource.resource,
        type=constants.STATEMENT_TYPE,
        namespace=target.namespace or UNSET,
        change=UNSET if difference is None else NamedChange(before=difference.before, after=difference.after),
        impact=UNSET if impact is None else NamedImpact(counts=dict(impact.counts), sha256=impact.sha256),
    )
    return UnsignedStatement(
        aud=audience,
        authorization_details=[detail],
        sub=change.requester,
        act=UNSET if change.agent is None else Actor(sub=change.agent),
        txn=txn or UNSET,
    )


def together(parts: Sequence[UnsignedStatement]) -> UnsignedStatement:
    """One statement for the objects of several: at most 16, for one requester. It names no change request.

    Raises ValueError where they are not for one requester in one cluster.
    """
    first = parts[0]
    if any((part.aud, part.sub, part.act) != (first.aud, first.sub, first.act) for part in parts):
        raise ValueError("the statements are for different requesters or clusters")
    details = [detail for part in parts for detail in part.authorization_details]
    txn = first.txn if len(parts) == 1 else UNSET
    return msgspec.structs.replace(first, authorization_details=details, txn=txn)


def line(unsigned: UnsignedStatement) -> str:
    """The canonical JSON that a change request's status holds."""
    return _encoder.encode(unsigned).decode()


def read(recorded: str) -> UnsignedStatement | None:
    """The statement that a change request's status holds; None where it holds none."""
    try:
        return _reader.decode(recorded)
    except msgspec.MsgspecError:
        return None


def complete(unsigned: UnsignedStatement, *, iss: str, iat: int, exp: int, jti: str, reason: str) -> Statement:
    """Add the signer's own claims. Times are seconds since 1970."""
    return Statement(
        iss=iss,
        sub=unsigned.sub,
        aud=unsigned.aud,
        iat=iat,
        exp=exp,
        jti=jti,
        reason=reason,
        authorization_details=unsigned.authorization_details,
        act=unsigned.act,
        txn=unsigned.txn,
    )
