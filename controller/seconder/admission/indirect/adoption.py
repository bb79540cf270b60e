"""Controllers take for their own whatever no controller has and their selector fits, and end what is too much of it.

So whoever makes a workload over protected pods ends them by its size (kubernetes/pkg/controller, ControllerRefManager).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from seconder.admission.dependents import Dependent, keys
from seconder.admission.indirect import of_pods, selectors, standing
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import BY_SELECTOR, MAKERS, POD, WITH_PODS, maker, makers_of
from seconder.admission.lookups import Asking, Dependents, Placed, Selecting, Uncontrolled, ask
from seconder.admission.request import Operation, Owner
from seconder.admission.review import Effect, ReviewContext, goes_along, goes_with
from seconder.api.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    GroupResource,
    ResolvedResource,
    Target,
)

_COUNTED: Final[Mapping[GroupResource, Sequence[GroupResource]]] = {
    PODS: [each for each in BY_SELECTOR if each != DEPLOYMENTS],
    REPLICA_SETS: [DEPLOYMENTS],
    # A CronJob takes none by labels.
    JOBS: [],
    CONTROLLER_REVISIONS: [DAEMON_SETS, STATEFUL_SETS],
}
"""What a controller counts, and the kinds that take them by labels."""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What a workload takes that is there already."""
    request, target = context.request, context.request.target
    place = target.namespace
    takes_sets = target.resource == DEPLOYMENTS
    sets = takes_sets and context.state.policies.protects_in(REPLICA_SETS, place)
    if not (sets or of_pods.may_matter(context, place)):
        return []
    selector = selectors.written(request, request.new_spec)
    if not selector or selector == selectors.written(request, request.old_spec):
        return []
    pods = yield from of_pods.matter(context, place)
    asked = selectors.text(selector)
    effects: list[Effect] = []
    if pods:
        found = yield from ask(Uncontrolled(POD, target.namespace, asked))
        effects += [_deletion(POD, pod) for pod in found if _fits(target, pod)]
    if sets or (takes_sets and pods):
        for each in (yield from ask(Uncontrolled(MAKERS[REPLICA_SETS], target.namespace, asked))):
            effects.append(_deletion(MAKERS[REPLICA_SETS], each))
            below = yield from ask(Dependents(frozenset({each.uid}), effects[-1].target))
            effects += map(goes_with, below)
    return effects


def _fits(target: Target, taken: Placed | Target) -> bool:
    """Whether the controller would take an object of this name."""
    if target.resource != STATEFUL_SETS or (isinstance(taken, Target) and taken.resource != PODS):
        return True
    return re.fullmatch(rf"{re.escape(target.name)}-[0-9]+", taken.name) is not None


def _deletion(kind: ResolvedResource, found: Placed) -> Effect:
    target = Target(kind.resource, kind.kind, found.namespace, found.name, found.uid)
    return goes_along(target, kind.version)


def _joined(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What goes where another of its kind is counted: its controller then has one too many, or history enough.

    And the protected workload itself under which it comes to stand.
    """
    request, target = context.request, context.request.target
    # A revision that is gone, or another one, has its controller replace the pods of it.
    revision = target.resource == CONTROLLER_REVISIONS
    metadata = request.old if revision and request.operation is not Operation.CREATE else request.new
    owner, labels = metadata.controller_owner, metadata.labels or {}
    was = request.old.controller_owner, request.old.labels or {}
    as_before = request.updates and not revision and (owner, labels) == was
    # A status carries them as well. What is made below an object has its own.
    if (request.subresource and not request.updates) or as_before:
        return []
    crowds = context.state.policies.protects_in(target.resource, target.namespace)
    crowds = crowds or (yield from of_pods.matter(context, target.namespace))
    taking = [] if target.resource == JOBS else standing.matter(context, _COUNTED[target.resource])
    if not (crowds or taking):
        return []
    mine = [_owner(owner, target.namespace)] if owner else []
    # Its controller, if it has one, may let go of it later: another one takes it then by the labels that it has now.
    others: Sequence[Target] = ()
    if labels and _COUNTED[target.resource]:
        kinds = tuple(MAKERS[each] for each in (_COUNTED[target.resource] if crowds else taking))
        found = yield from ask(Selecting(kinds, target.namespace, selectors.pairs(labels)))
        above = {each.uid for each in mine}
        others = [each for each in found if each.uid not in above and _fits(each, target)]
    effects: list[Effect] = []
    for parent in (*mine, *others) if crowds else ():
        owned = yield from ask(Dependents(frozenset({parent.uid}), parent))
        effects += [goes_with(each) for each in owned if each.uid != target.uid and not _sized(context, each)]
        known = {each.target.uid for each in effects}
        held = yield from of_pods.of_workload(context, parent)
        effects += [goes_with(each) for each in held if each.uid not in known]
    joined = (*mine, *others) if revision or owner != was[0] else others
    effects += yield from standing.protected(context, [each for each in joined if each.resource in taking])
    return effects


def _left(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected workloads that take what a workload leaves behind when it goes, by the labels of its pods."""
    request, target = context.request, context.request.target
    if keys(request, target):
        # Most deletions leave nothing behind.
        return []
    taken = REPLICA_SETS if target.resource == DEPLOYMENTS else PODS
    taking = standing.matter(context, [each for each in _COUNTED[taken] if each != STATEFUL_SETS])
    if not taking:
        return []
    labels = selectors.pairs(selectors.labels_of_pods(selectors.spec_of(request, request.old_spec)))
    found = yield from ask(Selecting(tuple(MAKERS[each] for each in taking), target.namespace, labels))
    return (yield from standing.protected(context, [each for each in found if each.uid != target.uid]))


def _owner(owner: Owner, place: str) -> Target:
    """A controller, by its kind; of a kind that is not built in the plural is not known."""
    found = maker(owner.group, owner.kind)
    resource = found.resource if found else GroupResource(owner.group, "")
    return Target(resource, owner.kind, place, owner.name, owner.uid)


def _sized(context: ReviewContext, dependent: Dependent) -> bool:
    """Whether the policies on it name what it is made of as well, where sizes and history are theirs to say."""
    policies = context.state.policies
    makers = [policies.protecting(each) for each in dependent.makers]
    return all(any(policy in each for each in makers) for policy in policies.protecting(dependent.target))


def _row(resource: GroupResource) -> Deleter:
    pods = "" if resource != DEPLOYMENTS else ", and ReplicaSets with theirs"
    return Deleter(
        resource,
        "its creation, with a selector that fits them",
        f"pods of no controller{pods}",
        "its controller takes them for its own, and ends what is too much",
        _losses,
        frozenset({Operation.CREATE, Operation.UPDATE} if resource == selectors.BY_LABELS else {Operation.CREATE}),
        kinds=WITH_PODS | {REPLICA_SETS} if resource == DEPLOYMENTS else WITH_PODS,
    )


def _leaving(resource: GroupResource) -> Deleter:
    return Deleter(
        resource,
        "its deletion by which its pods stay, with labels that a protected workload selects",
        "that workload",
        "its controller takes them for its own",
        _left,
        frozenset({Operation.DELETE}),
        kinds=_with_makers(_COUNTED[REPLICA_SETS if resource == DEPLOYMENTS else PODS]),
        # What it leaves must have such labels, but for a Deployment's ReplicaSet, whose deletion is the Deployment's.
        alone=resource == REPLICA_SETS,
        stays="what goes with another leaves no pods: the garbage collector takes them along",
    )


def _counted(resource: GroupResource) -> Deleter:
    return Deleter(
        resource,
        "its creation, or other labels, under a controller that has others",
        "the others of the controller, and the controller itself",
        "the controller ends those that are too many, or too old, and counts this one for its own",
        _joined,
        frozenset(_CHANGES | {Operation.DELETE} if resource == CONTROLLER_REVISIONS else _CHANGES),
        kinds=_with_makers(_COUNTED[resource]) | WITH_PODS | {resource},
        stays="its controller is its owner: it goes with that alone",
    )


def _with_makers(kinds: Iterable[GroupResource]) -> frozenset[GroupResource]:
    """These workloads, and what may stand over them."""
    return frozenset(kinds).union(*map(makers_of, kinds))


_CHANGES: Final = {Operation.CREATE, Operation.UPDATE}

ADOPTERS: Final = (*map(_row, BY_SELECTOR), *map(_leaving, BY_SELECTOR), *map(_counted, _COUNTED))
