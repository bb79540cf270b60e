"""A Node that goes, or may run nothing any more, ends the pods on it; and so may a binding of a pod to one."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.changes import free_changes, free_paths
from seconder.admission.indirect import of_pods
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import WITH_PODS
from seconder.admission.lookups import Asking, PodsOn, ask
from seconder.admission.request import MUTATIONS, Operation, Request
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import NODES, PODS, GroupResource, Target

LEASES_OF_NODES: Final = GroupResource("coordination.k8s.io", "leases")
LEASES_IN: Final = "kube-node-lease"
"""The namespace of these Leases: without it all nodes count as lost."""

_ANYWHERE: Final = ""
"""The pods on a node are in any namespace."""


class Taint(Struct, frozen=True):
    """Of a node (core/v1)."""

    key: str = ""
    value: str = ""
    effect: str = ""


class _Node(Struct):
    taints: list[Taint] | None = None


EVICTS: Final = "NoExecute"
"""The effect of a taint by which the pods that do not tolerate it end."""

_OWN: Final = re.compile(r"(^|\.)(kubernetes|k8s)\.io/")
"""A node whose taint says that it is out of service, of whichever effect, loses its pods by force."""

_spec: Final = msgspec.json.Decoder(_Node | None)
_FREE: Final = free_paths.compiled(
    (*free_changes.UNMARKED, "spec.unschedulable", "spec.taints"),
)
"""What leaves the pods on a node where they are, but for a taint NoExecute: new ones go elsewhere.

By other labels those of DaemonSets go, and new ones of these go nowhere else: see ``daemons``.
"""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request = context.request
    emptied = ends(context)
    relabelled = request.updates and (request.old.labels or {}) != (request.new.labels or {})
    if not (emptied or (relabelled and request.target.resource == NODES)):
        return []
    if not (yield from of_pods.matter(context, _ANYWHERE)):
        return []
    # A DaemonSet's pods go from a node that it no longer selects.
    return (yield from _ended(PodsOn(request.target.name, daemons=not emptied)))


def _ended(lookup: PodsOn) -> Asking[Sequence[Effect]]:
    pods = yield from ask(lookup)
    return [goes_along(Target(PODS, "Pod", pod.namespace, pod.name, pod.uid)) for pod in pods]


def ends(context: ReviewContext) -> bool:
    """Whether it ends the pods on a node, whatever made them: by the node itself, or by its Lease. Raises Unknown.

    By a status a node is taken for lost, and by its ``providerID`` a cloud's controller finds the machine that is gone.
    """
    request = context.request
    if request.target.resource == LEASES_OF_NODES:
        return request.target.namespace == LEASES_IN
    return request.may_end or (request.updates and (_evicts(request) or context.changes([_FREE])))


def _evicts(request: Request) -> bool:
    """Whether it gets a taint that ends pods, or one of Kubernetes' own, which its controllers act by."""
    return any(taint.effect == EVICTS or _OWN.search(taint.key) for taint in new_taints(request))


def new_taints(request: Request) -> set[Taint]:
    """The taints that a node gets. Raises Malformed."""
    return _taints(request, request.new_spec) - _taints(request, request.old_spec)


def _taints(request: Request, spec: msgspec.Raw) -> set[Taint]:
    node = codec.read(request, _spec, spec, "the node") or _Node()
    return set(node.taints or ())


DELETER: Final = Deleter(
    NODES,
    "its deletion, a taint NoExecute or of Kubernetes' own, another status, or what else is not free; by other labels"
    " those of DaemonSets",
    "the pods on it",
    "the taint manager, the pod garbage collector and the DaemonSets' controller delete them",
    _losses,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=WITH_PODS,
    namespaced=False,
    deletes=WITH_PODS,
)


def _by_lease(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The Node of a Lease's name, and the pods on it."""
    if not ends(context):
        return []
    node = Target(NODES, "Node", "", context.request.target.name, "")
    matter = yield from of_pods.matter(context, _ANYWHERE)
    pods = (yield from _ended(PodsOn(node.name))) if matter else ()
    return [goes_along(node), *pods]


LEASES: Final = Deleter(
    LEASES_OF_NODES,
    "its deletion or any change, in kube-node-lease",
    "the Node of its name, and the pods on it",
    "the node lifecycle controller takes the node for lost, whose kubelet renews the Lease",
    _by_lease,
    MUTATIONS,
    # Not Nodes, nor what goes with pods: charts give the right to Leases to whatever elects a leader, and a platform's
    # policy names nodes and volumes.
    kinds=frozenset({PODS}),
    only_in=LEASES_IN,
    stays="its node is its owner, and has a row of its own; and no agent ends kube-node-lease",
)


def _by_drivers(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The Node of a CSINode's name."""
    yield from ()
    request = context.request
    counts = not request.updates or context.rewrites
    return [goes_along(Target(NODES, "Node", "", request.target.name, ""))] if counts else []


DRIVERS: Final = Deleter(
    GroupResource("storage.k8s.io", "csinodes"),
    "its creation, its deletion, or whatever is not free of it",
    "the Node of its name",
    "it says which drivers and how many volumes the node has, and its kubelet does not say so again",
    _by_drivers,
    MUTATIONS,
    only=frozenset({NODES}),
    namespaced=False,
    stays="its node is its owner: it goes with that alone",
)


_BINDINGS: Final = GroupResource("", "bindings")


def _by_binding(context: ReviewContext) -> Asking[Sequence[Effect]]:
    yield from ()
    request, target = context.request, context.request.target
    if target.resource == PODS and request.subresource != "binding":
        return []
    # A Binding has the name of its pod.
    return [goes_along(Target(PODS, "Pod", target.namespace, target.name, ""))]


BINDINGS: Final = tuple(
    Deleter(
        resource,
        "a binding",
        "the pod",
        "the pod garbage collector deletes it where the node is not there, and a kubelet ends what does not fit",
        _by_binding,
        frozenset({Operation.CREATE}),
        kinds=WITH_PODS,
        part=part,
    )
    for resource, part in ((PODS, "binding"), (_BINDINGS, ""))
)
