"""The phases of change requests: what approvals the object carries, and what became of it.

The pipeline says whether they are enough, as it does for the webhook. Nothing is ever decided from a phase.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from seconder.admission.changes import differences, free_changes
from seconder.admission.decision import Verdict
from seconder.admission.lookups import Unknown
from seconder.admission.recorded import mark
from seconder.admission.request import Metadata
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.state import ClusterState
from seconder.api import change_request, constants
from seconder.api.change_request import KEPT_FOR, ApprovalDoc, ChangeRequest, ChangeRequestStatus, DenialDoc, Phase
from seconder.api.policy import Mode, Policy, most_required
from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import Action
from seconder.api.text import clean
from seconder.approvals import change_requests
from seconder.approvals.difference import Difference
from seconder.approvals.impact import Impact
from seconder.approvals.quorum import Presented, verify_all
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Memo, context_of, examine
from seconder.client import approval_writes

MOST_SHOWN: Final = 16
"""Approvals, and denials, of one change request that its status names."""

_GONE: Final = "the object is gone"
_DONE: Final = "the object is as it was asked to be, by another hand"
_UNAPPROVED: Final = "the object is gone, or as it was asked to be, when no approval let it through any more"
_ANOTHER: Final = "the object has changed, so that it would be another change"


def place(slug: str, value: str, taken: Mapping[str, str], state: ClusterState, now: float, memo: Memo) -> str:
    """The slug under which a value is copied to an object with these approvals.

    That is its own, unless an approval that has not ended has it: of another request, perhaps, or by somebody else.
    """
    try:
        if slug in taken:
            examine(taken[slug], state.registry, now, memo)
    except Rejected:
        return slug
    if slug not in taken:
        return slug
    return approval_writes.own_slug(slug, value)


def presented(
    recorded: ChangeRequest,
    difference: Difference | None,
    values: Mapping[str, str],
    state: ClusterState,
    now: float,
    memo: Memo,
) -> Presented:
    """These values, verified as approvals of this change, with the difference that it makes of the object by now."""
    # Six arguments: what is asked for, and all that an approval of it is verified by.
    change = msgspec.structs.replace(change_requests.change_of(recorded, ()), difference=difference)
    return verify_all(values, context_of(change, state.audience), state.registry, now, memo)


def overdue(status: ChangeRequestStatus, now: datetime) -> bool:
    """Whether it has waited as long as it may, whatever its object is like."""
    until = change_request.moment(status.expires_at)
    return status.phase.open and (until is None or now >= until)


def over(status: ChangeRequestStatus, now: datetime) -> bool:
    """Whether it ended so long ago that it may be removed."""
    ended = change_request.moment(status.ended_at)
    return not status.phase.open and (ended is None or now - ended > KEPT_FOR)


def begun(recorded: ChangeRequest, state: ClusterState, now: datetime) -> ChangeRequestStatus:
    """The status of one whose writer did not get as far as writing it; of any other the one that it has."""
    if recorded.status.first_refused_at:
        return recorded.status
    named = {asked.name for asked in recorded.spec.policies}
    policies: list[Policy] = [
        policy for policy in state.policies.all if policy.name in named and policy.mode is Mode.ENFORCE
    ]
    seen = recorded.spec.impact
    impact = None if isinstance(seen, msgspec.UnsetType) else Impact(seen.sha256, seen.counts)
    change = change_requests.change_of(recorded, policies)
    return change_requests.refused(
        recorded.status,
        change,
        times=1,
        reason="",
        statement=change_requests.statement_of(change, state.audience, recorded.uid, impact),
        impact=impact,
        now=now,
    )


def marked(action: Action, status: ChangeRequestStatus, stored: Metadata) -> ChangeRequestStatus:
    """The status of one that waits, with the mark by which its use will be seen, where the writer left none."""
    if status.seen or status.allowed_at or not status.phase.open:
        return status
    return msgspec.structs.replace(status, seen=mark(action, stored))


def done(action: Action, status: ChangeRequestStatus, stored: Metadata) -> bool:
    """Whether the owners or finalizers of an object are others than when they were not to be changed."""
    return bool(status.seen) and mark(action, stored) != status.seen


def scaled_to_zero(document: Mapping[str, Any]) -> bool:
    """Whether an object asks for no replicas. A missing number is none, as for a Scale (autoscaling/v1)."""
    spec = document.get("spec")
    return not (spec.get("replicas") if isinstance(spec, Mapping) else None)


def ended(
    recorded: ChangeRequest,
    status: ChangeRequestStatus,
    stored: Metadata | None,
    now: datetime,
    *,
    used: bool = False,
) -> ChangeRequestStatus | None:
    """The status of one that is at its end; None for one that still waits. ``stored``: None when the object is gone.

    ``used``: the object, which stays, is seen to be as the action makes it.
    """
    if not status.phase.open:
        # The webhook's note of the use may come later than the object's end is seen.
        if status.phase is Phase.WITHDRAWN and status.message in {_GONE, _DONE, _UNAPPROVED} and _made(status):
            return msgspec.structs.replace(status, phase=Phase.USED, message="")
        return status
    action = recorded.spec.action
    # What is under deletion may lose its finalizers still, and that is what such a request is about.
    leaving = stored is not None and stored.deletion_timestamp is not None and action is Action.DELETE
    gone = stored is None or stored.uid != recorded.spec.object.uid or leaving
    # That it was let through is the webhook's word alone. It was used when that is seen on the object.
    if status.allowed_at and (used or (gone and action is not Action.CHANGE)):
        return _after(status, now)
    if gone:
        return _ended(status, Phase.WITHDRAWN, _GONE, now)
    return expired(status, now) if overdue(status, now) else None


def standing(
    context: ReviewContext,
    effect: Effect,
    difference: Difference,
    document: Mapping[str, Any],
    *,
    let_through: bool = False,
) -> differences.Standing:
    """How far the object, as it stands, is from a change. Raises Unknown where that cannot be told.

    ``let_through``: the change was, so that what a controller has put right since is no matter.
    """
    resource = effect.target.resource
    free = free_changes.of_all(context.naming(effect), resource)
    try:
        return differences.standing(resource, document, difference, free, let_through=let_through)
    except RecursionError:
        raise Unknown("the object nests too deeply to be compared") from None


def settled(status: ChangeRequestStatus, stands: differences.Standing, now: datetime) -> ChangeRequestStatus | None:
    """The status of a change that is done, or that the object has left behind; None for one that still waits."""
    if stands.done:
        return _after(status, now) if status.allowed_at else _ended(status, Phase.WITHDRAWN, _DONE, now)
    return _ended(status, Phase.WITHDRAWN, _ANOTHER, now) if stands.rebased is None else None


def expired(status: ChangeRequestStatus, now: datetime) -> ChangeRequestStatus:
    """The status of one that has waited as long as it may."""
    why = "it was not used in time" if status.phase is Phase.APPROVED else "nobody approved it in time"
    if told := change_request.let_through(status):
        why = f"it was let through at {told}"
    return _ended(status, Phase.EXPIRED, why, now)


def withdrawn(status: ChangeRequestStatus, now: datetime) -> ChangeRequestStatus:
    """The status of one that no policy asks about any more."""
    return _ended(status, Phase.WITHDRAWN, "no policy asks for approval of it any more", now)


def judged(status: ChangeRequestStatus, verdict: Verdict, now: datetime) -> ChangeRequestStatus:
    """The status of one that waits, by the pipeline's verdict on what it asks for."""
    if verdict.reason is Reason.NOT_COVERED:
        return withdrawn(status, now)
    if verdict.reason is Reason.POLICY_INVALID:
        # No approval changes that, and how many there are is not looked at.
        return msgspec.structs.replace(status, phase=Phase.PENDING, approved_at="")
    required = most_required(verdict.covering)
    missing = 0 if verdict.allowed else verdict.missing
    return msgspec.structs.replace(
        status,
        phase=Phase.APPROVED if verdict.allowed else Phase.PENDING,
        approved_at=(status.approved_at or change_request.stamp(now)) if verdict.allowed else "",
        progress=f"{required - missing}/{required}",
        approvals=_docs(verdict),
    )


def untried_since(status: ChangeRequestStatus) -> datetime | None:
    """Since when an approved one has waited for whoever asked for it; None where it does not."""
    approved = change_request.moment(status.approved_at)
    if status.phase is not Phase.APPROVED or status.allowed_at or approved is None:
        return None
    refused = change_request.moment(status.last_refused_at)
    return None if refused is not None and refused > approved else approved


def denied(status: ChangeRequestStatus, annotations: Mapping[str, str], registry: Registry) -> ChangeRequestStatus:
    """The status of an open one with what approvers have said against it. What is approved stays so."""
    given = {
        key.removeprefix(constants.DENIAL_PREFIX): reason
        for key, reason in sorted(annotations.items())
        if key.startswith(constants.DENIAL_PREFIX)
    }
    theirs = {name: reason for name, reason in given.items() if registry.may_deny(name)}
    denials = [DenialDoc(name=name, reason=clean(reason)) for name, reason in theirs.items()][:MOST_SHOWN]
    phase = Phase.DENIED if denials and status.phase is Phase.PENDING else status.phase
    return msgspec.structs.replace(status, phase=phase, denials=denials)


def _made(status: ChangeRequestStatus) -> bool:
    """Whether it was let through, and nobody has seen since that its object stays and its approvals do not count.

    A request may come to nothing after it was let through. Whatever comes of its object once the approval has ended,
    or was taken back, is somebody else's doing.
    """
    counting, _, needed = status.progress.partition("/")
    return bool(status.allowed_at) and counting == needed


def _after(status: ChangeRequestStatus, now: datetime) -> ChangeRequestStatus:
    """The status of one that was let through once, and that is seen to be done."""
    return _ended(status, Phase.USED, "", now) if _made(status) else _ended(status, Phase.WITHDRAWN, _UNAPPROVED, now)


def _ended(status: ChangeRequestStatus, phase: Phase, message: str, now: datetime) -> ChangeRequestStatus:
    return msgspec.structs.replace(status, phase=phase, message=message, ended_at=change_request.stamp(now))


def _docs(verdict: Verdict) -> list[ApprovalDoc]:
    why = {failure.slug: failure for failure in verdict.failures}
    valid = [change_requests.approval_doc(approval) for approval in verdict.valid if approval.slug not in why]
    failed = [
        ApprovalDoc(name=slug[:63], reason=failure.reason.value, message=failure.detail)
        for slug, failure in sorted(why.items())
    ]
    return [*valid, *failed][:MOST_SHOWN]


def approvers_of(status: ChangeRequestStatus) -> str:
    """The approvers whose approvals count, in one line."""
    return ", ".join(approval.approver for approval in status.approvals if not approval.reason)


def changed(recorded: ChangeRequest, status: ChangeRequestStatus) -> bool:
    """Whether this is another status than the stored one."""
    return bool(msgspec.to_builtins(recorded.status) != msgspec.to_builtins(status))
