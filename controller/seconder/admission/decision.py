"""The verdict on a request, and its words."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import messages
from seconder.admission.lookups import TooMany, Unknown
from seconder.admission.principal import Principal
from seconder.admission.review import Effect, ReviewContext
from seconder.api.policy import Mode, Policy, most_required
from seconder.api.reasons import Reason
from seconder.api.resources import Action
from seconder.api.text import clean
from seconder.approvals.change import Change
from seconder.approvals.impact import Contents, Impact
from seconder.approvals.quorum import Failure
from seconder.approvals.verification import Approval

TRY_AGAIN: Final = "Try again in a moment; if it stays so, tell the people who run this cluster."


class Decision(Struct, frozen=True, gc=False, kw_only=True):
    """A verdict. Made by the functions below alone; ``allowed`` has no default on purpose.

    ``message`` and ``advice`` are a refusal's words: what is missing and, where no approval helps, what to do instead.
    ``approvers``: there is somebody who could approve. ``change`` is what a change request would record, None where
    none is due. ``broken_glass`` is the reason on the object for which somebody passed
    policies by. ``spends``: what lets it through goes by it. ``parts`` are the verdicts on each effect that was judged;
    a refusal's are those that refuse.
    """

    allowed: bool
    reason: Reason
    principal: Principal
    action: Action | None = None
    message: str = ""
    advice: str = ""
    approvers: bool = False
    policies: Sequence[str] = ()
    counted: Sequence[Approval] = ()
    failures: Sequence[Failure] = ()
    change: Change | None = None
    broken_glass: str = ""
    spends: bool = False
    parts: Sequence["Verdict"] = ()

    def text(self, *, recorded: bool = False, denial: str = "") -> str:
        """All that a refused caller reads. ``recorded``: there is a change request for it. ``denial``: who said no."""
        if not self.parts or not self.parts[0].unmet:
            ask = self.advice
        elif recorded and self.change and denial:
            ask = messages.denied_by(self.change, denial)
        elif recorded and self.change:
            ask = messages.ask_with_change_request(self.change, approvers=self.approvers)
        else:
            ask = messages.whom_to_ask(self.parts[0].effect, self.principal.username, approvers=self.approvers)
            # A dry run leaves none, and whoever asks for that knows.
            ask = messages.not_recorded(ask) if self.change else ask
        return f"{self.message}\n{ask}" if ask else self.message

    def causes(self, *, recorded: bool = False, denial: str = "") -> list[dict[str, str]]:
        """What ``text`` says of approvals, for clients that cannot read prose."""
        if not self.parts or not self.parts[0].unmet:
            return []
        first = self.parts[0]
        required = most_required(first.unmet)
        causes = [{"reason": "Approvals", "message": f"{required - first.missing}/{required}"}]
        if recorded and self.change:
            causes.append({"reason": "ChangeRequest", "field": self.change.name})
            if denial:
                causes.append({"reason": "Denied", "message": clean(denial)})
        return causes


class Verdict(Struct, frozen=True, gc=False, kw_only=True):
    """What became of one effect. ``reason`` is as in Decision.

    ``covering`` are the policies that ask about it, and ``unmet`` those that are not satisfied. ``missing`` is how many
    peers more the farthest of them needs. ``change`` is what an approval must fit, None where approvals are not what
    it takes. ``impact`` and ``contents`` tell what goes down with it, where that is bound and was looked up.
    """

    allowed: bool
    reason: Reason
    effect: Effect
    covering: Sequence[Policy] = ()
    unmet: Sequence[Policy] = ()
    missing: int = 0
    what: str = ""
    advice: str = ""
    change: Change | None = None
    counted: Sequence[Approval] = ()
    valid: Sequence[Approval] = ()
    failures: Sequence[Failure] = ()
    broken_glass: str = ""
    impact: Impact | None = None
    contents: Contents = {}


def undecided(context: ReviewContext, what: str, action: Action | None = None) -> Decision:
    """Deny for want of a decision. ``what`` says in a few words what is not known."""
    return refused(context, what, Reason.INTERNAL_ERROR, TRY_AGAIN, action)


def unknown(context: ReviewContext, found: Unknown, action: Action | None = None) -> Decision:
    """Deny for want of an answer. Where that is too much to be looked at, no second try gives one."""
    if isinstance(found, TooMany):
        return refused(context, found.what, Reason.APPROVAL_MISSING, found.advice, action)
    return undecided(context, found.what, action)


def refused(
    context: ReviewContext,
    what: str,
    reason: Reason,
    advice: str,
    action: Action | None = None,
    policies: Sequence[Policy] = (),
) -> Decision:
    """Deny what no approval would let through."""
    return Decision(
        allowed=False,
        reason=reason,
        principal=context.principal,
        action=action,
        message=messages.refused(context.request, context.principal, what, reason),
        advice=advice,
        policies=_names(policies),
    )


def denied(context: ReviewContext, verdict: Verdict, others: Sequence[Verdict] = ()) -> Decision:
    """Deny for a verdict. ``others`` are further effects of the same request that are denied too."""
    effect = verdict.effect
    if not verdict.unmet:
        decided = refused(context, verdict.what, verdict.reason, verdict.advice, effect.action, verdict.covering)
        asked = context.request.target
        if (effect.target.resource, effect.target.path) != (asked.resource, asked.path):
            text = messages.refused(context.request, context.principal, verdict.what, verdict.reason, effect)
            decided = msgspec.structs.replace(decided, message=text)
    else:
        impact = verdict.impact.summary if verdict.impact is not None else ""
        decided = Decision(
            allowed=False,
            reason=verdict.reason,
            principal=context.principal,
            action=effect.action,
            message=messages.needs_approval(
                context.principal, effect, verdict.reason, verdict.unmet, verdict.failures, impact
            ),
            approvers=context.state.registry.usable > 0,
            policies=_names(verdict.covering),
            failures=verdict.failures,
            change=verdict.change if context.mode is Mode.ENFORCE and not context.request.dry_run else None,
            parts=(verdict,),
        )
    if not effect.dependent:
        return decided if decided.parts else msgspec.structs.replace(decided, parts=(verdict,))
    dependents = [other.effect.target for other in others]
    text = messages.with_dependents(decided.message, context.request, dependents, effect.since)
    return msgspec.structs.replace(decided, message=text, parts=(verdict, *others))


def allowed(context: ReviewContext, verdicts: Sequence[Verdict], *, spends: bool = False) -> Decision:
    """Let a request through, all of whose effects are let through. Without any, nothing covers it."""
    telling: list[Verdict] = []
    policies: list[Policy] = []
    counted: dict[tuple[str, str], Approval] = {}
    failures: list[Failure] = []
    broken_glass = ""
    for verdict in verdicts:
        if verdict.reason is Reason.NOT_COVERED:
            continue
        telling.append(verdict)
        policies += verdict.covering
        failures += verdict.failures
        broken_glass = broken_glass or verdict.broken_glass
        for approval in verdict.counted:
            counted[approval.slug, approval.statement.jti] = approval
    if not telling:
        action = verdicts[0].effect.action if verdicts else None
        return Decision(
            allowed=True, reason=Reason.NOT_COVERED, principal=context.principal, action=action, parts=tuple(verdicts)
        )
    first = telling[0]
    return Decision(
        allowed=True,
        reason=first.reason,
        principal=context.principal,
        action=first.effect.action,
        policies=_names(policies),
        counted=tuple(counted.values()),
        failures=tuple(failures),
        change=first.change,
        broken_glass=broken_glass,
        spends=spends,
        parts=tuple(verdicts),
    )


def exempt(context: ReviewContext) -> Decision:
    """Let the control plane's own controllers through."""
    return Decision(allowed=True, reason=Reason.EXEMPT, principal=context.principal)


def _names(policies: Sequence[Policy]) -> tuple[str, ...]:
    if len(policies) == 1:
        return (policies[0].name,)
    return tuple(sorted({policy.name for policy in policies}))
