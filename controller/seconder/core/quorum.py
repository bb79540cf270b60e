"""Whether the approvals on an object satisfy one requirement.

Counted are the distinct peers that a policy asks for, never the signatures that somebody put there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from seconder.core import names
from seconder.core.approval import Approval, Context, Memo, key_of, verify
from seconder.core.approver import Registry
from seconder.core.policy import Assurance, Requirement, UnknownOperator
from seconder.core.reasons import Reason, Rejected
from seconder.core.statement import peek_expiry

_STRENGTH: Final = {Assurance.SOFTWARE: 0, Assurance.PRESENCE: 1, Assurance.VERIFIED: 2}

_PROGRESS: Final = (
    Reason.APPROVAL_MALFORMED,
    Reason.APPROVAL_EXPIRED,
    Reason.APPROVER_UNKNOWN,
    Reason.APPROVER_NOT_ALLOWED,
    Reason.KEY_REVOKED,
    Reason.SIGNATURE_INVALID,
    Reason.APPROVAL_NOT_YET_VALID,
    Reason.WRONG_CLUSTER,
    Reason.WRONG_OBJECT,
    Reason.WRONG_ACTION,
    Reason.WRONG_REQUESTER,
    Reason.SELF_APPROVAL,
    Reason.LIFETIME_TOO_LONG,
    Reason.ASSURANCE_TOO_LOW,
    Reason.IMPACT_CHANGED,
    Reason.QUORUM_NOT_REACHED,
)
"""Reasons in the order in which mending them brings the caller nearer; the last one found heads the message."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one annotation's value does not count."""

    slug: str
    reason: Reason
    detail: str
    format: str = "ssh"
    key_type: str = ""


@dataclass(frozen=True, slots=True)
class Presented:
    """Everything that stood on the object, each value verified once."""

    approvals: Sequence[Approval]
    failures: Sequence[Failure]
    context: Context


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one requirement is satisfied, by whom, and what failed. ``reason`` is Approved if and only if it is."""

    satisfied: bool
    reason: Reason
    counted: Sequence[Approval]
    failures: Sequence[Failure]


def verify_all(values: Mapping[str, str], context: Context, registry: Registry, now: float, memo: Memo) -> Presented:
    """Verify the values by their slugs. Signatures are checked for at most eight of them.

    Values that are expired by their own word, or whose key is not one that counts, take up none of these places, so
    that whoever may write annotations cannot crowd an approver out with them.
    """
    approvals: list[Approval] = []
    failures: list[Failure] = []
    places = names.MAX_APPROVALS
    for slug in sorted(values):
        value = values[slug]
        key_type = ""
        try:
            expiry = peek_expiry(value.partition("\n")[0].encode()) if len(value) <= names.MAX_APPROVAL_BYTES else None
            if expiry is not None and expiry <= now:
                # Nothing is lost by believing this unverified: the worst it can do is not to count.
                raise Rejected(Reason.APPROVAL_EXPIRED, "the approval has expired")
            public = key_of(value, registry, now, memo).entry.public
            key_type = public.type.value if public is not None else ""
            if places == 0:
                raise Rejected(Reason.APPROVAL_MALFORMED, f"more than {names.MAX_APPROVALS} approvals: remove some")
            places -= 1
            approvals.append(verify(slug, value, context, registry, now, memo))
        except Rejected as rejected:
            failures.append(Failure(slug, rejected.reason, rejected.detail, key_type=key_type))
        except UnicodeEncodeError:
            failures.append(Failure(slug, Reason.APPROVAL_MALFORMED, "the approval is not UTF-8"))
    return Presented(approvals, failures, context)


def judge(presented: Presented, requirement: Requirement, impact: str | None) -> Verdict:
    """Judge what was presented by one policy's requirement. ``impact`` is the digest to be named, where one is bound.

    Raises ValueError for a requirement of nobody: it would be satisfied by nothing.
    """
    if requirement.required < 1:
        raise ValueError("a requirement of no approval at all")
    failures = list(presented.failures)
    fitting: list[Approval] = []
    for approval in presented.approvals:
        try:
            _check(approval, presented.context, requirement, impact)
            fitting.append(approval)
        except Rejected as rejected:
            failures.append(
                Failure(approval.slug, rejected.reason, rejected.detail, approval.format, approval.key_type)
            )
    counted = _largest_quorum(fitting, needs_transaction=requirement.required > 1)
    if len(counted) >= requirement.required:
        return Verdict(True, Reason.APPROVED, tuple(counted), tuple(failures))
    if fitting:
        return Verdict(False, Reason.QUORUM_NOT_REACHED, (), tuple(failures))
    reason = max((each.reason for each in failures), key=_PROGRESS.index, default=Reason.APPROVAL_MISSING)
    return Verdict(False, reason, (), tuple(failures))


def _check(approval: Approval, context: Context, requirement: Requirement, impact: str | None) -> None:
    claims = approval.statement
    if claims.exp - claims.iat > requirement.max_ttl:
        raise Rejected(Reason.LIFETIME_TOO_LONG, f"the approval lasts longer than {requirement.max_ttl} s")
    if requirement.teams and requirement.teams.isdisjoint(approval.key.approver.teams):
        raise Rejected(Reason.APPROVER_NOT_ALLOWED, "the approver belongs to none of the teams that may approve this")
    if _STRENGTH[approval.assurance] < _STRENGTH[requirement.assurance]:
        raise Rejected(Reason.ASSURANCE_TOO_LOW, f"the signature does not prove {requirement.assurance}")
    unknown = context.agent is not None and not context.operators
    if unknown and requirement.unknown_operator is UnknownOperator.REFUSE:
        raise Rejected(Reason.SELF_APPROVAL, "nobody recorded who set this agent going, so no approver is known a peer")
    if impact is not None:
        named = claims.detail.impact
        if named is msgspec.UNSET:
            raise Rejected(Reason.IMPACT_CHANGED, "the approval does not name what goes down with the object")
        if named.sha256 != impact:
            raise Rejected(Reason.IMPACT_CHANGED, "what goes down with the object has changed since it was approved")


def _largest_quorum(approvals: Sequence[Approval], *, needs_transaction: bool) -> list[Approval]:
    """Give the largest set of distinct approvers with distinct keys who approved the same thing."""
    groups: dict[object, dict[str, Approval]] = {}
    for approval in approvals:
        claims = approval.statement
        if needs_transaction and claims.txn is msgspec.UNSET:
            continue
        detail = claims.detail
        named = detail.impact.sha256 if detail.impact is not msgspec.UNSET else None
        same = (claims.txn, frozenset(detail.actions), named)
        # Keyed by approver: a second signature, or a second key, of one person adds nobody. A key has one owner only.
        groups.setdefault(same, {}).setdefault(claims.iss, approval)
    if not groups:
        return []
    return list(max(groups.values(), key=len).values())
