"""The one place where a request is let through or refused.

Pure, so that the webhook, the operator, the command line and the tests reach the same verdict by the same code: each
drives ``review`` with a resolver of its own. The first refusal ends it; an answer that is not known denies.
"""

from collections.abc import Iterable, Sequence

from seconder.admission import adjudication, coverage, decision
from seconder.admission.decision import Decision, Verdict
from seconder.admission.findings import Affected, Cleared, Finding, Refusal, Spends
from seconder.admission.lookups import Asking, TooMany, Unknown, ViewIsFresh
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import Rule, looking_at
from seconder.admission.rules import RULES
from seconder.api.resources import Action


def review(context: ReviewContext, rules: Iterable[Rule] = RULES) -> Asking[Decision]:
    """The decision on one request under the policies of one mode.

    Nothing is allowed but by falling under no policy, by being the control plane's own controller, or by satisfying
    every policy that covers the request, for each thing that it amounts to.
    """
    verdicts: list[Verdict] = []
    stale = ""
    spends: Spends | None = None
    looking = looking_at(context, tuple(rules))
    for position, rule in enumerate(looking, start=1):
        try:
            findings = yield from rule.evaluate(context)
            if not findings:
                continue
            denial = yield from _deny(context, findings, verdicts)
        except Unknown as unknown:
            return decision.unknown(context, unknown, rule.action)
        if denial is not None:
            # Nobody is asked to sign for what would be refused for good by another word.
            if denial.parts and denial.parts[0].unmet:
                denial = _for_good(context, looking[position:]) or denial
                # Most that is owned goes by its maker's approval; what pods hold takes one for each.
                if context.state.policies.pods_hold and context.request.operation is Operation.DELETE:
                    denial = (yield from _too_much(context, looking[position:])) or denial
            return (spends and _in_vain(context, spends, verdicts)) or denial
        for finding in findings:
            if isinstance(finding, Cleared):
                stale = stale or finding.stale
            elif isinstance(finding, Spends):
                spends = finding
    if spends and (in_vain := _in_vain(context, spends, verdicts)):
        return in_vain
    if verdicts or stale:
        try:
            # Not by ``ask``: each review that lets something through comes by here.
            fresh: bool = yield ViewIsFresh()
        except Unknown:
            fresh = False
        if not fresh:
            approved = any(verdict.counted for verdict in verdicts)
            what = stale or f"the {'approvers' if approved else 'policies'} at hand may be out of date"
            return decision.undecided(context, what, verdicts[0].effect.action if verdicts else None)
    if not verdicts and context.exempt:
        return decision.exempt(context)
    return decision.allowed(context, verdicts, spends=spends is not None)


def _deny(context: ReviewContext, findings: Sequence[Finding], verdicts: list[Verdict]) -> Asking[Decision | None]:
    """The denial that one rule's findings come to, if any. Their verdicts are added to ``verdicts``. Raises Unknown."""
    unmet: list[Verdict] = []
    for finding in findings:
        match finding:
            case Refusal():
                return _refused(context, finding)
            case Affected():
                verdict = yield from adjudication.adjudicate(context, finding)
                verdicts.append(verdict)
                if not verdict.allowed:
                    if not finding.effect.dependent:
                        return decision.denied(context, verdict)
                    # All of what goes along is told at once.
                    unmet.append(verdict)
            case Cleared() | Spends():
                pass
    return decision.denied(context, unmet[0], unmet[1:]) if unmet else None


def _refused(context: ReviewContext, refusal: Refusal) -> Decision:
    return decision.refused(context, refusal.what, refusal.reason, refusal.advice, refusal.action)


def _for_good(context: ReviewContext, rules: Iterable[Rule]) -> Decision | None:
    """The refusal of one of these rules that no approval changes."""
    for rule in rules:
        if rule.for_good is not None:
            try:
                refusal = rule.for_good(context)
            except Unknown:
                # What waits for its approval is refused anyhow.
                continue
            if refusal is not None:
                return _refused(context, refusal)
    return None


def _too_much(context: ReviewContext, rules: Iterable[Rule]) -> Asking[Decision | None]:
    """The refusal of a deletion for what goes along with it, where that is more than approvals can let through."""
    for rule in rules:
        if rule.along:
            try:
                findings = yield from rule.evaluate(context)
            except TooMany as unknown:
                return decision.unknown(context, unknown, rule.action)
            except Unknown:
                # As above.
                continue
            refusal = next((each for each in findings if isinstance(each, Refusal)), None)
            if refusal is not None:
                return _refused(context, refusal)
    return None


def _in_vain(context: ReviewContext, spends: Spends, verdicts: Iterable[Verdict]) -> Decision | None:
    """The refusal, unless each of these approvals is for what the update itself does to its object, there and then.

    Its use is seen on the object, whether or not the approval still stands there. Not so that of a deletion, which may
    come later, by another hand.
    """
    done: set[str] = set()
    for verdict in verdicts:
        effect = verdict.effect
        own = effect.target == context.request.target and not (effect.dependent or effect.since)
        if own and effect.action is not Action.DELETE:
            done.update(approval.slug for approval in verdict.valid if approval.detail.actions == [effect.action])
    return None if spends.slugs <= done else _refused(context, spends.otherwise)


def judge(context: ReviewContext, effect: Effect) -> Asking[Verdict]:
    """The verdict on one effect alone: which policies cover it, and whether the approvals on the object are enough.

    For whoever follows a change request, which is about one object. Raises Unknown.
    """
    policies = yield from coverage.policies_for(context, effect)
    return (yield from adjudication.adjudicate(context, Affected(effect, policies)))
