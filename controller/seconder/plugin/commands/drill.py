"""``drill``: find out whether enough approvers can be reached, by having them sign what approves nothing."""

import argparse
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from seconder.api import constants, policy_documents
from seconder.api.policy import DEFAULT_TAGS, Assurance, Requirement
from seconder.api.reasons import Rejected
from seconder.api.text import clean
from seconder.approvals import drill, verification
from seconder.approvals.drill import Claims
from seconder.approvals.registry import Registry, denying
from seconder.client.api import Api, segment
from seconder.plugin.approving import cluster_reads, drills, presence, signing
from seconder.plugin.approving.drills import Call, Outcome, Standing
from seconder.plugin.approving.signing import Signer
from seconder.plugin.terminal import callers, cluster_state, connection, output, times
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem

_NOT_FOR: Final = {
    "start": ("key",),
    "sign": ("team", "policy", "required", "assurance", "within", "output"),
    "status": ("team", "policy", "key"),
}
"""Flags that mean nothing to a command."""

_HEADER: Final = ("APPROVER", "ANSWER", "ASSURANCE", "AFTER", "KEY")
_STATES: Final = {
    "Answered": "answered",
    "TooLate": "too late",
    "TooWeak": "assurance too low",
    "NotYet": "not yet",
    "Cannot": "cannot",
}


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "drill",
        "Ask approvers for a signature that approves nothing, to know whether they can be reached: start, then sign "
        "by each of them, then status.",
        epilog="status ends with exit code 0 only when enough of them have answered.",
    )
    command.add_argument("command", choices=["start", "sign", "status"], help="what to do")
    command.add_argument("name", metavar="NAME", nargs="?", help="the drill, a ConfigMap; start makes up one")
    command.add_argument("--team", metavar="NAME", action="append", help="start: whom to ask; repeatable; else all")
    command.add_argument("--policy", metavar="NAME", help="start: ask what this ProtectionPolicy asks")
    command.add_argument("--required", metavar="N", type=int, help="how many must answer; left out: 1")
    command.add_argument("--assurance", choices=list(Assurance), help="what a signature must prove; left out: Software")
    command.add_argument("--within", metavar="TIME", help="no answer counts later than this, such as 15m")
    command.add_argument("--key", metavar="FILE", help="sign: your key; left out: ~/.ssh and ssh-agent")
    output.add_format(command)
    connection.add_flags(command)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line names."""
    verb = arguments.command
    for flag in _NOT_FOR[verb]:
        if getattr(arguments, flag) is not None:
            raise Problem(f"--{flag} means nothing to drill {verb}")
    if not arguments.name and verb != "start":
        raise Problem(f"drill {verb} needs the drill's NAME: drill start tells it")
    connected = connection.connect(arguments)
    if verb == "start":
        return _start(connected, arguments)
    if verb == "sign":
        return _sign(connected, arguments)
    return _status(connected, arguments)


def _start(connected: Connection, arguments: argparse.Namespace) -> int:
    asked = _requirement(connected.api, arguments.policy) if arguments.policy else Requirement()
    required = asked.required if arguments.required is None else arguments.required
    assurance = Assurance(arguments.assurance) if arguments.assurance else asked.assurance
    data = drills.fields(arguments.team or sorted(asked.teams), required, assurance, arguments.within)
    named = {"name": arguments.name} if arguments.name else {"generateName": "drill-"}
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**named, "labels": {constants.DRILL_KEY: "true"}},
        "data": data,
    }
    made = connected.api.create(drills.path(connected.namespace), document)["metadata"]
    if arguments.output:
        shown = {"namespace": made["namespace"], "name": made["name"], "uid": made["uid"], "asks": data}
        print(output.dump(shown, arguments.output))
        return 0
    where = f"{made['name']} -n {made['namespace']}"
    print(f"drill {made['namespace']}/{made['name']} begun: have each approver run kubectl seconder drill sign {where}")
    return 0


def _requirement(api: Api, name: str) -> Requirement:
    found = api.find(f"{constants.API_PATH}/protectionpolicies/{segment(name)}")
    if found is None:
        raise Problem(f"there is no ProtectionPolicy {clean(name)}")
    try:
        return policy_documents.parse_spec(found.get("spec") or {}).approvals
    except (msgspec.ValidationError, ValueError) as error:
        raise Problem(f"policy {clean(name)} is invalid: {clean(str(error))}") from None


def _sign(connected: Connection, arguments: argparse.Namespace) -> int:
    detection = presence.detect()
    api = connected.api
    call = drills.read(api, connected.namespace, arguments.name)
    callers.same_time(api.server_date, time.time())
    caller = callers.who_am_i(api)
    callers.no_agent(caller, DEFAULT_TAGS)
    registry = cluster_reads.read_registry(api)
    local = signing.at_hand(arguments.key)
    signers = presence.usable(signing.registered(local, registry), detection)
    if not signers:
        raise signing.none_registered(local, registry, named=arguments.key is not None)
    signer = min(signers, key=lambda each: _rank(each, call, caller.username))
    if problem := _obstacle(signer, call):
        raise Problem(f"key {signer.key.name}, {clean(signer.registered.approver.principal)}'s: {problem}")
    principal = signer.registered.approver.principal
    name = f"{drill.PREFIX}{denying(signer.registered)}"
    if _answered_already(call, name, principal, registry):
        print(f"drill {call.namespace}/{call.name} answered already by {clean(principal)}: nothing was changed")
        return 0
    line = drill.encode(Claims(drill=call.uid, iat=int(time.time()), iss=principal))
    value = line.decode() + signing.sign(signer.key, line, namespace=constants.DRILL_NAMESPACE).rstrip("\n")
    try:
        answer = drill.verify(name, value, call.uid, call.begun, registry, time.time())
    except Rejected as rejected:
        raise Problem(f"what was signed would not count: {rejected.detail} ({rejected.reason})") from None
    presence.proven(answer.assurance, detection)
    changes = {"metadata": {"uid": call.uid}, "data": {name: value}}
    api.merge(drills.path(call.namespace, call.name), changes, fieldManager=constants.APPROVAL_MANAGER)
    told = f"{answer.assurance}, {output.short(call.after(answer))} after it began"
    state = call.state_of(answer)
    but = "" if state == "Answered" else f"; it does not count: {_STATES[state]}"
    print(f"drill {call.namespace}/{call.name} answered by {clean(principal)} ({told}){but}")
    return 0


def _rank(signer: Signer, call: Call, username: str) -> tuple[bool, bool, bool]:
    public = signer.registered.entry.public
    weak = public is None or not call.strong(public.best_assurance)
    return bool(_obstacle(signer, call)), username not in signer.registered.approver.names, weak


def _obstacle(signer: Signer, call: Call) -> str:
    try:
        verification.counting(signer.registered, time.time())
    except Rejected as rejected:
        return rejected.detail
    if not call.is_for(signer.registered.approver):
        return f"the drill is for team {', '.join(sorted(call.teams))}"
    return ""


def _answered_already(call: Call, name: str, principal: str, registry: Registry) -> bool:
    """Whether this person's answer stands there, and could not be better. Raises Problem where another's does."""
    if name not in call.data:
        return False
    try:
        answer = drill.verify(name, call.data[name], call.uid, call.begun, registry, time.time())
    except Rejected:
        return False
    if answer.key.approver.principal != principal:
        raise Problem(f"{clean(name)} holds the answer of {clean(answer.key.approver.principal)}: nothing was changed")
    return call.strong(answer.assurance)


def _status(connected: Connection, arguments: argparse.Namespace) -> int:
    call = drills.read(connected.api, connected.namespace, arguments.name)
    call = drills.asking(call, arguments.required, arguments.assurance, arguments.within)
    with cluster_state.readable():
        registry = cluster_reads.read_registry(connected.api)
    now = cluster_state.clock(connected.api)
    found = drills.outcome(call, registry, now)
    if arguments.output:
        print(output.dump(_document(found, now), arguments.output))
    else:
        output.show(_lines(found, now))
    return 0 if found.reached else 1


def _lines(found: Outcome, now: float) -> Iterator[str]:
    call = found.call
    whom = f"of {', '.join(sorted(call.teams))} " if call.teams else ""
    began = f"begun {times.rfc3339(call.begun)}, {output.short(now - call.begun)} ago"
    yield f"drill {call.namespace}/{call.name}, {began}"
    yield ""
    yield from output.table([_HEADER, *(_row(person) for person in found.people)])
    if found.refused:
        yield ""
    for refused in found.refused:
        yield f"{clean(refused.name)} counts for nobody: {refused.detail} ({refused.reason})"
    yield ""
    within = "" if call.within is None else f" within {output.short(call.within)}"
    verdict = "enough" if found.reached else "too few"
    needed = f"{call.required} needed with assurance {call.assurance}"
    yield f"{verdict}: {found.counted} {whom}answered{within}, of {needed}"


def _row(person: Standing) -> tuple[str, ...]:
    told = f"{_STATES[person.state]}{f': {person.message}' if person.message else ''}"
    answer = person.answer
    if answer is None:
        return clean(person.approver), clean(told), "", "", ""
    after = output.short(person.after or 0)
    return clean(person.approver), told, answer.assurance.value, after, answer.key.entry.fingerprint


def _document(found: Outcome, now: float) -> dict[str, Any]:
    call = found.call
    return {
        "drill": {
            "namespace": call.namespace,
            "name": call.name,
            "uid": call.uid,
            "begunAt": times.rfc3339(call.begun),
            "teams": sorted(call.teams),
            "required": call.required,
            "assurance": call.assurance.value,
            "withinSeconds": call.within,
        },
        "at": times.rfc3339(now),
        "reached": found.reached,
        "answered": found.counted,
        "approvers": [drills.row(person) for person in found.people],
        "refused": [
            {"name": refused.name, "reason": refused.reason.value, "message": refused.detail}
            for refused in found.refused
        ],
    }
