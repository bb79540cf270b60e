"""What goes along with an object: the garbage collector deletes what is owned by an object that is gone."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from seconder.admission import cel, coverage, dependents
from seconder.admission.dependents import Dependent
from seconder.admission.findings import Affected, Finding, Findings, Refusal
from seconder.admission.lookups import Dependents, ObjectRef, ReadObjects, Unknown, ask
from seconder.admission.policy_index import Installation, PolicyIndex, place_of
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Metadata
from seconder.admission.review import MOST_DEPENDENTS, Effect, ReviewContext
from seconder.admission.rule import Binds, Rule
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action, GroupResource, Target


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
    if not effects:
        return []
    namespaces = sum(effect.target.resource == NAMESPACES for effect in effects)
    namespaces += request.target.resource == NAMESPACES
    if len(effects) > MOST_DEPENDENTS or namespaces > 1:
        what = f"{len(effects)} protected objects go with it, too many to be approved together"
        advice = "Ask an approver about these objects themselves: they can be deleted one by one."
        return [Refusal(what, Reason.APPROVAL_MISSING, advice)]
    refs = tuple(effect.ref for effect in effects)
    stored = yield from ask(ReadObjects(refs, "the approvals of what it owns could not be looked up"))
    findings: list[Finding] = []
    for effect in _still_there(effects, stored):
        covering = yield from coverage.policies_for(context, effect)
        findings.append(Affected(effect, covering))
    return findings


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


def _still_there(effects: Sequence[Effect], stored: Mapping[ObjectRef, Metadata]) -> Sequence[Effect]:
    """The effects on objects as they are stored, without those that are gone. Raises Unknown where one is another."""
    there = []
    for effect in effects:
        metadata = stored.get(effect.ref)
        if metadata is None:
            continue
        if metadata.uid != effect.target.uid:
            raise Unknown("what it owns has just changed")
        there.append(coverage.at(effect, metadata))
    return there


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents delete, free from its last finalizers or give to an owner."""
    if not index.follows:
        return []
    ends = (
        'request.operation in ["DELETE", "UPDATE"] && (request.operation == "DELETE" || object == null'
        f" || oldObject == null || ({cel.UNDER_DELETION}) || ({cel.CHANGES_OWNERS}))"
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
