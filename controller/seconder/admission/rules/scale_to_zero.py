"""Scaling a workload to nothing, through the object or its scale subresource."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, coverage
from seconder.admission.findings import Affected, Findings
from seconder.admission.lookups import Unknown
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import Action


def evaluate(context: ReviewContext) -> Findings:
    """``ScaleToZero`` on the object. A review of ``scale`` carries no annotations, so that the object is read."""
    if not context.scales_to_zero:
        return []
    effect = context.effect(Action.SCALE_TO_ZERO)
    policies = yield from coverage.policies_for(context, effect)
    if not policies or context.request.subresource != "scale":
        return [Affected(effect, policies)]
    stored = yield from coverage.read(effect, _UNREAD)
    # Another object may have taken the name meanwhile.
    if stored is None or stored.uid != effect.target.uid:
        raise Unknown(_UNREAD)
    return [Affected(context.effect(Action.SCALE_TO_ZERO, stored.annotations or {}), policies)]


_UNREAD: Final = "the object's approvals could not be looked up"


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Updates that leave no replicas. A Scale of nothing leaves its number out."""
    replicas = "type(object.spec) == map && has(object.spec.replicas) && object.spec.replicas"
    empties = (
        'request.operation == "UPDATE" && object != null && '
        f"(({cel.subresource('scale')}) ? !(has(object.spec) && has(object.spec.replicas) && object.spec.replicas > 0)"
        f" : has(object.spec) && {replicas} == 0)"
    )
    return [Prefilter(entry, empties) for entry in (Entry.AGENTS, Entry.EVERYONE)]


RULE: Final = Rule(
    "scale-to-zero",
    "A protected workload is scaled to nothing only with approval.",
    Binds.CALLERS,
    evaluate,
    prefilters,
    Action.SCALE_TO_ZERO,
    AppliesTo({Operation.UPDATE}),
)
