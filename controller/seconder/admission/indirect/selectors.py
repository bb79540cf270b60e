"""The selectors of workloads: what their controllers take for their own."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import codec
from seconder.admission.kinds import REPLICATION_CONTROLLERS
from seconder.admission.lookups import Unknown
from seconder.admission.request import Request
from seconder.api.label_selector import Operator, Requirement, Selector, selects
from seconder.api.resources import NETWORK_POLICIES, SERVICES, GroupResource

BY_LABELS: Final = REPLICATION_CONTROLLERS
"""The one kind of workload whose selector is a plain map of labels."""

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


def fits(resource: GroupResource, spec: Any, labels: Mapping[str, str]) -> bool:
    """Whether the selector of a workload or the like fits something of these labels, or cannot be read."""
    try:
        return selects(selector_of(resource, spec), labels)
    except ValueError:
        return True


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
