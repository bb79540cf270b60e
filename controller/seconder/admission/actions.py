"""What a request amounts to, in the action names of policies: deleting is not the only way to lose an object."""

from typing import Final

from seconder.admission.request import Operation, Owner, Reference, Request, State
from seconder.api.resources import Action

_SCALE: Final = "scale"
_FINALIZE: Final = "finalize"

ENDINGS: Final = frozenset({Action.DELETE, Action.CHANGE_OWNERS})
"""With an object go the things in it and of it, whether it is deleted or left to the garbage collector."""


def actions(request: Request) -> tuple[Action, ...]:
    """Give every protected action that the request amounts to; none for ordinary work. One update may be several."""
    if request.operation is Operation.DELETE:
        return () if request.subresource else (Action.DELETE,)
    before, after = request.before, request.after
    if request.operation is not Operation.UPDATE or before is None or after is None:
        return ()
    found = []
    if _to_zero(before, after):
        found.append(Action.SCALE_TO_ZERO)
    # Of a namespace that is not under deletion, too: what is finalized first is gone at the next deletion.
    if (before.leaving or request.subresource == _FINALIZE) and before.finalizers - after.finalizers:
        found.append(Action.REMOVE_FINALIZERS)
    if added_owners(request):
        found.append(Action.CHANGE_OWNERS)
    return tuple(found)


def may_end(request: Request) -> bool:
    """Say whether the object may go by this request, now or later, and what it owns with it.

    To an object under deletion a finalizer may be all that keeps what it owns from the garbage collector.
    """
    return not {Action.DELETE, Action.REMOVE_FINALIZERS, Action.CHANGE_OWNERS}.isdisjoint(actions(request))


def added_owners(request: Request) -> frozenset[Owner]:
    """Give the owners that the request adds to a stored object."""
    before, after = request.before, request.after
    if request.operation is not Operation.UPDATE or before is None or after is None:
        return frozenset()
    return after.owners - before.owners


def elsewhere(request: Request) -> tuple[Reference, Action] | None:
    """Give what a request amounts to on another object than its own.

    An autoscaler that may go to nothing empties its workload. A ReplicaSet that is deleted comes back, but not while
    its Deployment is paused: it counts as the Deployment.
    """
    if request.shrinks is not None:
        return request.shrinks, Action.SCALE_TO_ZERO
    if request.maker is not None and request.operation is Operation.DELETE and not request.subresource:
        return Reference(request.maker.api_version, request.maker.kind, request.maker.name), Action.DELETE
    return None


def scales(request: Request) -> bool:
    """Say whether the request is one of the scale subresource, whose reviews carry no annotations."""
    return request.subresource == _SCALE


def _to_zero(before: State, after: State) -> bool:
    return after.replicas == 0 and before.replicas != 0
