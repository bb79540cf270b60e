"""Giving a stored object an owner: with that one's end goes the object, without a deletion by anybody."""

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
    """``ChangeOwners`` on the object."""
    if not context.request.added_owners:
        return []
    effect = context.effect(Action.CHANGE_OWNERS)
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Updates after which the owners are others than before. People and controllers are not asked: see their entry."""
    return [Prefilter(Entry.AGENTS, f'request.operation == "UPDATE" && ({cel.CHANGES_OWNERS})')]


RULE: Final = Rule(
    "owner-change",
    "Agents give a protected object an owner only with approval.",
    Binds.CALLERS,
    evaluate,
    prefilters,
    Action.CHANGE_OWNERS,
    AppliesTo({Operation.UPDATE}),
)
