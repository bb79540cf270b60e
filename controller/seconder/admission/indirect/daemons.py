"""A DaemonSet has pods where the labels and taints of nodes let it: whoever changes these takes pods away for good.

No controller makes them anew there (kubernetes/pkg/controller/daemon, NodeShouldRunDaemonPod).
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
_ALWAYS_TOLERATED: Final = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
"""Taints that the controller has all its pods tolerate."""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The DaemonSets whose pods go from a node that gets other labels, or a taint NoExecute."""
    request, kind = context.request, MAKERS[DAEMON_SETS]
    before, after = request.old.labels or {}, request.new.labels or {}
    taints = {each for each in nodes.new_taints(request) if each.effect == nodes.EVICTS}
    if before == after and not taints:
        return []
    return [
        goes_along(Target(DAEMON_SETS, kind.kind, each.namespace, each.name, each.uid), kind.version)
        for each in (yield from ask(DaemonSets()))
        if _fits(each.pod, before) and _goes(each.pod, before, after, taints)
    ]


def _fits(pod: _Pod, labels: _Labels) -> bool:
    """Whether a node of these labels is among those that its pods name."""
    return all(labels.get(key) == value for key, value in (pod.get("nodeSelector") or {}).items())


def _goes(pod: _Pod, before: _Labels, after: _Labels, taints: Collection[Taint]) -> bool:
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if not _fits(pod, after) or not changed.isdisjoint(_named(pod)):
        return True
    return any(not _tolerated(taint, pod.get("tolerations") or ()) for taint in taints)


def _named(pod: _Pod) -> Iterator[str]:
    """The labels by which its affinity chooses nodes: what it says of them is not looked into."""
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for expression in term.get("matchExpressions") or ():
            yield expression["key"]


def _tolerated(taint: Taint, tolerations: Sequence[Mapping[str, str]]) -> bool:
    return taint.key in _ALWAYS_TOLERATED or any(
        each.get("key") in {None, "", taint.key}
        and each.get("effect") in {None, "", taint.effect}
        and (each.get("operator") == "Exists" or (each.get("key") and each.get("value", "") == taint.value))
        for each in tolerations
    )


DELETER: Final = Deleter(
    NODES,
    "other labels by which they no longer choose it, or a taint NoExecute that they do not tolerate",
    "the protected DaemonSets that have pods there",
    "their controller has no pods on such a node",
    _losses,
    frozenset({Operation.UPDATE}),
    frozenset({DAEMON_SETS}),
    namespaced=False,
)
