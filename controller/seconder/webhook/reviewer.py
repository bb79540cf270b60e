"""Answers one review: decode, look up what is needed, decide, count, log, encode."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from seconder.admission import codec, prerequisites
from seconder.admission.decision import Decision, decide
from seconder.admission.dependents import Owned
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import Owner, Request
from seconder.api.policy import Mode
from seconder.api.reasons import Reason
from seconder.api.resources import GroupResource
from seconder.api.text import clean
from seconder.approvals.verification import Memo
from seconder.client.cache import Snapshot
from seconder.client.existence import Existence
from seconder.client.kinds import Kinds
from seconder.client.lookup import Finder, LookupFailed
from seconder.client.owners import Owners
from seconder.client.rights import Rights
from seconder.observability import log
from seconder.observability.metrics import ReviewMetrics
from seconder.webhook.front import BadReview
from seconder.webhook.recorder import Recorder

Q = TypeVar("Q")
A = TypeVar("A")

_MEMO: Final = 4096
_LOOKUPS_AT_ONCE: Final = 8
_NOT_LOADED: Final = "the policies are not loaded yet; try again in a moment"
_FAILED: Final = "the request could not be decided; the cause is in the webhook's log"


class Reviewer:
    """Holds what lives from one review to the next: the snapshot, and the signatures verified before."""

    def __init__(
        self,
        snapshot: Snapshot,
        finder: Finder,
        rights: Rights,
        existence: Existence,
        owners: Owners,
        kinds: Kinds,
        recorder: Recorder,
        metrics: ReviewMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._snapshot = snapshot
        self._finder = finder
        self._rights = rights
        self._existence = existence
        self._owners = owners
        self._kinds = kinds
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._memo = Memo(_MEMO)
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="review")
        # Asked for agents alone, who may ask a lot: nobody else waits behind them.
        self._askers = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="rights")
        # Asked for people and controllers alone, who wait behind no agent.
        self._seekers = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="existence")

    async def enforce(self, body: bytes) -> bytes:
        """Answer a review under the policies that refuse."""
        return await self._answer(body, Mode.ENFORCE)

    async def audit(self, body: bytes) -> bytes:
        """Answer a review under the policies that only watch: always let through, with a warning where due."""
        return await self._answer(body, Mode.AUDIT)

    async def _answer(self, body: bytes, mode: Mode) -> bytes:
        started = time.perf_counter()
        metrics = self._metrics
        metrics.in_flight += 1
        try:
            request = codec.decode(body)
            world = self._snapshot.world
            if world is None:
                return self._give_up(request.uid, mode, Reason.INTERNAL_ERROR, _NOT_LOADED, started)
            owned = await self._owned(request, world, mode)
            lookups = prerequisites.needs(request, world, mode, owned)
            contents = await self._look_up(self._finder.find, lookups) if lookups else {}
            refs = prerequisites.looks(request, world, mode, owned)
            objects = await self._look_up(self._finder.look, refs) if refs else {}
            now = self._clock()
            given = prerequisites.role_to_read(request, world, mode)
            role = await self._look_up(self._rights.rules, given, self._askers) if given else None
            owning = await self._owning(request, world, mode)
            asked = prerequisites.account_to_ask(request, world, mode, owning or frozenset())
            borrowed = await self._look_up(self._rights.borrowed, asked, self._askers) if asked else None
            missing = await self._missing(request, world, mode)
            evidence = Evidence(self._snapshot.fresh(), contents, objects, role, borrowed, owned, missing, owning)
            decided = decide(request, world, mode, evidence, now, self._memo)
            allowed = decided.allowed or mode is Mode.AUDIT
            seconds = time.perf_counter() - started
            metrics.answered(request, decided, known=world.policies.known, allowed=allowed, seconds=seconds)
            recorded = self._record(request, decided, mode, now)
            _log(request, decided, mode, allowed, seconds)
            audit = _audit_annotations(decided, mode)
            if not allowed:
                return codec.denied(request.uid, decided.text(recorded=recorded), decided.reason, request.target, audit)
            return codec.allowed(request.uid, audit, _warnings(decided))
        except codec.Malformed as bad:
            if not bad.uid:
                metrics.undecided(Reason.REQUEST_MALFORMED, time.perf_counter() - started)
                raise BadReview(bad.detail) from None
            return self._give_up(bad.uid, mode, Reason.REQUEST_MALFORMED, bad.detail, started)
        except Exception as error:
            log.failure("a review failed", error)
            uid = codec.uid_of(body)
            if not uid:
                raise
            return self._give_up(uid, mode, Reason.INTERNAL_ERROR, _FAILED, started)
        finally:
            metrics.in_flight -= 1

    def _record(self, request: Request, decided: Decision, mode: Mode, now: float) -> bool:
        """Leave a note of what the decision led to; say whether there is a change request for a refusal."""
        if request.dry_run or mode is Mode.AUDIT:
            return False
        if decided.broken_glass:
            self._metrics.broke_glass(request)
            self._recorder.broke_glass(request, decided.broken_glass)
        recorded = []
        for part in decided.parts or (decided,):
            if part.change is None:
                continue
            if not part.allowed:
                recorded.append(self._recorder.refused(part.change, part.reason))
            else:
                self._metrics.used(part.change.target.resource, part, now)
                self._recorder.allowed(part.change, part.counted)
        return decided.change is not None and recorded[:1] == [True]

    async def _owned(self, request: Request, world: World, mode: Mode) -> Sequence[Owned] | None:
        keys = prerequisites.owner_keys(request, world, mode)
        # Most own nothing: to ask a thread would take longer than all the rest.
        if not keys or self._owners.nothing_owned(world.policies, keys):
            return ()
        look = partial(self._owners.owned, world.policies, keys)
        return await self._look_up(look, request.target)

    async def _missing(self, request: Request, world: World, mode: Mode) -> frozenset[Owner] | None:
        asked = prerequisites.owners_to_find(request, world, mode)
        if not asked:
            return frozenset()
        return await self._look_up(self._existence.missing, (request.target.namespace, asked), self._seekers)

    async def _owning(self, request: Request, world: World, mode: Mode) -> frozenset[GroupResource] | None:
        place = prerequisites.place_of_owners(request, world, mode)
        if place is None:
            return frozenset()
        return await self._look_up(partial(self._resources_of_owners, world.policies), place, self._askers)

    def _resources_of_owners(self, policies: PolicyIndex, place: str) -> frozenset[GroupResource] | None:
        kinds = self._owners.owning(policies, place)
        return None if kinds is None else self._kinds.resources(kinds)

    async def _look_up(
        self, look: Callable[[Q], A], questions: Q, threads: ThreadPoolExecutor | None = None
    ) -> A | None:
        # In a thread, since the API server may take its time; other reviews go on meanwhile.
        try:
            return await asyncio.get_running_loop().run_in_executor(threads or self._threads, look, questions)
        except LookupFailed as error:
            log.trouble("a look-up failed", error)
            return None

    def _give_up(self, uid: str, mode: Mode, reason: Reason, detail: str, started: float) -> bytes:
        self._metrics.undecided(reason, time.perf_counter() - started)
        text = f"{detail} ({reason})"
        audit = {"decision": "error", "reason": str(reason)}
        if mode is Mode.AUDIT:
            return codec.allowed(uid, audit, [f"audit: {text}"])
        return codec.denied(uid, text, reason, None, audit)


def _warnings(decided: Decision) -> list[str]:
    if decided.allowed:
        return []
    first = decided.message.partition("\n")[0]
    return [f"audit: would be refused: {clean(first)}"]


def _audit_annotations(decided: Decision, mode: Mode) -> dict[str, str]:
    audit = {"decision": "allow" if decided.allowed else "deny", "reason": decided.reason.value, "mode": mode.value}
    if decided.action is not None:
        audit["action"] = decided.action.value
    if decided.requester.agent_name:
        audit["agent"] = clean(decided.requester.agent_name)
    if decided.policies:
        audit["policies"] = ",".join(decided.policies)
    if decided.broken_glass:
        audit["break-glass"] = clean(decided.broken_glass)
    if decided.counted:
        audit["approvers"] = ",".join(each.statement.iss for each in decided.counted)
        audit["approvals"] = ",".join(each.statement.jti for each in decided.counted)
    return audit


def _log(request: Request, decided: Decision, mode: Mode, allowed: bool, seconds: float) -> None:
    target = request.target
    log.info(
        "decision",
        review=request.uid,
        decision="allow" if allowed else "deny",
        reason=decided.reason,
        mode=mode,
        operation=request.operation,
        resource=str(target.resource),
        subresource=request.subresource,
        namespace=target.namespace,
        name=target.name,
        uid=target.uid,
        user=request.caller.username,
        agent=decided.requester.agent_name,
        policies=decided.policies,
        approvers=[each.statement.iss for each in decided.counted],
        approvals=[each.statement.jti for each in decided.counted],
        rejected=[f"{each.slug}: {each.reason}" for each in decided.failures],
        change_request=decided.change.name if decided.change else None,
        break_glass=decided.broken_glass or None,
        dry_run=request.dry_run,
        seconds=round(seconds, 6),
    )
