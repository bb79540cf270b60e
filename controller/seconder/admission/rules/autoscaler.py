"""An autoscaler empties its workload, or gives it another size, by the hand of its own controller."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import cel, codec, coverage
from seconder.admission.changes import differences, free_changes
from seconder.admission.changes.free_changes import REPLICAS
from seconder.admission.changes.free_paths import FreePaths
from seconder.admission.findings import Affected, Findings, absent
from seconder.admission.indirect import scaling
from seconder.admission.indirect.scaling import Scaling
from seconder.admission.lookups import ReadWhole, Unknown, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import Action, GroupResource, Target
from seconder.approvals.difference import Difference

_UNREAD: Final = "the workload that it scales could not be looked up"
_ADVICE: Final = "Make the workload first."
_HELD: Final = "the change of a size that it would hold for good"
_NO_RANGE: Final = "Let it go to another size as well, or ask a person to make it."


def evaluate(context: ReviewContext) -> Findings:
    """``ScaleToZero`` on the workload that it may take to nothing; ``Change`` of a size that a policy does not free."""
    told = scaling.scaling(context)
    if told is None:
        return []
    return [*(yield from _emptied(context, told)), *(yield from _resized(context, told))]


def _emptied(context: ReviewContext, told: Scaling) -> Findings:
    if told.least:
        return []
    named = yield from coverage.named_object(context, told.group, told.kind, told.name, Action.SCALE_TO_ZERO)
    if named is None:
        return []
    effect, stored = named
    if stored is None and context.request.deletes:
        return []
    if stored is None:
        return [absent("the workload that it may scale to nothing", _ADVICE)]
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def _resized(context: ReviewContext, told: Scaling) -> Findings:
    """The changes of the workload's own ``spec.replicas`` to the sizes furthest down and up, as if made at once."""
    for kind in context.state.policies.of_kind(told.group, told.kind):
        target = Target(kind.resource, kind.kind, context.request.target.namespace, told.name, "")
        effect = Effect(Action.CHANGE, target, kind.version, {})
        policies = context.naming(effect)
        free = free_changes.of_all(policies, kind.resource)
        if not told.least:
            if all(Action.SCALE_TO_ZERO in policy.actions for policy in policies):
                continue
            free = free_changes.taking_back(free, [REPLICAS])
        if all(free_changes.frees(paths, REPLICAS) for paths in free):
            continue
        stored = yield from ask(ReadWhole(effect.ref, _UNREAD))
        if stored is None and not context.request.deletes:
            return [absent("the workload whose size it changes", _ADVICE)]
        if stored is not None:
            effect = coverage.at(effect, codec.metadata_of(stored))
            changes = _differences(kind.resource, stored, told, free)
            if not (changes or context.request.deletes):
                # It changes none now, and whatever anybody sets afterwards.
                return [absent(_HELD, _NO_RANGE)]
            return [Affected(msgspec.structs.replace(effect, difference=each), policies) for each in changes]
    return []


def _differences(
    resource: GroupResource, stored: Mapping[str, Any], told: Scaling, free: Sequence[FreePaths]
) -> Sequence[Difference]:
    """What each of the two sizes changes. Raises Unknown."""
    wanted = (differences.setting(stored, REPLICAS, size) for size in sorted({told.least, told.most}))
    try:
        return [each for one in wanted if (each := differences.between(resource, stored, one, free)) is not None]
    except RecursionError:
        raise Unknown(_UNREAD) from None


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever is done to autoscalers."""
    return [Prefilter(Entry.GUARD, cel.one_of(scaling.SIZERS))]


RULE: Final = Rule(
    "autoscaler",
    "An autoscaler takes a protected workload to nothing, or to a size that is not free, only with approval of that.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, set(scaling.SIZERS)),
)
