"""``report``: what agents tried, what was refused, who approved what, and what came of it, in a span of time."""

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from seconder import __version__
from seconder.api import change_request
from seconder.api.change_request import ChangeRequest, Phase
from seconder.api.resources import GroupResource, Target
from seconder.api.text import clean, describe
from seconder.approvals.registry import Registry
from seconder.approvals.verification import approvals_of
from seconder.client.api import Api, ApiError
from seconder.client.policy_watches import audience
from seconder.plugin.approving import cluster_reads
from seconder.plugin.auditing import audit_log, chain, decision_log, facts, report_page, reporting
from seconder.plugin.auditing.facts import Fact
from seconder.plugin.auditing.log_files import NOTHING_READ, Reading
from seconder.plugin.auditing.reporting import Event, Logged, Report, Signed, signed, who
from seconder.plugin.terminal import cluster_state, connection, manifests, output, resource_types, times
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem
from seconder.plugin.terminal.progress import Progress

_HEARSAY: Final = "whoever may create Events could have written those that this report draws on"
_COMPONENTS: Final = ("seconder-webhook", "seconder-operator")
_LAST: Final = 253_402_300_799.0
"""The end of the year 9999."""

_MOST_OBJECTS: Final = 100
"""That are read for the approvals on them."""


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "report", "Tell what agents tried, what was refused, and who approved what.", epilog=reporting.KEPT
    )
    span = "a while such as 24h or 7d, or RFC 3339"
    command.add_argument("--since", "--from", metavar="TIME", default="24h", help=f"{span} (%(default)s)")
    command.add_argument("--until", "--to", metavar="TIME", help="the same; left out: now")
    command.add_argument(
        "--audit-log",
        metavar="FILE",
        action="append",
        default=[],
        help="an API audit log beside, as replay reads them, - for stdin; may be repeated",
    )
    command.add_argument(
        "--export",
        action="store_true",
        help="of the logs alone: JSON lines, one decision each, with the hash of the line before",
    )
    command.add_argument(
        "--decision-log",
        metavar="FILE",
        action="append",
        default=[],
        help="for --export: the webhook's own log, in place of an audit log; - for stdin; may be repeated",
    )
    command.add_argument("--verify", metavar="FILE", help="check that an export is whole, without a cluster")
    output.add_format(command, "text", "html")
    connection.add_flags(command, namespace=False)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Print the report, or the chain of decisions; or verify one."""
    if arguments.verify:
        return _verify(arguments.verify)
    now = time.time()
    since = times.moment_or_ago(arguments.since, "--since", now)
    until = times.moment_or_ago(arguments.until, "--until", now) if arguments.until else now
    since, until = max(since, 0.0), min(until, _LAST)
    if not since < until:
        raise Problem("--since must be before --until")
    if arguments.export:
        return _export(arguments, since, until)
    if arguments.decision_log:
        raise Problem("--decision-log is for --export")
    api = connection.connect(arguments).api
    with cluster_state.readable():
        documents = api.items(change_request.PATH)[0]
    requests, damaged = _parsed(documents)
    events, unread = _events(api)
    logged, cut = _logged(arguments.audit_log, since, until)
    registry, unproven = _registry(api)
    approvals = _signed(api, requests, logged, registry)
    notes = [*damaged, *unread, *unproven, *cut]
    report = Report(since, until, requests, events, notes, logged, approvals)
    if arguments.output in {None, "text"}:
        output.show(_lines(report))
    else:
        print(_printed(report, arguments, api, now))
    return 0


def _export(arguments: argparse.Namespace, since: float, until: float) -> int:
    read, progress = Reading(), Progress("report")
    last = b""
    try:
        for last in chain.export(_facts(arguments, read, progress), since, until, read):
            print(last.decode(), end="")
    finally:
        progress.done()
    for note in read.notes:
        print(f"note: {note}", file=sys.stderr)
    digest = hashlib.sha256(last.removesuffix(b"\n")).hexdigest()
    print(f"The last line's SHA-256, to be kept elsewhere: {digest}", file=sys.stderr)
    return 0


def _facts(arguments: argparse.Namespace, read: Reading, progress: Progress) -> Iterator[Fact]:
    audit, own = arguments.audit_log, arguments.decision_log
    if bool(audit) == bool(own):
        raise Problem("--export needs either audit logs (--audit-log FILE) or the webhook's own (--decision-log FILE)")
    found = (
        map(facts.of_request, audit_log.requests(audit, read, progress))
        if audit
        else map(facts.of_decision, decision_log.decisions(own, read, progress))
    )
    return (fact for fact in found if fact is not None)


def _verify(path: str) -> int:
    try:
        with open(path, "rb") as file:
            end, digest = chain.verify(file)
    except OSError as error:
        raise Problem(f"cannot read {clean(path)}: {error.strerror}") from None
    except Problem as error:
        raise Problem(f"{clean(path)} is not whole: {error}") from None
    print(f"{end.decisions:,} decisions, none missing up to the last line, whose SHA-256 is {digest}")
    for note in end.notes:
        print(f"note: of the logs that it was made from: {clean(note)}")
    return 0


def _printed(report: Report, arguments: argparse.Namespace, api: Api, now: float) -> str:
    if arguments.output == "html":
        made = report_page.Making(times.rfc3339(now), __version__, _cluster(api), tuple(arguments.audit_log))
        return report_page.page(report, made)
    return output.dump(_document(report), arguments.output)


def _cluster(api: Api) -> str:
    try:
        return audience(api, "")
    except ApiError:
        return "not known: you may not read namespace kube-system"


def _logged(paths: Sequence[str], since: float, until: float) -> tuple[Logged | None, list[str]]:
    if not paths:
        return None, []
    logged, read, progress = Logged(since, until), Reading(), Progress("report")
    try:
        for event in audit_log.requests(paths, read, progress):
            logged.add(event)
    finally:
        progress.done()
    if read.failure:
        raise Problem(read.failure, NOTHING_READ)
    return logged, read.notes


def _registry(api: Api) -> tuple[Registry | None, list[str]]:
    try:
        return cluster_reads.read_registry(api), []
    except ApiError as error:
        if error.status != 403:
            raise
        return None, ["you may not read Approvers: no signature is checked"]


def _signed(
    api: Api, requests: Sequence[ChangeRequest], logged: Logged | None, registry: Registry | None
) -> list[Signed]:
    """The approvals on the objects that are still there, and those in the audit logs."""
    values = dict(logged.values) if logged else {}
    for request in requests[:_MOST_OBJECTS]:
        given = request.spec.object
        target = request.target
        path = resource_types.path(target.resource, given.version, target.namespace, target.name)
        try:
            document = api.get(path)
        except ApiError as error:
            if error.status not in {403, 404}:
                raise
            continue
        for value in approvals_of(cluster_reads.annotations_of(document)).values():
            values.setdefault(value, ("annotation on the object", 0.0))
    found = (signed(value, registry, source, seen) for value, (source, seen) in values.items())
    return [approval for approval in found if approval is not None]


def _parsed(documents: Iterable[Any]) -> tuple[list[ChangeRequest], list[str]]:
    found, damaged = [], 0
    for document in documents:
        try:
            found.append(change_request.parse(document))
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
        found += [_event(item) for item in items]
    return found, [_HEARSAY] if found else []


def _event(document: Any) -> Event:
    about = document.get("involvedObject") or {}
    group = str(about.get("apiVersion") or "").rpartition("/")[0]
    resource = GroupResource(group, manifests.plural(str(about.get("kind") or "")))
    target = Target(resource, "", about.get("namespace") or "", about.get("name") or "", "")
    last = document.get("lastTimestamp") or document["metadata"].get("creationTimestamp") or ""
    return Event(
        last,
        document.get("reason") or "",
        describe(target),
        document.get("message") or "",
        document["metadata"]["name"],
    )


def _lines(report: Report) -> Iterator[str]:
    yield f"From {report.since} until {report.until}"
    yield ""
    if not report.requests and not report.timeline:
        yield "Nothing was refused."
    if report.requesters():
        logs = ["IN LOG"] if report.logged else []
        rows = [("REQUESTER", "REFUSED", *logs, "OBJECTS", *(phase.value.upper() for phase in Phase))]
        for name, requests in report.requesters():
            phases = Counter(request.status.phase for request in requests)
            refused = sum(request.status.attempts for request in requests)
            objects = len({request.target.uid for request in requests})
            logged = [str(report.in_log(name))] if report.logged else []
            rows.append((clean(name), str(refused), *logged, str(objects), *(str(phases[phase]) for phase in Phase)))
        yield from output.table(rows)
    if report.approvers():
        yield ""
        counted = [(clean(name), str(count)) for name, count in sorted(report.approvers().items())]
        yield from output.table([("APPROVER", "REQUESTS"), *counted])
    if report.timeline:
        yield ""
        entries = [
            tuple(
                map(clean, (entry.at, entry.what, entry.object, entry.who or "-", entry.request or "-", entry.detail))
            )
            for entry in report.timeline
        ]
        yield from output.table([("TIME", "WHAT", "OBJECT", "WHO", "CHANGE REQUEST", "DETAIL"), *entries])
    if report.pending():
        yield ""
        waiting = [
            tuple(
                map(clean, (request.name, describe(request.target), request.status.progress, request.status.expires_at))
            )
            for request in report.pending()
        ]
        yield from output.table([("STILL WAITS", "OBJECT", "APPROVALS", "UNTIL"), *waiting])
    yield ""
    yield from (f"note: {clean(note)}" for note in report.notes)


def _document(report: Report) -> dict[str, Any]:
    return {
        "since": report.since,
        "until": report.until,
        "requesters": [
            {
                "requester": name,
                "refused": sum(request.status.attempts for request in requests),
                **({"refusedInLog": report.in_log(name)} if report.logged else {}),
                "objects": len({request.target.uid for request in requests}),
                "phases": dict(sorted(Counter(request.status.phase.value for request in requests).items())),
            }
            for name, requests in report.requesters()
        ],
        "approvers": [{"approver": name, "requests": count} for name, count in sorted(report.approvers().items())],
        "approvals": [_approval(approval) for approval in report.signed],
        "timeline": [
            {
                "at": entry.at,
                "what": entry.what,
                "object": entry.object,
                "requester": entry.who,
                "changeRequest": entry.request,
                "detail": entry.detail,
                "source": entry.source,
            }
            for entry in report.timeline
        ],
        "pending": [
            {
                "changeRequest": request.name,
                "object": describe(request.target),
                "requester": who(request),
                "approvals": request.status.progress,
                "expiresAt": request.status.expires_at,
            }
            for request in report.pending()
        ],
        "notes": list(report.notes),
    }


def _approval(approval: Signed) -> dict[str, Any]:
    return {
        "approver": approval.approver,
        "proven": approval.proven,
        "key": approval.key,
        "assurance": approval.assurance,
        "action": approval.action,
        "object": approval.object,
        "requester": approval.requester,
        "reason": approval.reason,
        "signedAt": approval.at,
        "expiresAt": approval.until,
        "source": approval.source,
    }
