"""The controller of change requests: the fresher one is, the more often its object is looked up.

Who was refused much, or writes on its change requests all the time, keeps nobody else's waiting.
"""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from seconder.admission import codec, coverage, lookups, pipeline, recorded
from seconder.admission.changes import differences
from seconder.admission.lookups import ReadWhole, Unknown, ask
from seconder.admission.request import NO_METADATA, Metadata
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.state import ClusterState
from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest, ChangeRequestStatus, Phase, moment
from seconder.api.resources import Action
from seconder.approvals.verification import Memo
from seconder.client.api import Api, ApiError, Fenced
from seconder.client.cache import Cache
from seconder.client.events import Events, Occurrence
from seconder.client.listed_dependents import ListedDependents
from seconder.client.resolver import Resolver, within
from seconder.client.watch import Watch
from seconder.operator import approval_copies, managers
from seconder.operator import change_request_status as phases
from seconder.operator.approval_copies import Carried, Copier
from seconder.operator.turns import Turns
from seconder.operator.woken import Woken

_PACE: Final = 0.03
"""Seconds between two look-ups of a lane: however many there are, the API server gets no more than some 30 a second."""

_UNREAD: Final = "the object could not be looked up"
_ANSWERS: Final = (constants.APPROVAL_PREFIX, constants.DENIAL_PREFIX)
"""What approvers write on a change request."""

_OFTEN: Final = 1.0
_SOON: Final = 3.0
_SELDOM: Final = 30.0
_TURN: Final = 60.0
"""An open one is looked up each second in the minute after it was refused or approved, and less and less often then."""


class ChangeRequestController:
    """Keeps the status of change requests while the operator runs, by ``lanes``.

    ``copies``: approvals annotated on a change request are verified and copied to the object. ``observer`` is called
    with all change requests after each change of one; it must not wait.
    """

    def __init__(
        self,
        api: Api,
        cache: Cache,
        failed: Callable[[str, Exception], None],
        *,
        copies: bool = False,
        observer: Callable[[Mapping[str, ChangeRequest]], None] | None = None,
    ) -> None:
        self._observer = observer
        self._requests: Mapping[str, ChangeRequest] = {}
        self._watch = Watch(api, change_request.PATH, _parsed, self._take, failed)
        self._agents, self._others = (Lane(name, api, cache, failed, copies=copies) for name in ("agents'", "others'"))
        self.lanes: Final = (self._agents, self._others)
        """Nobody waits behind what agents were refused."""

    def start(self) -> None:
        """Begin to follow change requests."""
        self._watch.start()

    def stop(self) -> None:
        """Follow them no longer."""
        self._watch.stop()

    def count(self, phase: Phase) -> int:
        """The number of change requests in this phase."""
        return sum(request.status.phase is phase for request in self._requests.values())

    def waiting(self) -> float:
        """For how many seconds the one has waited for a peer that has waited longest; 0 where none does."""
        return _ago(min(filter(None, map(_since, self._requests.values())), default=None))

    def untried(self) -> float:
        """For how many seconds the one that was approved first of those that nobody has tried since; 0 for none."""
        return _ago(min(filter(None, map(_untried_since, self._requests.values())), default=None))

    def _take(self, requests: Mapping[str, ChangeRequest]) -> None:
        # Called after each change of one: what takes longer is left to whoever asks for it.
        self._requests = dict(requests)
        self._agents.take({name: request for name, request in requests.items() if request.spec.by_agent})
        self._others.take({name: request for name, request in requests.items() if not request.spec.by_agent})
        if self._observer is not None:
            self._observer(requests)


class Lane(Woken):
    """Looks at the change requests of some requesters, in turns by requester, in a thread of its own."""

    def __init__(
        self, name: str, api: Api, cache: Cache, failed: Callable[[str, Exception], None], *, copies: bool
    ) -> None:
        super().__init__(f"{name} change requests")
        self._api = api
        self._cache = cache
        self._failed = failed
        self._resolver = Resolver(api, ListedDependents(api), cache.fresh, failed, at_once=2)
        self._events = Events(api, "seconder-operator")
        self._memo = Memo(1024)
        self._copier = Copier(api, self._memo) if copies else None
        self._lock = threading.Lock()
        self._requests: Mapping[str, ChangeRequest] = {}
        self._turns = Turns(_OFTEN)
        self._troubled: set[str] = set()
        self._managers_told: dict[str, str] = {}

    def take(self, requests: Mapping[str, ChangeRequest]) -> None:
        """Take all of these requesters' change requests as they are now."""
        now = time.monotonic()
        with self._lock:
            for name, request in requests.items():
                before = self._requests.get(name)
                if before is request:
                    continue
                if before is None or before.metadata["resourceVersion"] != request.metadata["resourceVersion"]:
                    answered = before is not None and _answers(before) != _answers(request)
                    self._turns.touch(name, request.spec.requester, now, presses=answered)
            gone = self._requests.keys() - requests.keys()
            self._requests = requests
            if gone:
                self._turns.keep(requests.keys())
        self.wake()

    def _run(self) -> None:
        while not self._stopping.is_set():
            request, pause = self._due()
            if request is None:
                self._waited(pause)
                continue
            try:
                self._keep(request)
                self._troubled.discard(request.name)
            except Fenced:
                return
            except Exception as error:  # noqa: BLE001 - a thread that died in silence would keep nothing any more
                # Said once until it is well again: there may be a thousand that all lack the same right.
                if request.name not in self._troubled:
                    self._troubled.add(request.name)
                    self._failed(f"change request {request.name}", error)
                with self._lock:
                    self._turns.put_off(request.name, time.monotonic(), _after(error))
            self._stopping.wait(_PACE)

    def _due(self) -> tuple[ChangeRequest | None, float]:
        """The change request whose turn it is; else None and the seconds until the next one's."""
        with self._lock:
            now = time.monotonic()
            if self._cache.state is None:
                return None, _OFTEN
            self._troubled &= self._requests.keys()
            for gone in self._managers_told.keys() - self._requests.keys():
                del self._managers_told[gone]
            name = self._turns.next(now)
            if name is None:
                pause = self._turns.pause(now)
                return None, _OFTEN if pause is None else pause
            request = self._requests[name]
            self._turns.taken(name, now, _interval(request.status, datetime.now(UTC)))
            return request, 0.0

    def _keep(self, request: ChangeRequest) -> None:
        now = datetime.now(UTC)
        state = self._cache.state
        if state is None or not self._cache.fresh():
            return
        if phases.over(request.status, now):
            self._remove(request)
            return
        trouble: Exception | None = None
        started = msgspec.structs.replace(phases.begun(request, state, now), accepts_approvals=self._copier is not None)
        try:
            request, status, trouble = self._followed(request, started, state, now)
        except (ApiError, Unknown) as error:
            # What cannot be looked at does not wait for ever all the same.
            if not phases.overdue(started, now):
                raise
            status, trouble = phases.expired(started, now), error
        if phases.changed(request, status) and self._write(request, status):
            self._tell(request, status, now)
        if trouble is not None:
            raise trouble

    def _followed(
        self, request: ChangeRequest, status: ChangeRequestStatus, state: ClusterState, now: datetime
    ) -> tuple[ChangeRequest, ChangeRequestStatus, Exception | None]:
        """The request as it is stored, the status that it should have, and what went wrong but does not hinder that.

        Raises ApiError and Unknown.
        """
        if not status.phase.open:
            return request, phases.ended(request, status, None, now) or status, None
        context = recorded.context_of(request, state, now.timestamp(), self._memo)
        effect = recorded.effect_of(request, NO_METADATA)
        if not coverage.may_be_covered(context, effect):
            # There may be no right to look at the object any more.
            return request, phases.withdrawn(status, now), None
        answer = self._answering(state)
        stored, standing, used = self._look(context, effect, status, answer)
        ended = phases.ended(request, status, stored, now, used=used)
        if ended is None and standing is not None:
            ended = phases.settled(status, standing, now)
        if ended is not None or stored is None:
            return request, ended or status, None
        status = phases.marked(effect.action, status, stored)
        if standing is not None and standing.rebased is not None:
            # What is approved, by the webhook too, is the change of the object as it stands.
            effect = msgspec.structs.replace(effect, difference=standing.rebased.difference)
        seen = Carried(request, status, stored)
        if self._copier is not None:
            seen = self._copier.carry(seen, effect, state, now.timestamp())
        asked = msgspec.structs.replace(recorded.effect_of(request, seen.stored), difference=effect.difference)
        verdict = lookups.drive(pipeline.judge(context, asked), answer)
        judged = phases.judged(seen.status, verdict, now)
        trouble = seen.trouble
        try:
            self._tell_manager(request, judged, seen.stored, now)
        except ApiError as error:
            trouble = trouble or error
        if judged.phase.open:
            annotations = request.metadata.get("annotations") or {}
            judged = phases.denied(approval_copies.told(judged, seen.withdrawn), annotations, state.registry)
        return seen.request, judged, trouble

    def _look(
        self, context: ReviewContext, effect: Effect, status: ChangeRequestStatus, answer: lookups.Answer
    ) -> tuple[Metadata | None, differences.Standing | None, bool]:
        """The object's metadata, None where it is gone; how far it is from a change; and whether it is done.

        The latter is told of other actions than ``Change``, on an object that stays. Raises Unknown.
        """
        scales = effect.action is Action.SCALE_TO_ZERO and bool(status.allowed_at)
        if effect.difference is None and not scales:
            stored = lookups.drive(coverage.read(effect, _UNREAD), answer)
            return stored, None, stored is not None and phases.done(effect.action, status, stored)
        document = lookups.drive(ask(ReadWhole(effect.ref, _UNREAD)), answer)
        if document is None:
            return None, None, False
        if effect.difference is None:
            return codec.metadata_of(document), None, phases.scaled_to_zero(document)
        made = bool(status.allowed_at)
        standing = phases.standing(context, effect, effect.difference, document, let_through=made)
        return codec.metadata_of(document), standing, False

    def _answering(self, state: ClusterState) -> lookups.Answer:
        deadline = within()
        return lambda lookup: self._resolver.answer(lookup, state.policies, deadline)

    def _write(self, request: ChangeRequest, status: ChangeRequestStatus) -> bool:
        try:
            self._api.replace(
                f"{change_request.PATH}/{request.name}/status", change_request.with_status(request, status)
            )
        except ApiError as error:
            # Written or removed by somebody else meanwhile: the watch brings it round again.
            if error.status not in {404, 409}:
                raise
            return False
        return True

    def _remove(self, request: ChangeRequest) -> None:
        try:
            self._api.delete(f"{change_request.PATH}/{request.name}", uid=request.uid)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    def _tell(self, request: ChangeRequest, status: ChangeRequestStatus, now: datetime) -> None:
        """Leave an event on the object when another peer has approved, or one has said no."""
        if status.phase is Phase.DENIED and request.status.phase is not Phase.DENIED:
            self._tell_denial(request, status, now)
        before, after = (
            {approval.name for approval in status_.approvals if not approval.reason}
            for status_ in (request.status, status)
        )
        if not after - before:
            return
        spec = request.spec
        note = (
            f"{spec.action} for {spec.requester} approved by {phases.approvers_of(status)} ({status.progress}),"
            f" change request {request.name}"
        )
        self._events.write(
            Occurrence(
                request.target,
                spec.object.version,
                f"{request.name}.approved",
                "Approved" if status.phase is Phase.APPROVED else "ApprovalSeen",
                note,
                warning=False,
                count=len(after),
                now=now,
            )
        )

    def _tell_manager(
        self, request: ChangeRequest, status: ChangeRequestStatus, stored: Metadata, now: datetime
    ) -> None:
        """Leave an event on what a GitOps controller goes by, once for each refusal: it may forget this one.

        Raises ApiError.
        """
        if not managers.concerned(request) or self._managers_told.get(request.name) == status.last_refused_at:
            return
        manager = managers.of(stored, request.spec.requester)
        target = managers.target(self._api, manager) if manager else None
        if manager is not None and target is not None:
            # Another name than that of the event on the object, which may be in the same namespace.
            key, note, count = f"{request.name}.manager", managers.note(request, status), max(1, status.attempts)
            self._events.write(
                Occurrence(target, manager.version, key, "DeletionRefused", note, warning=True, count=count, now=now)
            )
        self._managers_told[request.name] = status.last_refused_at

    def _tell_denial(self, request: ChangeRequest, status: ChangeRequestStatus, now: datetime) -> None:
        spec = request.spec
        denial = change_request.denial_of(status)
        note = f"{spec.action} for {spec.requester} denied: {denial}, change request {request.name}"
        key = f"{request.name}.denied"
        self._events.write(
            Occurrence(request.target, spec.object.version, key, "Denied", note, warning=False, count=1, now=now)
        )


def _answers(request: ChangeRequest) -> Mapping[str, str]:
    """What approvers have written on it, which no agent writes."""
    answers: Mapping[str, str] = request.metadata["annotations"]
    return answers


def _after(error: Exception) -> float:
    """The seconds until what failed is tried again.

    Soon where the API server was away, as in an upgrade, or nothing was asked of it, since a policy was just changed.
    """
    if isinstance(error, Unknown):
        if error.__cause__ is None:
            return _SOON
        error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    away = isinstance(error, ApiError) and (error.status == 0 or error.status >= 500)
    return _SOON if away else _SELDOM


def _interval(status: ChangeRequestStatus, now: datetime) -> float:
    """The seconds until an object is looked at again."""
    if not status.phase.open:
        return _SELDOM
    refused = change_request.moment(status.last_refused_at)
    if refused is None or status.phase is Phase.APPROVED:
        return _OFTEN
    return min(_SELDOM, max(_OFTEN, (now - refused).total_seconds() / _TURN))


def _ago(moment_: float | None) -> float:
    return 0.0 if moment_ is None else max(0.0, time.time() - moment_)


def _untried_since(request: ChangeRequest) -> float | None:
    """Since when it is approved and untried, in seconds since 1970; None where it is not."""
    since = phases.untried_since(request.status)
    return since.timestamp() if since is not None else None


def _since(request: ChangeRequest) -> float | None:
    """Since when it waits for a peer, in seconds since 1970; None where it does not."""
    status = request.status
    first = moment(status.first_refused_at)
    waits = status.phase is Phase.PENDING and not status.answered
    return first.timestamp() if waits and first is not None else None


def _parsed(document: Mapping[str, Any]) -> ChangeRequest | None:
    request = change_request.readable(document)
    if request is None:
        return None
    annotations = request.metadata.get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if key.startswith(_ANSWERS)}
    shown = {key: request.metadata[key] for key in ("name", "uid", "resourceVersion")}
    return msgspec.structs.replace(request, metadata=shown | {"annotations": kept})
