"""What chooses pods by their labels has none when they have others: a Service, a PodDisruptionBudget, a NetworkPolicy.

No controller puts that right where that of the pods still selects them, or makes them anew by a
template of other labels. Who serves, and at which address, is worked out by the status of those that are chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission import pod_templates
from seconder.admission.changes import free_paths
from seconder.admission.indirect import selectors
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import POD_CHOOSERS, POD_RUNNERS
from seconder.admission.lookups import Asking, Selecting, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import PODS, GroupResource

_Labels = Mapping[str, str]
_NONE: Final[_Labels] = {}
_FREE: Final = free_paths.compiled(("metadata", "spec", "status.observedGeneration", "status.resize"))
"""Of a pod all but its status; and of that what the API server writes where somebody asks for other resources.

The kubelet says the rest, and no agent has a reason to: endpoints, budgets and the rules of networks go by it.
"""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What chose pods by the labels that they had, and does not by those that they get, or goes by what they are."""
    target, policies = context.request.target, context.state.policies
    place = target.namespace
    kinds = tuple(kind for kind in POD_CHOOSERS if policies.protects_in(kind.resource, place))
    before, after = labels(context) if kinds else ({}, {})
    told = bool(kinds) and target.resource == PODS and context.request.updates and context.changes([_FREE])
    if before == after and not told:
        return []
    made_by = None if target.resource == PODS else target.resource
    but = None if told else selectors.pairs(after)
    found = yield from ask(Selecting(kinds, place, selectors.pairs(before), but, made_by))
    return [goes_along(each) for each in found]


def labels(context: ReviewContext) -> tuple[_Labels, _Labels]:
    """The labels of pods before and after a write of one, or of what makes them; alike where they stay.

    Those of a pod may be changed through its status as well.
    """
    request = context.request
    if request.target.resource == PODS:
        created = request.subresource and not request.updates
        return (_NONE, _NONE) if created else (request.old.labels or _NONE, request.new.labels or _NONE)
    if request.subresource or (request.updates and pod_templates.surely_left(request.target.resource, *context.unlike)):
        return _NONE, _NONE
    stored, wanted = (selectors.labels_of_pods(each.get("spec")) for each in context.whole)
    return stored, wanted


def _row(resource: GroupResource, by: str, which: str, reason: str) -> Deleter:
    return Deleter(
        resource,
        by,
        f"the protected Services, PodDisruptionBudgets and NetworkPolicies that {which}",
        reason,
        _losses,
        frozenset({Operation.UPDATE}),
        frozenset(kind.resource for kind in POD_CHOOSERS),
    )


_UNCHOSEN: Final = "they do nothing for pods that they do not choose"

# A Job's template may get other labels while the Job is suspended (KEP-2926).
DELETERS: Final = (
    _row(
        PODS,
        "other labels, or any word in its status",
        "choose it no longer, or go by what that says",
        f"{_UNCHOSEN}, and work by the addresses and conditions of those that they do",
    ),
    *(
        _row(each, "other labels of its pods", "choose them no longer", _UNCHOSEN)
        for each in sorted(POD_RUNNERS - {PODS})
    ),
)
