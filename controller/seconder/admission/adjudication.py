"""Whether the approvals on one object are enough for what a request amounts to on it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import break_glass
from seconder.admission.decision import Verdict
from seconder.admission.findings import Affected
from seconder.admission.lookups import Asking, HeldResource, NamespaceContents, ask
from seconder.admission.review import Effect, ReviewContext
from seconder.api import constants
from seconder.api.policy import Policy, most_required
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES
from seconder.api.text import clean
from seconder.approvals import impact
from seconder.approvals.change import By, Change
from seconder.approvals.impact import Contents, Impact
from seconder.approvals.quorum import judge_all, verify_all
from seconder.approvals.verification import approvals_of, context_of

_OWNS: Final = "the garbage collector deletes what it owns"
_ITS_WORD: Final = "a controller does it on this one's word, and whenever it says so"


def adjudicate(context: ReviewContext, affected: Affected) -> Asking[Verdict]:
    """The verdict on one effect under the policies that cover it. Raises Unknown where its impact is not known."""
    effect, covering = affected.effect, affected.policies
    if not covering:
        return Verdict(allowed=True, reason=Reason.NOT_COVERED, effect=effect)
    for policy in covering:
        if policy.problem:
            return _invalid(effect, covering)
    # Most have none, and agents never.
    passed, emergency = _broken(context, effect, covering) if constants.BREAK_GLASS in effect.stored else ([], "")
    others = [policy for policy in covering if policy not in passed] if passed else covering
    if not others:
        return Verdict(
            allowed=True, reason=Reason.BREAK_GLASS, effect=effect, covering=covering, broken_glass=emergency
        )
    verdict = yield from _judged(context, effect, others)
    return msgspec.structs.replace(verdict, broken_glass=emergency) if passed and verdict.allowed else verdict


def _broken(context: ReviewContext, effect: Effect, covering: Sequence[Policy]) -> tuple[list[Policy], str]:
    """The policies that are passed by in an emergency, and the reason."""
    # An agent that works with a person's credential is one by its field manager alone.
    if context.request.options.field_manager in context.state.policies.known_tags.field_managers:
        return [], ""
    return break_glass.broken(effect.stored, context.request.caller, context.principal, covering, context.now)


def _invalid(effect: Effect, covering: Sequence[Policy]) -> Verdict:
    invalid = sorted({policy.name for policy in covering if policy.problem})
    many = len(invalid) > 1
    named = f"policies {', '.join(invalid)} are" if many else f"policy {invalid[0]} is"
    return Verdict(
        allowed=False,
        reason=Reason.POLICY_INVALID,
        effect=effect,
        covering=covering,
        what=f"{named} invalid, and so refuses what it names",
        advice=f"Ask an administrator to mend it: kubectl describe protectionpolicy {' '.join(invalid)}",
    )


def _judged(context: ReviewContext, effect: Effect, covering: Sequence[Policy]) -> Asking[Verdict]:
    """The verdict by the peers who approved."""
    change = change_of(context, effect, covering)
    values = approvals_of(effect.stored)
    if not values:
        return Verdict(
            allowed=False,
            reason=Reason.APPROVAL_MISSING,
            effect=effect,
            covering=covering,
            unmet=covering,
            missing=most_required(covering),
            change=change,
        )
    going, contents = (yield from impact_of(effect, covering)) if effect.target.resource == NAMESPACES else (None, {})
    state = context.state
    presented = verify_all(values, context_of(change, state.audience), state.registry, context.now, context.memo)
    judged = judge_all(presented, covering, going.sha256 if going is not None else None)
    return Verdict(
        allowed=not judged.unmet,
        reason=judged.reason,
        effect=effect,
        covering=covering,
        unmet=judged.unmet,
        missing=judged.missing,
        change=change,
        counted=judged.counted,
        valid=presented.approvals,
        failures=judged.failures,
        impact=going,
        contents=contents,
    )


def impact_of(effect: Effect, covering: Sequence[Policy]) -> Asking[tuple[Impact | None, Contents]]:
    """The impact of a namespace's end where some policy binds it, and the objects in it. Raises Unknown."""
    bound = impact.binding_policies(effect.target, effect.action, covering)
    if not bound:
        return None, {}
    resources = {resolved.resource: HeldResource(resolved, True) for resolved in impact.counted(bound)}
    held = tuple(resources[key] for key in sorted(resources))
    contents = yield from ask(NamespaceContents(effect.target.name, held))
    return impact.impact(bound, contents), contents


def change_of(context: ReviewContext, effect: Effect, covering: Sequence[Policy]) -> Change:
    """What a change request would record of it, and what an approval must fit."""
    principal, request, target = context.principal, context.request, effect.target
    asked, by = request.target, None
    # Told without a call: each review that something covers comes by here.
    itself = asked.resource == target.resource and asked.namespace == target.namespace and asked.name == target.name
    if effect.since or not itself:
        by = By(
            request.operation.value,
            asked.resource.group,
            asked.resource.resource[:63],
            asked.namespace[:63],
            asked.name[:253],
            request.subresource[:63],
            effect.since or (_OWNS if effect.dependent else _ITS_WORD),
        )
    # A change may bring its reason along. It is unproven either way.
    claimed = (effect.incoming if effect.difference else effect.stored).get(constants.REASON_KEY, "")
    return Change(
        requester=principal.username,
        by_agent=principal.agent,
        agent=principal.agent_name,
        operators=principal.operators,
        target=target,
        version=effect.version,
        action=effect.action,
        claimed=clean(claimed) if claimed else "",
        policies=tuple(covering),
        difference=effect.difference,
        principals=principal.principals,
        by=by,
    )
