"""``explain``: what would happen to a deletion now, by the webhook's own decision code; or whom one is taken for."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from seconder.admission import codec, lookups, pipeline
from seconder.admission.decision import Decision
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.principal import classify
from seconder.admission.request import Caller
from seconder.admission.review import ReviewContext
from seconder.admission.state import ClusterState
from seconder.api import constants, in_force
from seconder.api.in_force import Standing
from seconder.api.policy import Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import ANY, NAMESPACES, Action, GroupResource
from seconder.api.text import clean, quoted
from seconder.approvals.registry import certificate_of
from seconder.approvals.verification import Memo, approvals_of, claimed
from seconder.client.api import Api, ApiError
from seconder.plugin.agents import whoami
from seconder.plugin.approving import summary
from seconder.plugin.approving.answers import Answers
from seconder.plugin.approving.cluster_reads import Place
from seconder.plugin.gitops import check, prune_flags
from seconder.plugin.terminal import cluster_state, connection, output, times
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem

_CONFIGURATION: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/seconder"
_NOT_LOOKED_AT: Final = frozenset(
    {
        Reason.NOT_COVERED,
        Reason.EXEMPT,
        Reason.BREAK_GLASS,
        Reason.PROTECTED_CONFIGURATION,
        Reason.POLICY_INVALID,
        Reason.INTERNAL_ERROR,
    }
)
"""Decisions for which no approval matters."""


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "explain",
        "Tell what would happen to the deletion of an object now; with --whoami, what you are taken for; with --prune, "
        "what a merge would delete.",
        epilog="With --prune the exit code is 0 only if all is approved or free, and 3 if something is not. "
        "Nothing is sent but reads. Whether the caller has the right (RBAC) to delete it is not looked at.",
    )
    command.add_argument("object", metavar="TYPE/NAME", nargs="?", help="the object, such as deployment.apps/checkout")
    command.add_argument("--whoami", action="store_true", help="tell whom you, or --requester, are taken for, and why")
    command.add_argument("--action", choices=[Action.DELETE.value], default=Action.DELETE.value)
    command.add_argument("--cluster-id", metavar="ID", default="", help="as Seconder was started with, if it was")
    output.add_format(command)
    prune_flags.add_to(command)
    cluster_state.add_caller(command)
    connection.add_flags(command)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Explain. Whatever the verdict, that is success, but for what a merge would delete: that is a check."""
    prunes = prune_flags.given(arguments)
    if arguments.whoami + bool(arguments.object) + prunes != 1:
        raise Problem("give either TYPE/NAME, --whoami or --prune; see kubectl seconder explain --help")
    connected = connection.connect(arguments)
    if prunes:
        return check.run(arguments, connected)
    caller = cluster_state.caller_of(arguments, connected.api)
    told = _whoami(arguments, connected, caller) if arguments.whoami else _explain(arguments, connected, caller)
    if arguments.output:
        print(told)
    else:
        output.show(told.split("\n"))
    return 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A request as it would be decided now. ``asked``: the API server would ask Seconder; ``asking`` says why or not.

    ``notes`` are what keeps the explanation from being the whole truth.
    """

    place: Place
    context: ReviewContext
    enforce: Decision
    audit: Decision
    asked: bool
    asking: str
    notes: Sequence[str] = ()
    standings: Sequence[Standing] = ()

    @property
    def text(self) -> str:
        """What the caller reads; empty when it is let through. A refusal leaves a change request, where one is due."""
        return "" if self.enforce.allowed else self.enforce.text(recorded=self.enforce.change is not None)

    @property
    def judged(self) -> Decision:
        """The decision that looked at the approvals: under the policies that refuse, else under those that watch."""
        return self.audit if self.enforce.reason in _NOT_LOOKED_AT else self.enforce


def explanation(place: Place, caller: Caller, state: ClusterState, api: Api, now: float) -> Explanation:
    """Decide as the webhook would at this moment. ``now`` is in seconds since 1970. Raises Problem."""
    body = codec.deletion_review(place.target, place.version, caller, place.document)
    request, memo, answers = codec.decode(body), Memo(1000), Answers(api, state)
    contexts = {mode: ReviewContext(request, state, mode, now, memo) for mode in Mode}
    decided = {mode: lookups.drive(pipeline.review(context), answers) for mode, context in contexts.items()}
    enforce, audit = decided[Mode.ENFORCE], decided[Mode.AUDIT]
    if answers.failed:
        raise answers.problem("it is not known what would happen")
    asked, asking = True, ""
    if enforce.reason in {Reason.NOT_COVERED, Reason.EXEMPT} and audit.reason is enforce.reason:
        asked, asking = _asking(contexts[Mode.ENFORCE], enforce)
    return Explanation(place, contexts[Mode.ENFORCE], enforce, audit, asked, asking, _notes(api))


def lines(explained: Explanation) -> Iterator[str]:
    """The lines for people; everything that came from the cluster is cleaned. First, whether any of it is in force."""
    yield from map(clean, in_force_lines(explained.standings))
    yield from _verdict(explained)
    if explained.text:
        yield ""
        yield "The caller reads:"
        yield from (f"  {line}" for line in explained.text.split("\n"))
    covering = _covering(explained)
    if covering:
        yield ""
        yield "Policies that cover it:"
        yield from (f"  {summary.policy(policy)} ({policy.mode})" for policy in covering)
    values = approvals_of(explained.place.annotations)
    if values:
        yield ""
        yield "Approvals on the object, which this rests on:"
        yield from (f"  {line}" for line in _approval_lines(explained.judged, values))
    if explained.notes:
        yield ""
        yield from (f"note: {clean(note)}" for note in explained.notes)


def document(explained: Explanation) -> dict[str, Any]:
    """The document for programs."""
    target, decided = explained.context.request.target, explained.enforce
    principal = decided.principal
    return {
        "object": output.object_document(target),
        "action": Action.DELETE.value,
        "requester": {
            "username": principal.username,
            "agent": principal.agent,
            "agentName": principal.agent_name or "",
            "operators": sorted(principal.operators),
        },
        "inForce": [
            {"policy": found.name, "inForce": found.in_force, "reason": found.reason, "message": found.message}
            for found in explained.standings
        ],
        "allowed": decided.allowed,
        "reason": decided.reason.value,
        "message": explained.text,
        "asked": explained.asked,
        "asking": explained.asking,
        "audit": {
            "allowed": explained.audit.allowed,
            "reason": explained.audit.reason.value,
            "message": explained.audit.message,
        },
        "policies": [
            {"mode": policy.mode.value, **document}
            for policy, document in zip(_covering(explained), summary.documents(_covering(explained)), strict=True)
        ],
        "approvals": _approval_documents(explained.judged, approvals_of(explained.place.annotations)),
        "notes": list(explained.notes),
    }


def in_force_lines(standings: Sequence[Standing]) -> Iterator[str]:
    """Whether policies are in force, as far as is known: one line for all that are, one for each that is not."""
    for found in standings:
        if not found.in_force:
            yield f"NOT IN FORCE: policy {found.name}: {found.message} ({found.reason})"
    holding = [found for found in standings if found.in_force]
    if holding:
        ages = [found.seen for found in holding if found.seen is not None]
        yield f"In force: {', '.join(found.name for found in holding)} (seen {max(ages, default=0.0):.0f} s ago)"


def _explain(arguments: argparse.Namespace, connected: Connection, caller: Caller) -> str:
    place = cluster_state.object_of(connected, arguments.object, arguments.namespace)
    state = cluster_state.read(connected.api, caller, arguments.cluster_id)
    now = cluster_state.clock(connected.api)
    explained = explanation(place, caller, state, connected.api, now)
    policies, _ = connected.api.items(f"{constants.API_PATH}/protectionpolicies")
    explained = replace(explained, standings=[in_force.standing(policy, now) for policy in policies])
    if arguments.output:
        return output.dump(document(explained), arguments.output)
    return "\n".join(lines(explained))


def _whoami(arguments: argparse.Namespace, connected: Connection, caller: Caller) -> str:
    policies, operator, notes = PolicyIndex(()), None, []
    try:
        state = cluster_state.read(connected.api, caller)
        policies, operator = state.policies, state.operators.get(caller.username)
    except cluster_state.Unreadable as unreadable:
        notes.append(f"by the default tags alone: {unreadable}")
    principal = classify(caller, policies, operator)
    tags = whoami.tags_on(caller, policies.all)
    detection = None if arguments.requester else whoami.here()
    if arguments.output:
        return output.dump(whoami.document(caller, principal, tags, detection, notes), arguments.output)
    return "\n".join(whoami.lines(caller, principal, tags, detection, notes))


def _verdict(explained: Explanation) -> Iterator[str]:
    decided, audit = explained.enforce, explained.audit
    who = decided.principal.username
    if decided.principal.agent:
        name = decided.principal.agent_name
        who += f" (agent {name})" if name else " (an agent)"
    what = clean(f"{Action.DELETE} of {explained.place.typed} by {who}")
    if not decided.allowed:
        yield f"Refused ({decided.reason}): {what}"
    elif decided.reason is Reason.APPROVED:
        peers = ", ".join(sorted({approval.statement.iss for approval in decided.counted}))
        yield f"Allowed ({decided.reason}): {what}, approved by {clean(peers)}"
    elif decided.broken_glass:
        yield f"Allowed ({decided.reason}): {what}, in an emergency: {quoted(decided.broken_glass)}"
    else:
        yield f"Allowed ({decided.reason}): {what}"
    if explained.asking:
        yield clean(explained.asking)
    if not audit.allowed:
        yield f"Policies in Audit mode only warn and count: {clean(audit.message.partition(chr(10))[0])}"


def _asking(context: ReviewContext, decided: Decision) -> tuple[bool, str]:
    """Whether the API server would ask Seconder about a request that nothing covers, and why not."""
    resource, who = context.request.target.resource, context.principal.username
    policies = context.state.policies
    if decided.reason is Reason.EXEMPT:
        return False, f"The API server does not ask Seconder: {who} is one of the control plane's own controllers"
    if context.principal.agent and policies.follows:
        return True, "Seconder is asked, as about whatever an agent deletes, and no policy covers this object itself"
    naming = [policy for policy in policies.all if Action.DELETE in policy.actions and _names(policy, resource)]
    if not naming:
        return False, f"The API server does not ask Seconder: no policy names {resource}"
    effect = context.effect(Action.DELETE)
    marked = not policies.known_tags.annotations.isdisjoint(effect.stored)
    if not marked and not context.principal.agent and not any(context.binds(policy, effect) for policy in naming):
        return (
            False,
            f"The API server does not ask Seconder: {who} is no agent, and no policy names {resource} to others",
        )
    return True, "Seconder is asked, and lets it through: no policy covers this object for this caller"


def _names(policy: Policy, resource: GroupResource) -> bool:
    """Whether the policy has the API server ask about this kind, wherever it is."""
    group, plural = resource
    for named in (*policy.resources, *policy.resolved):
        if named.group in {ANY, group} and named.resource in {ANY, plural}:
            return True
    # A namespace goes with what it holds.
    holds = not policy.resolution_current or any(resolved.namespaced for resolved in policy.resolved.values())
    return resource == NAMESPACES and holds


def _covering(explained: Explanation) -> list[Policy]:
    return [
        policy
        for policy in explained.context.state.policies.all
        if policy.name in (explained.enforce if policy.mode is Mode.ENFORCE else explained.audit).policies
    ]


def _approval_lines(judged: Decision, values: Mapping[str, str]) -> Iterator[str]:
    for approval in _approval_documents(judged, values):
        said = f"{approval['message']} ({approval['reason']})" if approval["reason"] else approval["message"]
        verdict = "counts" if approval["counts"] else "does not count"
        whose = ""
        if approval["approver"]:
            signed = "by" if approval["proven"] else "it says it is by"
            shown = f" with certificate {approval['certificate']}" if approval["certificate"] else ""
            whose = f"; {signed} {approval['approver']}{shown}, until {approval['expiresAt']}"
        yield clean(f"{approval['name']}: {verdict}: {said}{whose}")


def _approval_documents(judged: Decision, values: Mapping[str, str]) -> list[dict[str, Any]]:
    failures = {failure.slug: failure for failure in judged.failures}
    counted = {approval.slug: approval for approval in judged.counted}
    documents: list[dict[str, Any]] = []
    for slug in sorted(values):
        claims = claimed(values[slug])
        failure = failures.get(slug)
        reason = ""
        if judged.reason in _NOT_LOOKED_AT:
            message, proven = "no policy asks for it here", False
        elif slug in counted:
            message, proven = "it is valid", True
        elif failure is not None:
            # That a signature was good is known for certain of those alone that did not fail.
            message, reason, proven = failure.detail, failure.reason.value, False
        else:
            message, proven = "it is valid, but more peers are needed", True
        documents.append(
            {
                "name": slug,
                "counts": slug in counted and judged.allowed,
                "reason": reason,
                "message": message,
                "proven": proven,
                "approver": claims.iss if claims else "",
                "certificate": certificate_of(counted[slug].key) if slug in counted else "",
                "expiresAt": times.rfc3339(claims.exp) if claims else "",
            }
        )
    return documents


def _notes(api: Api) -> list[str]:
    try:
        api.metadata(_CONFIGURATION)
    except ApiError as error:
        if error.status == 404:
            return [
                "nothing in this cluster asks Seconder (there is no ValidatingWebhookConfiguration seconder): "
                "every request goes through"
            ]
        if error.status == 403:
            return ["you may not see whether the API server is set up to ask Seconder: taken for granted"]
        raise
    return []
