"""An autoscaler that may go to nothing empties its workload by the hand of its own controller."""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import cel, codec, coverage
from seconder.admission.findings import Affected, Findings, Refusal
from seconder.admission.indirect.autoscalers import Autoscaler, ScaleTarget
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, Action

_spec: Final = msgspec.json.Decoder(Autoscaler)


def evaluate(context: ReviewContext) -> Findings:
    """``ScaleToZero`` on the workload that the autoscaler may take to nothing now, and could not before."""
    request = context.request
    target = _emptied(request)
    if target is None:
        return []
    named = yield from coverage.named_object(context, target.group, target.kind, target.name, Action.SCALE_TO_ZERO)
    if named is None:
        return []
    effect, stored = named
    if stored is None:
        what = "the workload that it may scale to nothing is not there, so that nobody can approve it"
        return [Refusal(what, Reason.APPROVAL_MISSING, "Make the workload first.")]
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def _emptied(request: Request) -> ScaleTarget | None:
    after = codec.read(request, _spec, request.new_spec, "the autoscaler")
    before = codec.read(request, _spec, request.old_spec, "the autoscaler") if request.updates else None
    return after.scale_target_ref if after.min_replicas == 0 and after != before else None


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes of autoscalers that may go to nothing."""
    return [
        Prefilter(
            Entry.GUARD,
            f"{cel.kind(AUTOSCALERS)}"
            " && object != null && has(object.spec) && has(object.spec.minReplicas) && object.spec.minReplicas == 0",
        )
    ]


RULE: Final = Rule(
    "autoscaler",
    "An autoscaler may take a protected workload to nothing only with approval of scaling it to nothing.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, {AUTOSCALERS}, {""}),
)
