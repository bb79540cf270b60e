"""What goes with an object that goes along itself: not by its owners alone, but by the word of the table as well.

A StatefulSet that goes with its owner deletes claims as a request of its deletion does, a claim has its volume deleted,
and a ServiceAccount its tokens. With pods go the claims of their ephemeral volumes: pods are far more than claims, so
the claims are known, and the way from them up to the workload is asked for.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission import coverage
from seconder.admission.dependents import Dependent, Kind, kind_key
from seconder.admission.indirect import claims, nodes, standing, tokens, volumes
from seconder.admission.indirect.volumes import GoneWith
from seconder.admission.kinds import CLAIMS, MAKERS
from seconder.admission.lookups import Asking, Dependents, ObjectRef, ReadObjects, Unknown, ask
from seconder.admission.request import Metadata
from seconder.admission.review import Effect, ReviewContext, goes_with
from seconder.api.resources import NAMESPACES, NODES, PODS, GroupResource, Target

_DEEPEST: Final = 4
"""Steps from the object that a request is about: namespace, claim, volume, and one more."""

_MOST: Final = 64
"""Objects of which it is asked what goes with them, or whose they are; more are not known."""

_UNKNOWN: Final = "what goes with what it owns could not be looked up"

_OF_PODS: Final = frozenset({kind_key(Kind("v1", "Pod"))})
_HIGHEST: Final = 3
"""Steps from a pod to the workload: its ReplicaSet, or Job, and what makes that."""

_UNREAD: Final = "whose pods have the claims could not be looked up"


def claims_of(context: ReviewContext, workload: Target) -> Asking[list[Dependent]]:
    """The claims of the ephemeral volumes of a workload's pods. Raises Unknown."""
    kind, place = CLAIMS, workload.namespace
    if workload.resource not in MAKERS or kind.resource not in context.state.policies.followed_resources:
        return []
    owned = yield from ask(Dependents(_OF_PODS, workload))
    held = [each for each in owned if each.resource.resource == kind.resource and each.namespace == place]
    if len(held) > _MOST:
        raise Unknown(_UNREAD)
    if not held:
        return []
    below = {each: ObjectRef(kind, place, each.name) for each in held}
    stored = yield from ask(ReadObjects(tuple(below.values()), _UNREAD))
    above = {each: pod for each, ref in below.items() if (pod := _pod(stored.get(ref), place))}
    found: list[Dependent] = []
    for _ in range(_HIGHEST):
        if not above:
            break
        refs = {target: standing.ref(target) for target in above.values()}
        read = yield from ask(ReadObjects(tuple(refs.values()), _UNREAD))
        climbed: dict[Dependent, Target] = {}
        for claim, target in above.items():
            metadata = read.get(refs[target])
            for maker in standing.workload_of(metadata.controller_owner if metadata else None, place):
                climbed[claim] = maker
        found += [claim for claim, maker in climbed.items() if maker.uid == workload.uid]
        above = {claim: maker for claim, maker in climbed.items() if maker.uid != workload.uid}
    return [each._replace(through=PODS, above=(workload.resource,)) for each in found]


def _with_pods(context: ReviewContext, workload: Target) -> Asking[Sequence[Effect]]:
    """Their deletions, where the workload goes itself."""
    return [goes_with(each) for each in (yield from claims_of(context, workload))]


def _pod(claim: Metadata | None, place: str) -> Target | None:
    owners = claim.owners if claim else ()
    return next((Target(PODS, "Pod", place, each.name, each.uid) for each in owners if each.kind == "Pod"), None)


def _with_set(context: ReviewContext, workload: Target) -> Asking[Sequence[Effect]]:
    own = yield from claims.gone_with(context, workload)
    return [*own, *(yield from _with_pods(context, workload))]


_ROWS: Final[Mapping[GroupResource, GoneWith]] = {
    NAMESPACES: volumes.gone_with_namespace,
    NODES: nodes.gone_with,
    claims.SETS.resource: _with_set,
    **{resource: _with_pods for resource in MAKERS if resource != claims.SETS.resource},
    tokens.ACCOUNTS: tokens.gone_with,
    **volumes.GONE_WITH,
}


def with_further(context: ReviewContext, effects: Sequence[Effect], gone: Sequence[Target]) -> Asking[list[Effect]]:
    """These effects, and the deletions of what goes with some objects and a policy may cover. Raises Unknown.

    What the ownerReferences of ``gone`` tell is not among them.
    """
    known = {each.target for each in effects}
    more = yield from _further(context, gone)
    return [*effects, *(each for each in more if each.target not in known and coverage.may_be_covered(context, each))]


def _further(context: ReviewContext, gone: Sequence[Target]) -> Asking[list[Effect]]:
    found: dict[Target, Effect] = {}
    asked = 0
    for _ in range(_DEEPEST):
        followed = [each for each in gone if each.resource in _ROWS]
        asked += len(followed)
        if asked > _MOST:
            raise Unknown(_UNKNOWN)
        new: dict[Target, Effect] = {}
        for each in followed:
            for effect in (yield from _ROWS[each.resource](context, each)):
                new.setdefault(effect.target, effect)
        uids = frozenset(target.uid for target in new if target.uid)
        if uids:
            some = next(iter(new))
            for dependent in (yield from ask(Dependents(uids, some))):
                new.setdefault(dependent.target, goes_with(dependent))
        gone = [target for target in new if target not in found]
        found |= {target: new[target] for target in gone}
        if not gone:
            break
    return list(found.values())
