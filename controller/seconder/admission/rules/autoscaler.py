"""An autoscaler that may go to nothing empties its workload by the hand of its own controller."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, coverage
from seconder.admission.findings import Affected, Findings, Refusal
from seconder.admission.indirect import scaling
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, Action


def evaluate(context: ReviewContext) -> Findings:
    """``ScaleToZero`` on the workload that the autoscaler may take to nothing now, and could not before."""
    target = scaling.scaling(context)
    if target is None or target.least:
        return []
    named = yield from coverage.named_object(context, target.group, target.kind, target.name, Action.SCALE_TO_ZERO)
    if named is None:
        return []
    effect, stored = named
    if stored is None and context.request.deletes:
        return []
    if stored is None:
        what = "the workload that it may scale to nothing is not there, so that nobody can approve it"
        return [Refusal(what, Reason.APPROVAL_MISSING, "Make the workload first.")]
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes of autoscalers that may go to nothing, as KEDA's do unless they say otherwise."""
    least = "object != null && has(object.spec) && has(object.spec.minReplicas) && object.spec.minReplicas == 0"
    tests = (f"{cel.kind(AUTOSCALERS)} && {least}", cel.kind(scaling.SCALED_OBJECTS))
    return [Prefilter(Entry.GUARD, test) for test in tests]


RULE: Final = Rule(
    "autoscaler",
    "An autoscaler may take a protected workload to nothing only with approval of scaling it to nothing.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES | {Operation.DELETE}, set(scaling.SIZERS)),
)
