"""A Node that goes, or may run nothing any more, ends the pods on it; and so does a device for those that use it."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking, PodsOn, Unknown, ask
from seconder.admission.request import Operation, Request
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import NODES, PODS, GroupResource, Target

LEASES_OF_NODES: Final = GroupResource("coordination.k8s.io", "leases")
_LEASES_IN: Final = "kube-node-lease"


class _Taint(Struct, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


class _Node(Struct):
    taints: list[_Taint] | None = None


class _Condition(Struct, frozen=True):
    type: str = ""
    status: str = ""


class _Status(Struct):
    conditions: list[_Condition] | None = None


class _Reported(Struct):
    status: _Status | None = None


_spec: Final = msgspec.json.Decoder(_Node | None)
_reported: Final = msgspec.json.Decoder(codec.ObjectsReview[_Reported])


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request = context.request
    if not _pods_matter(context):
        return []
    emptied = ends(request)
    relabelled = request.updates and (request.old.labels or {}) != (request.new.labels or {})
    if not (emptied or (relabelled and request.target.resource == NODES)):
        return []
    # A DaemonSet's pods go from a node that it no longer selects.
    pods = yield from ask(PodsOn(request.target.name, daemons=not emptied))
    return [goes_along(Target(PODS, "Pod", pod.namespace, pod.name, pod.uid)) for pod in pods]


def _pods_matter(context: ReviewContext) -> bool:
    """Whether some policy protects pods."""
    policies = context.state.policies
    return not policies.followed_known or any(resolved.resource == PODS for resolved in policies.followed)


def ends(request: Request) -> bool:
    """Whether it ends the pods on a node, whatever made them: by the node itself, or by its Lease."""
    if request.target.resource == LEASES_OF_NODES:
        return request.target.namespace == _LEASES_IN
    return request.may_end or (request.updates and (_evicts(request) or _fails(request)))


def _evicts(request: Request) -> bool:
    """Whether it gets a taint that ends pods."""
    return bool(_no_execute(request, request.new_spec) - _no_execute(request, request.old_spec))


def _no_execute(request: Request, spec: msgspec.Raw) -> set[_Taint]:
    node = codec.read(request, _spec, spec, "the node") or _Node()
    return {taint for taint in node.taints or () if taint.effect == "NoExecute"}


def _fails(request: Request) -> bool:
    """Whether it is said to be ready no longer, for which the node lifecycle controller sets such a taint."""
    told = codec.objects(request, _reported, "the node")
    return _ready(told.old_object) != _ready(told.object) != "True"


def _ready(node: _Reported | None) -> str:
    conditions = (node.status.conditions if node and node.status else None) or ()
    return next((condition.status for condition in conditions if condition.type == "Ready"), "")


DELETER: Final = Deleter(
    NODES,
    "its deletion, a taint NoExecute, or a status that is not ready; by other labels those of DaemonSets",
    "the pods on it",
    "the taint manager, the pod garbage collector and the DaemonSets' controller delete them",
    _losses,
    frozenset({Operation.UPDATE, Operation.DELETE}),
)


LEASES: Final = Deleter(
    LEASES_OF_NODES,
    "its deletion or any change, in kube-node-lease",
    "the pods on the node of its name",
    "the node lifecycle controller takes the node for lost, whose kubelet renews the Lease",
    _losses,
    frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE}),
)


def _by_device(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """Raise Unknown where a device is to evict: claims in all namespaces tell which pods use it."""
    yield from ()
    spec = context.request.new_spec
    if b"NoExecute" in bytes(spec) and _pods_matter(context):
        raise Unknown("which pods use the device cannot be told")
    return []


def _device(plural: str) -> Deleter:
    return Deleter(
        GroupResource("resource.k8s.io", plural),
        "a taint NoExecute",
        "the pods that use the devices (KEP-5055); no peer can approve it",
        "the device taint eviction controller deletes them",
        _by_device,
        frozenset({Operation.CREATE, Operation.UPDATE}),
    )


DEVICES: Final = (_device("devicetaintrules"), _device("resourceslices"))
