"""Taking a finalizer from an object under deletion: what kept it there may be all that kept its content."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, coverage
from seconder.admission.findings import Affected, Findings
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import Action


def evaluate(context: ReviewContext) -> Findings:
    """``RemoveFinalizers`` on the object."""
    if not context.request.removes_finalizers:
        return []
    effect = context.effect(Action.REMOVE_FINALIZERS)
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Updates of what is under deletion, and ``finalize``."""
    removes = f"({cel.UNDER_DELETION}) || ({cel.subresource('finalize')})"
    return [Prefilter(entry, removes) for entry in (Entry.AGENTS, Entry.EVERYONE)]


RULE: Final = Rule(
    "finalizer-removal",
    "An object under deletion loses a finalizer only with approval.",
    Binds.CALLERS,
    evaluate,
    prefilters,
    Action.REMOVE_FINALIZERS,
    AppliesTo({Operation.UPDATE}),
)
