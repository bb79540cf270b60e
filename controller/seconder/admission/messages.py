"""The words that a refused caller reads. They name what is missing and whom to ask, never a way round."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from seconder.admission.principal import Principal
from seconder.admission.request import Request
from seconder.admission.review import Effect
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import Action, Target
from seconder.api.text import clean, describe
from seconder.approvals.change import Change

if TYPE_CHECKING:
    # Only its name is needed, and behind it is all of cryptography: cleaning a text should not take that long to load.
    from seconder.approvals.quorum import Failure

_MAX_FAILURES: Final = 10
_ASK: Final = "Ask an approver: "
_NOBODY: Final = "No approver is registered in this cluster: ask an administrator to create an Approver"


def needs_approval(
    principal: Principal,
    effect: Effect,
    reason: Reason,
    unmet: Sequence[Policy],
    failures: "Sequence[Failure]",
    impact: str,
) -> str:
    """What is missing: the verdict, the object, the requester, and why each approval fails."""
    target = effect.target
    required = 0
    teams: set[str] = set()
    for policy in unmet:
        required = max(required, policy.requirement.required)
        teams |= policy.requirement.teams
    peers = "1 peer" if required == 1 else f"{required} peers"
    subject = describe(target)
    lines = [f"{effect.action} of {subject} needs approval by {peers} ({reason})", *_facts(subject, target, principal)]
    if effect.difference is not None:
        lines.append(f"changes: {clean(effect.difference.summary)}")
    if impact:
        lines.append(f"impact: {impact}")
    if teams:
        lines.append(f"approvers: members of {clean(', '.join(sorted(teams)))}")
    for failure in failures[:_MAX_FAILURES]:
        lines.append(f"approval {clean(failure.slug)}: {clean(failure.detail)} ({failure.reason})")
    if len(failures) > _MAX_FAILURES:
        lines.append(f"and {len(failures) - _MAX_FAILURES} more approvals that do not count")
    return "\n".join(lines)


def with_dependents(text: str, request: Request, others: Sequence[Target], since: str) -> str:
    """The words about one dependent, with the object that was asked about and the other dependents added.

    ``since``: as of an Effect.
    """
    first, newline, rest = text.partition("\n")
    asked = f"{request.operation} of {describe(request.target)}"
    ended = "this object" + "".join(f", {describe(target)}" for target in others)
    told = f"{asked} counts as the end of {ended}: {since}" if since else f"{asked} takes along what it owns: {ended}"
    return f"{first}\n{told}{newline}{rest}"


def whom_to_ask(effect: Effect, requester: str, *, approvers: bool) -> str:
    """The line that says who can approve, where there is no change request."""
    return f"{_ASK}{_approve_command(effect, requester)}" if approvers else _NOBODY


def not_recorded(ask: str) -> str:
    """The same, where a change request was due and there is none."""
    return f"There is no change request for it: too many wait, or none can be written now. Nobody was told.\n{ask}"


def ask_with_change_request(change: Change, *, approvers: bool) -> str:
    """The lines that name the change request, and who can approve."""
    ask = f"{_ASK}kubectl seconder approve {change.name}" if approvers else _NOBODY
    return f"change request: {change.name}\n{ask}"


def denied_by(change: Change, denial: str) -> str:
    """The lines that name the change request and who has said no, so that nobody is asked again."""
    return f"change request: {change.name}\nDenied by {clean(denial)}"


def refused(request: Request, principal: Principal, what: str, reason: Reason, effect: Effect | None = None) -> str:
    """The words of a refusal that no approval changes: the verdict, the object, and the requester.

    ``effect``: what it amounts to on another object, which is then told of.
    """
    if effect is None:
        target = request.target
        what_of = f"{target.resource}/{request.subresource}" if request.subresource else target.resource
        subject = f"{request.operation} of {clean(f'{what_of} {target.path}')}"
    else:
        target = effect.target
        subject = f"{effect.action} of {describe(target)}"
    return "\n".join([f"{subject} is refused: {what} ({reason})", *_facts(describe(target), target, principal)])


def _facts(described: str, target: Target, principal: Principal) -> list[str]:
    who = principal.username
    if principal.agent_name:
        who = f"{who} (agent {principal.agent_name})"
    uid = f", uid {clean(target.uid)}" if target.uid else ""
    return [f"object: {described}{uid}", f"requester: {clean(who)}"]


def _approve_command(effect: Effect, requester: str) -> str:
    target = effect.target
    kind = target.kind.lower()
    if target.resource.group:
        kind = f"{kind}.{target.resource.group}"
    namespace = f" -n {shlex.quote(clean(target.namespace))}" if target.namespace else ""
    name = shlex.quote(clean(f"{kind}/{target.name}"))
    action = "" if effect.action is Action.DELETE else f" --action {effect.action}"
    action += " -f FILE" if effect.action is Action.CHANGE else ""
    return f"kubectl seconder approve {name}{namespace} --requester {shlex.quote(clean(requester))}{action}"
