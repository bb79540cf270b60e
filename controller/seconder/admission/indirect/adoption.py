"""Controllers take for their own whatever no controller has and their selector fits, and end what is too much of it.

So whoever makes a workload over protected pods ends them by its size (kubernetes/pkg/controller, ControllerRefManager).
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import Asking, Dependents, Placed, Uncontrolled, ask
from seconder.admission.request import Operation, Request
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import JOBS, PODS, REPLICA_SETS, Action, GroupResource, ResolvedResource, Target

_DEPLOYMENTS: Final = GroupResource("apps", "deployments")
_STATEFUL_SETS: Final = GroupResource("apps", "statefulsets")
_REPLICATION_CONTROLLERS: Final = GroupResource("", "replicationcontrollers")
_PODS: Final = ResolvedResource(PODS, "v1", namespaced=True, custom=False, kind="Pod")
_TAKE_PODS: Final = (
    GroupResource("apps", "daemonsets"),
    _DEPLOYMENTS,
    JOBS,
    REPLICA_SETS,
    _REPLICATION_CONTROLLERS,
    _STATEFUL_SETS,
)
_OPERATORS: Final = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}


class _Expression(Struct):
    key: str
    operator: str
    values: list[str] | None = None


class _Selector(Struct, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: list[_Expression] | None = None


class _Workload(Struct, rename="camel"):
    selector: _Selector | None = None


class _ByLabels(Struct):
    selector: dict[str, str] | None = None


_workload: Final = msgspec.json.Decoder(_Workload | None)
_by_labels: Final = msgspec.json.Decoder(_ByLabels | None)


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request, target = context.request, context.request.target
    pods = _matter(context, _PODS)
    sets = target.resource == _DEPLOYMENTS and (pods or _matter(context, MAKERS[REPLICA_SETS]))
    if not (pods or sets):
        return []
    selector = _selector(request, request.new_spec)
    if not selector or selector == _selector(request, request.old_spec):
        return []
    effects: list[Effect] = []
    if pods:
        found = yield from ask(Uncontrolled(_PODS, target.namespace, selector))
        effects += [_deletion(_PODS, pod) for pod in found if _fits(target, pod)]
    if sets:
        for found_set in (yield from ask(Uncontrolled(MAKERS[REPLICA_SETS], target.namespace, selector))):
            effects.append(_deletion(MAKERS[REPLICA_SETS], found_set))
            below = yield from ask(Dependents(frozenset({found_set.uid}), effects[-1].target))
            effects += [Effect(Action.DELETE, each.target, "v1", {}, dependent=True) for each in below]
    return effects


def _matter(context: ReviewContext, kind: ResolvedResource) -> bool:
    """Whether some policy protects objects of a kind there."""
    there = Target(kind.resource, kind.kind, context.request.target.namespace, "", "")
    return bool(context.state.policies.protecting(there))


def _fits(target: Target, pod: Placed) -> bool:
    """Whether the controller would take a pod of this name."""
    if target.resource != _STATEFUL_SETS:
        return True
    return re.fullmatch(rf"{re.escape(target.name)}-[0-9]+", pod.name) is not None


def _deletion(kind: ResolvedResource, found: Placed) -> Effect:
    target = Target(kind.resource, kind.kind, found.namespace, found.name, found.uid)
    return Effect(Action.DELETE, target, kind.version, {}, dependent=True)


def _selector(request: Request, spec: msgspec.Raw) -> str:
    """A workload's selector, as a list is asked for by; empty where it has none."""
    if request.target.resource == _REPLICATION_CONTROLLERS:
        by_labels = codec.read(request, _by_labels, spec, "the selector")
        selector = _Selector(match_labels=by_labels and by_labels.selector)
    else:
        workload = codec.read(request, _workload, spec, "the selector")
        selector = (workload and workload.selector) or _Selector()
    parts = [f"{key}={value}" for key, value in (selector.match_labels or {}).items()]
    for each in selector.match_expressions or ():
        # Another operator than there is today is no selector, and the list fails.
        form = _OPERATORS.get(each.operator, "{} ? ({})")
        parts.append(form.format(each.key, ",".join(each.values or ())))
    return ",".join(sorted(parts))


def _row(resource: GroupResource) -> Deleter:
    pods = "" if resource != _DEPLOYMENTS else ", and ReplicaSets with theirs"
    return Deleter(
        resource,
        "its creation, with a selector that fits them",
        f"pods of no controller{pods}",
        "its controller takes them for its own, and ends what is too much",
        _losses,
        frozenset({Operation.CREATE, Operation.UPDATE} if resource == _REPLICATION_CONTROLLERS else {Operation.CREATE}),
    )


ADOPTERS: Final = tuple(map(_row, _TAKE_PODS))
