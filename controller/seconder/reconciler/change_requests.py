"""Keeps the phases of change requests true: what approvals the object carries, and what became of it.

It judges by the same code as the webhook, from the same kind of view; but nothing is ever decided from a phase.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from seconder.core import contents, draft, names
from seconder.core.approval import Context, Memo
from seconder.core.contents import Contents
from seconder.core.decision import World
from seconder.core.policy import Mode, Policy
from seconder.core.quorum import Judgement, Presented, judge_all, verify_all
from seconder.wire import change_requests
from seconder.wire.change_requests import KEPT_FOR, ApprovalDoc, ChangeRequest, ChangeRequestStatus, Phase

_SHOWN: Final = 16
_GONE: Final = "the object is gone"


@dataclass(frozen=True, slots=True)
class Found:
    """The object as it stands. ``leaving``: its deletion has begun. ``contents``: what a namespace holds, if asked."""

    uid: str
    annotations: Mapping[str, str]
    leaving: bool
    contents: Contents | None = None

    @property
    def approvals(self) -> dict[str, str]:
        """The annotations that are approvals, by their slugs."""
        return approvals_of(self.annotations)


def approvals_of(annotations: Mapping[str, str]) -> dict[str, str]:
    """Give the annotations that are approvals, by their slugs."""
    skip = len(names.APPROVAL_PREFIX)
    return {key[skip:]: value for key, value in annotations.items() if key.startswith(names.APPROVAL_PREFIX)}


def in_force(request: ChangeRequest, world: World) -> list[Policy]:
    """Give the policies that asked for approval when it was refused and that still do."""
    named = {each.name for each in request.spec.policies}
    return [
        policy
        for policy in world.policies.all
        if policy.name in named and policy.mode is Mode.ENFORCE and not policy.problem
    ]


def to_be_looked_at(request: ChangeRequest, world: World) -> bool:
    """Say whether what the change request is depends on its object; for the rest we may have no right to look."""
    return request.status.phase.open and bool(in_force(request, world))


def presented(request: ChangeRequest, values: Mapping[str, str], world: World, now: float, memo: Memo) -> Presented:
    """Verify these values as approvals of this change."""
    change = request.change(())
    context = Context(
        audience=world.audience,
        requester=change.requester,
        by_agent=change.by_agent,
        agent=change.agent,
        operators=change.operators,
        target=change.target,
        action=change.action,
    )
    return verify_all(values, context, world.registry, now, memo)


def following(
    request: ChangeRequest, found: Found | None, world: World, now: datetime, memo: Memo, *, copies: bool
) -> ChangeRequestStatus:
    """Give the status that the change request should have.

    ``found`` is None when the object is gone, and where ``to_be_looked_at`` says that it makes no difference.

    ``copies``: approvals annotated on the change request are copied to the object.
    """
    status = msgspec.structs.replace(request.status, accepts_approvals=copies)
    if not status.phase.open:
        # The webhook's note of the use may come later than the object's end is seen.
        if status.phase is Phase.WITHDRAWN and status.message == _GONE and status.allowed_at:
            return msgspec.structs.replace(status, phase=Phase.USED, message="")
        return status
    if not status.first_refused_at:
        # Whoever made it did not get as far as its status.
        status = _initial(request, status, world, now)
    policies = in_force(request, world)
    if not policies:
        return _ended(status, Phase.WITHDRAWN, "no policy asks for approval of it any more", now)
    if found is None or found.uid != request.spec.object.uid or found.leaving:
        used = bool(status.allowed_at)
        return _ended(status, Phase.USED if used else Phase.WITHDRAWN, "" if used else _GONE, now)
    until = change_requests.moment(status.expires_at)
    if until is None or now >= until:
        return _ended(status, Phase.EXPIRED, "nobody approved it in time", now)
    return _judged(request, status, found, policies, world, now, memo)


def _judged(
    request: ChangeRequest,
    status: ChangeRequestStatus,
    found: Found,
    policies: Sequence[Policy],
    world: World,
    now: datetime,
    memo: Memo,
) -> ChangeRequestStatus:
    shown = presented(request, found.approvals, world, now.timestamp(), memo)
    bound = draft.binds_impact(request.target, request.spec.action, policies)
    digest = contents.impact(bound, found.contents).sha256 if bound and found.contents is not None else None
    judged = judge_all(shown, policies, digest)
    required = change_requests.required(policies)
    return msgspec.structs.replace(
        status,
        phase=Phase.PENDING if judged.unmet else Phase.APPROVED,
        progress=f"{required - judged.missing}/{required}",
        approvals=_docs(shown, judged),
    )


def over(status: ChangeRequestStatus, now: datetime) -> bool:
    """Say whether it ended so long ago that it may be removed."""
    ended = change_requests.moment(status.ended_at)
    return not status.phase.open and (ended is None or now - ended > KEPT_FOR)


def _initial(request: ChangeRequest, status: ChangeRequestStatus, world: World, now: datetime) -> ChangeRequestStatus:
    change = request.change(in_force(request, world))
    recorded = request.spec.impact
    impact = None
    if not isinstance(recorded, msgspec.UnsetType):
        impact = contents.Impact(recorded.sha256, recorded.counts)
    return change_requests.refused(
        status, change, times=1, reason="", audience=world.audience, txn=request.uid, impact=impact, now=now
    )


def _ended(status: ChangeRequestStatus, phase: Phase, message: str, now: datetime) -> ChangeRequestStatus:
    return msgspec.structs.replace(status, phase=phase, message=message, ended_at=change_requests.stamp(now))


def _docs(shown: Presented, judged: Judgement) -> list[ApprovalDoc]:
    why = {failure.slug: failure for failure in judged.failures}
    valid = [change_requests.approval_doc(each) for each in shown.approvals if each.slug not in why]
    failed = [
        ApprovalDoc(name=slug[:63], reason=failure.reason.value, message=failure.detail)
        for slug, failure in sorted(why.items())
    ]
    return [*valid, *failed][:_SHOWN]


def approvers_of(status: ChangeRequestStatus) -> str:
    """Name whose approvals count."""
    return ", ".join(each.approver for each in status.approvals if not each.reason)


def changed(request: ChangeRequest, status: ChangeRequestStatus) -> bool:
    """Say whether this is another status than the stored one."""
    return bool(msgspec.to_builtins(request.status) != msgspec.to_builtins(status))


def path_of(request: ChangeRequest) -> str:
    """Give the API path of the object."""
    given, target = request.spec.object, request.target
    base = f"/apis/{given.group}/{given.version}" if given.group else f"/api/{given.version}"
    place = f"/namespaces/{target.namespace}" if target.namespace else ""
    return f"{base}{place}/{given.resource}/{given.name}"


def found_of(document: Mapping[str, Any]) -> Found:
    """Read the object's metadata."""
    metadata = document["metadata"]
    return Found(metadata["uid"], metadata.get("annotations") or {}, bool(metadata.get("deletionTimestamp")))
