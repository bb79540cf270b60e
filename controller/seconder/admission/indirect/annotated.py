"""Annotations that come from one object onto another, where they are a change that a policy may ask about.

A ReplicaSet's come onto its Deployment by ``kubectl rollout undo``, and a Deployment's onto its ReplicaSets by its
controller (kubernetes/pkg/controller/deployment, ``SetNewReplicaSetAnnotations``).
"""

from typing import Final

from seconder.admission.changes import free_changes
from seconder.admission.changes.free_paths import ANNOTATIONS
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import Action, Target

_LEFT: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""Each apply by client writes it, and neither of the two copies it (their ``annotationsToSkip``)."""


def taken_back(context: ReviewContext, onto: Target) -> bool:
    """Whether an update changes an annotation that is not free on another object, by what policies over that say."""
    old, new = context.request.stored, context.request.incoming
    if old == new:
        return False
    changed = [key for key in old.keys() | new.keys() if key != _LEFT and old.get(key) != new.get(key)]
    free = free_changes.of_all(context.naming(Effect(Action.CHANGE, onto, "v1", {})), onto.resource)
    return any(not free_changes.frees(paths, (*ANNOTATIONS, key)) for paths in free for key in changed)
