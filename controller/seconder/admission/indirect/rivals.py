"""No autoscaler scales what two workloads select (kubernetes/pkg/controller/podautoscaler, AmbiguousSelector).

One pod that both selectors fit is enough, whoever made it: so labels of pods, or of a template, end the scaling of a
protected workload. What no autoscaler scales loses nothing. A selector that comes to fit its pods has a row of
``standing``.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission.indirect import chosen, selectors, standing
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import MAKERS, POD_RUNNERS, SCALED
from seconder.admission.lookups import Asking, Scaled, ScaledBy, Selecting, ask
from seconder.admission.request import WRITES
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import PODS, Action, GroupResource

_WORKLOADS: Final = tuple(MAKERS[each] for each in SCALED)
_WHOSE: Final = {PODS: "labels"}
_TOO_MANY: Final = 2


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected workloads with an autoscaler, of those that select pods of these labels beside another one."""
    request, target = context.request, context.request.target
    before, after = chosen.labels(context)
    if before == after or not standing.matter(context, SCALED):
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
    lost = yield from standing.protected(context, found if request.updates else others)
    scaled = (each.target for each in lost)
    named = tuple(Scaled(each.resource.group, each.kind, each.name) for each in scaled)
    if not (named and (yield from ask(ScaledBy(target.namespace, named)))):
        return []
    return [context.effect(Action.DELETE) if each.target == target else each for each in lost]


def _row(resource: GroupResource) -> Deleter:
    return Deleter(
        resource,
        f"{_WHOSE.get(resource, 'labels of its pods')} that a protected workload selects, and another one, too",
        "that workload, where an autoscaler scales it",
        "no autoscaler scales what two select",
        _losses,
        WRITES,
        frozenset(SCALED),
        # Without another workload, and an autoscaler of that, it ends nothing.
        alone=False,
    )


DELETERS: Final = tuple(map(_row, sorted(POD_RUNNERS)))
