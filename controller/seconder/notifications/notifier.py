"""Takes events and sees that targets are told of them: each target has a bounded queue and a thread of its own.

The first events go out at once, each in a message of its own. More than a few at a time become one digest, and after a
digest the next waits for a while, so that a flood is a message and not a thousand. What a target does not take is tried
again, with what has come since, in one message.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seconder.api.change_request import ChangeRequest, Phase, moment
from seconder.api.emergency import BreakGlassUse
from seconder.notifications import delivery, event, routes, targets
from seconder.notifications.event import Event
from seconder.notifications.message import Message
from seconder.notifications.routes import Route, Unusable
from seconder.notifications.targets import Target


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is sent, and when. Times are in seconds."""

    gather: float = 0.3
    """After the first event: what comes with it goes along."""
    singles: int = 3
    """As many at a time go out each by itself."""
    burst: int = 6
    """Messages in ``window``, beyond which all become digests."""
    window: float = 60.0
    digest: float = 30.0
    """Between a digest and the next message."""
    kept: int = 500
    """Events that wait for one target. Of more, the number is told."""
    retry: tuple[float, float] = (1.0, 60.0)
    """The first pause after a failure, doubled each time, and the longest."""
    gives_up: float = 900.0
    """After so long the messages of a target that takes none are dropped."""
    remembered: int = 4096
    """Events that are known to have been told, so that none is told twice."""
    fresh: float = 60.0
    """A change request that is seen for the first time is told if it was refused no longer ago."""


Outcome = Callable[[str, str, str], None]
"""Told of each message: the target's name; ``delivered``, ``failed`` or ``dropped``; and why, without a secret."""


class _Queue:
    """One target's events and the thread that sends them."""

    def __init__(self, target: Target, source: str, pace: Pace, outcome: Outcome) -> None:
        self._source = source
        self._pace = pace
        self._outcome = outcome
        self._work = threading.Condition()
        self._waiting: list[Event] = []
        self._left_out = 0
        self._stopping = False
        self.target = target
        self._thread = threading.Thread(target=self._run, name=f"notify {target.name}", daemon=True)
        self._thread.start()

    def put(self, event_: Event) -> None:
        with self._work:
            if len(self._waiting) < self._pace.kept:
                self._waiting.append(event_)
            else:
                self._left_out += 1
            self._work.notify()

    def stop(self) -> None:
        with self._work:
            self._stopping = True
            self._work.notify()

    def _run(self) -> None:
        # What is wrong with it is told of with the first message.
        with suppress(Exception):
            delivery.prepare(self.target)
        sent: list[float] = []
        while self._gathered():
            now = time.monotonic()
            sent = [when for when in sent if now - when < self._pace.window]
            events, left_out = self._taken()
            alone = not left_out and len(events) <= self._pace.singles
            if alone and len(sent) + len(events) <= self._pace.burst:
                messages = [Message((one,)) for one in events]
            else:
                messages = [Message(tuple(events), left_out)]
            for message in messages:
                self._deliver(message)
                sent.append(time.monotonic())
            if messages[0].count > 1 or len(sent) >= self._pace.burst:
                self._pause(self._pace.digest)

    def _gathered(self) -> bool:
        """Wait for an event and for what comes with it. False at the end."""
        with self._work:
            while not self._waiting and not self._stopping:
                self._work.wait()
        self._pause(self._pace.gather)
        return not self._stopping

    def _taken(self) -> tuple[list[Event], int]:
        with self._work:
            taken, left_out = self._waiting, self._left_out
            self._waiting, self._left_out = [], 0
            return taken, left_out

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._work:
            while not self._stopping and (left := until - time.monotonic()) > 0:
                self._work.wait(left)

    def _deliver(self, message: Message) -> None:
        pause, longest = self._pace.retry
        started = time.monotonic()
        while not self._stopping:
            try:
                delivery.send(self.target, message, self._source)
            except delivery.Undelivered as error:
                over = error.final or time.monotonic() - started > self._pace.gives_up
                self._outcome(self.target.name, "dropped" if over else "failed", str(error))
                if over:
                    return
                self._pause(max(error.after, pause))
                pause = min(longest, pause * 2)
            except Exception as error:  # noqa: BLE001 - a service's client may raise anything; its text may hold an address
                self._outcome(self.target.name, "dropped", type(error).__name__)
                return
            else:
                self._outcome(self.target.name, "delivered", "")
                return


class Notifier:
    """Tells targets of events. ``observe`` and ``tell`` never wait and never raise.

    ``folder`` holds the targets, and is read anew when it changes. ``source`` names this cluster in CloudEvents, as a
    URI. ``portal`` is an origin, or empty.
    """

    # More than seven parameters: what is told whom, where from, and who hears what became of it.
    def __init__(
        self,
        folder: Path,
        routes_: Sequence[Route],
        outcome: Outcome,
        *,
        source: str = "urn:seconder",
        portal: str = "",
        pace: Pace | None = None,
    ) -> None:
        self._folder = folder
        self._routes = routes_
        self._outcome = outcome
        self._source = source
        self._portal = portal
        self._pace = pace or Pace()
        self._lock = threading.Lock()
        self._stopped = False
        self._queues: dict[str, _Queue] = {}
        self._told: OrderedDict[str, None] = OrderedDict()
        self._phases: dict[str, tuple[Phase, str]] = {}
        self._read: Mapping[str, Target] | None = None
        self._complaints: list[str] = []
        self._problems: dict[str, str] = {}

    def start(self) -> None:
        """Read the targets, and have ready what telling them takes."""
        with self._lock:
            self._refresh()

    def observe(self, requests: Mapping[str, ChangeRequest]) -> None:
        """Tell of the change requests whose phase has changed since the last call."""
        with self._lock:
            before, self._phases = self._phases, {}
            changed = []
            for name, request in requests.items():
                key = (request.status.phase, request.status.expires_at)
                self._phases[name] = key
                if before.get(name) != key and (name in before or self._is_fresh(request)):
                    changed.append(request)
        for request in changed:
            told = event.of_change_request(request, self._portal)
            if told is not None:
                self.tell(told)

    def standing(self, problems: Mapping[str, str]) -> None:
        """Tell of each policy that is not in force and was at the last call. ``problems``: why, by policy."""
        with self._lock:
            before, self._problems = self._problems, dict(problems)
        for policy in sorted(problems.keys() - before.keys()):
            self.tell(event.not_in_force(policy, problems[policy], event.now()))

    def emergency(self, name: str, told: BreakGlassUse) -> None:
        """Tell of somebody who passed policies by. ``name``: of the Event that says so."""
        self.tell(event.of_emergency(name, told))

    def tell(self, event_: Event) -> None:
        """Tell the targets that a route names for it, once."""
        with self._lock:
            if self._stopped or event_.id in self._told:
                return
            self._told[event_.id] = None
            while len(self._told) > self._pace.remembered:
                self._told.popitem(last=False)
            self._refresh()
            for name in routes.targets(self._routes, event_, self._queues):
                self._queues[name].put(event_)

    def stop(self) -> None:
        """End; what was not sent is lost."""
        with self._lock:
            self._stopped = True
            for queue in self._queues.values():
                queue.stop()

    def _is_fresh(self, request: ChangeRequest) -> bool:
        """Whether it was refused a moment ago: after a restart, old ones are not told anew."""
        refused = moment(request.status.last_refused_at)
        return refused is not None and time.time() - refused.timestamp() < self._pace.fresh

    def _refresh(self) -> None:
        """Read the targets, and follow what has changed in them."""
        try:
            found, wrong = targets.read(self._folder)
        except Unusable as error:
            # Those known go on: a Secret's files are away for a moment when they are exchanged.
            found, wrong = (self._read or {}), [str(error)]
        if wrong != self._complaints:
            for complaint in wrong:
                self._outcome("", "failed", complaint)
            self._complaints = wrong
        if found == self._read:
            return
        self._read = found
        for name, queue in list(self._queues.items()):
            if found.get(name) != queue.target:
                queue.stop()
                del self._queues[name]
        for name, target in found.items():
            if name not in self._queues:
                self._queues[name] = _Queue(target, self._source, self._pace, self._outcome)
