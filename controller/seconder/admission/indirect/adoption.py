"""Controllers take for their own whatever no controller has and their selector fits, and end what is too much of it.

So whoever makes a workload over protected pods ends them by its size (kubernetes/pkg/controller, ControllerRefManager).
And whoever has something let go of what it made leaves that to them. What is there has the labels that it was made
with: its maker's template may tell others by then.

What has a further owner the garbage collector does not delete with its controller, however that goes: it takes the
reference to that one off, and leaves the object (kubernetes/pkg/controller/garbagecollector, ``attemptToDeleteItem``).
So an owner more counts as though nobody controlled the object any longer.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from seconder.admission.coverage import NAME
from seconder.admission.dependents import Dependent, may_leave
from seconder.admission.indirect import claims, of_pods, selectors, standing
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import (
    BY_SELECTOR,
    CRON_JOBS,
    MADE_BY_CONTROLLER,
    MAKERS,
    MAKERS_AND_MADE,
    POD,
    WITH_PODS,
    maker,
    makers_of,
)
from seconder.admission.lookups import (
    Adopting,
    Asking,
    Dependents,
    ObjectRef,
    Placed,
    ReadObjects,
    Selecting,
    Uncontrolled,
    Unknown,
    ask,
)
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

_UNREAD: Final = "the CronJob that would count it could not be looked up"

_KINDS: Final = {each: MAKERS_AND_MADE[each] for each in _COUNTED}
_TAKEN: Final = {each: _KINDS[each] for each, kinds in _COUNTED.items() if kinds}
"""Those that some kind takes."""


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What a workload takes that is there already."""
    request, target = context.request, context.request.target
    place = target.namespace
    takes_sets = target.resource == DEPLOYMENTS
    sets = takes_sets and context.state.policies.protects_in(REPLICA_SETS, place)
    selector = selectors.written(request, request.new_spec)
    if not selector or selector == selectors.written(request, request.old_spec):
        return []
    pods = yield from of_pods.matter(context, place)
    sets = sets or (takes_sets and (yield from of_pods.own(context, place, MAKERS[REPLICA_SETS])))
    asked = selectors.text(selector)
    effects: list[Effect] = []
    if pods:
        found = yield from ask(Uncontrolled(POD, target.namespace, asked))
        effects += [_deletion(POD, pod) for pod in found if selectors.takes(target, PODS, pod.name)]
    if sets or (takes_sets and pods):
        for each in (yield from ask(Uncontrolled(MAKERS[REPLICA_SETS], target.namespace, asked))):
            taken = _deletion(MAKERS[REPLICA_SETS], each)
            below = yield from ask(Dependents(frozenset({each.uid}), taken.target))
            held = yield from of_pods.of_workload(context, taken.target)
            effects += [taken, *map(goes_with, {one.uid: one for one in (*held, *below)}.values())]
    return effects


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
    stays = owner is not None and bool(request.added_owners)
    # A status carries them as well. What is made below an object has its own.
    if (request.subresource and not request.updates) or (as_before and not stays):
        return []
    crowds = context.state.policies.protects_in(target.resource, target.namespace)
    crowds = crowds or (yield from _matter(context, [target.resource]))
    taking = [] if target.resource == JOBS else standing.matter(context, _COUNTED[target.resource])
    finishes = target.resource == PODS and (yield from of_pods.own(context, target.namespace, MAKERS[JOBS]))
    if not (crowds or taking or finishes):
        return []
    mine = (yield from _controllers(context, owner, crowds=crowds)) if owner else []
    # Its controller, if it has one, may let go of it later: another one takes it then by the labels that it has now.
    # And that one itself goes by uid and labels: what the reference says of it beside that is its writer's word.
    # Selectors may ask that a label is not there, and so fit what has none.
    others: Sequence[Target] = ()
    if _COUNTED[target.resource]:
        wanted = _COUNTED[target.resource] if crowds else {*taking, *([JOBS] if finishes else ())}
        kinds = tuple(MAKERS[each] for each in sorted(wanted))
        found = yield from ask(Selecting(kinds, target.namespace, selectors.pairs(labels)))
        others = [each for each in found if each not in mine and selectors.takes(each, target.resource, target.name)]
    counting = others if as_before else (*mine, *others)
    effects = yield from _crowded(context, counting if crowds else ())
    joined = (*mine, *others) if revision or owner != was[0] else others
    effects += yield from standing.protected(context, [each for each in joined if each.resource in taking])
    return _each(effects, (yield from _finished(context, joined)) if finishes else ())


def _matter(context: ReviewContext, kinds: Iterable[GroupResource]) -> Asking[bool]:
    """Whether the end of pods matters where the request is, or of others by what these own."""
    place = context.request.target.namespace
    if (yield from of_pods.matter(context, place)):
        return True
    for each in kinds:
        if each != PODS and (yield from of_pods.own(context, place, _KINDS[each])):
            return True
    return False


def _each(effects: Iterable[Effect], more: Iterable[Effect]) -> list[Effect]:
    """All of these, each object once."""
    found = {each.target: each for each in effects}
    return list(({each.target: each for each in more} | found).values())


def _finished(context: ReviewContext, workloads: Iterable[Target]) -> Asking[list[Effect]]:
    """What goes with those Jobs among these that one pod more may bring to their end."""
    effects: list[Effect] = []
    for each in workloads:
        if each.resource == JOBS:
            effects += yield from standing.of_job(context, each)
    return effects


def _crowded(context: ReviewContext, parents: Iterable[Target]) -> Asking[list[Effect]]:
    """What ends of these workloads' own where each gets one more."""
    found: dict[str, Effect] = {}
    for parent in parents:
        owned = yield from ask(Dependents(frozenset({parent.uid}), parent))
        itself = context.request.target.uid
        ending = [each for each in owned if each.uid != itself and not _sized(context, each)]
        held = yield from of_pods.of_workload(context, parent)
        counted = _KINDS.get(context.request.target.resource, POD)
        if counted != POD:
            held = [*held, *(yield from of_pods.of_workload(context, parent, counted))]
        for each in (*ending, *held):
            found.setdefault(each.uid, goes_with(each))
    return list(found.values())


def may_matter(context: ReviewContext) -> Asking[bool]:
    """Whether it may matter where the request is what is left behind."""
    place = context.request.target.namespace
    told = of_pods.may_matter(context, place) or claims.matter(context, place)
    return told or bool(standing.matter(context, BY_SELECTOR)) or (yield from _matter(context, _KINDS))


def left_behind(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What ends by whoever takes what the stored object controls, where it lets go of that.

    The protected workloads that take some, and what is then too much of their own.
    """
    target, policies = context.request.target, context.state.policies
    made = [
        each for each in _TAKEN if target.resource not in BY_SELECTOR or (target.resource, each) in MADE_BY_CONTROLLER
    ]
    crowds = (yield from _matter(context, made)) or any(
        policies.protects_in(each, target.namespace) if target.namespace else policies.follows_some_of({each})
        for each in made
    )
    asked = {each: _COUNTED[each] if crowds else standing.matter(context, _COUNTED[each]) for each in made}
    finishes = PODS in made and (yield from of_pods.own(context, target.namespace, MAKERS[JOBS]))
    if finishes and JOBS not in asked[PODS]:
        asked[PODS] = [*asked[PODS], JOBS]
    scales = PODS in made and claims.matter(context, target.namespace)
    if scales and STATEFUL_SETS not in asked[PODS]:
        asked[PODS] = [*asked[PODS], STATEFUL_SETS]
    takers = tuple((_TAKEN[each], tuple(MAKERS[kind] for kind in kinds)) for each, kinds in asked.items() if kinds)
    if not takers:
        return []
    found = yield from ask(Adopting(target.namespace, target.uid, takers, _labels(context)))
    others = [each for each in found if each.uid != target.uid]
    effects = yield from _crowded(context, others if crowds else ())
    effects += yield from standing.protected(context, others)
    if scales:
        effects += yield from claims.crowded(context, [each for each in others if each.resource == STATEFUL_SETS])
    return _each(effects, (yield from _finished(context, others)) if finishes else ())


_UNSETTLED: Final = "what its controller makes of its last change is not there yet"


def _labels(context: ReviewContext) -> tuple[tuple[str, str], ...] | None:
    """The labels of what a workload may make before it lets go. Raises Unknown where it may make others as well.

    Its controller says which of its changes it has seen; until then it makes what it was before.
    """
    resource = context.request.target.resource
    if resource not in BY_SELECTOR:
        return None
    stored = context.whole[0]
    generation = (stored.get("metadata") or {}).get("generation", 1)
    # A Job's does not say, and labels of its template stay once it runs.
    if generation > 1 and resource != JOBS and (stored.get("status") or {}).get("observedGeneration") != generation:
        raise Unknown(_UNSETTLED)
    return selectors.pairs(selectors.labels_of_pods(stored.get("spec")))


def _left(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What ends by whoever takes what a workload leaves behind when it goes."""
    # Most deletions leave nothing behind.
    return (yield from left_behind(context)) if may_leave(context.request) else []


def _let_go(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What ends by whoever takes the pods that a workload selects no longer."""
    request = context.request
    if selectors.written(request, request.new_spec) == selectors.written(request, request.old_spec):
        return []
    return (yield from left_behind(context))


def _controllers(context: ReviewContext, owner: Owner, *, crowds: bool) -> Asking[list[Target]]:
    """A controller, as its reference tells it; and where another Job ends some, the CronJob of its name.

    Of a kind that is not built in the plural is not known. Jobs are counted by the name in the reference alone
    (kubernetes/pkg/controller/cronjob, ``getJobsToBeReconciled``).
    """
    resource, place = context.request.target.resource, context.request.target.namespace
    known = maker(owner.group, owner.kind)
    told = Target(known.resource if known else GroupResource(owner.group, ""), owner.kind, place, owner.name, owner.uid)
    if resource != JOBS or not crowds or not NAME.fullmatch(owner.name):
        return [told]
    there = ObjectRef(MAKERS[CRON_JOBS], place, owner.name)
    stored = (yield from ask(ReadObjects((there,), _UNREAD))).get(there)
    named = [Target(CRON_JOBS, MAKERS[CRON_JOBS].kind, place, owner.name, stored.uid)] if stored else []
    return [told, *(each for each in named if each != told)]


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


_LEFT_TO: Final = "that workload, and what is then too much of a workload's own"


def _leaving(resource: GroupResource) -> Deleter:
    made = [each for each in _TAKEN if (resource, each) in MADE_BY_CONTROLLER]
    return Deleter(
        resource,
        "its deletion by which what it made stays, with labels that a protected workload selects",
        _LEFT_TO,
        "its controller takes that for its own",
        _left,
        frozenset({Operation.DELETE}),
        kinds=_with_makers([kind for each in made for kind in _COUNTED[each]]),
        # What it leaves must have such labels, but for a Deployment's ReplicaSet, whose deletion is the Deployment's.
        alone=resource == REPLICA_SETS,
        stays="what goes with another leaves nothing: agents give no object the finalizer by which it would, and what"
        " it made no further owner by which that would stay",
    )


def _counted(resource: GroupResource) -> Deleter:
    return Deleter(
        resource,
        "its creation, other labels, or an owner more by which it stays when its controller goes, under a controller"
        " that has others",
        "the others of the controller, and the controller itself",
        "the controller ends those that are too many, or too old, and counts this one for its own",
        _joined,
        frozenset(_CHANGES | {Operation.DELETE} if resource == CONTROLLER_REVISIONS else _CHANGES),
        kinds=_with_makers(_COUNTED[resource]) | WITH_PODS | {resource},
        stays="its controller is its owner: it goes with that",
    )


def _with_makers(kinds: Collection[GroupResource]) -> frozenset[GroupResource]:
    """These workloads, and what may stand over them."""
    return frozenset(kinds).union(*map(makers_of, kinds))


_RELEASING: Final = Deleter(
    selectors.BY_LABELS,
    "another selector, while it has pods of labels that a protected workload selects",
    _LEFT_TO,
    "it lets go of them, and that one's controller takes them for its own",
    _let_go,
    frozenset({Operation.UPDATE}),
    kinds=_with_makers(_COUNTED[PODS]),
    # It must have such pods.
    alone=False,
)

_CHANGES: Final = {Operation.CREATE, Operation.UPDATE}

ADOPTERS: Final = (*map(_row, BY_SELECTOR), *map(_leaving, BY_SELECTOR), _RELEASING, *map(_counted, _COUNTED))
