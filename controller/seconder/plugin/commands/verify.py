"""``verify``: check the approvals on an object, from the cluster or, for auditors, from files alone."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seconder.admission import principal
from seconder.admission.request import Caller
from seconder.api import constants
from seconder.api.policy import Assurance
from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import Target
from seconder.api.text import clean, describe, quoted
from seconder.approvals import change_requests
from seconder.approvals.registry import Registry, certificate_of
from seconder.approvals.statement import NamedChange, Statement
from seconder.approvals.verification import (
    Candidate,
    Context,
    Memo,
    approvals_of,
    authenticate,
    check_fit,
    claimed,
    examine,
)
from seconder.plugin.terminal import cluster_state, connection, manifests, output, times
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "verify",
        "Check the approvals on an object: who signed them, for what, and whether they are valid.",
        epilog="Exit code 0: there is an approval, and all are valid. Whether policies ask for more: see explain.",
    )
    command.add_argument("object", metavar="TYPE/NAME", nargs="?", help="an object in the cluster")
    command.add_argument("-f", "--filename", metavar="FILE", help="a saved object instead, YAML or JSON; - for stdin")
    command.add_argument("--approvers", metavar="FILE", help="saved Approvers and authorities; with -f, offline")
    command.add_argument("--at", metavar="TIME", help="check as of this time (RFC 3339); left out: now")
    command.add_argument("--audience", metavar="URN", help="the cluster that they must be for; with -f else unchecked")
    command.add_argument("--requester", metavar="USER", help="whom they must be for; left out: whom they name")
    command.add_argument("--resource", metavar="PLURAL", default="", help="with -f: where a kind's plural is irregular")
    output.add_format(command)
    connection.add_flags(command)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Check; success is that there are approvals, and that all of them are valid."""
    at = None if arguments.at is None else times.moment(arguments.at, "--at")
    if arguments.cluster and (arguments.filename or arguments.cluster.startswith("urn:")):
        # It had this name before kubectl's flag --cluster was taken too.
        arguments.audience, arguments.cluster = arguments.audience or arguments.cluster, None
    subject, present = _from_files(arguments) if arguments.filename else _from_cluster(arguments)
    now = present if at is None else at
    checked = [check(slug, value, subject, now) for slug, value in sorted(subject.values.items())]
    valid = bool(checked) and all(result.valid for result in checked)
    if arguments.output:
        print(output.dump(_document(subject, checked, now, valid=valid), arguments.output))
    else:
        output.show(_lines(subject, checked, now))
    return 0 if valid else 1


@dataclass(frozen=True, slots=True)
class Subject:
    """An object's approvals and what they are checked against.

    ``context`` gives what a statement must fit; ``assumed`` names what that takes from the statement itself.
    """

    target: Target
    values: Mapping[str, str]
    registry: Registry
    context: Callable[[Statement], Context]
    assumed: Sequence[str]


@dataclass(frozen=True, slots=True)
class Checked:
    """One approval. ``claims`` are what it says, None where it is no statement; ``proven``: its key signed them.

    ``reason`` is None for a valid one. The key's facts are there once its key is known.
    """

    slug: str
    claims: Statement | None
    proven: bool
    reason: Reason | None
    message: str
    approver: str = ""
    fingerprint: str = ""
    key_type: str = ""
    assurance: Assurance | None = None
    certificate: str = ""

    @property
    def valid(self) -> bool:
        """Whether it passed every check."""
        return self.reason is None


def check(slug: str, value: str, subject: Subject, now: float) -> Checked:
    """Take the steps of verification, and find out who signed even where a later one fails."""
    memo = Memo(1)
    claims = claimed(value)
    signer: Candidate | None = None
    proven = False
    reason: Reason | None = None
    message = "it passes every check"
    try:
        # At the beginning of time nothing has expired: what remains is whose key it is, and that it signed.
        signer = examine(value, subject.registry, 0.0, memo)
        claims = signer.signed.statement
        authenticate(signer, memo)
        proven = True
    except Rejected as rejected:
        reason, message = rejected.reason, rejected.detail
    if proven:
        try:
            current = examine(value, subject.registry, now, memo)
            authenticate(current, memo)
            check_fit(current, subject.context(current.signed.statement), now)
        except Rejected as rejected:
            reason, message = rejected.reason, rejected.detail
    if signer is None:
        return Checked(slug, claims, proven, reason, message)
    return Checked(
        slug,
        claims,
        proven,
        reason,
        message,
        approver=signer.key.approver.name,
        fingerprint=signer.key.entry.fingerprint,
        key_type=signer.key.entry.key_type,
        assurance=signer.signed.assurance if proven else None,
        certificate=certificate_of(signer.key),
    )


def _from_files(arguments: argparse.Namespace) -> tuple[Subject, float]:
    """What to check, and the time now."""
    if arguments.object:
        raise Problem("give either TYPE/NAME or -f FILE")
    if not arguments.approvers:
        raise Problem(
            f"-f needs --approvers FILE too: save them with kubectl get {','.join(constants.WHO_APPROVES)} -o yaml"
        )
    if arguments.namespace:
        raise Problem("-n is for objects in the cluster: a saved one knows its namespace")
    if arguments.filename == arguments.approvers == "-":
        raise Problem("standard input cannot be both the object and the approvers")
    document = manifests.read_object(arguments.filename)
    target = document.target(arguments.resource)
    values = approvals_of(document.metadata.annotations or {})
    registry = manifests.read_registry(arguments.approvers)
    assumed = ["action", "agent", "the agent's operator (unknown)", "what goes down with it"]
    assumed += [] if arguments.requester else ["requester"]
    assumed += [] if arguments.audience else ["cluster"]

    def context(claims: Statement) -> Context:
        detail = claims.detail_for(target.uid)
        return Context(
            audience=arguments.audience or claims.aud,
            requester=arguments.requester or claims.sub,
            by_agent=claims.agent is not None,
            agent=claims.agent,
            operators=frozenset(),
            target=target,
            action=detail.actions[0],
            difference=change_requests.difference_of(detail),
        )

    return Subject(target, values, registry, context, assumed), time.time()


def _from_cluster(arguments: argparse.Namespace) -> tuple[Subject, float]:
    if not arguments.object:
        raise Problem("name an object (TYPE/NAME), or a saved one with -f FILE; see kubectl seconder verify --help")
    if arguments.resource:
        raise Problem("--resource goes with -f: the cluster knows the plural")
    registry = manifests.read_registry(arguments.approvers) if arguments.approvers else None
    connected = connection.connect(arguments)
    place = cluster_state.object_of(connected, arguments.object, arguments.namespace)
    state = cluster_state.read(connected.api, Caller(""))
    assumed = ["action", "agent", "what goes down with it"] + ([] if arguments.requester else ["requester"])
    operators: dict[str, str | None] = {}

    def context(claims: Statement) -> Context:
        user = arguments.requester or claims.sub
        if user not in operators:
            operators[user] = cluster_state.operator_of(connected.api, user)
        extra = {constants.AGENT_KEY: (claims.agent,)} if claims.agent else {}
        detail = claims.detail_for(place.target.uid)
        asked = principal.classify(Caller(user, extra=extra), state.policies, operators[user])
        return Context(
            audience=arguments.audience or state.audience,
            requester=user,
            by_agent=asked.agent,
            agent=claims.agent,
            operators=asked.operators,
            target=place.target,
            action=detail.actions[0],
            difference=change_requests.difference_of(detail),
        )

    values = approvals_of(place.annotations)
    present = cluster_state.clock(connected.api)
    return Subject(place.target, values, registry or state.registry, context, assumed), present


def _lines(subject: Subject, checked: Sequence[Checked], now: float) -> Iterator[str]:
    yield f"{describe(subject.target)}, uid {clean(subject.target.uid)}, as of {times.rfc3339(now)}"
    for result in checked:
        yield ""
        verdict = "valid" if result.valid else f"not valid: {result.message} ({result.reason})"
        yield clean(f"approval {result.slug}: {verdict}")
        if result.claims is not None:
            if not result.proven:
                yield "  what it says, unproven:"
            yield from (f"  {name:12}{clean(text)}" for name, text in _facts(subject, result, result.claims))
    yield ""
    if not checked:
        yield "There is no approval on it."
        return
    yield f"{sum(result.valid for result in checked)} of {len(checked)} approvals valid"
    yield f"Taken from the approvals themselves, hence not checked: {', '.join(subject.assumed)}"


def _facts(subject: Subject, result: Checked, claims: Statement) -> Iterator[tuple[str, str]]:
    detail = claims.detail_for(subject.target.uid)
    namespace = detail.namespace if isinstance(detail.namespace, str) else ""
    resource = f"{detail.resource}.{detail.group}" if detail.group else detail.resource
    # Whoever has no Approver is named by the principal alone.
    known = result.approver not in {"", claims.iss}
    yield "by", f"{claims.iss} (Approver {result.approver})" if known else claims.iss
    if result.fingerprint:
        yield "key", f"{result.fingerprint} {result.key_type}{f', {result.assurance}' if result.assurance else ''}"
    if result.certificate:
        yield "certificate", result.certificate
    yield "from", f"{times.rfc3339(claims.iat)} until {times.rfc3339(claims.exp)}"
    yield "allows", f"{', '.join(detail.actions)} of {resource} {f'{namespace}/' if namespace else ''}{detail.name}"
    yield "", f"uid {detail.identifier}"
    if isinstance(detail.change, NamedChange):
        yield "", f"from {detail.change.before} to {detail.change.after}"
    if len(claims.authorization_details) > 1:
        yield "", f"and {len(claims.authorization_details) - 1} more objects"
    yield "to", f"{claims.sub} (agent {claims.agent})" if claims.agent else claims.sub
    yield "cluster", claims.aud
    yield "because", quoted(claims.reason)


def _document(subject: Subject, checked: Sequence[Checked], now: float, *, valid: bool) -> dict[str, Any]:
    return {
        "object": output.object_document(subject.target),
        "at": times.rfc3339(now),
        "valid": valid,
        "notChecked": list(subject.assumed),
        "approvals": [_approval(subject, result) for result in checked],
    }


def _approval(subject: Subject, result: Checked) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": result.slug,
        "valid": result.valid,
        "reason": result.reason.value if result.reason else "",
        "message": result.message,
        "proven": result.proven,
        "approver": result.approver,
        "fingerprint": result.fingerprint,
        "keyType": result.key_type,
        "assurance": result.assurance.value if result.assurance else "",
        "certificate": result.certificate,
    }
    claims = result.claims
    if claims is not None:
        detail = claims.detail_for(subject.target.uid)
        document["statement"] = {
            "by": claims.iss,
            "requester": claims.sub,
            "agent": claims.agent or "",
            "cluster": claims.aud,
            "issuedAt": times.rfc3339(claims.iat),
            "expiresAt": times.rfc3339(claims.exp),
            "id": claims.jti,
            "changeRequestUID": claims.txn if isinstance(claims.txn, str) else "",
            "because": claims.reason,
            "actions": [action.value for action in detail.actions],
            "object": {
                "group": detail.group,
                "resource": detail.resource,
                "namespace": detail.namespace if isinstance(detail.namespace, str) else "",
                "name": detail.name,
                "uid": detail.identifier,
            },
        }
    return document
