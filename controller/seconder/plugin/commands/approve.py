"""``approve``: read what an agent wants from the cluster, show it, sign for it, and put the approval in place."""

import argparse
import base64
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from seconder.admission.decision import Verdict
from seconder.admission.request import Caller
from seconder.api import change_request, constants
from seconder.api.change_request import Phase
from seconder.api.policy import DEFAULT_TAGS
from seconder.api.reasons import Rejected
from seconder.api.text import clean, named
from seconder.approvals import statement, unsigned_statement
from seconder.approvals.statement import Statement
from seconder.approvals.verification import Memo, approvals_of, verify
from seconder.client import approval_writes
from seconder.client.api import Api, ApiError
from seconder.client.approval_writes import Gone
from seconder.plugin.agents.assistants import Detection
from seconder.plugin.approving import approval_annotations, cluster_reads, eligibility, presence, signing, summary
from seconder.plugin.approving.cluster_reads import Case, Place
from seconder.plugin.approving.signing import Signer
from seconder.plugin.gitops import prune_flags
from seconder.plugin.terminal import callers, connection, output
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "approve",
        "Show what is to be approved, as the cluster has it; ask; sign with ssh-keygen; annotate the object.",
        epilog="Without a terminal nothing is asked: --reason and --yes are needed.",
    )
    cluster_reads.add_reference(command, several=True)
    command.add_argument("--all", action="store_true", help="all that waits of the requester that --requester names")
    command.add_argument("--reason", metavar="TEXT", help="why you approve it, for the record")
    command.add_argument(
        "--key", metavar="FILE", help="left out: ~/.ssh/id_* and the ssh-agent's, those with certificates too"
    )
    command.add_argument(
        "--ttl", metavar="TIME", help="how long it holds, such as 15m; left out: 15m, or the policy's most"
    )
    command.add_argument("-y", "--yes", action="store_true", help="do not ask")
    output.add_format(command)
    cluster_reads.add_wish(command)
    prune_flags.add_to(command, filename=False)
    connection.add_flags(command)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Ask, sign, and annotate the objects."""
    prunes = prune_flags.given(arguments)
    if prunes + bool(arguments.what) + arguments.all != 1:
        raise Problem(
            "give change requests or objects as TYPE/NAME, or --all with --requester USER, or --prune; see kubectl "
            "seconder approve --help"
        )
    if arguments.all and not arguments.requester:
        raise Problem("--all is for one requester: say whose wishes with --requester USER")
    if (arguments.all or len(arguments.what) > 1) and (arguments.agent or arguments.action or arguments.filename):
        raise Problem("--agent, --action and -f are for one object: approve it by itself")
    if prunes and (arguments.agent or arguments.action):
        raise Problem("--prune is for deletions by a controller: leave out --agent and --action")
    asking = output.interactive()
    if not asking and not (arguments.yes and arguments.reason):
        raise Problem("there is no terminal to ask at: give --reason TEXT and --yes")
    connected = connection.connect(arguments)
    caller = callers.who_am_i(connected.api)
    callers.same_time(connected.api.server_date, time.time())
    callers.no_agent(caller, DEFAULT_TAGS)
    approval = _Approval(connected, caller, presence.detect(), arguments)
    if prunes:
        return _approve_prune(approval)
    if arguments.all:
        places = _waiting_of(connected, arguments.requester)
    else:
        places = [cluster_reads.locate(connected, name) for name in dict.fromkeys(arguments.what)]
    # One wish may be named by its change request and by its object.
    cases = {case.change.name: case for case in (_case(approval, place) for place in places)}
    placed = _put_all(approval, _batches(list(cases.values())))
    if len(placed) == 1 and not arguments.all:
        _tell(placed[0], arguments.output)
    else:
        _tell_all(placed, arguments.output)
    return 0


def _waiting_of(connected: Connection, requester: str) -> list[Place]:
    """What one requester waits for and nobody has answered yet. Raises Problem and ApiError."""
    waiting = sorted(
        request.name
        for request in cluster_reads.open_requests(connected.api)
        if request.spec.requester == requester and request.status.phase is Phase.PENDING
    )
    places = [cluster_reads.locate(connected, name) for name in waiting]
    # What has gone since needs no approval; the operator just has not said so yet.
    there = [place for place in places if place.document and not _ends(place)]
    if not there:
        raise Problem(f"nothing of {clean(requester)} waits for a peer: nothing was changed")
    return there


def _ends(place: Place) -> bool:
    return "deletionTimestamp" in place.found["metadata"]


def _case(approval: "_Approval", place: Place) -> Case:
    if place.request and not place.request.status.phase.open:
        told = clean(place.request.status.message)
        raise Problem(
            f"{place.request.name} is over ({place.request.status.phase}{f': {told}' if told else ''}): should it be "
            "refused again, it waits again"
        )
    if _ends(place):
        raise Problem(f"the deletion of {place.typed} has begun: nothing is left to approve")
    return cluster_reads.case_of(approval.connection, place, approval.arguments)


def _batches(cases: Sequence[Case]) -> list[list[Case]]:
    """What is signed for together: up to 16 objects of one requester, each once. What takes several peers goes alone.

    Several wishes for one object stand in several statements, since a statement names an object once.
    """
    batches: list[list[Case]] = []
    open_for: dict[tuple[str, str | None], list[list[Case]]] = {}
    for case in cases:
        if not eligibility.joins(case):
            batches.append([case])
            continue
        joinable = open_for.setdefault((case.change.requester, case.change.agent), [])
        batch = next((batch for batch in joinable if _has_room(batch, case)), None)
        if batch is None:
            batch = []
            joinable.append(batch)
            batches.append(batch)
        batch.append(case)
    return batches


def _has_room(batch: Sequence[Case], case: Case) -> bool:
    named = {other.change.target.uid for other in batch}
    return len(batch) < unsigned_statement.MOST_OBJECTS and case.change.target.uid not in named


@dataclass(frozen=True, slots=True)
class _Approval:
    connection: Connection
    caller: Caller
    detection: Detection | None
    arguments: argparse.Namespace


@dataclass(frozen=True, slots=True)
class _Signed:
    signer: Signer
    statement: Statement
    value: str


@dataclass(frozen=True, slots=True)
class _Placed:
    """An approval in its place. ``copied``: it stands on the change request, from where it is copied."""

    case: Case
    signed: _Signed
    slug: str
    verdict: Verdict
    copied: bool


def _approve_prune(approval: _Approval) -> int:
    """Approve all that a merge would delete and that needs it: one signature for up to 16 objects."""
    # Imported only here: with them come all rules, which take as long as to approve one object.
    from seconder.plugin.gitops import check
    from seconder.plugin.gitops.pruning import Outcome

    connected, arguments = approval.connection, approval.arguments
    plan, _ = check.read(arguments, connected)
    if unknown := [deletion for deletion in plan.deletions if deletion.outcome is Outcome.UNKNOWN]:
        output.tell([clean(f"{each.identity.typed}: not known: {each.message}") for each in unknown])
    by_requester: dict[str, list[Place]] = {}
    for deletion in plan.deletions:
        if deletion.outcome is Outcome.REFUSED and deletion.place is not None:
            by_requester.setdefault(deletion.requester, []).append(deletion.place)
    if not by_requester:
        raise Problem(
            f"nothing that a merge would delete of {clean(plan.inventory.owner)} needs approval: nothing was changed"
        )
    cases = [
        case
        for requester, places in by_requester.items()
        for case in cluster_reads.deletions_of(connected, places, requester, arguments.cluster_id)
    ]
    _tell_all(_put_all(approval, _batches(cases)), arguments.output)
    return 0


def _put_all(approval: _Approval, batches: Sequence[Sequence[Case]]) -> list[_Placed]:
    """Ask, sign, and put every approval in its place. Raises Problem, which says what stands by then."""
    placed: list[_Placed] = []
    stored: dict[str, Mapping[str, Any]] = {}
    try:
        for cases, signed in zip(batches, _approved(approval, batches), strict=True):
            for case in cases:
                placed.append(_put(approval.connection.api, case, signed, stored))
    except (ApiError, Problem) as error:
        if not placed:
            raise
        done = ", ".join(each.case.place.typed for each in placed)
        raise Problem(f"{clean(str(error))}; approved so far: {done}") from None
    return placed


def _approved(approval: _Approval, batches: Sequence[Sequence[Case]]) -> list[_Signed]:
    """Ask once for all of these, and sign each batch. Raises Problem."""
    arguments, detection = approval.arguments, approval.detection
    cases = [case for batch in batches for case in batch]
    for case in cases:
        callers.no_agent(approval.caller, case.state.policies.known_tags)
        eligibility.approvable(case)
    seconds = eligibility.lifetime(arguments.ttl, cases)
    signer = _signer(cases, arguments.key, approval.caller, detection)
    reason = _consent(batches, signer, arguments, seconds)
    return [_sign(batch, signer, reason, seconds, detection) for batch in batches]


def _signer(cases: Sequence[Case], file: str | None, caller: Caller, detection: Detection | None) -> Signer:
    """The key to sign with: one that counts before one that does not, one's own before another person's."""
    local = signing.at_hand(file)
    signers = presence.usable(signing.registered(local, cases[0].state.registry), detection)
    if not signers:
        raise signing.none_registered(local, cases[0].state.registry, named=file is not None)

    def obstacle(signer: Signer) -> str:
        return next((told for case in cases if (told := eligibility.obstacle(case, signer))), "")

    def rank(signer: Signer) -> tuple[bool, bool]:
        own = caller.username in signer.registered.approver.names
        return bool(obstacle(signer)), not own

    chosen = min(signers, key=rank)
    if told := obstacle(chosen):
        raise Problem(f"key {chosen.key.name}, {clean(chosen.registered.approver.principal)}'s: {told}")
    return chosen


def _consent(batches: Sequence[Sequence[Case]], signer: Signer, arguments: argparse.Namespace, seconds: int) -> str:
    reason: str = arguments.reason or ""
    cases = [case for batch in batches for case in batch]
    if output.interactive():
        for case in cases:
            output.tell([*summary.lines(case, time.time()), *([""] if len(cases) > 1 else [])])
        if len(cases) > 1:
            output.tell([*output.table([summary.row(case) for case in cases]), ""])
        who = f"{named(signer.registered.approver.principal)}, key {signer.key.name}, for {output.short(seconds)}"
        if len(batches) > 1:
            # A key may ask for its passphrase, or be touched, each time.
            who += f", with {len(batches)} signatures"
        output.tell([*output.fields([("you", who)])])
        if not reason:
            reason = output.ask("Reason:")
    if not 1 <= len(reason) <= 256 or not reason.isprintable():
        raise Problem("a reason is needed: 1 to 256 characters, none of them a control or format character")
    question = "Approve? [y/N]" if len(cases) == 1 else f"Approve all {len(cases)}? [y/N]"
    if not arguments.yes and output.ask(question).lower() not in {"y", "yes"}:
        raise Problem("not approved: nothing was changed")
    return reason


def _sign(cases: Sequence[Case], signer: Signer, reason: str, seconds: int, detection: Detection | None) -> _Signed:
    """Sign, and verify what was made as the webhook will."""
    begins = int(time.time())
    unsigned = unsigned_statement.together(
        [unsigned_statement.for_change(case.change, case.state.audience, case.txn, case.impact) for case in cases]
    )
    made = unsigned_statement.complete(
        unsigned,
        iss=signer.registered.approver.principal,
        iat=begins,
        exp=begins + seconds,
        jti=base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("="),
        reason=reason,
    )
    line = statement.encode(made)
    try:
        statement.parse(line)
    except Rejected as rejected:
        raise Problem(f"this cannot be signed for: {rejected.detail}") from None
    value = line.decode() + signing.sign(signer.key, line).rstrip("\n")
    for case in cases:
        try:
            made_of = verify("new", value, case.fitting, case.state.registry, time.time(), Memo(1))
        except Rejected as rejected:
            raise Problem(f"what was signed would not count: {rejected.detail} ({rejected.reason})") from None
        presence.proven(made_of.assurance, detection)
        for failure in case.verdict({"new": value}).failures:
            raise Problem(f"what was signed would not count: {failure.detail} ({failure.reason})")
    return _Signed(signer, made, value)


def _put(api: Api, case: Case, signed: _Signed, stored: dict[str, Mapping[str, Any]]) -> _Placed:
    """Annotate the object, or the change request where that is copied. Raises Problem and ApiError.

    ``stored``: what was annotated so far, by its path, as the API server has it since.
    """
    place, request = case.place, case.place.request
    on_request = request.metadata if request else {}
    try:
        slug = _annotate(api, case, signed, stored, (place.path, place.found), on_request.get("annotations") or {})
        return _Placed(case, signed, slug, case.verdict(_approvals(stored[place.path])), copied=False)
    except ApiError as error:
        if error.status != 403 or "cannot patch resource" not in str(error):
            raise
    if request is None or not request.status.accepts_approvals:
        raise Problem(
            f"you may not patch {case.change.target.resource}"
            f"{f' in namespace {place.target.namespace}' if place.target.namespace else ''}, where the approval "
            "belongs: ask for that right, or for Seconder to copy approvals (--copy-approvals)"
        )
    path = f"{change_request.PATH}/{request.name}"
    slug = _annotate(api, case, signed, stored, (path, {"metadata": on_request}), place.annotations)
    together = {**approvals_of(place.annotations), **_approvals(stored[path])}
    return _Placed(case, signed, slug, case.verdict(together), copied=True)


def _annotate(
    api: Api,
    case: Case,
    signed: _Signed,
    stored: dict[str, Mapping[str, Any]],
    where: tuple[str, Mapping[str, Any]],
    beside: Mapping[str, str],
) -> str:
    """Put an approval at a path, where something was as it was read. Returns its slug. Raises Problem and ApiError.

    ``beside``: annotations elsewhere, of which none is to be hidden by one of the same name.
    """
    approver, claims = signed.signer.registered.approver, signed.statement
    path, read = where

    def slug_for(there: Mapping[str, str]) -> str:
        taken = approvals_of({**beside, **there})
        wish = approval_annotations.Wish(case.fitting, claims.txn)
        slug = approval_annotations.slug_for(approver.name, taken, claims.iss, wish, case.state.registry, time.time())
        approval_annotations.within_limit(there, f"{constants.APPROVAL_PREFIX}{slug}", signed.value)
        return slug

    try:
        slug, stored[path] = approval_writes.put(api, path, stored.get(path, read), slug_for, signed.value)
    except Gone:
        raise Problem(f"{case.place.typed} was deleted, or made anew, meanwhile: nothing was changed") from None
    return slug


def _approvals(document: Mapping[str, Any]) -> dict[str, str]:
    return approvals_of(cluster_reads.annotations_of(document))


def _tell_all(placed: Sequence[_Placed], form: str | None) -> None:
    if form:
        print(output.dump([_document(each) for each in placed], form))
    else:
        output.show(map(_line, placed))


def _tell(placed: _Placed, form: str | None) -> None:
    if form:
        print(output.dump(_document(placed), form))
    else:
        output.show([_line(placed)])


def _document(placed: _Placed) -> dict[str, Any]:
    reached, required = summary.progress(placed.verdict)
    request = placed.case.place.request
    return {
        "object": placed.case.place.typed,
        "namespace": placed.case.change.target.namespace,
        "annotation": f"{constants.APPROVAL_PREFIX}{placed.slug}",
        "changeRequest": request.name if request else "",
        "by": msgspec.to_builtins(request.spec.by) if request and request.spec.asked_by else None,
        "onChangeRequest": placed.copied,
        "approved": placed.verdict.allowed,
        "peers": {"approved": reached, "required": required},
        "statement": msgspec.to_builtins(placed.signed.statement),
    }


def _line(placed: _Placed) -> str:
    case = placed.case
    reached, required = summary.progress(placed.verdict)
    request = case.place.request
    parts = [
        f"{case.change.action} for {named(case.change.requester)}",
        f"{reached} of {required}",
        f"expires {summary.until(placed.signed.statement.exp)}",
        *([f"by {request.spec.asked_by}"] if request and request.spec.asked_by else []),
        *([f"on {request.name}, from where it is copied"] if placed.copied and request else []),
    ]
    return f"{case.place.typed} approved ({', '.join(parts)})"
