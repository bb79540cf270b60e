"""Whether the approvals on an object satisfy one requirement.

Counted are the distinct peers that a policy asks for, never the signatures that somebody put there.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import msgspec
from msgspec import Struct

from seconder.api import constants
from seconder.api.policy import Assurance, Policy, Requirement, UnknownOperator
from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import takes_along
from seconder.approvals.registry import Registry
from seconder.approvals.statement import NamedImpact
from seconder.approvals.verification import (
    Approval,
    Candidate,
    Context,
    Memo,
    approval_of,
    authenticate,
    check_fit,
    examine,
    format_of,
)

_STRENGTH: Final = {Assurance.SOFTWARE: 0, Assurance.PRESENCE: 1, Assurance.VERIFIED: 2}

_PROGRESS: Final = (
    Reason.APPROVAL_MALFORMED,
    Reason.APPROVER_UNKNOWN,
    Reason.APPROVER_NOT_ALLOWED,
    Reason.KEY_REVOKED,
    Reason.SIGNATURE_INVALID,
    Reason.APPROVAL_EXPIRED,
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


_ONE_PERSON: Final = "its approver goes by a user name of another who approved: no other peer"


class Failure(Struct, frozen=True, gc=False):
    """Why one annotation's value does not count."""

    slug: str
    reason: Reason
    detail: str
    format: str = "ssh"
    key_type: str = ""


class Presented(Struct, frozen=True, gc=False):
    """Everything that stood on the object, each value verified once, by the keys of ``registry``."""

    approvals: Sequence[Approval]
    failures: Sequence[Failure]
    context: Context
    registry: Registry

    @property
    def operator_known(self) -> bool:
        """Whether whoever set the agent going is recorded, and goes by the name of some approver."""
        operators = self.context.operators
        return bool(operators) and all(self.registry.knows(operator) for operator in operators)


class Verdict(Struct, frozen=True, gc=False):
    """Whether one requirement is satisfied, by whom, and what failed. ``reason`` is Approved if and only if it is.

    ``reached`` is how many distinct peers have approved the same thing, for people to see.
    """

    satisfied: bool
    reached: int
    reason: Reason
    counted: Sequence[Approval]
    failures: Sequence[Failure]


def verify_all(values: Mapping[str, str], context: Context, registry: Registry, now: float, memo: Memo) -> Presented:
    """Verify the values by their slugs. Signatures are checked for at most eight of them.

    Places go to values that have passed every check that needs no signature, and first to those whose claims fit this
    request: neither rubbish nor approvals of other requests can crowd one out that counts.
    """
    candidates: list[tuple[str, Candidate]] = []
    failures: list[Failure] = []
    for slug in sorted(values):
        try:
            candidates.append((slug, examine(values[slug], registry, now, memo)))
        except Rejected as rejected:
            failures.append(Failure(slug, rejected.reason, rejected.detail, format_of(values[slug])))
    if len(candidates) > constants.MAX_APPROVALS:
        candidates.sort(key=lambda pair: (not _fits(pair[1], context, now), pair[0]))

    approvals: list[Approval] = []
    for place, (slug, candidate) in enumerate(candidates):
        try:
            if place >= constants.MAX_APPROVALS:
                text = f"not looked at: more than {constants.MAX_APPROVALS} unexpired approvals, remove some"
                raise Rejected(Reason.APPROVAL_MALFORMED, text)
            # Most have been before.
            if candidate.envelope is not None:
                authenticate(candidate, memo)
            approvals.append(approval_of(slug, candidate, check_fit(candidate, context, now)))
        except Rejected as rejected:
            entry = candidate.key.entry
            failures.append(Failure(slug, rejected.reason, rejected.detail, entry.format, entry.key_type))
    return Presented(tuple(approvals), tuple(sorted(failures, key=lambda failure: failure.slug)), context, registry)


def _fits(candidate: Candidate, context: Context, now: float) -> bool:
    """Whether the claims, unproven, are for this request. Only the order in which they are looked at rests on it."""
    try:
        check_fit(candidate, context, now)
    except Rejected:
        return False
    return True


def judge(presented: Presented, requirement: Requirement, impact: str | None) -> Verdict:
    """The verdict on what was presented by one policy's requirement.

    ``impact`` is the digest to be named, where one is bound. Where it is bound and not known, nothing counts.
    Raises ValueError for a requirement of nobody: it would be satisfied by nothing.
    """
    if requirement.required < 1:
        raise ValueError("a requirement of no approval at all")
    fitting: list[Approval] = []
    unfit: list[Failure] = []
    for approval in presented.approvals:
        try:
            _check(approval, presented, requirement, impact)
            fitting.append(approval)
        except Rejected as rejected:
            unfit.append(Failure(approval.slug, rejected.reason, rejected.detail, approval.format, approval.key_type))
    counted = _largest_quorum(fitting)
    one_person = _told(fitting, counted) if requirement.required > 1 else ()
    failures = (*presented.failures, *unfit, *one_person)
    if len(counted) >= requirement.required:
        return Verdict(True, len(counted), Reason.APPROVED, tuple(counted), failures)
    if fitting:
        return Verdict(False, len(counted), Reason.QUORUM_NOT_REACHED, (), failures)
    # What failed the requirement alone got further than anything that failed before it.
    furthest = unfit or presented.failures
    reason = max((failure.reason for failure in furthest), key=_PROGRESS.index, default=Reason.APPROVAL_MISSING)
    return Verdict(False, 0, reason, (), failures)


def able(registry: Registry, requirement: Requirement, now: float) -> int | None:
    """How many registered persons have a key that satisfies a requirement. None: an authority may add any number.

    Whoever asks, or has set an agent going, is still among them.
    """
    if any(not (key.problem or registry.authority_problem(key.blob)) for of in registry.authorities for key in of.keys):
        return None
    needed = _STRENGTH[requirement.assurance]
    return len(
        {
            approver.principal.casefold()
            for approver in registry.approvers
            if not requirement.teams or not requirement.teams.isdisjoint(approver.teams)
            for key in approver.keys
            if key.public is not None
            and not registry.problems[approver.name, key.name]
            and (key.not_after is None or now < key.not_after)
            and _STRENGTH[key.public.best_assurance] >= needed
        }
    )


class Judgement(Struct, frozen=True, gc=False):
    """What was presented, judged by several policies. ``reason`` is that of the first one which is not satisfied.

    ``missing`` is how many peers more the one farthest from it needs.
    """

    unmet: Sequence[Policy]
    missing: int
    reason: Reason
    counted: Sequence[Approval]
    failures: Sequence[Failure]


def judge_all(presented: Presented, policies: Sequence[Policy], impact: str | None) -> Judgement:
    """The judgement on what was presented by every policy's requirement. ``impact`` is as for ``judge``."""
    unmet: list[Policy] = []
    counted: dict[str, Approval] = {}
    failures: dict[tuple[str, Reason], Failure] = {}
    reason = Reason.APPROVED
    missing = 0
    requirements: dict[Requirement, None] = {}
    for policy in policies:
        requirements[policy.requirement] = None
    for requirement in requirements:
        verdict = judge(presented, requirement, impact if requirement.bind_impact else None)
        for approval in verdict.counted:
            counted[approval.slug] = approval
        for failure in verdict.failures:
            failures[failure.slug, failure.reason] = failure
        if not verdict.satisfied:
            if not unmet:
                reason = verdict.reason
            missing = max(missing, requirement.required - verdict.reached)
            unmet += [policy for policy in policies if policy.requirement == requirement]
    return Judgement(tuple(unmet), missing, reason, tuple(counted.values()), tuple(failures.values()))


def _check(approval: Approval, presented: Presented, requirement: Requirement, impact: str | None) -> None:
    claims, context = approval.statement, presented.context
    if claims.exp - claims.iat > requirement.max_ttl:
        raise Rejected(Reason.LIFETIME_TOO_LONG, f"the approval lasts longer than {requirement.max_ttl:d} s")
    if requirement.teams and requirement.teams.isdisjoint(approval.key.approver.teams):
        raise Rejected(Reason.APPROVER_NOT_ALLOWED, "the approver belongs to none of the teams that may approve this")
    if _STRENGTH[approval.assurance] < _STRENGTH[requirement.assurance]:
        raise Rejected(Reason.ASSURANCE_TOO_LOW, f"the signature does not prove {requirement.assurance}")
    if context.by_agent and requirement.unknown_operator is UnknownOperator.REFUSE and not presented.operator_known:
        who = "nobody recorded who set this agent going"
        if context.operators:
            who = "who set this agent going goes by no approver's name"
        raise Rejected(Reason.SELF_APPROVAL, f"{who}, so no approver is known a peer")
    if impact is None and requirement.bind_impact and takes_along(context.target, context.action):
        raise Rejected(Reason.IMPACT_CHANGED, "what goes down with the namespace is not known")
    if impact is not None:
        named = approval.detail.impact
        if named is msgspec.UNSET:
            raise Rejected(Reason.IMPACT_CHANGED, "the approval does not name what goes down with the object")
        if named.sha256 != impact:
            raise Rejected(Reason.IMPACT_CHANGED, "what goes down with the object has changed since it was approved")
    if requirement.required > 1 and claims.txn is msgspec.UNSET:
        raise Rejected(Reason.QUORUM_NOT_REACHED, "the approval names no change request (txn), as one of several must")


def _largest_quorum(approvals: Sequence[Approval]) -> list[Approval]:
    """The largest set of distinct approvers with distinct keys who approved the same thing."""
    if len(approvals) < 2:
        return list(approvals)
    groups: dict[object, dict[str, Approval]] = {}
    for approval in approvals:
        claims = approval.statement
        detail = approval.detail
        named = detail.impact.sha256 if isinstance(detail.impact, NamedImpact) else None
        # Everything else in authorization_details is the same already: each fits the one request.
        same = (claims.txn, tuple(detail.actions), named)
        # Keyed by approver: a second signature, a second key, or a name written otherwise, of one person adds nobody.
        groups.setdefault(same, {}).setdefault(claims.iss.casefold(), approval)
    return max((_distinct(list(group.values())) for group in groups.values()), key=len, default=[])


def _distinct(approvals: Sequence[Approval]) -> list[Approval]:
    """The most of these of which no two may be one person's. There are few: the signatures that are verified."""
    meeting = {pair for pair in combinations(range(len(approvals)), 2) if _may_be_one(*(approvals[at] for at in pair))}
    for size in range(len(approvals), 1, -1):
        for chosen in combinations(range(len(approvals)), size):
            if meeting.isdisjoint(combinations(chosen, 2)):
                return [approvals[at] for at in chosen]
    return list(approvals[:1])


def _may_be_one(one: Approval, other: Approval) -> bool:
    # The registry gives a key to one approver only; held to it here once more, since a quorum rests on it.
    return one.key.entry.blob == other.key.entry.blob or one.key.approver.may_be(other.key.approver)


def _told(fitting: Sequence[Approval], counted: Sequence[Approval]) -> list[Failure]:
    """Why some of what fits adds no peer: its approver is registered as somebody else who counts."""
    return [
        Failure(approval.slug, Reason.QUORUM_NOT_REACHED, _ONE_PERSON, approval.format, approval.key_type)
        for approval in fitting
        if any(
            approval.statement.iss.casefold() != other.statement.iss.casefold()
            and approval.key.approver.may_be(other.key.approver)
            for other in counted
        )
    ]
