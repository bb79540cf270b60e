"""A pod that is bound to a node which is not there, or does not take it, ends: pods are bound by schedulers alone."""

from collections.abc import Sequence
from typing import Final

from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import PODS, GroupResource, Target

_BINDINGS: Final = GroupResource("", "bindings")


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    yield from ()
    request, target = context.request, context.request.target
    if target.resource == PODS and request.subresource != "binding":
        return []
    # A Binding has the name of its pod.
    return [goes_along(Target(PODS, "Pod", target.namespace, target.name, ""))]


DELETERS: Final = tuple(
    Deleter(
        resource,
        "a binding",
        "the pod",
        "the pod garbage collector deletes it where the node is not there, and a kubelet ends what does not fit",
        _losses,
        frozenset({Operation.CREATE}),
    )
    for resource in (PODS, _BINDINGS)
)
