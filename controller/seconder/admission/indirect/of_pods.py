"""What goes with pods: what is made for one alone, as the claim of an ephemeral volume, and whatever else one owns.

So whether pods matter is told here: where policies protect them, and where they protect what goes with some. Pods are
far more than what they own, so that is known, and the way from it up to the workload is asked for. A Job, or another of
what controllers count, may own something as a pod does.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from seconder.admission import coverage
from seconder.admission.dependents import Dependent, Kind, kind_key
from seconder.admission.kinds import MADE_BY_CONTROLLER, MADE_FOR_PODS, OF_PODS, POD, VOLUMES, maker
from seconder.admission.lookups import Asking, ControlledIn, Dependents, ReadObjects, Unknown, ask
from seconder.admission.request import Owner
from seconder.admission.review import Effect, ReviewContext, goes_along, goes_with
from seconder.api.resources import PODS, ResolvedResource, Target


def _key(kind: ResolvedResource) -> frozenset[str]:
    """The key of all owners of a built-in kind."""
    api_version = f"{kind.resource.group}/{kind.version}" if kind.resource.group else kind.version
    return frozenset({kind_key(Kind(api_version, kind.kind))})


_TEMPLATES: Final = (b'"ephemeral"', b'"resourceClaimTemplateName"')
"""Fields by which a pod names a template of what is made for it alone. Their names are never written by an escape."""

_HIGHEST: Final = 3
"""Steps up from a pod to what is wanted: by its ReplicaSet, or Job, and by what makes that."""

_UNREAD: Final = "who owns what is protected there could not be looked up"


def names_a_template(document: bytes) -> bool:
    """Whether the pods of an object, as JSON, may have something made for them alone."""
    return any(each in document for each in _TEMPLATES)


def may_matter(context: ReviewContext, place: str) -> bool:
    """Whether pods may matter, told without a look-up: see ``matter``."""
    return context.state.policies.pods_hold or _named(context, place)


def may_come(context: ReviewContext, place: str, kinds: Sequence[ResolvedResource] = OF_PODS) -> bool:
    """Whether some policy asks about what pods of a namespace come to have of these kinds, or about its volumes."""
    targets = [Target(kind.resource, kind.kind, place, "", "") for kind in kinds]
    targets.append(Target(VOLUMES.resource, VOLUMES.kind, "", "", ""))
    return any(coverage.may_be_covered(context, goes_along(each)) for each in targets)


def matter(context: ReviewContext, place: str) -> Asking[bool]:
    """Whether the end of pods matters in a namespace or, without one, anywhere.

    It does where some policy protects pods, or what goes with some that are there. Raises Unknown.
    """
    return _named(context, place) or (yield from own(context, place))


def _named(context: ReviewContext, place: str) -> bool:
    """Whether some policy protects pods in a namespace or, without one, anywhere."""
    policies = context.state.policies
    return policies.protects_in(PODS, place) if place else policies.follows_some_of({PODS})


def hold(context: ReviewContext, place: str) -> Asking[bool]:
    """Whether some policy protects what is made for pods that are there: see ``matter``."""
    try:
        return context.state.policies.pods_hold and any(map(_is_made, (yield from _held(context, place))))
    except Unknown:
        return True


def own(context: ReviewContext, place: str, kind: ResolvedResource = POD) -> Asking[bool]:
    """Whether some policy protects what goes with pods that are there, or with others of what controllers count.

    Raises Unknown.
    """
    return bool((yield from _held(context, place, kind)))


def _held(context: ReviewContext, place: str, kind: ResolvedResource = POD) -> Asking[Sequence[Dependent]]:
    """What goes with pods in a namespace or, without one, anywhere, and takes along what policies protect.

    What owns something in turn stands for that. Or with objects of another kind: not what their own controller makes.
    """
    policies = context.state.policies
    if not policies.follows:
        return []
    owned = yield from ask(Dependents(_key(kind), Target(kind.resource, kind.kind, place, "", "")))
    there = [each for each in owned if not place or each.namespace == place]
    # With a claim goes its volume.
    volumes = policies.protects_in(VOLUMES.resource, "")
    further = any(each.through != kind.resource and policies.protecting(each.target) for each in there)

    def counts(each: Dependent) -> bool:
        if kind == POD and _is_made(each):
            return volumes or bool(policies.protecting(each.target))
        if each.through != kind.resource or (kind.resource, each.resource.resource) in MADE_BY_CONTROLLER:
            return False
        return further or bool(policies.protecting(each.target))

    return list(filter(counts, there))


def _is_made(owned: Dependent) -> bool:
    return owned.resource.resource in MADE_FOR_PODS


def of_workload(context: ReviewContext, workload: Target, kind: ResolvedResource = POD) -> Asking[list[Dependent]]:
    """What goes with the pods of a workload, or with what else its controller counts. Raises Unknown."""
    return (yield from of_makers(context, workload.namespace, lambda owner: owner.uid == workload.uid, kind))


def of_makers(
    context: ReviewContext, place: str, wanted: Callable[[Owner], bool], kind: ResolvedResource = POD
) -> Asking[list[Dependent]]:
    """What goes with those pods in a namespace whose controller, or what is above that, is wanted. Raises Unknown.

    ``kind``: or with such objects. Where these are followed themselves, what they own is known by them.
    """
    held = yield from _held(context, place, kind)
    if context.state.policies.follows_some_of({kind.resource}):
        held = list(filter(_is_made, held))
    if not held:
        return []
    of_pods = frozenset(each.uid for each in held)
    ending = yield from _of_makers(place, wanted, kind, of_pods)
    found = [each for each in (yield from _owned_by(ending, place, kind)) if each.uid in of_pods]
    owning = {each.uid for each in found if not _is_made(each)}
    known = {each.uid for each in found}
    return [*found, *(each for each in (yield from _owned_by(owning, place, kind)) if each.uid not in known)]


def _of_makers(
    place: str, wanted: Callable[[Owner], bool], kind: ResolvedResource, held: frozenset[str]
) -> Asking[set[str]]:
    """The uids of those objects of a kind whose controller, or what is above that, is wanted. Raises Unknown.

    Each kind is listed once, since anybody's pods may hold something. What is above is looked up where something of the
    uids in ``held`` goes with what is below.
    """
    above = {each.placed.uid: each.controller for each in (yield from ask(ControlledIn(kind, place)))}
    ending: set[str] = set()
    for _ in range(_HIGHEST):
        ending |= {uid for uid, owner in above.items() if wanted(owner)}
        under = {uid: owner for uid, owner in above.items() if uid not in ending and maker(owner.group, owner.kind)}
        # Most of what built-in controllers made owns nothing.
        if held.isdisjoint(each.uid for each in (yield from _owned_by(under, place, kind))):
            break
        kinds = {made_by for owner in under.values() if (made_by := maker(owner.group, owner.kind))}
        controllers: dict[str, Owner] = {}
        for each in sorted(kinds, key=lambda each: each.resource):
            listed = yield from ask(ControlledIn(each, place))
            controllers |= {one.placed.uid: one.controller for one in listed}
        above = {uid: controllers[owner.uid] for uid, owner in under.items() if owner.uid in controllers}
    return ending


def _owned_by(uids: Iterable[str], place: str, kind: ResolvedResource) -> Asking[Sequence[Dependent]]:
    """What goes with the objects of a kind that have these uids."""
    keys = frozenset(uids)
    return (yield from ask(Dependents(keys, Target(kind.resource, kind.kind, place, "", "")))) if keys else ()


def going_with(context: ReviewContext, gone: Sequence[Effect]) -> Asking[list[Effect]]:
    """The deletions of what goes with the pods among some objects. Raises Unknown."""
    there = [each for each in gone if each.target.resource == PODS]
    if not there:
        return []
    uids = {each.target.uid for each in there if each.target.uid}
    unread = {each.ref for each in there if not each.target.uid}
    if unread and (yield from _held(context, there[0].target.namespace)):
        stored = yield from ask(ReadObjects(tuple(unread), _UNREAD))
        uids |= {metadata.uid for metadata in stored.values()}
    if not uids:
        return []
    owned = yield from ask(Dependents(frozenset(uids), context.request.target))
    known = {each.target for each in gone}
    return [effect for each in owned if (effect := goes_with(each)).target not in known]
