"""A DaemonSet has pods where the labels and taints of nodes let it: whoever changes these takes pods away for good.

No controller makes them anew there (kubernetes/pkg/controller/daemon, NodeShouldRunDaemonPod). A taint NoSchedule
leaves those that run; their rollout or deletion is free since others come in their place, and there none does. A node
that is made unschedulable takes them all the same; one that is deleted needs none.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from seconder.admission.indirect import nodes
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.indirect.nodes import Taint
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import Asking, DaemonSets, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import DAEMON_SETS, NODES, Target

_Pod = Mapping[str, Any]
_Labels = Mapping[str, str]
_KEEPS_OFF: Final = "NoSchedule"
_OWN: Final = "node.kubernetes.io/"
_NO_NETWORK: Final = Taint(f"{_OWN}network-unavailable", "", _KEEPS_OFF)
_ALWAYS_TOLERATED: Final = frozenset(
    {
        *((f"{_OWN}{each}", nodes.EVICTS) for each in ("not-ready", "unreachable")),
        *(
            (f"{_OWN}{each}", _KEEPS_OFF)
            for each in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
        ),
    }
)
"""Taints that the controller has all its pods tolerate (AddOrUpdateDaemonPodTolerations): a key, and an effect."""

_TAINTS_OF: Final = {
    ("NetworkUnavailable", "True"): _NO_NETWORK,
    ("Ready", "False"): Taint(f"{_OWN}not-ready", "", _KEEPS_OFF),
    ("Ready", "Unknown"): Taint(f"{_OWN}unreachable", "", _KEEPS_OFF),
}
"""Conditions by which the node lifecycle controller taints a node, where not all of its pods tolerate that."""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The DaemonSets that have no pods on a node, or no new ones, by its other labels, taints or conditions."""
    request, kind = context.request, MAKERS[DAEMON_SETS]
    before, after = request.old.labels or {}, request.new.labels or {}
    taints = _taints(context)
    if before == after and not taints:
        return []
    return [
        goes_along(Target(DAEMON_SETS, kind.kind, each.namespace, each.name, each.uid), kind.version)
        for each in (yield from ask(DaemonSets()))
        if _fits(each.pod, before) and _goes(each.pod, before, after, taints)
    ]


def _taints(context: ReviewContext) -> frozenset[Taint]:
    """Those that the node gets, and that keep pods off."""
    taints = nodes.new_taints(context.request)
    if "status" in context.unlike[1]:
        before, after = map(_by_conditions, context.whole)
        taints |= after - before
    return frozenset(each for each in taints if each.effect in {nodes.EVICTS, _KEEPS_OFF})


def _by_conditions(node: Mapping[str, Any]) -> set[Taint]:
    told = (node.get("status") or {}).get("conditions") or ()
    conditions = ((each.get("type"), each.get("status")) for each in told)
    return {_TAINTS_OF[each] for each in conditions if each in _TAINTS_OF}


def _fits(pod: _Pod, labels: _Labels) -> bool:
    """Whether a node of these labels is among those that its pods name."""
    return all(labels.get(key) == value for key, value in (pod.get("nodeSelector") or {}).items())


def _goes(pod: _Pod, before: _Labels, after: _Labels, taints: Collection[Taint]) -> bool:
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if not _fits(pod, after) or not changed.isdisjoint(_named(pod)):
        return True
    tolerated = _tolerations(pod)
    return any(not _tolerated(taint, pod, tolerated) for taint in taints)


def _named(pod: _Pod) -> Iterator[str]:
    """The labels by which its affinity chooses nodes: what it says of them is not looked into."""
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for expression in term.get("matchExpressions") or ():
            yield expression["key"]


def _tolerations(pod: _Pod) -> frozenset[tuple[str, str, str | None]]:
    """What pods tolerate, by key, effect and value, to be found for each of very many taints. Empty for any; None: too.

    One without a key tolerates any, and then any value.
    """
    found: set[tuple[str, str, str | None]] = set()
    for each in pod.get("tolerations") or ():
        key, exists = each.get("key") or "", each.get("operator") == "Exists"
        if key or exists:
            found.add((key, each.get("effect") or "", None if exists else each.get("value") or ""))
    return frozenset(found)


def _tolerated(taint: Taint, pod: _Pod, tolerated: Collection[tuple[str, str, str | None]]) -> bool:
    if (taint.key, taint.effect) in _ALWAYS_TOLERATED or (taint == _NO_NETWORK and pod.get("hostNetwork")):
        return True
    return any(
        (key, effect, value) in tolerated
        for key in ("", taint.key)
        for effect in ("", taint.effect)
        for value in (None, taint.value)
    )


DELETER: Final = Deleter(
    NODES,
    "other labels by which they no longer choose it; a taint NoExecute or NoSchedule that they do not tolerate, or a"
    " condition by which it gets one",
    "the protected DaemonSets that have pods there",
    "their controller has no pods on such a node, or no new ones",
    _losses,
    frozenset({Operation.UPDATE}),
    frozenset({DAEMON_SETS}),
    namespaced=False,
)
