"""An autoscaler takes its workload down to its least size, by metrics that whoever writes it chooses."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import coverage, dependents
from seconder.admission.dependents import Dependent
from seconder.admission.findings import Refusal, absent
from seconder.admission.indirect import of_pods, scaling, standing
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.indirect.scaling import Scaling
from seconder.admission.kinds import AUTOSCALER, MAKERS, WITH_PODS, maker, makers_of
from seconder.admission.lookups import (
    Asking,
    Dependents,
    ObjectRef,
    ReadObjects,
    ReadWhole,
    Scaled,
    ScaledBy,
    Unknown,
    ask,
)
from seconder.admission.request import WRITES, Metadata, Operation
from seconder.admission.review import Effect, ReviewContext, goes_along, goes_with
from seconder.api.resources import AUTOSCALERS, PODS, REPLICA_SETS, GroupResource, Target
from seconder.api.type_reader import TypeReader

_UNREAD: Final = "what it scales could not be looked up"
_ABSENT: Final = "the workload that it scales"
_ADVICE: Final = "Make the workload first."
_NOTHING_YET: Final = "what it would end of the workload"
_RUN_FIRST: Final = "Have the workload run first, or ask a person to make the autoscaler."


class _Volume(Struct):
    ephemeral: dict[str, Any] | None = None


class _Claim(Struct, rename="camel"):
    resource_claim_template_name: str | None = None


class _Pod(Struct, rename="camel"):
    volumes: list[_Volume] | None = None
    resource_claims: list[_Claim] | None = None


class _Template(Struct):
    spec: _Pod | None = None


class _Spec(Struct):
    template: _Template | None = None


class _Metadata(Struct):
    uid: str


class _Workload(Struct):
    metadata: _Metadata
    spec: _Spec

    @property
    def makes_for_pods(self) -> bool:
        """Whether something is made for each of its pods alone."""
        pod = self.spec.template.spec if self.spec.template else None
        return pod is not None and (
            any(each.ephemeral is not None for each in pod.volumes or ())
            or any(each.resource_claim_template_name is not None for each in pod.resource_claims or ())
        )


_workload: Final = TypeReader(_Workload)


def _losses(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    """The pods of what it scales, and what goes with them, however many there are now: it goes on as these change."""
    place = context.request.target.namespace
    told = scaling.scaling(context)
    if told is None:
        return []
    kind = maker(told.group, told.kind)
    if kind is None:
        return (yield from _of_any(context, told))
    workload = Target(kind.resource, kind.kind, place, told.name, "")
    sized, may_hold = _sized(context, [workload]), of_pods.may_come(context, place)
    owning = yield from of_pods.own(context, place)
    if sized and not (may_hold or owning):
        return []
    # Made or changed, it stays; whoever deletes it has it act once more.
    stays = not context.request.deletes
    stored: Any = yield from ask(ReadWhole(ObjectRef(kind, place, workload.name), _UNREAD))
    if stored is None:
        # What it will be made of is not known. Claims of its pods alone are few, and most namespaces have none.
        waits = stays and (not sized or (yield from of_pods.hold(context, place)))
        return [absent(_ABSENT, _ADVICE)] if waits else []
    try:
        scaled = _workload.convert(stored)
    except msgspec.ValidationError:
        raise Unknown(_UNREAD) from None
    workload = msgspec.structs.replace(workload, uid=scaled.metadata.uid)
    owned: Sequence[Dependent] = (
        () if sized and not owning else (yield from ask(Dependents(frozenset({workload.uid}), workload)))
    )
    pods = [each for each in owned if each.resource.resource == PODS]
    held = yield from of_pods.of_workload(context, workload)
    if stays and ((not sized and not pods) or (may_hold and scaled.makes_for_pods and not held)):
        return [absent(_NOTHING_YET, _RUN_FIRST)]
    return [*map(goes_with, pods), *map(goes_with, held)]


def _sized(context: ReviewContext, workloads: Sequence[Target]) -> bool:
    """Whether all policies that ask about pods name one of these as well: of its size they ask by that, or free it."""
    place = context.request.target.namespace
    asking = context.naming(goes_along(Target(PODS, "Pod", place, "", "")))
    naming = [policy for each in workloads for policy in context.naming(goes_along(each))]
    return all(policy in naming for policy in asking)


def _of_any(context: ReviewContext, told: Scaling) -> Asking[Sequence[Effect | Refusal]]:
    """What objects of a kind that is not built in own in the namespace: which of them it names is not known.

    What its controller ends of that by another size is its own affair.
    """
    place = context.request.target.namespace
    above = Target(GroupResource(told.group, ""), told.kind, place, told.name, "")
    owned = yield from ask(Dependents(frozenset({dependents.group_key(told.group)}), above))
    held = yield from of_pods.of_makers(context, place, lambda owner: owner.group == told.group)
    there = [each for each in owned if each.namespace == place]
    kinds = context.state.policies.of_kind(told.group, told.kind)
    sized = _sized(context, [Target(kind.resource, kind.kind, place, told.name, "") for kind in kinds])
    pods = any(each.resource.resource == PODS for each in there)
    if not (sized or pods or context.request.deletes):
        return [absent(_NOTHING_YET, _RUN_FIRST)]
    return [*map(goes_with, there), *map(goes_with, held)]


def _read(ref: ObjectRef) -> Asking[Metadata | None]:
    """The metadata of what is scaled; None where it is not there."""
    return (yield from ask(ReadObjects((ref,), _UNREAD))).get(ref)


def _over(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected workloads that made what it scales: they put no size of that right while they roll out."""
    place, told = context.request.target.namespace, scaling.scaling(context)
    kind = maker(told.group, told.kind) if told is not None else None
    if told is None or kind is None or not standing.matter(context, makers_of(kind.resource)):
        return []
    stored = yield from _read(ObjectRef(kind, place, told.name))
    if stored is not None:
        return (yield from standing.protected(context, standing.workload_of(stored.controller_owner, place)))
    # Its name is known before it is made: its workload's, and a digest of the template.
    name = told.name.rpartition("-")[0]
    return [
        goes_along(Target(above, MAKERS[above].kind, place, name, ""), MAKERS[above].version)
        for above in standing.matter(context, makers_of(kind.resource))
        if name
    ]


def _rivals(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected autoscalers of the same target: of two that scale the same pods, the controller obeys none."""
    request, place = context.request, context.request.target.namespace
    if not context.state.policies.protects_in(AUTOSCALERS, place):
        return []
    told = None if request.operation is Operation.DELETE else scaling.scaling(context)
    if told is None:
        return []
    scaled = [Scaled(told.group, told.kind, told.name)]
    kind = maker(told.group, told.kind)
    if kind is not None and kind.resource == REPLICA_SETS:
        # Its pods are its Deployment's.
        stored = yield from _read(ObjectRef(kind, place, told.name))
        owner = stored.controller_owner if stored is not None else None
        scaled += [Scaled(owner.group, owner.kind, owner.name)] if owner else []
    found = yield from ask(ScaledBy(place, tuple(scaled)))
    own = {each.uid for each in found if (each.resource, each.name) == (request.target.resource, request.target.name)}
    if own and request.target.resource == scaling.SCALED_OBJECTS:
        # With the one that it has made.
        return []
    above = request.old.controller_owner
    made = above is not None and (above.group, above.kind) == scaling.SCALED_OBJECT
    if made and above and request.target.name == f"{scaling.BY_EVENTS}{above.name}":
        # The name is its maker's to give, who makes no second one. No agent makes one with that owner.
        own.add(above.uid)
    return [goes_along(each, scaling.VERSIONS[each.resource]) for each in found if each.uid not in own]


def _taken(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected autoscalers that KEDA takes for this one's own, and writes over or ends, by their names.

    But for the one that it has, and keeps, where the policies on that name this object as well: what they ask about a
    change of it, or free, is theirs to say.
    """
    request = context.request
    if request.updates and not context.rewrites:
        return []
    stored, wanted = map(scaling.taken_by_events, context.whole)
    found: list[Effect] = []
    mine = context.naming(goes_along(request.target, scaling.VERSIONS[request.target.resource]))
    for name in sorted(stored | wanted):
        effect = goes_along(
            Target(AUTOSCALER.resource, AUTOSCALER.kind, request.target.namespace, name, ""), AUTOSCALER.version
        )
        if coverage.may_be_covered(context, effect):
            there = yield from coverage.read(effect, _UNREAD)
            if there is None:
                continue
            above, lost = there.controller_owner, coverage.at(effect, there)
            kept = name in stored & wanted and above is not None and above.uid == request.target.uid
            if not (kept and all(policy in mine for policy in context.naming(lost))):
                found.append(lost)
    return found


_SIZED: Final = WITH_PODS.union(MAKERS)
"""What goes with a size: see ``rules.autoscaler``, too."""


def _row(resource: GroupResource, by: str, reason: str) -> Deleter:
    operations = scaling.operations(resource)
    ends = "the pods of the workload; of one without any yet, which no peer can approve, those to come"
    return Deleter(resource, by, ends, reason, _losses, operations, kinds=_SIZED)


_SHRINKS: Final = "a workload as its target, whatever its size is, in whatever is not free of it"
_BY_METRICS: Final = "its controller scales down, by metrics of its writer's choice"

DELETERS: Final = (
    *(_row(resource, _SHRINKS, _BY_METRICS) for resource in scaling.SIZERS),
    *(
        Deleter(
            resource,
            "the same workload as its target, in whatever is not free of it",
            "other autoscalers of that",
            "the controller scales nothing that two name",
            _rivals,
            WRITES,
            kinds=frozenset(scaling.SIZERS),
        )
        for resource in scaling.SIZERS
    ),
    *(
        Deleter(
            resource,
            "an object as its target that a protected workload made, in whatever is not free of it",
            "that workload",
            "its controller puts no size of it right while a rollout is paused or stuck",
            _over,
            scaling.operations(resource),
            kinds=frozenset(MAKERS),
        )
        for resource in scaling.SIZERS
    ),
    Deleter(
        scaling.SCALED_OBJECTS,
        "a HorizontalPodAutoscaler by the name that it tells, or that it gives, in whatever is not free of it",
        "that autoscaler",
        "KEDA takes it for its own, and writes it over, or ends it",
        _taken,
        WRITES,
        frozenset({AUTOSCALERS}),
    ),
    _row(
        scaling.VERTICAL,
        "a workload as its target, in whatever is not free of it, unless `updateMode` is `Off` or `Initial`",
        "its updater evicts pods, to start them with other requests",
    ),
)
