"""The one place where a request is let through or refused.

``needs`` says what must be looked up, ``decide`` decides with what was found. Both are pure, so that the webhook, the
command line and the tests reach the same verdict from the same values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import Struct

from seconder.core import agents, break_glass, contents, guard, matching, message, names
from seconder.core.agents import Requester
from seconder.core.approval import Approval, Context, Memo
from seconder.core.approver import Registry
from seconder.core.change import Change
from seconder.core.contents import Contents, Lookup
from seconder.core.matching import Guarded, PolicyIndex
from seconder.core.policy import Mode, Policy
from seconder.core.quorum import Failure, judge_all, verify_all
from seconder.core.reasons import Reason
from seconder.core.request import NAMESPACES, Action, Operation, Request


@dataclass(frozen=True, slots=True)
class World:
    """All that a decision rests on beside the request, as it stood at one moment.

    ``operators`` maps a ServiceAccount's user name to the operator recorded on it, ``token_ends`` to the time, in
    seconds since 1970, beyond which it renews no token of its own. ``audience`` is this cluster's ``aud`` claim.
    """

    policies: PolicyIndex
    registry: Registry
    operators: Mapping[str, str]
    audience: str
    own: Guarded
    token_ends: Mapping[str, float] = field(default_factory=dict)


class Evidence(Struct, frozen=True, gc=False):
    """What was found out for one request.

    ``fresh``: the World is proven to be recent. ``contents``: the answers to ``needs``; None when one of them failed
    or came too late.
    """

    fresh: bool
    contents: Contents | None


class Decision(Struct, frozen=True, gc=False):
    """A verdict. Made by this module alone; ``allowed`` has no default on purpose.

    ``message`` and ``ask`` are a refusal's words: what is missing, and whom to ask. ``change`` is what a change request
    would record, None where none is due; ``recorded`` gives the words for when there is one. ``broken_glass`` is the
    reason on the object for which somebody passed policies by.
    """

    allowed: bool
    reason: Reason
    requester: Requester
    action: Action | None
    message: str = ""
    ask: str = ""
    policies: Sequence[str] = ()
    counted: Sequence[Approval] = ()
    failures: Sequence[Failure] = ()
    change: Change | None = None
    broken_glass: str = ""

    def text(self, *, recorded: bool = False) -> str:
        """Give all that a refused caller reads. ``recorded``: there is a change request for it."""
        ask = message.ask_with_change_request(self.change, self.ask) if recorded and self.change else self.ask
        return f"{self.message}\n{ask}" if ask else self.message


_TRY_AGAIN: Final = "Try again in a moment; if it stays so, tell the people who run this cluster."


def needs(request: Request, world: World, mode: Mode) -> list[Lookup]:
    """List what must be looked up before ``decide``; empty for all but the deletion of a namespace."""
    if request.target.resource != NAMESPACES or _action(request) is None or agents.builtin_controller(request):
        return []
    requester = _requester(request, world)
    named = matching.covering(request, requester, world.policies, mode, Action.DELETE, world.own)
    within = _holding(request, requester, world, mode, named)
    bound = [policy for policy in (*named, *within) if policy.requirement.bind_impact]
    return contents.lookups(request.target.name, within, bound if _approvals(request) else [])


def decide(request: Request, world: World, mode: Mode, evidence: Evidence, now: float, memo: Memo) -> Decision:
    """Decide one request under the policies of one mode. ``now`` is in seconds since 1970.

    Nothing is allowed but by falling under no policy, by being the control plane's own controller, or by satisfying
    every policy that covers the request.
    """
    requester = _requester(request, world)
    if agents.builtin_controller(request):
        return Decision(True, Reason.EXEMPT, requester, None)

    if mode is Mode.ENFORCE and requester.agent:
        end = world.token_ends.get(request.caller.username)
        own = guard.refusal(request, world.policies.known_tags, world.own, None if end is None else end - now)
        if own:
            return _refused(request, requester, f"agents may not change {own}", Reason.PROTECTED_CONFIGURATION)
        if guard.renews(request) and not evidence.fresh:
            return _undecided(request, requester, "the end at hand of its tokens may be out of date")

    action = _action(request)
    if action is None:
        return Decision(True, Reason.NOT_COVERED, requester, None)
    covered = matching.covering(request, requester, world.policies, mode, action, world.own)
    within = _holding(request, requester, world, mode, covered)
    if within:
        if evidence.contents is None or contents.unresolved(within):
            return _undecided(request, requester, "what the namespace holds could not be looked up")
        covered += [policy for policy in within if contents.held(policy, evidence.contents)]
    if not covered:
        if not evidence.fresh:
            return _undecided(request, requester, "the policies at hand may be out of date")
        return Decision(True, Reason.NOT_COVERED, requester, action)

    invalid = [policy.name for policy in covered if policy.problem]
    if invalid:
        what = f"{_policies(invalid)} invalid, and so refuses what it names"
        advice = f"Ask an administrator to mend it: kubectl describe protectionpolicy {' '.join(sorted(set(invalid)))}"
        return _refused(request, requester, what, Reason.POLICY_INVALID, advice, covered)
    passed, emergency = break_glass.broken(request.stored, request.caller, requester, covered, now)
    if not passed:
        return _judged(request, requester, world, mode, action, covered, evidence, now, memo)
    if not evidence.fresh:
        return _undecided(request, requester, "the policies at hand may be out of date")
    others = [policy for policy in covered if policy not in passed]
    if others:
        judged = _judged(request, requester, world, mode, action, others, evidence, now, memo)
        return msgspec.structs.replace(judged, broken_glass=emergency) if judged.allowed else judged
    return Decision(True, Reason.BREAK_GLASS, requester, action, policies=_names(covered), broken_glass=emergency)


def _judged(
    request: Request,
    requester: Requester,
    world: World,
    mode: Mode,
    action: Action,
    covered: Sequence[Policy],
    evidence: Evidence,
    now: float,
    memo: Memo,
) -> Decision:
    values = _approvals(request)
    if not values:
        return _unmet(request, requester, world, mode, action, Reason.APPROVAL_MISSING, covered, covered)
    bound = [policy for policy in covered if policy.requirement.bind_impact]
    impact = None
    if bound and request.target.resource == NAMESPACES:
        if evidence.contents is None:
            return _undecided(request, requester, "what the namespace holds could not be looked up")
        impact = contents.impact(bound, evidence.contents)
    context = Context(
        audience=world.audience,
        requester=requester.username,
        by_agent=requester.agent,
        agent=requester.agent_name,
        operators=requester.operators,
        target=request.target,
        action=action,
    )
    presented = verify_all(values, context, world.registry, now, memo)

    judged = judge_all(presented, covered, impact.sha256 if impact is not None else None)
    if judged.unmet:
        counts = "" if impact is None else impact.summary
        return _unmet(
            request, requester, world, mode, action, judged.reason, covered, judged.unmet, judged.failures, counts
        )
    if not evidence.fresh:
        return _undecided(request, requester, "the approvers at hand may be out of date")
    return Decision(
        True,
        Reason.APPROVED,
        requester,
        action,
        policies=_names(covered),
        counted=judged.counted,
        failures=judged.failures,
        change=_change(request, requester, action, covered),
    )


def _unmet(
    request: Request,
    requester: Requester,
    world: World,
    mode: Mode,
    action: Action,
    reason: Reason,
    covered: Sequence[Policy],
    unmet: Sequence[Policy],
    failures: Sequence[Failure] = (),
    impact: str = "",
) -> Decision:
    """Refuse for want of approvals."""
    return Decision(
        False,
        reason,
        requester,
        action,
        message.needs_approval(request, requester, action, reason, unmet, failures, impact),
        message.whom_to_ask(request, approvers=world.registry.usable > 0),
        policies=_names(covered),
        failures=failures,
        change=_change(request, requester, action, covered) if mode is Mode.ENFORCE and not request.dry_run else None,
    )


def _change(request: Request, requester: Requester, action: Action, covered: Sequence[Policy]) -> Change:
    return Change(
        requester=requester.username,
        by_agent=requester.agent,
        agent=requester.agent_name,
        operators=requester.operators,
        target=request.target,
        version=request.version,
        action=action,
        claimed=message.clean(request.stored.get(names.REASON_KEY, "")),
        policies=tuple(covered),
    )


def _holding(request: Request, requester: Requester, world: World, mode: Mode, named: Sequence[Policy]) -> list[Policy]:
    """Give the policies that cover the deletion of a namespace only for what it holds."""
    within = matching.covering_contents(request, requester, world.policies, mode, world.own)
    return [policy for policy in within if policy not in named]


def _requester(request: Request, world: World) -> Requester:
    caller = request.caller
    return agents.requester_of(caller, world.policies.known_tags, world.operators.get(caller.username))


def _action(request: Request) -> Action | None:
    if request.operation is Operation.DELETE and not request.subresource:
        return Action.DELETE
    return None


def _approvals(request: Request) -> dict[str, str]:
    skip = len(names.APPROVAL_PREFIX)
    return {key[skip:]: value for key, value in request.stored.items() if key.startswith(names.APPROVAL_PREFIX)}


def _refused(
    request: Request,
    requester: Requester,
    what: str,
    reason: Reason,
    advice: str = "No approval changes this. Ask a person who administers this cluster.",
    covered: Sequence[Policy] = (),
) -> Decision:
    text = message.refused(request, requester, what, reason)
    return Decision(False, reason, requester, _action(request), text, advice, _names(covered))


def _undecided(request: Request, requester: Requester, what: str) -> Decision:
    return _refused(request, requester, what, Reason.INTERNAL_ERROR, _TRY_AGAIN)


def _names(policies: Sequence[Policy]) -> tuple[str, ...]:
    return tuple(sorted({policy.name for policy in policies}))


def _policies(names_: Sequence[str]) -> str:
    unique = sorted(set(names_))
    return f"policy {unique[0]} is" if len(unique) == 1 else f"policies {', '.join(unique)} are"
