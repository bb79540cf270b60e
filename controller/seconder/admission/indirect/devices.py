"""A device that is to evict ends the pods that use it (Dynamic Resource Allocation).

So does a ResourceClaim that is given such a device, or none any more. Whoever writes its status says which devices it
has, which of their taints are tolerated, and for which pods it is reserved. What is given away is another's as well.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission.changes import free_changes, free_paths
from seconder.admission.indirect import of_pods
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import WITH_PODS
from seconder.admission.lookups import Asking, Unknown
from seconder.admission.request import WRITES, Metadata, Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import PODS, GroupResource, Target
from seconder.api.type_reader import TypeReader

_GROUP: Final = "resource.k8s.io"
_ANYWHERE: Final = ""
"""Claims of devices are in any namespace."""
_UNKNOWN: Final = "which pods use the claim cannot be told"


def _by_device(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """Raise Unknown where a device is to evict: claims in all namespaces tell which pods use it."""
    spec = context.request.new_spec
    if b"NoExecute" in bytes(spec) and (yield from of_pods.matter(context, _ANYWHERE)):
        raise Unknown("which pods use the device cannot be told")
    return []


def _device(plural: str) -> Deleter:
    return Deleter(
        GroupResource(_GROUP, plural),
        "a taint NoExecute",
        "the pods that use the devices (KEP-5055); no peer can approve it",
        "the device taint eviction controller deletes them",
        _by_device,
        WRITES,
        kinds=WITH_PODS,
        namespaced=False,
    )


class _Consumer(Struct, frozen=True, rename="camel"):
    """For what a claim is reserved (resource.k8s.io/v1)."""

    api_group: str = ""
    resource: str = ""
    name: str = ""
    uid: str = ""


class _Status(Struct, rename="camel"):
    allocation: dict[str, Any] | None = None
    reserved_for: list[_Consumer] | None = None


class _Claim(Struct):
    status: _Status | None = None


_claim: Final = TypeReader(_Claim)


_FREE: Final = free_paths.compiled(free_changes.UNMARKED)
"""Labels and annotations, but those by which programs find what they end. Its spec never changes."""


def _by_claim(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The pods that have the claim, or get it by this."""
    request, place = context.request, context.request.target.namespace
    if not (request.deletes or context.changes([_FREE])):
        return []
    if not (yield from of_pods.matter(context, place)):
        return []
    before, after = map(_status, context.whole)
    consumers = {each for status in (before, after) for each in status.reserved_for or ()}
    if any(GroupResource(each.api_group, each.resource) != PODS for each in consumers):
        # A group of pods, say.
        raise Unknown(_UNKNOWN)
    pods = {(each.name, each.uid) for each in consumers}
    if after.allocation is not None and before.allocation is None:
        # Those that wait for it get these devices once they are scheduled.
        pods.add(_waiting(request.new))
    return [goes_along(Target(PODS, "Pod", place, name, uid)) for name, uid in sorted(pods)]


def _status(claim: dict[str, Any]) -> _Status:
    """What a claim's status tells. Raises Unknown."""
    try:
        return _claim.convert(claim).status or _Status()
    except msgspec.ValidationError:
        raise Unknown(_UNKNOWN) from None


def _waiting(claim: Metadata) -> tuple[str, str]:
    """The one pod for which a claim is made. Raises Unknown where any may name it."""
    owner = claim.controller_owner
    if owner is None or (owner.group, owner.kind) != ("", "Pod"):
        raise Unknown(_UNKNOWN)
    return owner.name, owner.uid


_CLAIM: Final = Deleter(
    GroupResource(_GROUP, "resourceclaims"),
    "its deletion while it is reserved, or other devices, reservations, finalizers or whatever else is not free of it",
    "the pods for which it is reserved; with devices for pods that nobody knows yet, no peer can approve it",
    "the device taint eviction controller deletes pods whose devices are broken, and the scheduler gives away others",
    _by_claim,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=WITH_PODS,
    stays="a finalizer keeps it for as long as pods have it",
)

DELETERS: Final = (_device("devicetaintrules"), _device("resourceslices"), _CLAIM)
