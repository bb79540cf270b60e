"""A refused change on its way into a ChangeRequest's spec and status, and out of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from seconder.api import constants
from seconder.api.change_request import (
    MOST_PRINCIPALS,
    MOST_USES,
    PENDING_FOR,
    ApprovalDoc,
    ByDoc,
    ChangeDoc,
    ChangeRequest,
    ChangeRequestSpec,
    ChangeRequestStatus,
    ImpactDoc,
    ObjectDoc,
    Phase,
    RequirementDoc,
    UseDoc,
    parse,
    stamp,
)
from seconder.api.policy import Policy, most_required
from seconder.api.text import clean, describe
from seconder.approvals import unsigned_statement
from seconder.approvals.change import By, Change
from seconder.approvals.difference import Difference
from seconder.approvals.impact import Impact, binding_policies
from seconder.approvals.statement import Detail, NamedChange

if TYPE_CHECKING:
    # Only its name is needed; a list of what waits should not take as long to load as a verification.
    from seconder.approvals.verification import Approval


_LONGEST_IMPACT: Final = 1024
_LONGEST_WAY: Final = 384


def change_of(recorded: ChangeRequest, policies: Sequence[Policy]) -> Change:
    """The change that it records, under these policies, which are the ones in force now."""
    spec = recorded.spec
    return Change(
        requester=spec.requester,
        by_agent=spec.by_agent,
        agent=spec.agent or None,
        operators=frozenset(operator for operator in (spec.operator, *spec.other_operators) if operator),
        target=recorded.target,
        version=spec.object.version,
        action=spec.action,
        claimed=recorded.reason,
        policies=tuple(policies),
        difference=recorded_difference(recorded),
        principals=spec.principals,
        by=recorded_by(recorded),
    )


def recorded_by(recorded: ChangeRequest) -> By | None:
    """The request by which a change request was asked for; None where by the action on the object itself."""
    by = recorded.spec.by
    if not isinstance(by, ByDoc):
        return None
    return By(by.operation, by.group, by.resource, by.namespace or "", by.name, by.subresource or "", by.reason)


def _by_doc(by: By | None) -> ByDoc | UnsetType:
    if by is None:
        return UNSET
    return ByDoc(
        operation=by.operation,
        group=by.group,
        resource=by.resource,
        subresource=by.subresource or UNSET,
        namespace=by.namespace or UNSET,
        name=by.name,
        reason=by.reason,
    )


def recorded_difference(recorded: ChangeRequest) -> Difference | None:
    """The difference that a change request records; None for another action."""
    change = recorded.spec.change
    if not isinstance(change, ChangeDoc):
        return None
    return Difference(
        change.before, change.after, tuple(change.paths), change.patch, change.truncated, change.next_apply or ""
    )


def difference_of(detail: Detail) -> Difference | None:
    """The difference that a statement's element names; None for another action."""
    named = detail.change
    return Difference(named.before, named.after) if isinstance(named, NamedChange) else None


def document(change: Change, impact: Impact | None) -> dict[str, Any]:
    """The document to create for a refused change. The API server drops a status then: that is written after."""
    target = change.target
    operators = sorted(change.operators)
    spec = ChangeRequestSpec(
        requester=change.requester,
        by_agent=change.by_agent,
        agent=change.agent or "",
        operator=operators[0] if operators else "",
        other_operators=operators[1:],
        requester_principals=sorted(change.principals)[:MOST_PRINCIPALS] or UNSET,
        reason=change.claimed,
        object=ObjectDoc(
            group=target.resource.group,
            version=change.version,
            resource=target.resource.resource,
            kind=target.kind,
            namespace=target.namespace or UNSET,
            name=target.name,
            uid=target.uid,
        ),
        action=change.action,
        by=_by_doc(change.by),
        change=_change_doc(change.difference),
        impact=UNSET if impact is None else ImpactDoc(counts=dict(impact.counts), sha256=impact.sha256),
        policies=[
            RequirementDoc(
                name=policy.name,
                required=policy.requirement.required,
                teams=sorted(policy.requirement.teams),
                assurance=policy.requirement.assurance,
                max_ttl_seconds=int(policy.requirement.max_ttl),
                bind_impact=policy.requirement.bind_impact,
            )
            for policy in change.policies
        ],
    )
    made: dict[str, Any] = {
        "apiVersion": f"{constants.DOMAIN}/{constants.API_VERSION}",
        "kind": "ChangeRequest",
        "metadata": {"name": change.name},
        "spec": msgspec.to_builtins(spec),
    }
    return made


def _change_doc(difference: Difference | None) -> ChangeDoc | UnsetType:
    if difference is None:
        return UNSET
    return ChangeDoc(
        before=difference.before,
        after=difference.after,
        paths=list(difference.paths),
        patch=difference.patch,
        truncated=difference.truncated,
        next_apply=difference.next_apply or UNSET,
    )


def fits(change: Change) -> bool:
    """Whether it can be recorded: user names may be longer than the API server takes them here."""
    try:
        parse(document(change, None))
    except msgspec.ValidationError:
        return False
    return True


def statement_of(change: Change, audience: str, txn: str, impact: Impact | None) -> str:
    """The statement to sign for a change; empty where its impact is bound and not known. ``txn``: the request's uid."""
    if impact is None and binding_policies(change.target, change.action, change.policies):
        return ""
    return unsigned_statement.line(unsigned_statement.for_change(change, audience, txn, impact))


def refused(
    before: ChangeRequestStatus,
    change: Change,
    *,
    times: int,
    reason: str,
    statement: str,
    impact: Impact | None,
    now: datetime,
) -> ChangeRequestStatus:
    """The status after it was refused ``times`` more: open, for 24 h from its first refusal since it was closed.

    ``statement`` is that of ``statement_of``. ``impact``: what goes down with the object now; None where that is not
    known. What it was let through for before is kept: whoever asks again wipes out no use.
    """
    reopened = not before.first_refused_at or not before.phase.open
    bound = binding_policies(change.target, change.action, change.policies)
    return msgspec.structs.replace(
        before,
        phase=Phase.PENDING if reopened else before.phase,
        object=describe(change.target),
        impact=_with_by(_impact_text(change, impact, bound=bool(bound)), change),
        progress=f"0/{most_required(change.policies)}" if reopened else before.progress,
        approvals=[] if reopened else before.approvals,
        denials=[] if reopened else before.denials,
        attempts=before.attempts + times,
        last_reason=reason,
        first_refused_at=before.first_refused_at or stamp(now),
        last_refused_at=stamp(now),
        expires_at=stamp(now + PENDING_FOR) if reopened else before.expires_at,
        approved_at="" if reopened else before.approved_at,
        allowed_at="" if reopened else before.allowed_at,
        let_through="" if reopened else before.let_through,
        uses=_closed(before),
        seen="" if reopened else before.seen,
        ended_at="",
        message="",
        statement=statement or before.statement,
    )


def let_through(
    before: ChangeRequestStatus, name: str, change: Change, counted: "Sequence[Approval]", now: datetime
) -> ChangeRequestStatus:
    """The status after these approvals let it through. Whether it went through is for the operator to see.

    ``name`` is the change request's: ``change`` may have been asked for by another request than it.
    """
    needed = most_required(change.policies)
    use = UseDoc(
        allowed_at=stamp(now),
        let_through="" if name == change.name else way(change)[:_LONGEST_WAY],
        approvals=[approval_doc(approval) for approval in counted],
    )
    uses = _closed(before)
    if uses and uses[-1].approvals == use.approvals:
        # The same approvals let it through again, for as long as they hold: that pushes out no other use.
        uses.pop()
    return msgspec.structs.replace(
        before,
        progress=f"{needed}/{needed}",
        approvals=use.approvals,
        allowed_at=use.allowed_at,
        let_through=use.let_through,
        uses=[*uses, use][-MOST_USES:],
    )


def _closed(before: ChangeRequestStatus) -> list[UseDoc]:
    """Its uses until now, the last of them with its end, where that is known."""
    if not before.history:
        return []
    *former, last = before.history
    if before.ended_at and before.allowed_at == last.allowed_at:
        end = {"phase": before.phase.value, "ended_at": before.ended_at, "message": before.message}
        last = msgspec.structs.replace(last, **end)
    return [*former, last]


def way(change: Change) -> str:
    """By which request a change was asked for, for people."""
    by = _by_doc(change.by)
    return by.asked if isinstance(by, ByDoc) else "the action on the object itself"


def approval_doc(approval: "Approval") -> ApprovalDoc:
    """An approval that counts, as the status records it."""
    return ApprovalDoc(
        name=approval.slug,
        approver=approval.statement.iss,
        fingerprint=approval.key.entry.fingerprint,
        assurance=approval.assurance.value,
        certificate="" if approval.key.certified is None else clean(approval.key.certified.shown),
        expires_at=stamp(datetime.fromtimestamp(approval.statement.exp, UTC)),
    )


def _impact_text(change: Change, impact: Impact | None, *, bound: bool) -> str:
    if change.difference is not None:
        return clean(change.difference.summary)
    if impact is not None:
        return impact.summary
    return "not known yet" if bound else "the object itself"


def _with_by(told: str, change: Change) -> str:
    """What goes down, and by what, where that is another request: wherever a list shows the one, it shows the other."""
    by = _by_doc(change.by)
    return f"{told}, by {by.told}"[:_LONGEST_IMPACT] if isinstance(by, ByDoc) else told
