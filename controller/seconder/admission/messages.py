"""The words that a refused caller reads. They name what is missing and whom to ask, never a way round."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from seconder.admission.principal import Requester
from seconder.admission.request import Request
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
    request: Request,
    requester: Requester,
    action: Action,
    reason: Reason,
    unmet: Sequence[Policy],
    failures: "Sequence[Failure]",
    impact: str,
) -> str:
    """Say what is missing: the verdict, the object, the requester, and why each approval fails."""
    target = request.target
    required = max(policy.requirement.required for policy in unmet)
    peers = "1 peer" if required == 1 else f"{required} peers"
    lines = [f"{action} of {describe(target)} needs approval by {peers} ({reason})", *_facts(request, requester)]
    if impact:
        lines.append(f"impact: {impact}")
    teams = sorted({team for policy in unmet for team in policy.requirement.teams})
    if teams:
        lines.append(f"approvers: members of {clean(', '.join(teams))}")
    lines += [f"approval {clean(each.slug)}: {clean(each.detail)} ({each.reason})" for each in failures[:_MAX_FAILURES]]
    if len(failures) > _MAX_FAILURES:
        lines.append(f"and {len(failures) - _MAX_FAILURES} more approvals that do not count")
    return "\n".join(lines)


def goes_along(text: str, request: Request, others: Sequence[Target]) -> str:
    """Add to what is said of one object that it goes with the one asked about, and ``others`` too."""
    first, newline, rest = text.partition("\n")
    owner = f"{request.operation} of {describe(request.target)} takes along what it owns: this object"
    more = "".join(f", {describe(each)}" for each in others)
    return f"{first}\n{owner}{more}{newline}{rest}"


def whom_to_ask(request: Request, action: Action, *, approvers: bool) -> str:
    """Say who can approve, where there is no change request."""
    return f"{_ASK}{_approve_command(request, action)}" if approvers else _NOBODY


def ask_with_change_request(change: Change, otherwise: str) -> str:
    """Name the change request and whom to ask. ``otherwise`` is what is said without one."""
    ask = otherwise if otherwise == _NOBODY else f"{_ASK}kubectl seconder approve {change.name}"
    return f"change request: {change.name}\n{ask}"


def refused(request: Request, requester: Requester, what: str, reason: Reason) -> str:
    """Say that no approval would help: the verdict, the object, and the requester."""
    what_of = f"{request.target.resource}/{request.subresource}" if request.subresource else request.target.resource
    subject = f"{request.operation} of {clean(f'{what_of} {request.target.path}')}"
    return "\n".join([f"{subject} is refused: {what} ({reason})", *_facts(request, requester)])


def _facts(request: Request, requester: Requester) -> list[str]:
    who = requester.username
    if requester.agent_name:
        who = f"{who} (agent {requester.agent_name})"
    target = request.target
    uid = f", uid {clean(target.uid)}" if target.uid else ""
    return [f"object: {describe(target)}{uid}", f"requester: {clean(who)}"]


def _approve_command(request: Request, action: Action) -> str:
    target = request.target
    kind = target.kind.lower()
    if target.resource.group:
        kind = f"{kind}.{target.resource.group}"
    namespace = f" -n {shlex.quote(clean(target.namespace))}" if target.namespace else ""
    name = shlex.quote(clean(f"{kind}/{target.name}"))
    deed = "" if action is Action.DELETE else f" --action {action}"
    return f"kubectl seconder approve {name}{namespace} --requester {shlex.quote(clean(request.caller.username))}{deed}"
