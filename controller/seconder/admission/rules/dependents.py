"""What goes along with an object: the garbage collector deletes what is owned by an object that is gone."""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import cel, coverage, dependents, losses
from seconder.admission.dependents import Dependent
from seconder.admission.findings import Findings
from seconder.admission.lookups import Dependents, ask
from seconder.admission.policy_index import Installation, PolicyIndex, place_of
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import Binds, Rule
from seconder.api.policy import Policy
from seconder.api.resources import Action, GroupResource, Target


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that would go with the one that the request names."""
    request, policies = context.request, context.state.policies
    if not policies.follows or not request.may_end:
        return []
    target = request.target
    if request.evicts:
        pod = yield from coverage.read(Effect(Action.DELETE, target, request.version, {}), Dependents.unknown)
        if pod is None:
            return []
        target = msgspec.structs.replace(target, uid=pod.uid)
    keys = dependents.keys(request, target)
    if not keys:
        return []
    owned = yield from ask(Dependents(keys, target))
    if not owned:
        return []
    effects = _protected(context, owned)
    return (yield from losses.findings(context, effects, "the approvals of what it owns could not be looked up"))


def _protected(context: ReviewContext, owned: Sequence[Dependent]) -> list[Effect]:
    """The deletions that need approval.

    What an owner's own controller makes needs none beside the owner's, under the policies that cover both.
    """
    known: dict[tuple[GroupResource, str], list[Policy]] = {}

    def protecting(target: Target) -> list[Policy]:
        place = (target.resource, place_of(target))
        if place not in known:
            named = context.state.policies.protecting(target)
            known[place] = [policy for policy in named if context.selected(policy, target, unknown=True)]
        return known[place]

    effects = []
    for dependent in owned:
        covering = protecting(dependent.target)
        made = dependent.made_by_controller and all(policy in protecting(dependent.controller) for policy in covering)
        if covering and not made:
            effects.append(Effect(Action.DELETE, dependent.target, dependent.resource.version, {}, dependent=True))
    return effects


_ENDS_BY_ITSELF: Final = (
    'request.resource.group == "batch" && request.resource.resource == "jobs"'
    " && has(object.spec) && has(object.spec.ttlSecondsAfterFinished)"
)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents delete, free from its last finalizers or give to an owner."""
    if not index.follows:
        return []
    ends = (
        'request.operation in ["DELETE", "UPDATE"] && (request.operation == "DELETE" || object == null'
        f" || oldObject == null || ({cel.UNDER_DELETION}) || ({cel.CHANGES_OWNERS}) || ({_ENDS_BY_ITSELF}))"
    )
    evicts = f'request.operation == "CREATE" && {cel.subresource("eviction")}'
    return [Prefilter(Entry.GUARD, test, but_named=True) for test in (ends, evicts)]


RULE: Final = Rule(
    "dependents",
    "No protected object goes along with another that an agent deletes or gives away.",
    Binds.AGENTS,
    evaluate,
    prefilters,
)
