"""Required podAntiAffinity works both ways: what a running pod keeps off is scheduled nowhere near it any more.

So pods that are made anew wait for ever (kubernetes/pkg/scheduler, InterPodAffinity). That of other namespaces is
refused to agents elsewhere; here it is about the namespace of the pod. One node is not enough to keep a workload from.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import codec, pod_reach, pod_templates
from seconder.admission.indirect import selectors
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import MAKERS, POD_RUNNERS
from seconder.admission.lookups import Asking, Selected, TooMany, Unknown, ask
from seconder.admission.request import WRITES, Malformed
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.label_selector import Operator, Requirement
from seconder.api.resources import (
    PODS,
    GroupResource,
    Target,
)

_WORKLOADS: Final = tuple(sorted(POD_RUNNERS - {PODS}))
_ONE_NODE: Final = "kubernetes.io/hostname"
_MOST: Final = 16
"""Selectors of one request that are looked up: each takes a list of what is there."""

_ANY: Final = (Requirement("", Operator.DOES_NOT_EXIST, frozenset()),)
"""A selector of all pods: an empty one selects none by ``selects``, and there is no such label."""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected workloads whose pods fit a term that is new."""
    request, target = context.request, context.request.target
    kinds = [kind for kind in _WORKLOADS if context.state.policies.protects_in(kind, target.namespace)]
    if request.subresource or not kinds:
        return []
    if request.updates and pod_templates.surely_left(target.resource, *context.unlike):
        return []
    there = tuple(MAKERS[kind] for kind in kinds)
    found: dict[Target, None] = {}
    asked = dict.fromkeys(map(_selector, _new_terms(context)))
    if len(asked) > _MOST:
        raise TooMany(f"it has more than {_MOST} new terms of podAntiAffinity", "Write fewer at a time.")
    for selector in asked:
        found |= dict.fromkeys((yield from ask(Selected(there, target.namespace, selector))))
    others = (each for each in found if (each.resource, each.name) != (target.resource, target.name))
    return [goes_along(each, MAKERS[each.resource].version) for each in others]


def _new_terms(context: ReviewContext) -> list[pod_reach.Repelling]:
    request = context.request
    try:
        before, after = (
            pod_reach.read(pod_templates.spec_of_pods(request.target.resource, spec)).repelling
            for spec in (request.old_spec, request.new_spec)
        )
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"the pods' specification is not understood: {codec.plain(error)}") from None
    wide = (each for each in after if each.topology_key != _ONE_NODE and each.label_selector is not None)
    known = {msgspec.json.encode(each, order="sorted") for each in before}
    return [each for each in wide if msgspec.json.encode(each, order="sorted") not in known]


def _selector(term: pod_reach.Repelling) -> tuple[Requirement, ...]:
    try:
        return selectors.selector_of(PODS, {"selector": term.label_selector}) or _ANY
    except ValueError:
        raise Unknown("which pods it keeps off cannot be told") from None


def _row(resource: GroupResource) -> Deleter:
    return Deleter(
        resource,
        "required podAntiAffinity, by more than a node, that fits the pods of a protected workload",
        "that workload",
        "the scheduler places no new pod of it where this one runs",
        _losses,
        WRITES,
        kinds=frozenset(_WORKLOADS),
        # Whoever may make pods may fill nodes as well.
        alone=False,
        # The common case costs nothing.
        word=b"podAntiAffinity",
    )


DELETERS: Final = tuple(map(_row, sorted(POD_RUNNERS)))
