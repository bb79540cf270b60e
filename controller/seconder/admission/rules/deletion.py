"""The deletion of an object; of a Namespace with what it holds, of a definition with its objects."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import coverage
from seconder.admission.findings import Affected, Findings
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import Action


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on the object."""
    effect = context.effect(Action.DELETE)
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Every deletion of what is named."""
    deletes = 'request.operation == "DELETE" || object == null || oldObject == null'
    return [Prefilter(entry, deletes) for entry in (Entry.AGENTS, Entry.EVERYONE)]


RULE: Final = Rule(
    "deletion",
    "A protected object is deleted only with approval, and so is what holds or defines it.",
    Binds.CALLERS,
    evaluate,
    prefilters,
    Action.DELETE,
    AppliesTo({Operation.DELETE}, subresources={""}),
)
