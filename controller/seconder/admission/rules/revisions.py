"""ControllerRevisions: StatefulSets and DaemonSets make pods by the templates in them, and nobody else writes any.

What such a template runs as was never asked. ``kubectl rollout undo`` writes the set itself, and no revision.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import CONTROLLER_REVISIONS


def evaluate(context: ReviewContext) -> Findings:
    """Refuse revisions of an agent's making, and those that it gives to another set."""
    yield from ()
    if context.request.operation is not Operation.CREATE and not context.request.added_owners:
        return []
    return [Refusal("agents may not make revisions, by which StatefulSets and DaemonSets make pods")]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes of ControllerRevisions."""
    return [Prefilter(Entry.GUARD, f'{cel.kind(CONTROLLER_REVISIONS)} && request.operation in ["CREATE", "UPDATE"]')]


RULE: Final = Rule(
    "revisions",
    "Agents make no ControllerRevision, and give none another owner.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, {CONTROLLER_REVISIONS}),
)
