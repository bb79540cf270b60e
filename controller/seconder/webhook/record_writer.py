"""Writes what the recorder has noted: change requests and events.

What is written was seen: the object is read before anything is told of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from seconder.admission import adjudication, lookups
from seconder.admission.lookups import Unknown
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.recorded import mark
from seconder.admission.request import Metadata, Request
from seconder.admission.review import Effect
from seconder.admission.state import ClusterState
from seconder.api import change_request
from seconder.api.change_request import ChangeRequest, ChangeRequestStatus
from seconder.api.emergency import EVENT, BreakGlassUse
from seconder.api.reasons import Reason
from seconder.api.resources import DEPLOYMENTS, Target
from seconder.api.text import clean, describe
from seconder.approvals import change_requests
from seconder.approvals.change import Change
from seconder.approvals.impact import Impact
from seconder.approvals.verification import Approval
from seconder.client.api import Api, ApiError
from seconder.client.cache import Cache
from seconder.client.events import Events, Occurrence
from seconder.client.resolver import Resolver, within
from seconder.webhook import sight

T = TypeVar("T")

_OWN_NAME: Final = "seconder-webhook"

_TRIES: Final = 5
"""Of one write, since the operator writes the same objects."""


@dataclass(slots=True)
class Note:
    """What is to be written about one change: ``times`` refused since it was last written; or let through, by what.

    ``name``: the change request's. ``new``: there is no open record of it. One that was there and is gone was removed
    by somebody, and stays so until the next refusal. ``used``: the change that was let through, which may be asked for
    by another request than this one. ``bare``: there is no record at all of what was let through. ``seen``: what let it
    through was seen on the object before.
    """

    name: str
    change: Change
    reason: Reason
    times: int
    allowed: Sequence[Approval] = ()
    used: Change | None = None
    new: bool = False
    bare: bool = False
    seen: bool = False
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Emergency:
    """Somebody has passed policies by, and said why."""

    request: Request
    reason: str


class RecordWriter:
    """Writes notes, one after another, in the thread that calls it.

    ``unseen`` is called for each refusal that is not written since its object is not as the review said.
    """

    def __init__(self, api: Api, cache: Cache, resolver: Resolver, unseen: Callable[[], None]) -> None:
        self._api = api
        self._cache = cache
        self._resolver = resolver
        self._unseen = unseen
        self._events = Events(api, _OWN_NAME)

    def write(self, note: Note) -> bool:
        """Write a note down; False where there is nothing to tell, since the object is not as the review said.

        Raises ApiError and Unknown: it may be tried again.
        """
        state = self._cache.state
        if state is None:
            return True
        if note.bare:
            if note.seen or _read(lambda: sight.used(note.change, note.allowed, self._answering(state.policies))):
                self._tell_use(note.change, note.allowed)
            else:
                self._unseen()
            return True
        stored = self._seen(note.change, state.policies) if note.times else None
        if note.times and stored is None:
            self._unseen()
            if note.new or not note.allowed:
                return False
            # It was written down before, and may be gone since it was let through.
            note.times = 0
        impact = self._impact(note.change, state.policies) if note.times else None
        now = datetime.now(UTC)
        attempts = self._write_status(note, state, stored, impact, now)
        if note.times and attempts:
            self._tell_refusal(note.change, note.reason, attempts, now)
        return True

    def _write_status(
        self, note: Note, state: ClusterState, stored: Metadata | None, impact: Impact | None, now: datetime
    ) -> int:
        """Create the change request where it is new, and write its status. Gives the attempts in it; 0: not written."""
        change, made_now = note.change, False
        for _ in range(_TRIES):
            request = self._open_record(change, impact) if note.new else self._existing(note.name)
            if request is None and note.new:
                # It was there when it was to be created, and gone when it was read: the next try creates it.
                continue
            if request is None:
                return 0
            status = request.status
            made_now |= not status.first_refused_at
            if note.times:
                # The operator, which gives no reason, has counted the first of these in between.
                counted = made_now and status.attempts > 0 and not status.last_reason
                status = change_requests.refused(
                    status,
                    change,
                    times=note.times - counted,
                    reason=note.reason.value,
                    statement=change_requests.statement_of(change, state.audience, request.uid, impact),
                    impact=impact,
                    now=now,
                )
            if stored is not None:
                status = msgspec.structs.replace(status, seen=mark(change.action, stored))
            if note.allowed:
                status = change_requests.let_through(status, note.name, note.used or change, note.allowed, now)
            if self._replaced(request, status):
                return status.attempts
        return 0

    def _replaced(self, request: ChangeRequest, status: ChangeRequestStatus) -> bool:
        path = f"{change_request.PATH}/{request.name}/status"
        try:
            self._api.replace(path, change_request.with_status(request, status))
        except ApiError as error:
            # The operator wrote, or removed it, in between.
            if error.status not in {404, 409}:
                raise
            return False
        return True

    def _seen(self, change: Change, policies: PolicyIndex) -> Metadata | None:
        """The object as it is stored; None where it is not as the review said. Raises ApiError and Unknown."""
        return _read(lambda: sight.seen(change, self._answering(policies)))

    def _answering(self, policies: PolicyIndex) -> lookups.Answer:
        deadline = within()
        return lambda asked: self._resolver.answer(asked, policies, deadline)

    def _open_record(self, change: Change, impact: Impact | None) -> ChangeRequest | None:
        """The change request, newly created, or the one that ended before; None where it was removed in between."""
        try:
            return change_request.parse(self._api.create(change_request.PATH, change_requests.document(change, impact)))
        except ApiError as error:
            if error.status != 409:
                raise
            return self._existing(change.name)

    def _existing(self, name: str) -> ChangeRequest | None:
        try:
            return change_request.parse(self._api.get(f"{change_request.PATH}/{name}"))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def _impact(self, change: Change, policies: PolicyIndex) -> Impact | None:
        effect = Effect(change.action, change.target, change.version, {})
        looking = adjudication.impact_of(effect, change.policies)
        try:
            return lookups.drive(looking, self._answering(policies))[0]
        except Unknown:
            return None

    def _tell_refusal(self, change: Change, reason: Reason, count: int, now: datetime) -> None:
        key = f"{change.name}.refused"
        note = f"{change.action} by {change.requester} refused ({reason}): kubectl seconder approve {change.name}"
        self._events.write(
            Occurrence(change.target, change.version, key, "NeedsApproval", note, warning=True, count=count, now=now)
        )

    def _tell_use(self, change: Change, counted: Sequence[Approval]) -> None:
        """Write the event that is all there is of a use. Raises ApiError."""
        peers = ", ".join(sorted({approval.statement.iss for approval in counted}))
        asked = f", as {change_requests.way(change)}" if change.by is not None else ""
        note = f"{change.action} by {change.requester} let through, approved by {peers}{asked}"
        key, now = f"{change.name}.used", datetime.now(UTC)
        self._events.write(
            Occurrence(change.target, change.version, key, "LetThrough", note, warning=False, count=1, now=now)
        )

    def tell_emergency(self, emergency: Emergency) -> None:
        """Write the event that an emergency leaves on its object. Raises ApiError."""
        request, now = emergency.request, datetime.now(UTC)
        key = f"break-glass.{request.uid}".lower()
        note = f"{request.operation} by {request.caller.username} under break-glass: {emergency.reason}"
        self._events.write(
            Occurrence(request.target, request.version, key, "BreakGlass", note, warning=True, count=1, now=now)
        )

    def leave_word(self, emergency: Emergency) -> None:
        """Write it where nobody else can, for the operator to tell others of. Raises ApiError."""
        state = self._cache.state
        if state is None:
            return
        request, now = emergency.request, datetime.now(UTC)
        use = BreakGlassUse(
            object=describe(request.target),
            operation=request.operation,
            requester=clean(request.caller.username),
            reason=clean(emergency.reason),
        )
        # It is about the Deployment that let it through: an Event's object is in the Event's namespace.
        webhook = Target(DEPLOYMENTS, "Deployment", state.installation.namespace, _OWN_NAME, "")
        key, more = f"break-glass.{request.uid}".lower(), use.annotations
        self._events.write(
            Occurrence(webhook, "v1", key, EVENT, use.summary, warning=True, count=1, now=now, annotations=more)
        )


def _read(look: Callable[[], T]) -> T:
    """What is seen. Raises ApiError, too, where that is why nothing was; and Unknown."""
    try:
        return look()
    except Unknown as unknown:
        if isinstance(unknown.__cause__, ApiError):
            raise unknown.__cause__ from None
        raise
