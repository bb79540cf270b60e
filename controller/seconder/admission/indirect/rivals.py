"""No autoscaler scales what two workloads select (kubernetes/pkg/controller/podautoscaler, AmbiguousSelector).

One pod that both selectors fit is enough, whoever made it: so labels of pods, or of a template, end the scaling of a
protected workload, or what a protected autoscaler does. What no autoscaler scales loses nothing; so an autoscaler of
what shares its pods already is asked about as well. A selector that comes to fit its pods has a row of ``standing``.
"""

from collections.abc import Sequence
from typing import Any, Final

from seconder.admission.indirect import chosen, scaling, selectors, standing
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import MAKERS, POD_RUNNERS, SCALED, maker
from seconder.admission.lookups import (
    Asking,
    ObjectRef,
    ReadWhole,
    Scaled,
    ScaledBy,
    Selected,
    Selecting,
    Sharing,
    Unknown,
    ask,
)
from seconder.admission.request import WRITES, Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import PODS, Action, GroupResource, Target

_WORKLOADS: Final = tuple(MAKERS[each] for each in SCALED)
_WHOSE: Final = {PODS: "labels"}
_TOO_MANY: Final = 2
_UNREAD: Final = "what it scales could not be looked up"


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected workloads with an autoscaler, of those that select pods of these labels beside another one."""
    request, target = context.request, context.request.target
    before, after = chosen.labels(context)
    if before == after or not _matter(context):
        return []
    but = selectors.pairs(before) if request.updates else None
    asked = Selecting(_WORKLOADS, target.namespace, selectors.pairs(after), but)
    found = yield from ask(asked)
    if not found:
        # The common case.
        return []
    if request.updates:
        found = yield from ask(Selecting(_WORKLOADS, target.namespace, asked.labels))
    # One that is made is not there yet.
    others = [each for each in found if (each.resource, each.name) != (target.resource, target.name)]
    itself = target.resource in SCALED
    if len(others) + itself < _TOO_MANY:
        return []
    lost = yield from _stopped(context, found if request.updates else others)
    return [context.effect(Action.DELETE) if each.target == target else each for each in lost]


def _matter(context: ReviewContext) -> bool:
    """Whether policies protect what is scaled, or what scales it, where the request is."""
    return bool(standing.matter(context, SCALED)) or _scalers_matter(context)


def _scalers_matter(context: ReviewContext) -> bool:
    place = context.request.target.namespace
    return any(context.state.policies.protects_in(each, place) for each in scaling.SIZERS)


def _stopped(context: ReviewContext, workloads: Sequence[Target], but: Target | None = None) -> Asking[list[Effect]]:
    """The protected workloads among these that an autoscaler scales, and the protected autoscalers of any.

    ``but``: the workload whose own autoscaler is asked about. What it makes shares pods with it, and is a part of it.
    """
    own = but and (but.resource, but.name)
    found = []
    for each in (yield from standing.protected(context, workloads)):
        if (each.target.resource, each.target.name) != own and (yield from _scaling(context, [each.target])):
            found.append(each)
    if _scalers_matter(context):
        found += [
            goes_along(each, scaling.VERSIONS[each.resource]) for each in (yield from _scaling(context, workloads))
        ]
    return found


def _scaling(context: ReviewContext, workloads: Sequence[Target]) -> Asking[Sequence[Target]]:
    """The autoscalers of some workloads."""
    named = tuple(Scaled(each.resource.group, each.kind, each.name) for each in workloads)
    return (yield from ask(ScaledBy(context.request.target.namespace, named))) if named else ()


def _selected(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected autoscalers of those workloads whose pods another one selects."""
    request, target = context.request, context.request.target
    if request.subresource or not _scalers_matter(context):
        return []
    selector = selectors.written(request, request.new_spec)
    if not selector or selector == selectors.written(request, request.old_spec):
        return []
    found = yield from ask(Selected(_WORKLOADS, target.namespace, selector))
    others = [each for each in found if (each.resource, each.name) != (target.resource, target.name)]
    return [goes_along(each, scaling.VERSIONS[each.resource]) for each in (yield from _scaling(context, others))]


def _beside(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What is no longer scaled once an autoscaler scales a workload which shares pods with another one."""
    place = context.request.target.namespace
    if not _matter(context) or context.request.operation is Operation.DELETE:
        return []
    told = scaling.scaling(context)
    kind = maker(told.group, told.kind) if told is not None else None
    if told is None or kind not in _WORKLOADS:
        return []
    stored: Any = yield from ask(ReadWhole(ObjectRef(kind, place, told.name), _UNREAD))
    if stored is None:
        return []
    try:
        selector = selectors.selector_of(kind.resource, stored.get("spec"))
    except ValueError:
        raise Unknown(_UNREAD) from None
    labels = selectors.pairs(selectors.labels_of_pods(stored.get("spec")))
    found = yield from ask(Sharing(_WORKLOADS, place, selector, labels))
    others = [each for each in found if (each.resource, each.name) != (kind.resource, told.name)]
    return (yield from _stopped(context, others, Target(kind.resource, kind.kind, place, told.name, "")))


def _row(resource: GroupResource) -> Deleter:
    return Deleter(
        resource,
        f"{_WHOSE.get(resource, 'labels of its pods')} that a protected workload selects, and another one, too",
        "that workload, where an autoscaler scales it, or its autoscaler, where that is protected",
        _REASON,
        _losses,
        WRITES,
        _STOPPED,
        # Without another workload, and an autoscaler of that, it ends nothing.
        alone=False,
    )


_STOPPED: Final = frozenset({*SCALED, *scaling.SIZERS})
_REASON: Final = "no autoscaler scales what two select"

DELETERS: Final = (
    *map(_row, sorted(POD_RUNNERS)),
    *(
        Deleter(
            resource,
            "its creation, with a selector that fits the pods of a workload with a protected autoscaler",
            "that autoscaler",
            _REASON,
            _selected,
            WRITES if resource == selectors.BY_LABELS else frozenset({Operation.CREATE}),
            frozenset(scaling.SIZERS),
            alone=False,
        )
        for resource in SCALED
    ),
    *(
        Deleter(
            resource,
            "a workload as its target that shares pods with another one, in whatever is not free of it",
            "that other one, where it is protected and has an autoscaler; that autoscaler, where it is protected",
            _REASON,
            _beside,
            WRITES,
            _STOPPED,
            alone=False,
        )
        for resource in scaling.SIZERS
    ),
)
