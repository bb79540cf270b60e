"""What chooses pods by their labels has none when they have others: a Service, a PodDisruptionBudget, a NetworkPolicy.

No controller puts that right where that of the pods still selects them, or makes them anew by a
template of other labels.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission.indirect import selectors
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import POD_CHOOSERS, POD_RUNNERS
from seconder.admission.lookups import Asking, Selecting, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import PODS, GroupResource

_Labels = Mapping[str, str]


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What chose pods by the labels that they had, and does not by those that they get."""
    request, policies, place = context.request, context.state.policies, context.request.target.namespace
    if request.subresource or not _may_differ(context):
        return []
    kinds = tuple(kind for kind in POD_CHOOSERS if policies.protects_in(kind.resource, place))
    before, after = _labels(context) if kinds else ({}, {})
    if before == after:
        return []
    made_by = None if request.target.resource == PODS else request.target.resource
    found = yield from ask(Selecting(kinds, place, selectors.pairs(before), selectors.pairs(after), made_by))
    return [goes_along(each) for each in found]


def _may_differ(context: ReviewContext) -> bool:
    request = context.request
    if request.target.resource == PODS:
        return request.old.labels != request.new.labels
    return "spec" in context.unlike[0]


def _labels(context: ReviewContext) -> tuple[_Labels, _Labels]:
    """The labels of the pods before and after."""
    request = context.request
    if request.target.resource == PODS:
        return request.old.labels or {}, request.new.labels or {}
    stored, wanted = (selectors.labels_of_pods(each.get("spec")) for each in context.whole)
    return stored, wanted


def _row(resource: GroupResource, by: str) -> Deleter:
    return Deleter(
        resource,
        by,
        "the protected Services, PodDisruptionBudgets and NetworkPolicies that choose them no longer",
        "they do nothing for pods that they do not choose",
        _losses,
        frozenset({Operation.UPDATE}),
        frozenset(kind.resource for kind in POD_CHOOSERS),
    )


# A Job's template may get other labels while the Job is suspended (KEP-2926).
DELETERS: Final = (
    _row(PODS, "other labels"),
    *(_row(each, "other labels of its pods") for each in sorted(POD_RUNNERS - {PODS})),
)
