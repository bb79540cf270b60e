"""Counts of what would have been refused, of bounded size whatever the log holds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from seconder.admission.decision import Decision
from seconder.admission.request import Operation
from seconder.api.reasons import Reason
from seconder.api.text import clean, describe
from seconder.plugin.auditing.audit_log import Event
from seconder.plugin.auditing.past_requests import Missing
from seconder.plugin.auditing.replaying import Verdict

Key = TypeVar("Key")

_MOST_KEYS: Final = 10_000
_MOST_EXAMPLES: Final = 10
_MOST_SEEN: Final = 500_000
_PER_REASON: Final = 3
ALWAYS: Final = "(always refused to agents)"


@dataclass(slots=True)
class Tally:
    """How often, by whom, and from when to when."""

    requests: int = 0
    by_agents: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, at: datetime | None, *, agent: bool) -> None:
        """Count one request."""
        self.requests += 1
        self.by_agents += agent
        if at is not None:
            self.first = at if self.first is None else min(at, self.first)
            self.last = at if self.last is None else max(at, self.last)


@dataclass(slots=True)
class Table(Generic[Key]):
    """Tallies by some key. Keys beyond the first 10,000 are counted together in ``others``."""

    rows: dict[Key, Tally] = field(default_factory=dict)
    others: Tally = field(default_factory=Tally)

    def add(self, key: Key, at: datetime | None, *, agent: bool) -> None:
        """Count one request under this key."""
        tally = self.rows.get(key)
        if tally is None:
            if len(self.rows) >= _MOST_KEYS:
                tally = self.others
            else:
                tally = self.rows[key] = Tally()
        tally.add(at, agent=agent)

    def most(self) -> list[tuple[Key, Tally]]:
        """The rows, the largest first."""
        return sorted(self.rows.items(), key=lambda row: (-row[1].requests, str(row[0])))


@dataclass(frozen=True, slots=True)
class Example:
    """One request, by what it takes to find it in the log again."""

    at: datetime | None
    requester: str
    agent: bool
    what: str
    object: str
    audit_id: str
    reason: str


class Tallies:
    """All counts of a replay."""

    def __init__(self) -> None:
        self.refused: Final = Tally()
        self.failed = 0
        self.dry_runs = 0
        self.twice = 0
        self.policies: Final[Table[tuple[str, str]]] = Table()
        self.requesters: Final[Table[tuple[str, str, bool]]] = Table()
        self.objects: Final[Table[str]] = Table()
        self.examples: Final[list[Example]] = []
        self.unknown: Final[dict[Missing, Tally]] = {}
        self.unknown_examples: Final[dict[Missing, list[Example]]] = {}
        self._seen: Final[set[int]] = set()

    @property
    def forgetful(self) -> bool:
        """Whether there were too many requests to know each again that stands twice in the logs."""
        return len(self._seen) >= _MOST_SEEN

    def add(self, verdict: Verdict) -> None:
        """Count one request."""
        event, principal, outcome = verdict.past.event, verdict.past.principal, verdict.outcome
        if self._again(event):
            self.twice += 1
            return
        if event.failed:
            self.failed += 1
            return
        at, agent = event.request_received_timestamp, principal.agent
        if isinstance(outcome, Missing):
            self.unknown.setdefault(outcome, Tally()).add(at, agent=agent)
            kept = self.unknown_examples.setdefault(outcome, [])
            if len(kept) < _PER_REASON:
                kept.append(_example(verdict))
            return
        self.refused.add(at, agent=agent)
        self.dry_runs += event.dry_run
        for key in _policies(outcome, verdict.past.operation):
            self.policies.add(key, at, agent=agent)
        self.requesters.add((principal.username, principal.agent_name or "", agent), at, agent=agent)
        for target in verdict.targets:
            self.objects.add(describe(target), at, agent=agent)
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(_example(verdict))

    def unknowns(self) -> Iterator[tuple[Missing, Tally]]:
        """What could not be judged, in the order of Missing."""
        return ((missing, self.unknown[missing]) for missing in Missing if missing in self.unknown)

    def _again(self, event: Event) -> bool:
        key = event.identity
        if key in self._seen:
            return True
        if not self.forgetful:
            self._seen.add(key)
        return False


def _policies(refusal: Decision, operation: Operation) -> list[tuple[str, str]]:
    if refusal.reason is Reason.PROTECTED_CONFIGURATION:
        return [(ALWAYS, operation.value)]
    return [(name, (refusal.action or operation).value) for name in refusal.policies]


def _example(verdict: Verdict) -> Example:
    event, principal, ref = verdict.past.event, verdict.past.principal, verdict.past.ref
    refusal = verdict.outcome if isinstance(verdict.outcome, Decision) else None
    what = f"{event.verb} {ref.subresource}" if ref.subresource else event.verb
    return Example(
        event.request_received_timestamp,
        clean(f"{principal.username} (agent {principal.agent_name})" if principal.agent_name else principal.username),
        principal.agent,
        clean(refusal.action.value if refusal and refusal.action else what),
        describe(verdict.targets[0]) if verdict.targets else clean(f"all {ref.resource}"),
        clean(event.audit_id),
        refusal.reason.value if refusal else "",
    )
