"""Writes change requests and events off the decision's path: a review only leaves a note here and goes on.

Everything is bounded, and what finds no place is not recorded: the refusal then says how to approve without a record.
Losing a note, or flooding this, never changes a decision. How a note is written: ``record_writer``.
"""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

from seconder.admission.decision import Decision
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import Request
from seconder.api import change_request, constants
from seconder.api.change_request import ChangeDoc
from seconder.api.reasons import Reason
from seconder.api.resources import Action
from seconder.approvals import change_requests
from seconder.approvals.change import Change
from seconder.approvals.verification import Approval
from seconder.client.api import Api, ApiError
from seconder.client.cache import Cache
from seconder.client.resolver import Resolver, within
from seconder.client.watch import Watch
from seconder.webhook import sight
from seconder.webhook.record_writer import Emergency, Note, RecordWriter

T = TypeVar("T")


_IN_VIEW: Final = 5.0
"""Seconds in which what was written is seen by the watch."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is recorded. ``again`` and ``pace`` are in seconds.

    Of ``notes``, ``open_in_all`` and ``in_all`` agents leave a fifth to people.
    """

    notes: int = 256
    open_of_one: int = 50
    of_one: int = 250
    """Ended ones included, which stay for an hour: whoever has its own ones end gains no place by that."""
    open_in_all: int = 1000
    in_all: int = 5000
    again: float = 5.0
    """Between two writes of one change request: refusals in between are counted and written as one."""
    pace: float = 0.04
    """Between any two: a flood keeps the API server no busier than this."""
    after_trouble: float = 10.0
    tries: int = 8
    """Of one note, ``again`` seconds apart: as long as the API server needs to be started anew."""


class _Outcome(Enum):
    """What became of something to be written."""

    DONE = "done"
    """Or the API server will never have it."""
    LATER = "later"
    """It could not be written now, which says nothing about others."""
    UNWELL = "unwell"
    """Nor could anything else: the API server does not answer, has too much to do, or does not know who asks."""


_Asked = tuple[str, str, str, Action, tuple[str, ...]]
"""What an approval is for: requester, agent, object (uid), action, both states. By which request makes no odds."""


class _Known(NamedTuple):
    requester: str
    open: bool
    denial: str = ""
    """Who said no and why, as the operator has it."""
    asked: _Asked | None = None


class _Made(NamedTuple):
    asked: _Asked
    until: float
    """How long it counts."""

    @property
    def requester(self) -> str:
        return self.asked[0]


class _Written(NamedTuple):
    at: float
    allowed: tuple[Approval, ...]
    """What let it through, as it was told then."""


_NEVER: Final = _Written(float("-inf"), ())


class Recorder:
    """Takes notes from reviews, in any thread, and writes them in its own.

    ``unseen`` is called for each that is not written since its object is not as the review said.
    """

    def __init__(
        self,
        api: Api,
        cache: Cache,
        resolver: Resolver,
        failed: Callable[[str, Exception], None],
        *,
        bounds: Bounds | None = None,
        unseen: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._writer = RecordWriter(api, cache, resolver, unseen)
        self._failed = failed
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._lock = threading.RLock()
        """That of ``_work``. To take it by the condition would be two Python calls more."""
        self._work = threading.Condition(self._lock)
        self._notes: OrderedDict[str, Note] = OrderedDict()
        self._emergencies: list[Emergency] = []
        self._written: OrderedDict[str, _Written] = OrderedDict()
        self._known: Mapping[str, _Known] = {}
        self._open: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        """By requester, those that have ended too."""
        self._alike: Mapping[_Asked, Sequence[str]] = {}
        """The names of those that are open, by what an approval of each is for."""
        self._made: dict[str, _Made] = {}
        """What is being written, or was a moment ago, and may not be in view."""
        self._quiet_until = float("-inf")
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.watch: Final = Watch(api, change_request.PATH, _known, self._take, failed)

    def start(self) -> None:
        """Begin to follow what is recorded, and to write."""
        self.watch.start()
        self._thread.start()

    def stop(self) -> None:
        """End; what is not written yet is lost."""
        self.watch.stop()
        with self._work:
            self._stopping = True
            self._work.notify()

    def refused(self, change: Change, reason: Reason) -> bool:
        """Note a refusal. Returns whether there is, or in a moment will be, a change request for it."""
        name = change.name
        with self._lock:
            recorded = self._is_open(name) or name in self._made
            note = self._notes.get(name)
            if note is not None:
                note.times += 1
                note.reason = reason
                # It may be there for a use of the same by another request.
                note.change = change
                return recorded or not note.allowed
            if not recorded and not self._has_place(change):
                return False
            if len(self._notes) < _for(change, self._bounds.notes):
                self._notes[name] = Note(name, change, reason, 1, new=not recorded)
                self._work.notify()
                return True
            return recorded

    def denial(self, change: Change) -> str:
        """Who has said no to it and why; empty while nobody has."""
        known = self._known.get(change.name)
        return known.denial if known is not None else ""

    def allowed(self, change: Change, counted: Sequence[Approval], *, seen: bool = False) -> None:
        """Note that these approvals let a change through: on each open record of it, by which request it may be.

        Where there is none, an event tells of it. ``seen``: they were, on the object, before it was let through.
        """
        asked = _asked(change)
        with self._lock:
            names = {*self._alike.get(asked, ())}
            for name, made in self._made.items():
                if made.asked == asked:
                    names.add(name)
            if change.name in self._notes or self._is_open(change.name):
                names.add(change.name)
            for name in names:
                self._note_use(name, change, counted, self._bounds.notes)
            if not names:
                # What leaves a record comes first.
                self._note_use(f"{change.name}.used", change, counted, self._bounds.notes // 2, bare=True, seen=seen)

    def _note_use(
        self,
        name: str,
        change: Change,
        counted: Sequence[Approval],
        most: int,
        *,
        bare: bool = False,
        seen: bool = False,
    ) -> None:
        note = self._notes.get(name)
        told = self._written.get(name, _NEVER).allowed == tuple(counted)
        if note is not None:
            note.seen = seen or (note.seen and tuple(note.allowed) == tuple(counted))
            note.allowed, note.used = counted, change
        elif len(self._notes) < most:
            self._notes[name] = Note(name, change, Reason.APPROVED, 0, counted, change, bare=bare, seen=seen)
        else:
            return
        if not told:
            # At once, whatever else was written a moment ago: the object is about to go.
            self._written.pop(name, None)
        if not told or note is None:
            self._work.notify()

    def sees(self, decided: Decision, policies: PolicyIndex) -> bool:
        """Whether the objects of a decision carry what it rests on. May wait; raises Unknown.

        That is the words by which somebody passes policies by, or the approvals that the update takes off. Asked before
        the answer: afterwards they may be gone.
        """
        deadline = within()
        look = sight.emergency if decided.broken_glass else sight.spent
        return look(decided.parts, lambda asked: self._resolver.answer(asked, policies, deadline))

    def broke_glass(self, request: Request, reason: str) -> None:
        """Note that somebody passed policies by in an emergency, as was seen on the object."""
        with self._work:
            if len(self._emergencies) < self._bounds.notes:
                self._emergencies.append(Emergency(request, reason))
                self._work.notify()

    def _has_place(self, change: Change) -> bool:
        if not change_requests.fits(change):
            return False
        now = self._clock()
        # Without a present view of what is open, nothing bounds it.
        if now < self._quiet_until or self.watch.age() > constants.FRESH_SECONDS:
            return False
        noted = {name: note.change.requester for name, note in self._notes.items() if note.new}
        self._made = {name: made for name, made in self._made.items() if made.until > now}
        made = {name: made.requester for name, made in self._made.items()}
        coming = {name: who for name, who in (noted | made).items() if not self._is_open(name)}
        waiting = Counter(coming.values())
        who, bounds = change.requester, self._bounds
        return (
            self._open[who] + waiting[who] < bounds.open_of_one
            and self._kept[who] + waiting[who] < bounds.of_one
            and self._open.total() + waiting.total() < _for(change, bounds.open_in_all)
            and len(self._known) + waiting.total() < _for(change, bounds.in_all)
        )

    def _is_open(self, name: str) -> bool:
        known = self._known.get(name)
        return known is not None and known.open

    def _take(self, recorded: Mapping[str, _Known]) -> None:
        known = dict(recorded)
        open_ = Counter(record.requester for record in known.values() if record.open)
        kept = Counter(record.requester for record in known.values())
        alike: dict[_Asked, list[str]] = {}
        for name, record in known.items():
            if record.open and record.asked is not None:
                alike.setdefault(record.asked, []).append(name)
        with self._work:
            # Seen open, or seen and gone again: the view says all there is to say about it.
            settled = {
                name for name in self._made if (name in known or name in self._known) and not _ended(known.get(name))
            }
            self._made = {name: made for name, made in self._made.items() if name not in settled}
            self._known, self._open, self._kept, self._alike = known, open_, kept, alike

    def _run(self) -> None:
        while True:
            with self._work:
                while not self._stopping and not self._emergencies and (pause := self._until_due()) != 0:
                    self._work.wait(pause)
                if self._stopping:
                    return
                emergencies, self._emergencies = self._emergencies, []
                note = self._next_due()
            for emergency in emergencies:
                self._attempt(self._writer.tell_emergency, emergency)
                self._attempt(self._writer.leave_word, emergency)
            if note is not None:
                self._try_to_write(note)
            time.sleep(self._bounds.pace)

    def _try_to_write(self, note: Note) -> None:
        outcome = self._attempt(self._write, note)
        with self._work:
            now, name = self._clock(), note.name
            # However long that took: from now on it comes into view.
            if name in self._made:
                self._made[name] = _Made(_asked(note.change), now + _IN_VIEW)
            if outcome is _Outcome.UNWELL:
                self._quiet_until = now + self._bounds.after_trouble
            if outcome is not _Outcome.DONE:
                self._keep_for_later(note)

    def _keep_for_later(self, note: Note) -> None:
        """Put a note back that could not be written: somebody has been told of its change request."""
        note.tries += 1
        later = self._notes.get(note.name)
        if later is not None:
            later.times += note.times
            later.new |= note.new
            if not later.allowed:
                later.allowed, later.used, later.seen = note.allowed, note.used, note.seen
        elif note.tries < self._bounds.tries and len(self._notes) < self._bounds.notes:
            self._notes[note.name] = note

    def _due(self, name: str) -> float:
        return self._written.get(name, _NEVER).at + self._bounds.again

    def _until_due(self) -> float | None:
        """The seconds until a note is due; None while there is none."""
        if not self._notes:
            return None
        return max(0.0, min(map(self._due, self._notes)) - self._clock())

    def _next_due(self) -> Note | None:
        now = self._clock()
        due = [name for name in self._notes if self._due(name) <= now]
        if not due:
            return None
        name = max(due, key=lambda name: _urgency(self._notes[name]))
        note = self._notes.pop(name)
        self._written[name] = _Written(now, tuple(note.allowed))
        self._written.move_to_end(name)
        while len(self._written) > self._bounds.open_in_all:
            self._written.popitem(last=False)
        if note.new:
            self._made[name] = _Made(_asked(note.change), float("inf"))
        return note

    def _attempt(self, write: Callable[[T], None], what: T) -> _Outcome:
        try:
            write(what)
        except ApiError as error:
            self._failed("recording", error)
            if error.status in {400, 413, 422}:
                return _Outcome.DONE
            # What one object is answered, an agent may have brought about: no reason to leave the others out.
            return _Outcome.UNWELL if error.status in {0, 401, 429} or error.status >= 500 else _Outcome.LATER
        except Exception as error:  # noqa: BLE001 - a thread that died in silence would record nothing any more
            self._failed("recording", error)
            return _Outcome.LATER
        return _Outcome.DONE

    def _write(self, note: Note) -> None:
        if not self._writer.write(note):
            # Its place is another's.
            with self._lock:
                self._made.pop(note.name, None)


def _for(change: Change, most: int) -> int:
    """How many of these places there are for a requester of this kind."""
    return most - most // 5 if change.by_agent else most


def _urgency(note: Note) -> tuple[bool, bool]:
    # Somebody waits for a new record; a count that is higher by one nobody misses.
    return note.new or bool(note.allowed), not note.change.by_agent


def _asked(change: Change) -> _Asked:
    return change.requester, change.agent or "", change.target.uid, change.action, change.states


def _ended(known: _Known | None) -> bool:
    return known is not None and not known.open


def _known(document: Mapping[str, Any]) -> _Known | None:
    request = change_request.readable(document)
    if request is None:
        return None
    denial = change_request.denial_of(request.status)
    spec = request.spec
    states: tuple[str, ...] = ()
    if isinstance(spec.change, ChangeDoc):
        states = (spec.change.before, spec.change.after)
    asked = (spec.requester, spec.agent, spec.object.uid, spec.action, states)
    return _Known(spec.requester, request.status.phase.open, denial, asked)
