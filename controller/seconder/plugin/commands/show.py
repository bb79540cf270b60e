"""``show``: a change request, or the approvals on an object, and why each counts or does not."""

import argparse
import shlex
import time
from typing import Any

import msgspec

from seconder.api import change_request
from seconder.api.change_request import ChangeRequest
from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import Action
from seconder.api.text import clean, describe, named, quoted
from seconder.approvals import change_requests
from seconder.approvals.registry import certificate_of
from seconder.approvals.verification import Memo, approvals_of, claimed, verify
from seconder.plugin.approving import cluster_reads, summary
from seconder.plugin.approving.cluster_reads import Case, Place
from seconder.plugin.terminal import connection, output
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser("show", "Show a change request, or an object: what it takes, and why each approval counts or not.")
    cluster_reads.add_reference(command)
    output.add_format(command)
    cluster_reads.add_wish(command)
    connection.add_flags(command)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Print the change request, or the object's approvals."""
    connected = connection.connect(arguments)
    place = cluster_reads.locate(connected, arguments.what)
    request = place.request
    if place.document is None:
        if request is None:
            raise Problem(place.missing)
        shown: Any = {"changeRequest": msgspec.to_builtins(request), "object": None, "missing": place.missing}
        if arguments.output:
            print(output.dump(shown, arguments.output))
        else:
            output.show(_record(request, place.missing))
        return 0
    waiting: list[ChangeRequest | None] = [request] if request else [*_waiting(connected, place, arguments)]
    if not waiting and arguments.requester:
        waiting = [None]
    if waiting:
        cases = [_case(connected, place, request, arguments) for request in waiting]
        told = [_case_lines(case) for case in cases]
        documents = [_case_document(case) for case in cases]
    else:
        lines, document = _unasked(connected, place, arguments)
        told, documents = [lines], [document]
    if arguments.output:
        print(output.dump(documents[0] if len(documents) == 1 else documents, arguments.output))
    else:
        output.show(line for number, part in enumerate(told) for line in ([""] if number else []) + part)
    return 0


def _waiting(connected: Connection, place: Place, arguments: argparse.Namespace) -> list[ChangeRequest]:
    return [
        request
        for request in cluster_reads.open_requests(connected.api)
        if request.target.uid == place.target.uid and arguments.requester in {None, request.spec.requester}
    ]


def _case(connected: Connection, place: Place, request: ChangeRequest | None, arguments: argparse.Namespace) -> Case:
    chosen = Place(place.target, place.version, place.document, place.missing, request)
    return cluster_reads.case_of(connected, chosen, arguments)


def _case_lines(case: Case) -> list[str]:
    now = time.time()
    lines = summary.lines(case, now)
    request = case.place.request
    if request and not request.status.phase.open:
        return [*lines, *output.fields(_end(request))]
    if not case.change.policies:
        return [*lines, "No policy asks for approval of it."]
    verdict = case.verdict(approvals_of(case.place.annotations))
    reached, required = summary.progress(verdict)
    if verdict.allowed:
        return [*lines, *output.fields([("approved", f"{reached} of {required}")])]
    command = output.command(_command(case))
    labels = ["approve", *[""] * len(command)]
    found = [("approved", f"{reached} of {required} ({verdict.reason})"), *zip(labels, command, strict=False)]
    return [*lines, *output.fields(found)]


def _command(case: Case) -> list[str]:
    """Its words, as a shell takes them; a flag and its value are one."""
    words = ["kubectl", "seconder", "approve"]
    if case.place.request:
        return [*words, case.place.request.name]
    target = case.change.target
    words.append(shlex.quote(case.place.typed))
    if target.namespace:
        words.append(f"-n {shlex.quote(clean(target.namespace))}")
    words.append(f"--requester {shlex.quote(clean(case.change.requester))}")
    if case.change.action is not Action.DELETE:
        words.append(f"--action {case.change.action}")
    return words


def _case_document(case: Case) -> dict[str, Any]:
    values = approvals_of(case.place.annotations)
    verdict = case.verdict(values)
    reached, required = summary.progress(verdict)
    why = {failure.slug: failure for failure in verdict.failures}
    request = case.place.request
    return _plain_document(case.place) | {
        "changeRequest": msgspec.to_builtins(request) if request else None,
        "requester": case.change.requester,
        "agent": case.change.agent or "",
        "operators": sorted(case.change.operators),
        "action": case.change.action.value,
        "by": msgspec.to_builtins(request.spec.by) if request and request.spec.asked_by else None,
        "policies": summary.documents(case.change.policies),
        "impact": None if case.impact is None else {"counts": dict(case.impact.counts), "sha256": case.impact.sha256},
        "approved": bool(case.change.policies) and verdict.allowed,
        "peers": {"approved": reached, "required": required},
        "approvals": [
            {
                "name": approval.slug,
                "counts": approval.slug not in why,
                "approver": approval.statement.iss,
                "fingerprint": approval.key.entry.fingerprint,
                "assurance": approval.assurance.value,
                "certificate": certificate_of(approval.key),
                "expires": approval.statement.exp,
                "statement": msgspec.to_builtins(approval.statement),
            }
            for approval in verdict.valid
            if approval.slug not in why
        ]
        + [
            {"name": slug, "counts": False, "reason": failure.reason.value, "message": failure.detail}
            for slug, failure in sorted(why.items())
        ],
    }


def _plain_document(place: Place) -> dict[str, Any]:
    target = place.target
    return {
        "object": {
            "group": target.resource.group,
            "version": place.version,
            "resource": target.resource.resource,
            "kind": target.kind,
            "namespace": target.namespace,
            "name": target.name,
            "uid": target.uid,
        }
    }


def _unasked(connected: Connection, place: Place, arguments: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    """The approvals of an object for which nobody waits, in lines and as a document: each for whom it names itself."""
    where = f" in namespace {place.target.namespace}" if place.target.namespace else ""
    found = [("object", clean(f"{place.typed}{where}, uid {place.target.uid}"))]
    documents: list[dict[str, Any]] = []
    values = approvals_of(place.annotations)
    state = cluster_reads.read_state(connected.api, None, arguments.cluster_id)
    for slug, value in sorted(values.items()):
        claims = claimed(value)
        if claims is None:
            found.append(("approval", f"{clean(slug)}: is none: it cannot be read"))
            documents.append({"name": slug, "valid": False, "reason": Reason.APPROVAL_MALFORMED.value})
            continue
        detail = claims.detail_for(place.target.uid)
        action = detail.actions[0]
        context = cluster_reads.context_for(connected.api, place.target, state, claims.sub, claims.agent, action)
        context = msgspec.structs.replace(context, difference=change_requests.difference_of(detail))
        told = "is valid"
        document = {"name": slug, "valid": True, "statement": msgspec.to_builtins(claims)}
        try:
            made_of = verify(slug, value, context, state.registry, time.time(), Memo(1))
            document["certificate"] = certificate_of(made_of.key)
        except Rejected as rejected:
            told = f"does not count: {rejected.detail} ({rejected.reason})"
            document |= {"valid": False, "reason": rejected.reason.value, "message": rejected.detail}
        what = f"{action} for {named(claims.sub)}, by {named(claims.iss)}, expires {summary.until(claims.exp)}"
        found.append(("approval", f"{clean(slug)}: {told}: {what}"))
        documents.append(document)
    lines = [*output.fields(found)]
    if not values:
        lines.append("No approval stands on it, and no change request waits for one.")
    return lines, _plain_document(place) | {"approvals": documents}


def _record(request: ChangeRequest, missing: str) -> list[str]:
    spec = request.spec
    agent = f" (agent {named(spec.agent)})" if spec.agent else ""
    found = [
        ("request", summary.request_line(request)),
        ("action", spec.action.value),
        ("object", f"{describe(request.target)}, uid {clean(request.target.uid)}"),
        *([("by", spec.asked_by)] if spec.asked_by else []),
        ("requester", f"{named(spec.requester)}{agent}"),
        *(("used", use.told) for use in request.status.former_uses),
        *([("allowed", allowed)] if (allowed := change_request.let_through(request.status)) else ()),
        *(_end(request) if not request.status.phase.open else ()),
        *(("denied by", f"{named(denial.name)}: {quoted(denial.reason)}") for denial in request.status.denials),
        ("missing", missing),
    ]
    return [*output.fields(found)]


def _end(request: ChangeRequest) -> list[tuple[str, str]]:
    told = f": {clean(request.status.message)}" if request.status.message else ""
    return [("ended", f"{request.status.phase} at {request.status.ended_at or 'a time not recorded'}{told}")]
