"""Which of several operators leads: the one whose name stands in a Lease, and only for as long as it can prove that.

As client-go does it (k8s.io/client-go/tools/leaderelection), a candidate never compares its clock with another's: it
counts from when it saw the Lease change. Beyond that, a leader counts its term from before it sent the renewal, and a
term that was not prolonged is over by the clock alone, whatever hangs. Whoever makes a Lease makes one that is
nobody's, since a Lease that somebody deleted tells no more who leads. Why that is enough: ADR 17, as
why not a library.
"""

import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from seconder.api import constants
from seconder.api.text import clean
from seconder.client.api import Api, ApiError
from seconder.client.clock import steady
from seconder.client.watch import Watch
from seconder.observability import log

NAME: Final = "seconder-operator"
"""Of the Lease, in Seconder's own namespace, where agents write nothing."""

MARK: Final = f"{NAME}-has-led"
"""Of another Lease, which nobody holds. Where it is there, an operator has led before."""

LEASE_SECONDS: Final = 10.0
"""For how long the others keep still after a change of the Lease."""

MARGIN_SECONDS: Final = 2.0
"""How much earlier a leader stops: for clocks that do not run equally fast, and for what is on its way."""

_RENEW_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 0.5
REQUEST_SECONDS: Final = 3.0
"""For one request about the Lease: two may be lost in a term, and one that always takes so long costs none."""

_LONGEST_SECONDS: Final = 60.0
"""The longest duration of a Lease that is believed, of an operator that was set up otherwise."""

_GIVEN_BACK_SECONDS: Final = 1
"""The duration of a Lease that was given back, as client-go writes it: the least that the API server takes."""

_CONFIGURATION: Final = (
    f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{constants.CONFIGURATION}"
)

_JITTER: Final = 0.2
_STOP_SECONDS: Final = 5.0


def identity() -> str:
    """A name for this process that no other has or had: a restarted container must not take itself for the old one."""
    return f"{socket.gethostname()}_{secrets.token_hex(8)}"


class Term:
    """One spell of leading. It ends by itself, for good, unless it is prolonged before. Safe for several threads."""

    def __init__(self, until: float, clock: Callable[[], float] = steady) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = until
        self.busy = False
        """Set while something that was begun in it has not ended, be the term over or not."""

    def left(self) -> float:
        """For how many seconds whoever leads may still change something; 0 or less once the term is over."""
        return self._until - self._clock()

    def prolong(self, until: float) -> bool:
        """Have it end later. False when it is over already."""
        with self._lock:
            if self.left() <= 0:
                return False
            self._until = until
            return True

    def close(self) -> None:
        """End it now."""
        with self._lock:
            self._until = float("-inf")


class _Altered(ApiError):
    """What was stored is not what was written: somebody's mutating policy or webhook has changed it on its way."""

    def __init__(self, version: str) -> None:
        super().__init__(0, "the Lease was changed on its way, by somebody's mutating policy or webhook")
        self.version = version


class Elector:
    """A candidate: its thread takes the Lease when it is free or its holder is silent, and renews it.

    ``api`` bounds each change by ``REQUEST_SECONDS``. ``news`` is called in that thread when ``term`` may be another.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        news: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = steady,
    ) -> None:
        self.name = name
        self._api = api
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._news = news
        self._clock = clock
        self._term: Term | None = None
        self._held: dict[str, Any] | None = None
        self._version = ""
        self._holder = ""
        self._silent_until = float("-inf")
        # Whoever has just started has not looked for long enough, whether it can read the Lease or not.
        self._changed = clock()
        self._vacancy: Term | None = None
        # The version at which a write was answered 409 last. Twice at the same one, nobody was faster: it is refused.
        self._conflict: str | None = None
        self._problem = "the Lease was not read yet"
        self._told: tuple[Term | None, str] = (None, "")
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="election", daemon=True)
        # Not to wait for the next look when a leader goes.
        self._watch = Watch(
            api, self._leases, _holder_of, lambda _: self._wake.set(), _ignored, field_selector=f"metadata.name={NAME}"
        )

    @property
    def term(self) -> Term | None:
        """The present term; None while another leads, or nobody is known to."""
        return _lasting(self._term)

    @property
    def vacancy(self) -> Term | None:
        """A spell in which nobody leads, nor can this one: the Lease is free, and cannot be taken. Else None.

        It ends a moment after another is seen to lead, since that is not seen at once; it is no permission to lead.
        """
        return _lasting(self._vacancy)

    def start(self) -> None:
        """Begin to stand for election."""
        self._watch.start()
        self._thread.start()

    def resign(self) -> None:
        """Stand no more, and let another lead at once. Whoever wrote in this term must have ended before."""
        self._stopping.set()
        self._wake.set()
        self._watch.stop()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
            if self._thread.is_alive():
                return
        self.release()

    def release(self) -> None:
        """Give the Lease back if it is held; if that fails, it ends by itself."""
        if self._term is not None:
            self._term.close()
        led, held, self._held = self._term is not None, self._held, None
        try:
            # While what it did was ending the Lease was let be, and may stand there in this one's name all the same.
            if held is None and led:
                held = self._api.find(f"{self._leases}/{NAME}", timeout=REQUEST_SECONDS)
            if held is None or _holder_of(held) != self.name:
                return
            # On a Lease that is another's by now it fails.
            self._write(held, "", _GIVEN_BACK_SECONDS)
            log.info("leading was given up")
        except ApiError as error:
            log.trouble("the Lease could not be given back", error, status=error.status)

    def unmet(self) -> list[str]:
        """What keeps one that does not lead from being ready to: nothing while another is seen to lead."""
        return [] if self._follows else [f"no operator leads: {self._problem}"]

    def attempt(self) -> float:
        """Take, renew or look at the Lease. Returns the seconds until the next time."""
        begun, looked = self._clock(), self._held is None
        try:
            pause = self._attempt()
        except ApiError as error:
            # Somebody else was faster, or it was deleted: what is true now is read again.
            self._held = None
            if error.status == 409 and self._conflict != self._version:
                self._conflict = self._version
                self._notice()
                return 0.0
            if (problem := clean(str(error))) != self._problem:
                log.trouble("the Lease cannot be read or written, and is tried again", error, status=error.status)
            self._problem = problem
            pause = _AGAIN_SECONDS
        # A renewal does not look who leads, and whoever slept during a look has not looked: another may lead by now.
        self._judge_vacancy(fresh=looked and self._clock() - begun < LEASE_SECONDS - MARGIN_SECONDS)
        self._notice()
        return pause

    def _judge_vacancy(self, *, fresh: bool) -> None:
        """Begin, prolong or end the vacancy, by what is known of the Lease after another attempt.

        ``fresh``: this attempt asked who leads.
        """
        now = self._clock()
        # Whose own name stands there has to wait for nobody but itself.
        since = self._changed + (0.0 if self._holder == self.name else LEASE_SECONDS)
        if self.term is not None or now < max(self._silent_until, since):
            if self._vacancy is not None:
                self._vacancy.close()
            return
        if not fresh:
            return
        until = now + LEASE_SECONDS - MARGIN_SECONDS
        if self._vacancy is None or not self._vacancy.prolong(until):
            self._vacancy = Term(until, self._clock)

    def _attempt(self) -> float:
        stored = self._held
        if stored is None:
            stored = self._api.find(f"{self._leases}/{NAME}", timeout=REQUEST_SECONDS)
        if stored is None:
            stored = self._make()
        else:
            self._look(stored)
        if self._is_free and not self._unfinished:
            return self._take(stored)
        if self._term is not None:
            self._term.close()
        self._held = None
        if not self._holder:
            self._problem = "the Lease is new, and whoever led before may do so for some seconds yet"
        pause, left = _jittered(_POLL_SECONDS), self._silent_until - self._clock()
        return min(pause, left) if left > 0 else pause

    @property
    def _is_free(self) -> bool:
        """Whether nobody else leads, nor will as long as the Lease stays as it was seen."""
        # Who leads knows that nobody else does, whatever became of the Lease.
        return self._clock() >= self._silent_until or (not self._holder and self.term is not None)

    def _make(self) -> dict[str, Any]:
        """Make a Lease that nobody holds: whoever led by the one that was deleted may do so yet, and be asleep.

        The first ever may be held at once, by who made it and the mark after it. Raises ApiError.
        """
        first = not self._version
        made = self._write(None, "", int(LEASE_SECONDS))
        self._look(made)
        # A second sign, should somebody have deleted all Leases.
        if self._mark() and first and self._api.find(_CONFIGURATION, timeout=REQUEST_SECONDS) is None:
            self._silent_until = float("-inf")
        return made

    def _mark(self) -> bool:
        """Have it known that an operator leads or has led. Returns whether that was not known. Raises ApiError."""
        try:
            self._api.create(self._leases, _lease({"name": MARK}, {}))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return False
        return True

    @property
    def _unfinished(self) -> bool:
        """Whether the last term is over and what was done in it is not: a Lease would be held for nothing."""
        return self._term is not None and self._term.busy and self._term.left() <= 0

    def _look(self, stored: Mapping[str, Any]) -> None:
        """Take note of a Lease as it was just read. Not its times: they are by another's clock."""
        spec = stored.get("spec") or {}
        version = stored["metadata"]["resourceVersion"]
        self._holder = spec.get("holderIdentity") or ""
        if version == self._version:
            return
        self._version = version
        lasts = spec.get("leaseDurationSeconds") or 0
        given_back = not self._holder and lasts == _GIVEN_BACK_SECONDS
        if not given_back:
            self._changed = self._clock()
        # Its own name stands there because it has put it in the place of what was free.
        free = self._holder == self.name or given_back
        waits = max(LEASE_SECONDS, min(float(lasts), _LONGEST_SECONDS))
        self._silent_until = float("-inf") if free else self._clock() + waits

    def _take(self, stored: Mapping[str, Any]) -> float:
        if self.term is None:
            self._mark()
        sent = self._clock()
        try:
            self._held = self._write(stored, self.name, int(LEASE_SECONDS))
        except _Altered as error:
            # To the others it may look free. It is nobody's doing but this one's, who waits for nobody therefore.
            if self._term is not None:
                self._term.close()
            self._version = error.version
            raise
        self._problem = ""
        self._look(self._held)
        until = sent + LEASE_SECONDS - MARGIN_SECONDS
        prolonged = self._term is not None and self._term.prolong(until)
        if not prolonged and not self._unfinished:
            self._term = Term(until, self._clock)
        return max(0.0, _jittered(_RENEW_SECONDS) - (self._clock() - sent))

    def _write(self, stored: Mapping[str, Any] | None, holder: str, seconds: int) -> dict[str, Any]:
        """Write the Lease on condition that it is still as it was read. Raises ApiError, also if it is altered."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = (stored or {}).get("spec") or {}
        spec = before | {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now}
        if before.get("holderIdentity") != holder and holder:
            spec |= {"acquireTime": now, "leaseTransitions": before.get("leaseTransitions", -1) + 1}
        written: dict[str, Any]
        if stored is None:
            written = self._api.create(self._leases, _lease({"name": NAME}, spec))
        else:
            written = self._api.replace(f"{self._leases}/{NAME}", _lease(stored["metadata"], spec))
        kept = written.get("spec") or {}
        if (kept.get("holderIdentity") or "", kept.get("leaseDurationSeconds")) != (holder, seconds):
            raise _Altered(written["metadata"]["resourceVersion"])
        return written

    def _notice(self) -> None:
        """Say who leads when that has changed. A term that follows one of this operator's own is another one."""
        term = self.term
        other = f"standing by for {self._holder}" if self._follows else "not leading"
        now = "leading" if term is not None else other
        spell = term or self.vacancy
        if term is None and spell is not None:
            now = "nobody leads: looking after the webhook configuration alone"
        if (spell, now) != self._told:
            self._told = spell, now
            log.info(now, lease=NAME, identity=self.name)
            self._news()

    @property
    def _follows(self) -> bool:
        """Whether another is seen to lead."""
        return self._holder not in {"", self.name} and self._clock() < self._silent_until

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self.attempt()
            except Exception as error:  # noqa: BLE001 - a candidate that died in silence would never lead again
                log.failure("the Lease cannot be understood, and is tried again", error)
                self._held = None
                pause = _POLL_SECONDS
            self._wake.wait(max(0.0, pause))
            self._wake.clear()


def _lasting(term: Term | None) -> Term | None:
    return term if term is not None and term.left() > 0 else None


def _jittered(seconds: float) -> float:
    return seconds * (1 - _JITTER * secrets.randbelow(1000) / 1000)


def _lease(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _holder_of(lease: Mapping[str, Any]) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _ignored(_: str, __: Exception) -> None:
    """The next look comes all the same, and says what is wrong."""
