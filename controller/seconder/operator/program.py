"""``seconder operator``: of several, one leads; there kopf watches, and one thread reconciles.

kopf handlers only wake that thread. Nothing is decided from an event's content, so that a lost, doubled or reordered
event changes nothing; and no finalizer and no annotation is ever put on anybody's object (``on.event`` handlers alone).
kopf reads objects whole and all at once, so it is given Seconder's own kinds alone: what others may make, as large and
as many as they like, is followed by ``Watch``, which reads metadata by pages.

Whatever writes is part of a ``Duty``: made anew for each term, with an ``Api`` that the term fences, and ended with it.
"""

import asyncio
import enum
import queue
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Protocol

from seconder.api import constants
from seconder.api.in_force import STALE_SECONDS
from seconder.api.text import clean
from seconder.client import proxies
from seconder.client.api import Api, ApiError, Fenced
from seconder.client.credentials import Credentials, NoCredentials
from seconder.client.watch import Watch, Watches
from seconder.observability import log
from seconder.observability.metrics import InForce, OperatorMetrics
from seconder.operator import certificates, webhook_configuration
from seconder.operator.certificates import utc_now
from seconder.operator.election import Elector, Term
from seconder.operator.reconciler import LOOKUP_ROLE, OBJECTS_ROLE, PORTAL_ROLE, Report
from seconder.operator.trial import REFUSED, configuration_path
from seconder.operator.woken import RETRY_SECONDS, Woken

RESYNC_SECONDS: Final = 15.0
_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_OWN_DEFINITIONS: Final = tuple(f"{plural}.{constants.DOMAIN}" for plural in constants.KINDS)
_ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_STOP_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 2.0
_LOST_SECONDS: Final = 40.0
"""For the end of what writes after a term was lost: fenced, it only waits for reads that an API server leaves without
an answer."""

_OWN_CONFIGURATION: Final = webhook_configuration.NAME

_FIRST_PASS_SECONDS: Final = 2.0
"""For how long all else waits for the first pass, so that what guards stands soon after a start."""


class Worker(Woken):
    """The reconciling thread. ``wake`` asks for a pass; without it there is one every ``resync`` seconds.

    ``reconcile`` does a pass. ``observer`` is called with the policies that are not in force, and why, when that
    changes; it must not wait.
    """

    def __init__(
        self,
        reconcile: Callable[[datetime], Report],
        metrics: OperatorMetrics,
        *,
        resync: float = RESYNC_SECONDS,
        observer: Callable[[Mapping[str, str]], None] | None = None,
    ) -> None:
        super().__init__("reconcile")
        self._reconcile = reconcile
        self._metrics = metrics
        self._resync = resync
        self._observer = observer
        self._done_once = False
        self.tried = threading.Event()
        """Set after the first pass, whatever came of it."""
        self._again = 0.0
        self._problems: list[str] = []
        self._looked = float("-inf")

    def start(self) -> None:
        """Begin with a first pass at once."""
        self.wake()
        super().start()

    def unmet(self) -> list[str]:
        """What keeps the operator from being ready: what is not in force, in the API server's own words."""
        if not self._done_once:
            return ["the webhook configuration has not been applied yet", *self._problems]
        if time.monotonic() - self._looked > STALE_SECONDS:
            return ["what is in force was not seen for a minute", *self._problems]
        return self._problems

    def _run(self) -> None:
        pause = RETRY_SECONDS[0]
        while self._waited(min(self._resync, self._again or self._resync)):
            try:
                started = time.monotonic()
                report = self._reconcile(utc_now())
                self._tell(report, time.monotonic() - started)
                self._done_once = True
                pause = RETRY_SECONDS[0]
                self.tried.set()
                continue
            except Fenced:
                return
            except ApiError as error:
                log.trouble("reconciling failed and is tried again", error, status=error.status)
                self._failed(str(error), refused=error.status in REFUSED)
            except certificates.Unusable as error:
                log.trouble("reconciling failed and is tried again", error)
                self._failed(str(error))
            except Exception as error:  # noqa: BLE001 - a thread that died in silence would leave the guard unattended
                log.failure("reconciling failed and is tried again", error)
            self.tried.set()
            self._metrics.failures.inc()
            self._metrics.in_sync.set(0)
            self._wake.set()
            self._stopping.wait(pause)
            pause = min(pause * 2, RETRY_SECONDS[1])

    def _failed(self, words: str, *, refused: bool = False) -> None:
        if refused or not self._done_once or time.monotonic() - self._looked > STALE_SECONDS:
            self._problems = [clean(words)]

    def _tell(self, report: Report, seconds: float) -> None:
        metrics = self._metrics
        self._looked, self._again = time.monotonic(), report.again
        wanting = [verdict for verdict in report.verdicts if not verdict.in_force]
        problems = [f"policy {verdict.name} is not in force: {verdict.message}" for verdict in wanting]
        problems += map(clean, report.wanting)
        if problems != self._problems:
            for problem in problems:
                log.info(problem)
            if self._observer is not None:
                self._observer({verdict.name: verdict.message for verdict in wanting})
        self._problems = problems
        metrics.in_sync.set(0 if wanting else 1)
        metrics.in_force.seen(InForce(v.name, v.in_force, v.reason, v.writer) for v in report.verdicts)
        metrics.certificate_expiry.set(report.serving_expiry.timestamp())
        if report.repaired:
            metrics.repairs.inc()
        metrics.policies((policy.mode, not policy.problem) for policy in report.judged)
        metrics.keys(key for approver in report.approvers for key in approver.counting)
        metrics.last_success.set_to_current_time()
        if not report.judged:
            log.info("no ProtectionPolicy: only Seconder itself is guarded")
        log.info("reconciled", policies=len(report.judged), approvers=len(report.approvers), seconds=round(seconds, 3))


def watches(
    api: Api,
    wake: Callable[[], None],
    anew: Callable[[], None],
    changed: Callable[[], None],
    *,
    portal: bool = False,
) -> Watches:
    """Watches of what is not Seconder's own kind: metadata alone, and by name where one object is meant.

    Of the webhook configuration, of the roles that the operator fills, since a GitOps tool may have emptied them, and
    of all definitions. ``anew`` is called after a change of Seconder's own ones, ``changed`` after one of the
    configuration. ``portal``: it has a role too.
    """

    def look() -> None:
        changed()
        wake()

    names = (LOOKUP_ROLE, OBJECTS_ROLE, *([PORTAL_ROLE] if portal else []))
    roles = [_watch_of(api, _ROLES, name, wake) for name in names]
    configuration = _watch_of(api, configuration_path(), _OWN_CONFIGURATION, look)
    return Watches([*roles, configuration, _watch_of_definitions(api, wake, anew)])


def stand_in_watches(api: Api, wake: Callable[[], None]) -> Watches:
    """Watches of what an operator looks after while nobody leads, and of what that is made from.

    Not by kopf: of policies their specs alone wake it. Several operators write their statuses then, and would go on
    waking each other where they do not see the same.
    """
    policies = f"{constants.API_PATH}/protectionpolicies"
    specs: Watch[Any] = Watch(api, policies, _generation, lambda _: wake(), failed, metadata_only=True)
    return Watches([_watch_of(api, configuration_path(), _OWN_CONFIGURATION, wake), specs])


def _watch_of(api: Api, collection: str, name: str, wake: Callable[[], None]) -> Watch[Any]:
    selector = f"metadata.name={name}"
    return Watch(api, collection, _version, lambda _: wake(), failed, field_selector=selector, metadata_only=True)


def _watch_of_definitions(api: Api, wake: Callable[[], None], anew: Callable[[], None]) -> Watch[str]:
    ours: dict[str, str] | None = None

    def changed(found: Mapping[str, str]) -> None:
        nonlocal ours
        before, ours = ours, {name: found[name] for name in _OWN_DEFINITIONS if name in found}
        if before is not None and before != ours:
            anew()
        wake()

    return Watch(api, _DEFINITIONS, _version, changed, failed, metadata_only=True)


def _version(document: Mapping[str, Any]) -> str:
    version: str = document["metadata"]["resourceVersion"]
    return version


def _generation(document: Mapping[str, Any]) -> int:
    generation: int = document["metadata"].get("generation", 0)
    return generation


def failed(what: str, error: Exception) -> None:
    """Log what a thread of the operator could not do; it goes on by itself."""
    if isinstance(error, ApiError):
        log.trouble("interrupted, and tried again", error, subject=what, status=error.status)
    else:
        log.failure("interrupted, and tried again", error, subject=what)


def check(credentials: Credentials) -> None:
    """Raises NoCredentials where the API server cannot be watched by these credentials."""
    if credentials.proxy.startswith("socks"):
        raise NoCredentials(f"proxy {proxies.shown(credentials.proxy)} speaks SOCKS, which the operator does not")


class Watching:
    """kopf, in a thread of its own: signals are the main thread's. ``gave_up`` is called when it ends by itself."""

    def __init__(self, credentials: Credentials, wake: Callable[[], None], gave_up: Callable[[], None]) -> None:
        self._credentials = credentials
        self._wake = wake
        self._gave_up = gave_up
        self._stopping = False
        self._again = False
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping = True
        self._end()

    def anew(self) -> None:
        """Have it look anew for the kinds that it watches, which it does at its start alone."""
        self._again = True
        self._end()

    def _end(self) -> None:
        with self._lock:
            # The loop is closed where kopf has ended already.
            if self._loop is not None:
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._stop.set)

    def _run(self) -> None:
        self._again = True
        try:
            # Only now: to import it takes about as long as a first pass.
            from seconder.operator import kopf_watches

            kopf_watches.log_warnings()
            while self._again and not self._stopping:
                self._again = False
                asyncio.run(self._watch(kopf_watches.watch))
        except Exception as error:  # noqa: BLE001 - whatever kopf gives up for: said in one line, and started anew outside
            log.failure("watching was given up", error)
        if not self._stopping:
            self._gave_up()

    async def _watch(self, watch: Callable[..., Coroutine[Any, Any, None]]) -> None:
        with self._lock:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            if self._stopping:
                return
        await watch(self._credentials, self._wake, self._stop)


class Part(Protocol):
    """Something that runs while this operator leads."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Ask it to end; does not wait."""


class Writer(Part, Protocol):
    """A part that changes something, in ``thread`` alone, by an ``Api`` that its term fences."""

    thread: threading.Thread


class Duty:
    """All that an operator does while it leads, in one term. ``worker`` is the first of those that write.

    ``leads``: False where it stands in for a leader that there is not, in a vacancy.
    """

    def __init__(
        self, term: Term, parts: Sequence[Part], worker: Worker, writers: Sequence[Writer] = (), *, leads: bool = True
    ) -> None:
        self.term = term
        self.leads = leads
        self.unmet: Final[Callable[[], Sequence[str]]] = worker.unmet
        """What is wanting, as for /readyz."""
        self._parts = parts
        self._worker = worker
        self._writers = (worker, *writers)

    def start(self) -> None:
        """Begin with a pass, and after it with everything: what starts beside it would make it take twice as long."""
        self.term.busy = True
        self._worker.start()
        self._worker.tried.wait(_FIRST_PASS_SECONDS)
        for part in (*self._parts, *self._writers[1:]):
            part.start()

    def end(self, seconds: float) -> bool:
        """End everything, the writing at once. False when a writer has not ended after so many seconds."""
        self.term.close()
        for part in (*self._writers, *self._parts):
            part.stop()
        deadline = time.monotonic() + seconds
        for writer in self._writers:
            if writer.thread.ident is not None:
                writer.thread.join(max(0.0, deadline - time.monotonic()))
        self.term.busy = any(writer.thread.is_alive() for writer in self._writers)
        return not self.term.busy


class News(enum.Enum):
    """What the main thread waits for."""

    LOOK = enum.auto()
    """Another leads perhaps, or this one."""
    STOP = enum.auto()
    GAVE_UP = enum.auto()


class Program:
    """Stands for election and does its duty whenever it leads. Its main thread calls ``run``."""

    def __init__(self, begin: Callable[[Term, Callable[[], None]], Duty], stand_in: Callable[[Term], Duty]) -> None:
        """``begin`` makes the duty of a term, and gets what to call when it cannot be done any longer.

        ``stand_in`` makes that of a vacancy.
        """
        self._begin = begin
        self._stand_in = stand_in
        # Unlike events, it may be put into by a signal's handler.
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._duty: Duty | None = None
        self._elector: Elector | None = None

    def look(self) -> None:
        """Say that the term may have changed."""
        self._news.put(News.LOOK)

    @property
    def leads(self) -> bool:
        """Whether this operator may write now."""
        duty = self._duty
        return duty is not None and duty.leads and duty.term.left() > 0

    def unmet(self) -> Sequence[str]:
        """What keeps it from being ready: as a leader its duty; else that nobody is seen to lead."""
        duty, elector = self._duty, self._elector
        if duty is not None and duty.leads:
            return duty.unmet()
        wanting = elector.unmet() if elector is not None else ["it has just started"]
        return [*wanting, *duty.unmet()] if duty is not None else wanting

    def run(self, elector: Elector) -> bool:
        """Until SIGTERM or SIGINT; False when it had to be given up, to be started anew from outside."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._news.put(News.STOP))
        self._elector = elector
        elector.start()
        while True:
            if self._duty is None and (duty := self._due(elector)) is not None:
                self._duty = duty
                duty.start()
            news = self._next()
            last = news in {News.STOP, News.GAVE_UP}
            if self._duty is not None and (last or self._duty.term.left() <= 0):
                if not self._duty.end(_STOP_SECONDS if last else _LOST_SECONDS):
                    # Fenced all the same. Not given back: the next one is to wait until that is certain by the clock.
                    log.info("what this operator did as the leader does not end, so the whole process does")
                    return False
                self._duty = None
            if last:
                elector.resign()
                return news is News.STOP

    def _due(self, elector: Elector) -> Duty | None:
        if (term := elector.term) is not None:
            return self._begin(term, lambda: self._news.put(News.GAVE_UP))
        vacancy = elector.vacancy
        return None if vacancy is None else self._stand_in(vacancy)

    def _next(self) -> News:
        # Whoever has no duty looks for a term by itself, too: a leader that did not notice would lead for nothing.
        seconds = _IDLE_SECONDS if self._duty is None else max(0.0, self._duty.term.left())
        try:
            return self._news.get(timeout=seconds)
        except queue.Empty:
            return News.LOOK
