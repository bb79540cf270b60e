"""What an agent makes under a protected object would need an approval of its own when that object is deleted."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.kinds import MADE_BY_CONTROLLER
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation, Owner
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Target


def evaluate(context: ReviewContext) -> Findings:
    """Refuse to make a protected object that belongs to another one from the beginning.

    An approval of the owner's deletion, which somebody has already, would not be enough any more.
    """
    yield from ()
    target = context.request.target
    if not context.request.new.owners or not _protected(context, target):
        return []
    for owner in context.request.new.owners:
        for above in _objects(context, owner):
            if (above.resource, target.resource) not in MADE_BY_CONTROLLER and _protected(context, above):
                what = f"it would belong to {above.resource} {above.name}, which a policy protects as well"
                advice = "Make it without this owner. A peer can approve the change that gives it one."
                return [Refusal(what, Reason.APPROVAL_MISSING, advice)]
    return []


def _objects(context: ReviewContext, owner: Owner) -> Sequence[Target]:
    """What an owner may be, by the kinds that policies name."""
    inside = context.request.target.namespace
    if (owner.group, owner.kind.lower()) == ("", "namespace"):
        # Protected by what it holds, whether a policy names the kind or not.
        return [Target(NAMESPACES, owner.kind, "", owner.name, "")]
    return [
        Target(known.resource, owner.kind, inside if known.namespaced else "", owner.name, "")
        for known in context.state.policies.of_kind(owner.group, owner.kind)
    ]


def _protected(context: ReviewContext, target: Target) -> bool:
    protecting = context.state.policies.protecting(target)
    return any(context.selected(policy, target, unknown=True) for policy in protecting)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents make under an owner."""
    if not index.follows:
        return []
    return [Prefilter(Entry.GUARD, f"{cel.MADE_UNDER_OWNERS}0")]


RULE: Final = Rule(
    "protected-owners",
    "Agents make nothing that is protected under what is protected, so that no approval of that is void.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.CREATE}, subresources={""}),
)
