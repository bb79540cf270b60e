"""The claims of pods' ephemeral volumes go with the pods, and so with what ends these.

Pods are far more than claims, so the claims are known and the way from them up to the workload is asked for.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission.dependents import Dependent, Kind, kind_key
from seconder.admission.indirect import standing, volumes
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import Asking, Dependents, ObjectRef, ReadObjects, Unknown, ask
from seconder.admission.request import Metadata
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import PODS, ResolvedResource, Target

_POD: Final = ResolvedResource(PODS, "v1", namespaced=True, custom=False, kind="Pod")
_OF_PODS: Final = frozenset({kind_key(Kind("v1", "Pod"))})
_MOST: Final = 64
"""Such claims in one namespace; of more nobody can tell at once whose they are."""

_HIGHEST: Final = 3
"""Steps from a pod to the workload: its ReplicaSet, or Job, and what makes that."""

_UNREAD: Final = "whose pods have the claims could not be looked up"


def claims_of(context: ReviewContext, workload: Target) -> Asking[list[Dependent]]:
    """The claims of the ephemeral volumes of a workload's pods. Raises Unknown."""
    kind, place = volumes.CLAIMS, workload.namespace
    if workload.resource not in MAKERS or kind.resource not in context.state.policies.followed_resources:
        return []
    owned = yield from ask(Dependents(_OF_PODS, workload))
    claims = [each for each in owned if each.resource.resource == kind.resource and each.namespace == place]
    if len(claims) > _MOST:
        raise Unknown(_UNREAD)
    if not claims:
        return []
    below = {each: ObjectRef(kind, place, each.name) for each in claims}
    stored = yield from ask(ReadObjects(tuple(below.values()), _UNREAD))
    above = {each: pod for each, ref in below.items() if (pod := _pod(stored.get(ref), place))}
    found: list[Dependent] = []
    for _ in range(_HIGHEST):
        if not above:
            break
        refs = {target: _ref(target) for target in above.values()}
        read = yield from ask(ReadObjects(tuple(refs.values()), _UNREAD))
        climbed: dict[Dependent, Target] = {}
        for claim, target in above.items():
            metadata = read.get(refs[target])
            for maker in standing.workload_of(metadata.controller_owner if metadata else None, place):
                climbed[claim] = maker
        found += [claim for claim, maker in climbed.items() if maker.uid == workload.uid]
        above = {claim: maker for claim, maker in climbed.items() if maker.uid != workload.uid}
    return [each._replace(through=PODS, above=(workload.resource,)) for each in found]


def gone_with(context: ReviewContext, workload: Target) -> Asking[Sequence[Effect]]:
    """Their deletions, where the workload goes itself."""
    found = yield from claims_of(context, workload)
    return [goes_along(each.target, each.resource.version) for each in found]


def _pod(claim: Metadata | None, place: str) -> Target | None:
    owners = claim.owners if claim else ()
    return next((Target(PODS, "Pod", place, each.name, each.uid) for each in owners if each.kind == "Pod"), None)


def _ref(target: Target) -> ObjectRef:
    return ObjectRef(_POD if target.resource == PODS else MAKERS[target.resource], target.namespace, target.name)
