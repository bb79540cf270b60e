"""Changing who owns a stored object: with its owner's end it goes, without a deletion by anybody.

An owner that is taken away matters as well: what is controlled by nobody is not made anew, or another takes it.
"""

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
    """``ChangeOwners`` on the object: by agents whatever becomes of its owners, by others what is added."""
    request = context.request
    if not request.added_owners and not (request.changes_owners and context.principal.agent):
        return []
    effect = context.effect(Action.CHANGE_OWNERS)
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Updates after which the owners are others than before. People and controllers are not asked: see their entry."""
    updates = 'request.operation == "UPDATE"'
    return [
        Prefilter(Entry.AGENTS, f"{updates} && ({cel.CHANGES_OWNERS})"),
        Prefilter(Entry.AGENTS, f"{updates} && ({cel.LOSES_OWNERS})", by_agents=True),
    ]


RULE: Final = Rule(
    "owner-change",
    "Agents change who owns a protected object only with approval.",
    Binds.CALLERS,
    evaluate,
    prefilters,
    Action.CHANGE_OWNERS,
    AppliesTo({Operation.UPDATE}, metadata=True),
)
