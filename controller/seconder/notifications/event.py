"""What is told: one thing that happened, as people and programs outside may read it."""

import enum
from datetime import UTC, datetime

from msgspec import Struct

from seconder.api.change_request import ChangeRequest, Phase
from seconder.api.emergency import BreakGlassUse
from seconder.api.text import clean, describe, for_chat, named, quoted


class EventType(enum.StrEnum):
    """What happened. Names stand in routes."""

    PENDING = "Pending"
    APPROVED = "Approved"
    DENIED = "Denied"
    USED = "Used"
    EXPIRED = "Expired"
    BREAK_GLASS = "BreakGlass"
    NOT_IN_FORCE = "NotInForce"


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened.

    ``by``: by what an action was asked, where not by that on the object itself. ``teams``: whose approvers may approve;
    empty where any team's may, or where it is no question of approval. ``summary`` is a sentence for people, of ours,
    which no chat service makes more of. ``words`` is what the requester said of itself, cleaned; it is theirs alone;
    whoever shows it has to tell it apart. Nothing in either is secret.
    """

    id: str
    type: EventType
    time: str
    name: str
    object: str
    action: str = ""
    by: str = ""
    requester: str = ""
    agent: str = ""
    teams: tuple[str, ...] = ()
    summary: str
    words: str = ""
    link: str = ""

    @property
    def quotation(self) -> str:
        """The requester's words as a line for people, of which no chat service makes more; empty without any."""
        return for_chat(f"The requester's own words, unproven: {quoted(self.words)}") if self.words else ""


_BY_PHASE = {
    Phase.PENDING: EventType.PENDING,
    Phase.APPROVED: EventType.APPROVED,
    Phase.DENIED: EventType.DENIED,
    Phase.USED: EventType.USED,
    Phase.EXPIRED: EventType.EXPIRED,
}


def of_change_request(request: ChangeRequest, portal: str) -> Event | None:
    """What a change request's present phase is to others; None for a phase that nobody needs to be told.

    ``portal``: where approvers sign in a browser (an origin), or empty.
    """
    type_ = _BY_PHASE.get(request.status.phase)
    if type_ is None or not request.status.first_refused_at:
        # One without a time is still being written.
        return None
    spec = request.spec
    object_ = describe(request.target)
    requester = clean(spec.requester)
    who = f"{named(spec.requester)} (agent {named(spec.agent)})" if spec.agent else named(spec.requester)
    return Event(
        # ``expiresAt`` is set once each time that it opens: the same phase is the same event, however often it is seen.
        id=f"{request.uid}.{type_.value}.{request.status.expires_at}",
        type=type_,
        time=now(),
        name=request.name,
        object=object_,
        action=spec.action.value,
        requester=requester,
        agent=clean(spec.agent),
        teams=_teams(request),
        by=spec.asked_by,
        summary=_summary(
            request, type_, for_chat(f"{object_} by {who}{f', by {spec.asked_by}' if spec.asked_by else ''}")
        ),
        words=clean(request.reason) if type_ is EventType.PENDING else "",
        link=f"{portal}/requests/{request.name}" if portal else "",
    )


def not_in_force(policy: str, message: str, since: str) -> Event:
    """That a policy is not in force. ``message`` says why; ``since`` tells one such time from the next."""
    return Event(
        id=f"{policy}.{EventType.NOT_IN_FORCE}.{since}",
        type=EventType.NOT_IN_FORCE,
        time=now(),
        name=policy,
        object=f"protectionpolicy {clean(policy)}",
        summary=for_chat(f"Policy {clean(policy)} is not in force: {clean(message)}"),
    )


def of_emergency(name: str, told: BreakGlassUse) -> Event:
    """That somebody passed policies by under break-glass. ``name``: of the Event that tells of it."""
    return Event(
        id=f"{name}.{EventType.BREAK_GLASS}",
        type=EventType.BREAK_GLASS,
        time=now(),
        name=name,
        object=clean(told.object),
        action=clean(told.operation),
        requester=clean(told.requester),
        summary=for_chat(
            f"{clean(told.operation)} of {clean(told.object)} by {named(told.requester)} under break-glass."
            " No peer has approved it."
        ),
        words=clean(told.reason),
    )


def now() -> str:
    """The time as it stands in an event: RFC 3339 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _teams(request: ChangeRequest) -> tuple[str, ...]:
    """Every team that some policy names; none as soon as one policy takes any team's approvers."""
    policies = request.spec.policies
    if not all(policy.teams for policy in policies):
        return ()
    return tuple(sorted({team for policy in policies for team in policy.teams}))


def _summary(request: ChangeRequest, type_: EventType, what: str) -> str:
    """The sentence, in which ``what`` alone is not ours, beside what an end was told to be."""
    action = f"{request.spec.action.value} of {what}"
    if type_ is EventType.PENDING:
        return f"{action} waits for approval. Approve: kubectl seconder approve {request.name}"
    if type_ is EventType.APPROVED:
        return f"{action} is approved ({request.status.progress})."
    if type_ is EventType.USED:
        way = for_chat(clean(request.status.let_through))
        return f"{action} was approved and is done.{f' What was let through: {way}.' if way else ''}"
    why = for_chat(clean(request.status.message))
    if type_ is EventType.DENIED:
        return f"{action} was denied.{f' {why}' if why else ''}"
    return f"{action} expired{f': {why}' if why else ''}."
