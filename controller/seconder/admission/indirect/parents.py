"""What a parent's own controller ends on the word of a field: by a rollout, fewer replicas, a history limit, `suspend`.

Which fields these are cannot be listed. So whatever is not free on the parent counts as the end of all that it owns, by
the table of its kind; and of what is free there, what replaces pods, or leaves fewer of them.
"""

import functools
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from seconder.admission.changes import free_changes
from seconder.admission.changes.free_changes import REPLICAS, TEMPLATE
from seconder.admission.changes.free_paths import FreePaths
from seconder.admission.dependents import Dependent
from seconder.admission.indirect import annotated
from seconder.admission.kinds import MADE_BY_CONTROLLER, MAKERS
from seconder.admission.review import ReviewContext
from seconder.api.resources import DEPLOYMENTS, NODES, PODS, REPLICA_SETS, GroupResource, Target

_ROLLS_OUT: Final = frozenset(
    GroupResource("apps", plural) for plural in ("deployments", "daemonsets", "replicasets", "statefulsets")
)
"""Kinds of which another template ends the pods of the one before: a ReplicaSet's Deployment does, which makes it anew.

Those of the others stay.
"""

INERT: Final = frozenset({NODES})
"""Kinds that own what no field of theirs ends: a node's static pods. What ends its pods is told elsewhere."""


class Loss(Struct, frozen=True):
    """What an update of a parent ends. ``free``: it would be on a protected parent.

    ``made``: what its controller makes alone, with what goes with that; ``pods``: of that the pods alone.
    """

    pods: bool = False
    free: bool = False
    made: bool = False

    def of(self, dependent: Dependent) -> bool:
        """Whether it ends something that belongs to the parent."""
        *below, parent = dependent.chain
        if self.pods:
            return PODS in below
        return not self.made or (parent, below[-1]) in MADE_BY_CONTROLLER


def loss(context: ReviewContext) -> Loss | None:
    """What an update may end of what its object owns, now or later; None where that is nothing. Raises Unknown."""
    request = context.request
    resource = request.target.resource
    if resource in INERT:
        return None
    old, new = context.replicas
    if request.subresource == "scale":
        if old == new:
            return None
        if not free_changes.frees(free_changes.built_in(resource), REPLICAS):
            return Loss()
    else:
        found = _changed(context)
        if found is not None:
            return found
    if old is None or new is None or new >= old:
        return None
    return Loss(pods=new > 0, free=new > 0, made=True)


def _changed(context: ReviewContext) -> Loss | None:
    """What is ended by another field than the number of replicas."""
    resource = context.request.target.resource
    still = _ending_nothing(resource)
    if not context.changes(still):
        return Loss(free=True, made=True) if resource == DEPLOYMENTS and _annotates(context) else None
    return Loss() if context.rewrites else Loss(free=True, made=True)


def _annotates(context: ReviewContext) -> bool:
    """Whether the Deployment's controller brings onto its ReplicaSets what policies over these do not leave free."""
    place, kind = context.request.target.namespace, MAKERS[REPLICA_SETS]
    return annotated.taken_back(context, Target(kind.resource, kind.kind, place, "", ""))


@functools.lru_cache(256)
def _ending_nothing(resource: GroupResource) -> Sequence[FreePaths]:
    """What is free on objects of a kind, but for a template whose exchange ends pods."""
    fields = [TEMPLATE] if resource in _ROLLS_OUT else []
    return free_changes.taking_back([free_changes.built_in(resource)], fields)
