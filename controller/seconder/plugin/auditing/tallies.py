"""Counts of what would have been refused, of bounded size whatever the log holds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from seconder.api.reasons import Reason
from seconder.api.text import clean, describe
from seconder.plugin.auditing.audit_log import Event
from seconder.plugin.auditing.replaying import Missing, Verdict

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
        found = self.rows.get(key)
        if found is None:
            if len(self.rows) >= _MOST_KEYS:
                found = self.others
            else:
                found = self.rows[key] = Tally()
        found.add(at, agent=agent)

    def most(self) -> list[tuple[Key, Tally]]:
        """Give the rows, the largest first."""
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
    """All that a replay tells."""

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
        if self._again(verdict.event):
            self.twice += 1
            return
        if verdict.failed:
            self.failed += 1
            return
        decided, at = verdict.decided, verdict.event.request_received_timestamp
        agent = decided.requester.agent
        if verdict.missing is not None:
            self.unknown.setdefault(verdict.missing, Tally()).add(at, agent=agent)
            kept = self.unknown_examples.setdefault(verdict.missing, [])
            if len(kept) < _PER_REASON:
                kept.append(_example(verdict, ""))
            return
        self.refused.add(at, agent=agent)
        self.dry_runs += verdict.dry_run
        for key in _policies(verdict):
            self.policies.add(key, at, agent=agent)
        self.requesters.add((decided.requester.username, decided.requester.agent_name or "", agent), at, agent=agent)
        for target in verdict.targets:
            self.objects.add(describe(target), at, agent=agent)
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(_example(verdict, decided.reason.value))

    def unknowns(self) -> Iterator[tuple[Missing, Tally]]:
        """Give what could not be judged, in the order of Missing."""
        return ((each, self.unknown[each]) for each in Missing if each in self.unknown)

    def _again(self, event: Event) -> bool:
        key = event.identity
        if key in self._seen:
            return True
        if not self.forgetful:
            self._seen.add(key)
        return False


def _policies(verdict: Verdict) -> list[tuple[str, str]]:
    decided = verdict.decided
    if decided.reason is Reason.PROTECTED_CONFIGURATION:
        return [(ALWAYS, verdict.operation)]
    return [(name, decided.action.value if decided.action else verdict.operation) for name in decided.policies]


def _example(verdict: Verdict, reason: str) -> Example:
    event, decided = verdict.event, verdict.decided
    who = decided.requester.username
    if decided.requester.agent_name:
        who = f"{who} (agent {decided.requester.agent_name})"
    what = decided.action.value if decided.action and not verdict.missing else event.verb
    ref = event.object_ref
    if ref is not None and ref.subresource and (verdict.missing or decided.action is None):
        what = f"{what} {ref.subresource}"
    return Example(
        event.request_received_timestamp,
        clean(who),
        decided.requester.agent,
        clean(what),
        describe(verdict.targets[0]) if verdict.targets else clean(f"all {ref.resource if ref else ''}"),
        clean(event.audit_id),
        reason,
    )
