"""``report``: what agents tried, what was refused, who approved what, and what came of it, in a span of time."""

import argparse
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from seconder.cli import connection, output, times, world
from seconder.cli.parser import Parser
from seconder.cli.problem import Problem
from seconder.core.message import clean, describe
from seconder.kube.api import Api, ApiError
from seconder.wire import change_requests
from seconder.wire.change_requests import ChangeRequest, Phase

_COMPONENTS: Final = ("seconder-webhook", "seconder-operator")
_WHERE: Final = "Change requests are removed an hour after their end, and Events sooner or later: audit logs keep more."


def parser() -> Parser:
    """Describe the command line."""
    found = Parser("report", "Tell what agents tried, what was refused, and who approved what.", epilog=_WHERE)
    found.add_argument(
        "--since", metavar="TIME", default="24h", help="a while such as 24h or 7d, or RFC 3339 (%(default)s)"
    )
    found.add_argument("--until", metavar="TIME", help="the same; left out: now")
    output.add_format(found)
    connection.add_flags(found, namespace=False)
    return found


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    now = time.time()
    since = times.moment_or_ago(arguments.since, "--since", now)
    until = times.moment_or_ago(arguments.until, "--until", now) if arguments.until else now
    if not since < until:
        raise Problem("--since must be before --until")
    api = connection.connect(arguments).api
    with world.readable():
        documents = api.items(change_requests.PATH)[0]
    requests, damaged = _parsed(documents)
    events, unread = _events(api)
    report = Report(since, until, requests, events, [*damaged, *unread])
    print(output.dump(_document(report), arguments.output) if arguments.output else "\n".join(_lines(report)))
    return 0


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened. ``at`` is RFC 3339 in UTC, so that text order is the order of time."""

    at: str
    what: str
    object: str
    who: str
    request: str
    detail: str


@dataclass(frozen=True, slots=True)
class Event:
    """An Event of Seconder's, as far as the report needs it. ``last`` is RFC 3339."""

    last: str
    reason: str
    object: str
    note: str
    name: str


class Report:
    """What happened in a span, by the change requests and the Events that are still there."""

    def __init__(
        self,
        since: float,
        until: float,
        requests: Iterable[ChangeRequest],
        events: Iterable[Event],
        notes: Sequence[str],
    ) -> None:
        self.since = times.rfc3339(since)
        self.until = times.rfc3339(until)
        self.notes = [*notes, _WHERE]
        every = list(requests)
        self.requests = sorted((each for each in every if self._touches(each)), key=lambda each: each.name)
        known = {each.name for each in every}
        entries = [entry for request in self.requests for entry in _entries(request)]
        entries += [_entry(event) for event in events if not _tells_of(event, known)]
        self.timeline = sorted(
            (each for each in entries if self._within(each.at)), key=lambda each: (each.at, each.what)
        )

    def requesters(self) -> list[tuple[str, list[ChangeRequest]]]:
        """Give the requests by who made them, the most refused first."""
        found: dict[str, list[ChangeRequest]] = {}
        for each in self.requests:
            found.setdefault(_who(each), []).append(each)
        return sorted(found.items(), key=lambda each: (-sum(one.status.attempts for one in each[1]), each[0]))

    def approvers(self) -> Counter[str]:
        """Count on how many requests each approver's approval counts."""
        counted = {
            (approval.approver, each.name)
            for each in self.requests
            for approval in each.status.approvals
            if not approval.reason and approval.approver
        }
        return Counter(approver for approver, _ in counted)

    def _within(self, at: str) -> bool:
        return self.since <= at <= self.until

    def _touches(self, request: ChangeRequest) -> bool:
        status = request.status
        first = status.first_refused_at
        waits = status.expires_at if status.phase.open else ""
        last = max(first, status.last_refused_at, status.allowed_at, status.ended_at, waits)
        return bool(first) and first <= self.until and last >= self.since


def _entries(request: ChangeRequest) -> Iterator[Entry]:
    status = request.status
    who, what, name = _who(request), describe(request.target), request.name

    def entry(at: str, happened: str, detail: str) -> Entry:
        return Entry(at, happened, what, who, name, detail)

    if status.first_refused_at:
        yield entry(status.first_refused_at, "Refused", f"first of {max(1, status.attempts)}")
    if status.last_refused_at and status.last_refused_at != status.first_refused_at:
        yield entry(status.last_refused_at, "Refused", f"last of {status.attempts}, {status.last_reason}")
    if status.allowed_at:
        peers = ", ".join(sorted({each.approver for each in status.approvals if not each.reason and each.approver}))
        yield entry(status.allowed_at, "Allowed", f"approved by {peers}" if peers else "")
    if status.ended_at:
        yield entry(status.ended_at, status.phase.value, status.message)


def _who(request: ChangeRequest) -> str:
    spec = request.spec
    return f"{spec.requester} (agent {spec.agent})" if spec.agent else spec.requester


def _entry(event: Event) -> Entry:
    return Entry(event.last, event.reason, event.object, "", "", event.note)


def _tells_of(event: Event, known: set[str]) -> bool:
    """Say whether the event tells of a change request that tells the same itself."""
    named = re.match(r"(chg-[0-9a-z]+)\.refused\Z", event.name)
    return named is not None and named[1] in known


def _parsed(documents: Iterable[Any]) -> tuple[list[ChangeRequest], list[str]]:
    found, damaged = [], 0
    for document in documents:
        try:
            found.append(change_requests.parse(document))
        except msgspec.ValidationError:
            damaged += 1
    return found, [f"{damaged} change requests are damaged and left out"] if damaged else []


def _events(api: Api) -> tuple[list[Event], list[str]]:
    found: list[Event] = []
    for component in _COMPONENTS:
        try:
            items = api.items("/api/v1/events", fieldSelector=f"source={component}")[0]
        except ApiError as error:
            if error.status != 403:
                raise
            return [], ["you may not read Events: approvals of change requests that are gone are left out"]
        found += [_event(each) for each in items]
    return found, []


def _event(document: Any) -> Event:
    about = document.get("involvedObject") or {}
    namespace = about.get("namespace")
    path = f"{namespace}/{about.get('name', '')}" if namespace else about.get("name", "")
    last = document.get("lastTimestamp") or document["metadata"].get("creationTimestamp") or ""
    return Event(
        last,
        document.get("reason") or "",
        f"{about.get('kind', '').lower()} {path}",
        document.get("message") or "",
        document["metadata"]["name"],
    )


def _lines(report: Report) -> Iterator[str]:
    yield f"From {report.since} until {report.until}"
    yield ""
    if not report.requests and not report.timeline:
        yield "Nothing was refused."
    if report.requests:
        rows = [("REQUESTER", "REFUSED", "OBJECTS", *(phase.value.upper() for phase in Phase))]
        for who, requests in report.requesters():
            phases = Counter(each.status.phase for each in requests)
            refused = sum(each.status.attempts for each in requests)
            objects = len({each.target.uid for each in requests})
            rows.append((clean(who), str(refused), str(objects), *(str(phases[phase]) for phase in Phase)))
        yield from output.table(rows)
    if report.approvers():
        yield ""
        counted = [(clean(who), str(count)) for who, count in sorted(report.approvers().items())]
        yield from output.table([("APPROVER", "REQUESTS"), *counted])
    if report.timeline:
        yield ""
        entries = [
            tuple(map(clean, (each.at, each.what, each.object, each.who or "-", each.request or "-", each.detail)))
            for each in report.timeline
        ]
        yield from output.table([("TIME", "WHAT", "OBJECT", "REQUESTER", "CHANGE REQUEST", "DETAIL"), *entries])
    yield ""
    yield from (f"note: {clean(note)}" for note in report.notes)


def _document(report: Report) -> dict[str, Any]:
    return {
        "since": report.since,
        "until": report.until,
        "requesters": [
            {
                "requester": who,
                "refused": sum(each.status.attempts for each in requests),
                "objects": len({each.target.uid for each in requests}),
                "phases": dict(sorted(Counter(each.status.phase.value for each in requests).items())),
            }
            for who, requests in report.requesters()
        ],
        "approvers": [{"approver": who, "requests": count} for who, count in sorted(report.approvers().items())],
        "timeline": [
            {
                "at": each.at,
                "what": each.what,
                "object": each.object,
                "requester": each.who,
                "changeRequest": each.request,
                "detail": each.detail,
            }
            for each in report.timeline
        ],
        "notes": list(report.notes),
    }
