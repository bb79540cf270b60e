"""``replay``: what policies would have refused in the past, by the webhook's own decision code and an API audit log."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from seconder.api import constants, policy_documents, protection_policy
from seconder.api.policy import Policy
from seconder.api.resources import DEPLOYMENTS, NAMESPACES, STATEFUL_SETS, GroupResource
from seconder.api.text import clean
from seconder.plugin.auditing.audit_log import requests
from seconder.plugin.auditing.log_files import NOTHING_READ, Reading
from seconder.plugin.auditing.replay_counts import Example, Tallies, Tally
from seconder.plugin.auditing.replaying import Judge
from seconder.plugin.terminal import cluster_state, connection, manifests, output
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem
from seconder.plugin.terminal.progress import Progress, size

_INTERRUPTED: Final = 130
_API_VERSION: Final = f"{constants.DOMAIN}/{constants.API_VERSION}"
_ROWS: Final = 20
_CLUSTER_SCOPED: Final = frozenset(
    GroupResource(group, plural)
    for group, plurals in (
        ("", ("namespaces", "nodes", "persistentvolumes")),
        ("admissionregistration.k8s.io", ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")),
        ("apiextensions.k8s.io", ("customresourcedefinitions",)),
        ("apiregistration.k8s.io", ("apiservices",)),
        ("rbac.authorization.k8s.io", ("clusterrolebindings", "clusterroles")),
        ("scheduling.k8s.io", ("priorityclasses",)),
        ("storage.k8s.io", ("csidrivers", "csinodes", "storageclasses", "volumeattachments")),
    )
    for plural in plurals
)
"""What a policy in a file may name that is in no namespace. Taken for namespaced, it would only be asked about more."""

_KINDS: Final = {
    NAMESPACES: "Namespace",
    DEPLOYMENTS: "Deployment",
    GroupResource("apps", "replicasets"): "ReplicaSet",
    STATEFUL_SETS: "StatefulSet",
    GroupResource("", "replicationcontrollers"): "ReplicationController",
}
"""What autoscalers and ReplicaSets name others by."""

_NOBODY: Final = "Judged as if every policy were in mode Enforce, and as if nobody had approved or broken the glass."
_HELP: Final = """\
Nothing is sent to the cluster but a read of its policies, and not even that with --policy. What the log does not hold
is counted as not judged, never guessed: of the object before an update it holds nothing, and below level
RequestResponse little else. See docs/reporting.md for an audit policy that holds what is needed."""


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser("replay", "Tell what policies would have refused in the past, from API audit logs.", epilog=_HELP)
    command.add_argument(
        "logs",
        metavar="AUDIT-LOG",
        nargs="+",
        help="audit.k8s.io/v1 events, one a line or as clouds keep them; packed too; - for stdin",
    )
    command.add_argument(
        "--policy",
        metavar="FILE",
        action="append",
        default=[],
        help="a ProtectionPolicy in a file, YAML or JSON; may be repeated; left out: those in the cluster",
    )
    command.add_argument(
        "--installed-in",
        metavar="NAMESPACE",
        default=constants.DEFAULT_NAMESPACE,
        help="where Seconder is, or is to be, installed (%(default)s)",
    )
    output.add_format(command)
    connection.add_flags(command, namespace=False)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Replay; whatever would have been refused, that is success. A log of which nothing was read is none."""
    if "-" in arguments.logs and "-" in arguments.policy:
        raise Problem("standard input cannot be both the log and a policy")
    policies = _from_files(arguments.policy) if arguments.policy else _from_cluster(arguments)
    judge, reading, tallies = Judge(policies, arguments.installed_in), Reading(), Tallies()
    progress = Progress("replay")
    interrupted = False
    try:
        for event in requests(arguments.logs, reading, progress):
            verdict = judge.judge(event)
            if verdict is not None:
                tallies.add(verdict)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        progress.done()
    if not interrupted:
        reading.require_requests()
    notes = [*_notes(judge, tallies), *reading.notes]
    if arguments.output:
        print(output.dump(_document(policies, reading, tallies, notes, interrupted=interrupted), arguments.output))
    else:
        output.show(_lines(policies, reading, tallies, notes))
    if interrupted:
        print(f"interrupted after {size(reading.bytes)}: what follows in the log is not counted", file=sys.stderr)
        return _INTERRUPTED
    if reading.failure:
        print(f"error: {reading.failure}", file=sys.stderr)
        return NOTHING_READ
    return 0


def _from_cluster(arguments: argparse.Namespace) -> list[Policy]:
    api = connection.connect(arguments).api
    with cluster_state.readable():
        documents = api.items(f"{constants.API_PATH}/protectionpolicies")[0]
    found = [policy for document in documents for policy in policy_documents.policies(document)]
    if not found:
        raise Problem("this cluster has no ProtectionPolicy: give one with --policy FILE")
    return found


def _from_files(paths: Iterable[str]) -> list[Policy]:
    found: dict[str, Policy] = {}
    for path in paths:
        before = len(found)
        for document in manifests.documents(path):
            if document.get("kind") != "ProtectionPolicy" or document.get("apiVersion") != _API_VERSION:
                continue
            policy = _policy(path, document)
            if policy.name in found:
                raise Problem(f"{clean(path)} holds policy {clean(policy.name)}, which was given before")
            found[policy.name] = policy
        if len(found) == before:
            raise Problem(f"{clean(path)} holds no ProtectionPolicy of {_API_VERSION}")
    return list(found.values())


def _policy(path: str, document: dict[str, Any]) -> Policy:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise Problem(f"{clean(path)} holds a ProtectionPolicy without a name")
    try:
        spec = policy_documents.parse_spec(document.get("spec") or {})
    except (msgspec.ValidationError, ValueError) as error:
        raise Problem(f"{clean(path)}: policy {clean(name)} is invalid: {clean(str(error))}") from None
    # A file knows nothing of what the cluster serves: what it names is taken for what it usually is.
    resolved = [
        protection_policy.ResolvedDoc(
            group=named.group,
            resource=named.resource,
            version="v1",
            namespaced=named not in _CLUSTER_SCOPED,
            custom=False,
            kind=_KINDS.get(named, ""),
        )
        for named in policy_documents.named_resources(spec)
        if "*" not in named
    ]
    return policy_documents.policy_of(name, spec, protection_policy.PolicyStatus(resources=resolved), 0)


def _notes(judge: Judge, tallies: Tallies) -> list[str]:
    found = [_NOBODY]
    if tallies.dry_runs:
        found.append(f"{tallies.dry_runs:,} of those that would have been refused were dry runs")
    if tallies.failed:
        found.append(
            f"{tallies.failed:,} more might have been refused, but came to nothing anyway, by the API server's status"
        )
    if tallies.twice:
        found.append(f"{tallies.twice:,} stand in the logs twice and are counted once")
    if tallies.forgetful:
        found.append("there are too many requests to know each again: what stands in the logs twice is counted twice")
    if unseen := judge.unseen():
        found.append(f"the log holds no write to {', '.join(unseen)}: see whether policies spell it right")
    return found


def _lines(policies: list[Policy], reading: Reading, tallies: Tallies, notes: list[str]) -> Iterator[str]:
    span = f", from {_time(reading.first)} to {_time(reading.last)}" if reading.first else ""
    yield f"Read {reading.requests:,} requests in {size(reading.bytes)}{span}"
    yield f"Policies: {', '.join(clean(name) for name in _names(policies))}"
    yield ""
    refused = tallies.refused
    if refused.requests:
        others = refused.requests - refused.by_agents
        requests = "1 request" if refused.requests == 1 else f"{refused.requests:,} requests"
        yield f"{requests} would have been refused: {refused.by_agents:,} by agents, {others:,} by others"
    else:
        yield "Nothing would have been refused, as far as the log tells."
    if refused.requests:
        yield ""
        yield from _policies_table(tallies)
        yield ""
        yield from _requesters_table(tallies)
        yield ""
        yield from _objects_table(tallies)
        yield ""
        yield from _examples_table(tallies.examples)
    unknown = list(tallies.unknowns())
    if unknown:
        yield ""
        yield "Could not be judged:"
        for missing, tally in unknown:
            yield f"  {tally.requests:,} {missing} ({tally.by_agents:,} by agents)"
            yield from (f"    such as {_one_line(example)}" for example in tallies.unknown_examples[missing][:1])
    yield ""
    yield from (f"note: {note}" for note in notes)


def _policies_table(tallies: Tallies) -> list[str]:
    rows = [
        (clean(name), action, f"{tally.requests:,}", f"{tally.by_agents:,}", _time(tally.first), _time(tally.last))
        for (name, action), tally in tallies.policies.most()
    ]
    return output.table(
        [("POLICY", "ACTION", "REQUESTS", "BY AGENTS", "FIRST", "LAST"), *rows[:_ROWS], *_more(rows, 6)]
    )


def _requesters_table(tallies: Tallies) -> list[str]:
    rows = [
        (
            clean(who),
            (clean(name) or "yes") if agent else "no",
            f"{tally.requests:,}",
            _time(tally.first),
            _time(tally.last),
        )
        for (who, name, agent), tally in tallies.requesters.most()
    ]
    return output.table([("REQUESTER", "AGENT", "REQUESTS", "FIRST", "LAST"), *rows[:_ROWS], *_more(rows, 5)])


def _objects_table(tallies: Tallies) -> list[str]:
    rows = [
        (what, f"{tally.requests:,}", _time(tally.first), _time(tally.last)) for what, tally in tallies.objects.most()
    ]
    return output.table([("OBJECT", "REQUESTS", "FIRST", "LAST"), *rows[:_ROWS], *_more(rows, 4)])


def _more(rows: list[Any], columns: int) -> list[tuple[str, ...]]:
    left = len(rows) - _ROWS
    return [(f"and {left:,} more (-o json)", *[""] * (columns - 1))] if left > 0 else []


def _examples_table(examples: list[Example]) -> list[str]:
    rows = [
        (_time(example.at), example.what, example.object, example.requester, example.audit_id) for example in examples
    ]
    return output.table([("FOR EXAMPLE", "ACTION", "OBJECT", "REQUESTER", "AUDIT ID"), *rows])


def _one_line(example: Example) -> str:
    what = f"{example.what} of {example.object} by {example.requester}"
    return f"{what} at {_time(example.at)} (audit ID {example.audit_id})"


def _document(
    policies: list[Policy], reading: Reading, tallies: Tallies, notes: list[str], *, interrupted: bool
) -> dict[str, Any]:
    return {
        "policies": _names(policies),
        "read": {
            "bytes": reading.bytes,
            "lines": reading.lines,
            "requests": reading.requests,
            "badLines": reading.bad,
            "firstBadLine": reading.first_bad,
            "first": _time(reading.first),
            "last": _time(reading.last),
            "interrupted": interrupted,
        },
        "refused": {
            **_tally(tallies.refused),
            "dryRuns": tallies.dry_runs,
            "byPolicy": [
                {"policy": name, "action": action, **_tally(tally)} for (name, action), tally in tallies.policies.most()
            ],
            "byRequester": [
                {"requester": who, "agent": agent, "agentName": name, **_tally(tally)}
                for (who, name, agent), tally in tallies.requesters.most()
            ],
            "byObject": [{"object": what, **_tally(tally)} for what, tally in tallies.objects.most()],
            "beyondTheTables": {
                "requesters": tallies.requesters.others.requests,
                "objects": tallies.objects.others.requests,
            },
            "examples": [_example(example) for example in tallies.examples],
        },
        "notJudged": [
            {
                "reason": missing.name,
                "message": missing.value,
                **_tally(tally),
                "examples": [_example(example) for example in tallies.unknown_examples[missing]],
            }
            for missing, tally in tallies.unknowns()
        ],
        "failedAnyway": tallies.failed,
        "countedOnce": tallies.twice,
        "notes": notes,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "requests": tally.requests,
        "byAgents": tally.by_agents,
        "first": _time(tally.first),
        "last": _time(tally.last),
    }


def _example(example: Example) -> dict[str, Any]:
    return {
        "at": _time(example.at),
        "action": example.what,
        "object": example.object,
        "requester": example.requester,
        "agent": example.agent,
        "reason": example.reason,
        "auditID": example.audit_id,
    }


def _names(policies: list[Policy]) -> list[str]:
    return sorted({policy.name for policy in policies})


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else ""
