"""The selectors of workloads: what their controllers take for their own."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import codec
from seconder.admission.changes import free_changes
from seconder.admission.kinds import CRON_JOBS, REPLICATION_CONTROLLERS
from seconder.admission.lookups import Unknown
from seconder.admission.request import Request
from seconder.api.label_selector import Operator, Requirement, Selector, selects
from seconder.api.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    GroupResource,
    Target,
)

BY_LABELS: Final = REPLICATION_CONTROLLERS
"""The one kind of workload whose selector is a plain map of labels."""

_OF_JOBS: Final = "batch.kubernetes.io/"
_OF_JOB: Final = ("controller-uid", "job-completion-index", "job-name")

_PLAIN: Final = frozenset({BY_LABELS, SERVICES})

_spec: Final[Any] = msgspec.json.Decoder()
_FORMS: Final = {
    Operator.IN: "{} in ({})",
    Operator.NOT_IN: "{} notin ({})",
    Operator.EXISTS: "{}",
    Operator.DOES_NOT_EXIST: "!{}",
}


def selector_of(resource: GroupResource, spec: Any) -> Selector:
    """The selector in the ``spec`` of a workload, or of what chooses pods; none where it has none.

    Raises ValueError for what is no selector.
    """
    try:
        selector = (spec or {}).get("podSelector" if resource == NETWORK_POLICIES else "selector") or {}
        if resource in _PLAIN:
            selector = {"matchLabels": selector}
        labels, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
        wanted = [Requirement(key, Operator.IN, frozenset({value})) for key, value in labels.items()]
        for each in expressions:
            wanted.append(Requirement(each["key"], Operator(each["operator"]), frozenset(each.get("values") or ())))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("no selector") from None
    return tuple(sorted(wanted, key=lambda each: (each.key, each.operator)))


def written(request: Request, spec: msgspec.Raw) -> Selector:
    """The selector of a workload that is written: ``spec`` is its own. Raises Malformed and Unknown."""
    try:
        return selector_of(request.target.resource, spec_of(request, spec))
    except ValueError:
        raise Unknown("what it selects cannot be told") from None


def spec_of(request: Request, spec: msgspec.Raw) -> Any:
    """The ``spec`` of a workload that is written. Raises Malformed."""
    return codec.read(request, _spec, spec, "the selector")


def text(selector: Selector) -> str:
    """A selector as a list is asked for by."""
    return ",".join(_FORMS[each.operator].format(each.key, ",".join(sorted(each.values))) for each in selector)


_ADDED: Final[Mapping[GroupResource, frozenset[str]]] = {
    CRON_JOBS: frozenset({"controller-uid", "job-name", *(f"{_OF_JOBS}{name}" for name in _OF_JOB)}),
    DAEMON_SETS: frozenset({"controller-revision-hash", "pod-template-generation"}),
    DEPLOYMENTS: frozenset({"pod-template-hash"}),
    JOBS: frozenset({f"{_OF_JOBS}job-completion-index"}),
    STATEFUL_SETS: frozenset(
        {"apps.kubernetes.io/pod-index", "controller-revision-hash", "statefulset.kubernetes.io/pod-name"}
    ),
}
"""Labels that the controllers of workloads give to pods, beside those of the template. A Job's template has the others
once it is stored, and so has a Deployment's ReplicaSet.
"""

_OF_ONE_KIND: Final = frozenset(free_changes.KNOWN_BY).union(*_ADDED.values())


def may_select(
    selector: Selector, resource: GroupResource, labels: Mapping[str, str], lost: Collection[str] = ()
) -> bool:
    """Whether a selector may select pods of a workload whose template has these labels.

    Pods have more: what their controller adds, and what admission or a kubelet adds under keys of Kubernetes' own, such
    as the zone of their node. Nobody knows these from the template, so that one may be what is asked for; that one is
    not there is taken as the template has it. ``lost``: keys that nobody adds, since the template had them before.
    """
    return bool(selector) and all(
        each.met(labels)
        or (each.key not in labels and each.key not in lost and _wants(each) and _may_be_added(resource, each.key))
        for each in selector
    )


def _wants(requirement: Requirement) -> bool:
    return requirement.operator in {Operator.IN, Operator.EXISTS}


def _may_be_added(resource: GroupResource, key: str) -> bool:
    if key in _ADDED.get(resource, ()):
        return True
    return key not in _OF_ONE_KIND and not key.startswith(_OF_JOBS) and free_changes.reserved(key)


def fits(
    resource: GroupResource,
    spec: Any,
    labels: Mapping[str, str],
    made_by: GroupResource | None = None,
    lost: Collection[str] = (),
) -> bool:
    """Whether the selector of a workload or the like fits something of these labels, or cannot be read.

    ``made_by``: the labels are those of a template of such a workload. ``lost``: see ``may_select``.
    """
    try:
        selector = selector_of(resource, spec)
    except ValueError:
        return True
    return selects(selector, labels) if made_by is None else may_select(selector, made_by, labels, lost)


def takes(taker: Target, taken: GroupResource, name: str) -> bool:
    """Whether a workload takes objects of a kind by this name, whatever their labels are; none: no known name.

    A StatefulSet knows its pods by theirs (kubernetes/pkg/controller/statefulset, ``isMemberOf``).
    """
    if (taker.resource, taken) != (STATEFUL_SETS, PODS):
        return True
    return re.fullmatch(rf"{re.escape(taker.name)}-[0-9]+", name) is not None


def may_overlap(selector: Selector, resource: GroupResource, spec: Any) -> bool:
    """Whether something may have labels that this selector and that of what chooses pods fit, or it cannot be read.

    Without requirements either fits all. They do not where both cannot be met for some key.
    """
    try:
        other = selector_of(resource, spec)
    except ValueError:
        return True
    by_key: dict[str, list[Requirement]] = {}
    for each in other:
        by_key.setdefault(each.key, []).append(each)
    for each in selector:
        if each.key in by_key:
            by_key[each.key].append(each)
    return all(map(_can_be_met, by_key.values()))


def _can_be_met(requirements: Sequence[Requirement]) -> bool:
    """Whether some value of a label, or its absence, meets all of these."""
    wanted = [each.values for each in requirements if each.operator is Operator.IN]
    operators = {each.operator for each in requirements}
    if Operator.DOES_NOT_EXIST in operators:
        return operators.isdisjoint({Operator.IN, Operator.EXISTS})
    barred = (each.values for each in requirements if each.operator is Operator.NOT_IN)
    return not wanted or bool(frozenset.intersection(*wanted).difference(*barred))


def pairs(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Labels as a look-up holds them."""
    return tuple(sorted(labels.items()))


def labels_of_pods(spec: Any) -> Mapping[str, str]:
    """The labels of the pods that a workload makes, or what a CronJob makes; none where they cannot be read."""
    try:
        makes = ((spec or {}).get("jobTemplate") or {}).get("spec") or spec or {}
        return ((makes.get("template") or {}).get("metadata") or {}).get("labels") or {}
    except AttributeError:
        return {}
