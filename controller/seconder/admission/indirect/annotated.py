"""Annotations that come from one object onto another, where they are a change that a policy may ask about.

A ReplicaSet's come onto its Deployment by ``kubectl rollout undo``, and a Deployment's onto its ReplicaSets by its
controller (kubernetes/pkg/controller/deployment, ``SetNewReplicaSetAnnotations``).
"""

from seconder.admission.changes import free_changes, last_applied
from seconder.admission.changes.free_paths import ANNOTATIONS
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import Action, Target


def taken_back(context: ReviewContext, onto: Target) -> bool:
    """Whether an update changes an annotation that is not free on another object, by what policies over that say."""
    old, new = context.request.stored, context.request.incoming
    if old == new:
        return False
    # Each apply by client writes what it applied, and neither of the two copies that (their ``annotationsToSkip``).
    changed = [key for key in old.keys() | new.keys() if key != last_applied.KUBECTL and old.get(key) != new.get(key)]
    free = free_changes.of_all(context.naming(Effect(Action.CHANGE, onto, "v1", {})), onto.resource)
    return any(not free_changes.frees(paths, (*ANNOTATIONS, key)) for paths in free for key in changed)
