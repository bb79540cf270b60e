"""What a Binding carries the API server writes onto the pod: its labels and annotations, over what the pod had.

So a pod that waits for a node may join a protected workload, or leave what chose it, and no review of the pod says so.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission.findings import Refusal
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import BY_SELECTOR, POD_CHOOSERS
from seconder.admission.lookups import Asking
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, GroupResource

_BINDING: Final = "binding"
_GIVEN: Final = frozenset({"topology.kubernetes.io/region", "topology.kubernetes.io/zone"})
"""Labels that the API server gives a Binding itself, as the node has them (PodTopologyLabels)."""

_WHAT: Final = "a binding of an agent's carries no labels or annotations: the pod would get them"


def _losses(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    yield from ()
    request = context.request
    if request.target.resource == PODS and request.subresource != _BINDING:
        return []
    if not request.new.annotations and _GIVEN.issuperset(request.new.labels or ()):
        return []
    return [Refusal(_WHAT, Reason.APPROVAL_MISSING, "Write them onto the pod itself.")]


DELETERS: Final = tuple(
    Deleter(
        resource,
        "a binding with labels or annotations",
        "what labels and annotations of the pod would end; no peer can approve it",
        "the API server writes them onto the pod",
        _losses,
        frozenset({Operation.CREATE}),
        kinds=frozenset({*BY_SELECTOR, *(kind.resource for kind in POD_CHOOSERS)}),
        part=part,
        # Whoever needs them writes the pod.
        alone=False,
    )
    for resource, part in ((PODS, _BINDING), (GroupResource("", "bindings"), ""))
)
