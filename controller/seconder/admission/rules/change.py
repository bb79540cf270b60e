"""Whatever else an agent changes of a protected object: free is what is listed, and the rest needs a peer."""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import codec, coverage
from seconder.admission.changes import differences, free_changes, next_apply
from seconder.admission.changes.free_changes import FINALIZERS, OWNERS, REPLICAS, SPEC_FINALIZERS
from seconder.admission.changes.free_paths import FreePaths, Steps
from seconder.admission.findings import Affected, Cleared, Findings
from seconder.admission.lookups import Asking, Unknown
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.policy import Policy
from seconder.api.resources import NAMESPACES, Action
from seconder.approvals.difference import Difference

_UNREAD: Final = "what it changes of the object could not be looked up"
_TOO_DEEP: Final = "what it changes cannot be told: the object nests too deeply"


def evaluate(context: ReviewContext) -> Findings:
    """``Change`` of the object, where something differs that is not free under each policy that covers it.

    What has a name of its own (``ScaleToZero``, ``RemoveFinalizers``, ``ChangeOwners``) is none, as long as every one
    of these policies asks about that. A review of ``scale`` holds no object, so that this is read where it matters.
    """
    effect = context.effect(Action.CHANGE)
    policies = context.naming(effect)
    if not policies:
        return [Cleared()] if context.principal.agent else []
    free = free_changes.of_all(policies, effect.target.resource)
    try:
        if context.request.subresource == "scale":
            found = yield from _through_scale(context, effect, policies, free)
        else:
            found = _difference(context, effect, policies, free)
    except RecursionError:
        raise Unknown(_TOO_DEEP) from None
    return [Cleared()] if found is None else [Affected(found, policies)]


def _difference(
    context: ReviewContext, effect: Effect, policies: Sequence[Policy], free: Sequence[FreePaths]
) -> Effect | None:
    named, unnamed = _named(context, policies)
    free = free_changes.taking_back(free, unnamed) if unnamed else free
    if codec.may_be_lossy(context.request):
        context.check_told(free)
    # As they are written: nearly all that agents do is free, and most of an object stays what it is.
    stored, wanted = context.written
    taken = next_apply.NOTHING
    if stored.get("metadata") != wanted.get("metadata"):
        taken = next_apply.taken(context, free, context.state.policies.known_tags.annotations)
    if not taken and differences.surely_free(*context.unlike, differences.kept_by_server(tuple(free))):
        return None
    before, after = context.whole
    if named and not taken:
        old, new = before, after
        for steps in named:
            old, new = differences.dropping(old, steps), differences.dropping(new, steps)
        if not differences.differ(old, new, free):
            return None
    return _with(effect, differences.between(effect.target.resource, before, after, free, taken))


def _named(context: ReviewContext, policies: Sequence[Policy]) -> tuple[list[Steps], list[Steps]]:
    """The fields whose change has a name of its own; and those that no list frees: not all policies ask for that."""
    request = context.request
    finalizers = (FINALIZERS, SPEC_FINALIZERS) if request.target.resource == NAMESPACES else (FINALIZERS,)
    given = (
        (Action.SCALE_TO_ZERO, context.scales_to_zero, (REPLICAS,)),
        (Action.CHANGE_OWNERS, request.changes_owners, (OWNERS,)),
        (Action.REMOVE_FINALIZERS, request.removes_finalizers, finalizers),
    )
    named: list[Steps] = []
    unnamed: list[Steps] = []
    for action, happens, fields in given:
        if happens:
            everywhere = all(action in policy.actions for policy in policies)
            (named if everywhere else unnamed).extend(fields)
    return named, unnamed


def _through_scale(
    context: ReviewContext, effect: Effect, policies: Sequence[Policy], free: Sequence[FreePaths]
) -> Asking[Effect | None]:
    """The change that a Scale (autoscaling/v1) makes of the object's own ``spec.replicas``."""
    old, new = context.replicas
    named, unnamed = _named(context, policies)
    if old == new or named or (not unnamed and all(free_changes.frees(paths, REPLICAS) for paths in free)):
        return None
    stored = yield from coverage.read_whole(effect, _UNREAD)
    metadata = codec.metadata_of(stored)
    # Another object may have taken the name meanwhile, or its size may stand elsewhere.
    if metadata.uid != effect.target.uid or (stored.get("spec") or {}).get("replicas") != old:
        raise Unknown(_UNREAD)
    free = free_changes.taking_back(free, unnamed)
    wanted = differences.setting(stored, REPLICAS, new)
    effect = context.effect(Action.CHANGE, metadata.annotations or {})
    return _with(effect, differences.between(effect.target.resource, stored, wanted, free))


def _with(effect: Effect, difference: Difference | None) -> Effect | None:
    return None if difference is None else msgspec.structs.replace(effect, difference=difference)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Every update by an agent of what is named by a policy that asks about changes."""
    if not any(Action.CHANGE in policy.actions for policy in index.all):
        return []
    return [Prefilter(Entry.AGENTS, 'request.operation == "UPDATE"', by_agents=True)]


RULE: Final = Rule(
    "change",
    "Whatever else an agent changes of a protected object needs approval, but for what is listed as free.",
    Binds.CALLERS,
    evaluate,
    prefilters,
    Action.CHANGE,
    AppliesTo({Operation.UPDATE}),
)
