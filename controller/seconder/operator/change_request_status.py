"""Keeps the phases of change requests true: what approvals the object carries, and what became of it.

It judges by the same code as the webhook, from the same kind of view; but nothing is ever decided from a phase.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from seconder.admission import policy_index, principal
from seconder.admission.evidence import World
from seconder.admission.request import Caller
from seconder.api import change_request
from seconder.api.change_request import KEPT_FOR, ApprovalDoc, ChangeRequest, ChangeRequestStatus, Phase
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.reasons import Rejected
from seconder.api.resources import Action
from seconder.approvals import change_requests, draft, impact
from seconder.approvals.impact import Contents
from seconder.approvals.quorum import Judgement, Presented, judge_all, verify_all
from seconder.approvals.verification import Memo, approvals_of, context_of, examine

_SHOWN: Final = 16
_SLUG: Final = 54
"""Characters of a slug that leave room for a mark of its own: an annotation's name has at most 63."""
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


def in_force(request: ChangeRequest, world: World) -> list[Policy]:
    """Give the policies that ask for approval of it: those that did when it was refused, and newer ones that would.

    Invalid ones are among them: they refuse, and no approval changes that.
    """
    target, action = request.target, request.spec.action
    named = {each.name for each in request.spec.policies}
    asked = [policy for policy in world.policies.all if policy.name in named and policy.mode is Mode.ENFORCE]
    newer = [
        policy
        for policy in world.policies.naming(target.resource, policy_index.place_of(target))
        if policy.name not in named
        and policy.mode is Mode.ENFORCE
        and action in policy.actions
        and _binds(policy, request, asked, world)
    ]
    return [*asked, *newer]


def _binds(policy: Policy, request: ChangeRequest, asked: Sequence[Policy], world: World) -> bool:
    """Say whether a policy that did not ask before binds the requester, by what the record tells of that one."""
    spec, target = request.spec, request.target
    account = principal.service_account(spec.requester)
    caller = principal.service_account_caller(*account) if account else Caller(spec.requester, frozenset())
    if principal.identity_tagged(caller, policy.agents):
        return True
    if policy.subjects is Subjects.EVERYONE and not policy.problem:
        spared = {"kube-system", world.own.namespace}
        return policy_index.place_of(target) not in spared and (
            spec.by_agent or spec.requester not in policy.exempt_users | world.own.controllers
        )
    # Its groups and extra keys are not recorded; but a policy with the same tags took it for an agent.
    return spec.by_agent and any(policy.agents == each.agents for each in asked)


def to_be_looked_at(request: ChangeRequest, world: World) -> bool:
    """Say whether what the change request is depends on its object; for the rest we may have no right to look."""
    return request.status.phase.open and bool(in_force(request, world))


def place(slug: str, value: str, taken: Mapping[str, str], world: World, now: float, memo: Memo) -> str:
    """Give the slug under which a value is copied to an object with these approvals.

    That is its own, unless an approval that has not ended has it: of another request, perhaps, or by somebody else.
    """
    try:
        if slug in taken:
            examine(taken[slug], world.registry, now, memo)
    except Rejected:
        return slug
    if slug not in taken:
        return slug
    return f"{slug[:_SLUG].rstrip('-_.')}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def overdue(request: ChangeRequest, now: datetime) -> bool:
    """Say whether it has waited as long as it may, whatever its object is like."""
    until = change_request.moment(request.status.expires_at)
    return request.status.phase.open and until is not None and now >= until


def presented(request: ChangeRequest, values: Mapping[str, str], world: World, now: float, memo: Memo) -> Presented:
    """Verify these values as approvals of this change."""
    return verify_all(
        values, context_of(change_requests.change_of(request, ()), world.audience), world.registry, now, memo
    )


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
    deletes = request.spec.action is Action.DELETE
    # What is under deletion may lose its finalizers still, and that is what such a request is about.
    gone = found is None or found.uid != request.spec.object.uid or (found.leaving and deletes)
    # Of an update there is nothing more to see than that it was let through.
    if status.allowed_at and (gone or not deletes):
        return _ended(status, Phase.USED, "", now)
    if found is None or gone:
        return _ended(status, Phase.WITHDRAWN, _GONE, now)
    until = change_request.moment(status.expires_at)
    if until is None or now >= until:
        return expired(status, now)
    return _judged(request, status, found, policies, world, now, memo)


def expired(status: ChangeRequestStatus, now: datetime) -> ChangeRequestStatus:
    """Give the status of one that has waited as long as it may."""
    approved = status.phase is Phase.APPROVED
    return _ended(status, Phase.EXPIRED, "it was not used in time" if approved else "nobody approved it in time", now)


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
    valid = [policy for policy in policies if not policy.problem]
    bound = draft.binds_impact(request.target, request.spec.action, valid)
    digest = impact.impact(bound, found.contents).sha256 if bound and found.contents is not None else None
    judged = judge_all(shown, valid, digest)
    required = change_requests.required(valid)
    return msgspec.structs.replace(
        status,
        phase=Phase.PENDING if judged.unmet or len(valid) < len(policies) else Phase.APPROVED,
        progress=f"{required - judged.missing}/{required}",
        approvals=_docs(shown, judged),
    )


def over(status: ChangeRequestStatus, now: datetime) -> bool:
    """Say whether it ended so long ago that it may be removed."""
    ended = change_request.moment(status.ended_at)
    return not status.phase.open and (ended is None or now - ended > KEPT_FOR)


def _initial(request: ChangeRequest, status: ChangeRequestStatus, world: World, now: datetime) -> ChangeRequestStatus:
    change = change_requests.change_of(request, in_force(request, world))
    recorded = request.spec.impact
    first_seen = None
    if not isinstance(recorded, msgspec.UnsetType):
        first_seen = impact.Impact(recorded.sha256, recorded.counts)
    return change_requests.refused(
        status, change, times=1, reason="", audience=world.audience, txn=request.uid, impact=first_seen, now=now
    )


def _ended(status: ChangeRequestStatus, phase: Phase, message: str, now: datetime) -> ChangeRequestStatus:
    return msgspec.structs.replace(status, phase=phase, message=message, ended_at=change_request.stamp(now))


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
    # Whoever wrote it by hand may have written anything; and a role's own name may well hold a question mark.
    group, version, namespace, plural, name = (
        quote(part, safe="") for part in (given.group, given.version, target.namespace, given.resource, given.name)
    )
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{place}/{plural}/{name}"


def found_of(document: Mapping[str, Any]) -> Found:
    """Read the object's metadata."""
    metadata = document["metadata"]
    return Found(metadata["uid"], metadata.get("annotations") or {}, bool(metadata.get("deletionTimestamp")))
