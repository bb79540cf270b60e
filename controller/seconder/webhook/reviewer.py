"""Answers one review: decode, decide, count, record, log, encode.

A review that needs no look-up is answered at once. The others go on in a thread, agents' apart from people's and
controllers', so that nobody waits behind what agents ask. Large ones are read in a thread of their own, and looked into
in one of agents' or one of all others': one takes as long as a hundred ordinary ones, which go on meanwhile.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import Any, Final

from seconder.admission import codec, lookups, pipeline
from seconder.admission.decision import Decision
from seconder.admission.lookups import Asking, Lookup
from seconder.admission.request import Malformed, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.api.policy import Mode
from seconder.api.reasons import Reason
from seconder.api.text import clean
from seconder.approvals.registry import certificate_of
from seconder.approvals.verification import Memo
from seconder.client.cache import Cache
from seconder.client.resolver import LATER, Resolver, within
from seconder.http.handler import BadReview
from seconder.http.limits import SMALL_BODY_BYTES
from seconder.observability import log
from seconder.observability.metrics import ReviewMetrics
from seconder.webhook.recorder import Recorder

_MEMO: Final = 4096
_AT_ONCE: Final = 8
_SEEING_SECONDS: Final = 1.0
"""For how long an answer may wait for what proves its record. Without it there is no record."""

_NOT_LOADED: Final = "the policies are not loaded yet; try again in a moment"
_FAILED: Final = "the request could not be decided; the cause is in the webhook's log"


_Begun = str | tuple[ReviewContext, Decision] | tuple[ReviewContext, Asking[Decision], Lookup[Any]]
"""What became of a review at once: it waits for a look-up, or is decided, or its uid where nothing is loaded yet."""


class _Lane:
    """Threads and a resolver that some callers share: agents one, all others another."""

    def __init__(self, resolver: Resolver, name: str) -> None:
        self.resolver: Final = resolver
        self.threads: Final = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"review-{name}")
        self.large: Final = ThreadPoolExecutor(1, thread_name_prefix=f"review-large-{name}")
        """One: of several, each would keep the interpreter from small reviews as long as it takes."""


class Reviewer:
    """Holds what lives from one review to the next: the cache, and the signatures verified before.

    ``resolvers`` answer the look-ups for agents and for all others. ``proven``: whoever asks is proven to be an API
    server, as far as that is asked for. Others are answered the same, and leave no trace but a counter.
    """

    def __init__(
        self,
        cache: Cache,
        resolvers: tuple[Resolver, Resolver],
        recorder: Recorder,
        metrics: ReviewMetrics,
        clock: Callable[[], float] = time.time,
        *,
        proven: bool = True,
    ) -> None:
        self._proven = proven
        self._cache = cache
        self._agents, self._others = _Lane(resolvers[0], "agents"), _Lane(resolvers[1], "others")
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._memo = Memo(_MEMO)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="review-large")
        """Reads large reviews, which is bounded by their size; whose they are is known only then."""

    def enforce(self, body: bytes) -> bytes | Awaitable[bytes]:
        """The answer to a review under the policies that refuse."""
        return self._answer(body, Mode.ENFORCE)

    def audit(self, body: bytes) -> bytes | Awaitable[bytes]:
        """The answer to a review under the policies that only watch: always let through, with a warning where due."""
        return self._answer(body, Mode.AUDIT)

    def _answer(self, body: bytes, mode: Mode) -> bytes | Awaitable[bytes]:
        started = time.perf_counter()
        if len(body) > SMALL_BODY_BYTES:
            return self._answer_large(body, mode, started)
        try:
            return self._go_on(self._begin(codec.decode(body), mode), mode, started)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a counted denial
            return self._failed(error, body, mode, started)

    async def _answer_large(self, body: bytes, mode: Mode, started: float) -> bytes:
        try:
            loop = asyncio.get_running_loop()
            request = await loop.run_in_executor(self._reading, codec.decode, body)
            begun = await loop.run_in_executor(self._lane_of(request).large, self._begin, request, mode)
            answer = self._go_on(begun, mode, started)
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(error, body, mode, started)
        return answer if isinstance(answer, bytes) else await answer

    def _lane_of(self, request: Request) -> _Lane:
        """Whose threads look into a large review."""
        state = self._cache.state
        return self._agents if state is not None and state.principal(request.caller).agent else self._others

    def _begin(self, request: Request, mode: Mode) -> _Begun:
        """Decide a review as far as that takes no look-up, by what is known now. In any thread."""
        state = self._cache.state
        if state is None:
            return request.uid
        context = ReviewContext(request, state, mode, self._clock(), self._memo)
        asking = pipeline.review(context)
        resolver = (self._agents if context.principal.agent else self._others).resolver
        try:
            lookup: Lookup[Any] = next(asking)
            while (given := resolver.at_hand(lookup, state.policies)) is not LATER:
                lookup = asking.send(given)
        except StopIteration as done:
            return context, done.value
        return context, asking, lookup

    def _go_on(self, begun: _Begun, mode: Mode, started: float) -> bytes | Awaitable[bytes]:
        if isinstance(begun, str):
            return self._give_up(begun, mode, Reason.INTERNAL_ERROR, _NOT_LOADED, started)
        if len(begun) == 3:
            return self._later(*begun, started)
        context, decided = begun
        if decided.broken_glass or decided.spends:
            return self._once_seen(context, decided, started)
        return self._finish(context, decided, started)

    async def _later(
        self, context: ReviewContext, asking: Asking[Decision], lookup: Lookup[Any], started: float
    ) -> bytes:
        """The answer, decided in a thread since the API server may take its time; other reviews go on meanwhile."""
        self._metrics.in_flight += 1
        deadline = within()
        lane = self._agents if context.principal.agent else self._others
        policies, mode = context.state.policies, context.mode

        def decide() -> Decision:
            return lookups.resume(asking, lookup, lambda asked: lane.resolver.answer(asked, policies, deadline))

        try:
            decided = await asyncio.get_running_loop().run_in_executor(lane.threads, decide)
            if decided.broken_glass or decided.spends:
                return await self._once_seen(context, decided, started)
            return self._finish(context, decided, started)
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(error, context.request.body, mode, started)
        finally:
            self._metrics.in_flight -= 1

    async def _once_seen(self, context: ReviewContext, decided: Decision, started: float) -> bytes:
        """The answer to who passes policies by, or takes off what lets it through, once that is seen on the object.

        A moment later it may be gone.
        """
        policies, seen = context.state.policies, False
        lane = self._agents if context.principal.agent else self._others

        def look() -> bool:
            return self._recorder.sees(decided, policies)

        if self._proven and not context.request.dry_run and context.mode is Mode.ENFORCE:
            looking = asyncio.get_running_loop().run_in_executor(lane.threads, look)
            try:
                seen = await asyncio.wait_for(looking, _SEEING_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody in an emergency suffers from it
                log.trouble("an emergency or a use may go without an event", error)
        return self._finish(context, decided, started, seen=seen)

    def _finish(self, context: ReviewContext, decided: Decision, started: float, *, seen: bool = False) -> bytes:
        """The answer. ``seen``: an emergency, or what the update takes off its object, is as the review says."""
        request, mode = context.request, context.mode
        allowed = decided.allowed or mode is Mode.AUDIT
        recorded = False
        if self._proven:
            seconds = time.perf_counter() - started
            known = context.state.policies.known
            self._metrics.answered(request, decided, known=known, allowed=allowed, seconds=seconds)
            recorded = self._record(context, decided, seen)
            _log(request, decided, mode, allowed, seconds)
        else:
            self._metrics.unproven("NotAuthenticated")
        audit = _audit_annotations(decided, mode)
        if not allowed:
            denial = self._recorder.denial(decided.change) if recorded and decided.change else ""
            text = decided.text(recorded=recorded, denial=denial)
            causes = decided.causes(recorded=recorded, denial=denial)
            return codec.denied(request.uid, text, decided.reason, request.target, audit, causes)
        return codec.allowed(request.uid, audit, [] if decided.allowed else [_warning(decided)])

    def _record(self, context: ReviewContext, decided: Decision, seen: bool) -> bool:
        """Leave a note of what the decision led to. Returns whether there is a change request for a refusal."""
        request = context.request
        if request.dry_run or context.mode is Mode.AUDIT:
            return False
        if decided.broken_glass:
            self._metrics.broke_glass(request)
            if seen:
                self._recorder.broke_glass(request, decided.broken_glass)
            else:
                self._metrics.unproven("NotAsStored")
        recorded = []
        for part in decided.parts:
            if part.change is None:
                continue
            if not part.allowed:
                recorded.append(self._recorder.refused(part.change, part.reason))
            elif decided.allowed:
                self._metrics.used(part.change.target.resource, part.counted, context.now)
                self._recorder.allowed(part.change, part.counted, seen=seen)
        return decided.change is not None and recorded[:1] == [True]

    def _failed(self, error: Exception, body: bytes, mode: Mode, started: float) -> bytes:
        """The denial of a review that could not be decided. Raises BadReview where there is no uid to echo."""
        if isinstance(error, Malformed):
            if not error.uid:
                self._undecided(Reason.REQUEST_MALFORMED, started)
                raise BadReview(error.detail) from None
            return self._give_up(error.uid, mode, Reason.REQUEST_MALFORMED, error.detail, started)
        if self._proven:
            log.failure("a review failed", error)
        uid = codec.uid_of(body)
        if not uid:
            raise error
        return self._give_up(uid, mode, Reason.INTERNAL_ERROR, _FAILED, started)

    def _give_up(self, uid: str, mode: Mode, reason: Reason, detail: str, started: float) -> bytes:
        self._undecided(reason, started)
        text = f"{detail} ({reason})"
        audit = {"decision": "error", "reason": str(reason)}
        if mode is Mode.AUDIT:
            return codec.allowed(uid, audit, [f"audit: {text}"])
        return codec.denied(uid, text, reason, None, audit)

    def _undecided(self, reason: Reason, started: float) -> None:
        if self._proven:
            self._metrics.undecided(reason, time.perf_counter() - started)
        else:
            self._metrics.unproven("NotAuthenticated")


def _warning(decided: Decision) -> str:
    first = decided.message.partition("\n")[0]
    return f"audit: would be refused: {clean(first)}"


_APPROVER: Final = attrgetter("statement.iss")
_APPROVAL: Final = attrgetter("statement.jti")


def _audit_annotations(decided: Decision, mode: Mode) -> dict[str, str]:
    audit: dict[str, str] = {
        "decision": "allow" if decided.allowed else "deny",
        "reason": decided.reason,
        "mode": mode,
    }
    if decided.action is not None:
        audit["action"] = decided.action
    if decided.principal.agent_name:
        audit["agent"] = clean(decided.principal.agent_name)
    if decided.policies:
        audit["policies"] = ",".join(decided.policies)
    if decided.broken_glass:
        audit["break-glass"] = clean(decided.broken_glass)
    if decided.counted:
        audit["approvers"] = ",".join(map(_APPROVER, decided.counted))
        audit["approvals"] = ",".join(map(_APPROVAL, decided.counted))
        for approval in decided.counted:
            if approval.key.certified is not None:
                told = certificate_of(approval.key)
                audit["certificates"] = f"{audit['certificates']}, {told}" if "certificates" in audit else told
    return audit


class _Entry(log.Line, kw_only=True, frozen=True, gc=False):
    """The log's line of one decision."""

    review: str
    decision: str
    reason: Reason
    mode: Mode
    operation: Operation
    action: str | None
    resource: str
    subresource: str
    namespace: str
    name: str
    uid: str
    user: str
    agent: str | None
    policies: Sequence[str]
    approvers: Sequence[str]
    approvals: Sequence[str]
    rejected: Sequence[str]
    change_request: str | None
    break_glass: str | None
    dry_run: bool
    seconds: float


def _log(request: Request, decided: Decision, mode: Mode, allowed: bool, seconds: float) -> None:
    target, counted, failures = request.target, decided.counted, decided.failures
    log.decision(
        _Entry(
            message="decision",
            review=request.uid,
            decision="allow" if allowed else "deny",
            reason=decided.reason,
            mode=mode,
            operation=request.operation,
            action=decided.action,
            resource=str(target.resource),
            subresource=request.subresource,
            namespace=target.namespace,
            name=target.name,
            uid=target.uid,
            user=request.caller.username,
            agent=decided.principal.agent_name,
            policies=decided.policies,
            approvers=tuple(map(_APPROVER, counted)),
            approvals=tuple(map(_APPROVAL, counted)),
            # Most have none, and a comprehension costs a call.
            rejected=[f"{failure.slug}: {failure.reason}" for failure in failures] if failures else (),
            change_request=decided.change.name if decided.change else None,
            break_glass=decided.broken_glass or None,
            dry_run=request.dry_run,
            seconds=round(seconds, 6),
        )
    )
