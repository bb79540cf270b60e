"""A PersistentVolume that goes, or is given to another claim, takes the data of its claim along; a claim its volume.

A volume that was made for a claim is the claim's own. One that was there before is not.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec, coverage
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking, ObjectRef, ReadWhole, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import GroupResource, ResolvedResource, Target

_CLAIMS: Final = GroupResource("", "persistentvolumeclaims")


class _Claim(Struct):
    namespace: str = ""
    name: str = ""
    uid: str = ""


class _Volume(Struct, rename="camel"):
    claim_ref: _Claim | None = None
    persistent_volume_reclaim_policy: str = ""


_spec: Final = msgspec.json.Decoder(_Volume | None)


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request = context.request
    before = codec.read(request, _spec, request.old_spec, "the volume") or _Volume()
    claim = before.claim_ref
    if claim is None or not claim.name:
        return []
    if not request.may_end:
        after = codec.read(request, _spec, request.new_spec, "the volume") or _Volume()
        destroyed = after.persistent_volume_reclaim_policy not in {before.persistent_volume_reclaim_policy, "Retain"}
        if not request.updates or (after.claim_ref == claim and not destroyed and not _retold(context)):
            return []
    target = Target(_CLAIMS, "PersistentVolumeClaim", claim.namespace, claim.name, claim.uid)
    effect = goes_along(target)
    if not coverage.may_be_covered(context, effect):
        return []
    stored = yield from coverage.read(effect, "the claim on the volume could not be looked up")
    # A claim that was made anew under the name has another volume.
    return [coverage.at(effect, stored)] if stored is not None and claim.uid in {"", stored.uid} else []


def _retold(context: ReviewContext) -> bool:
    """Whether its status is written, by which the volume controller reclaims it."""
    stored, wanted = context.written
    return stored.get("status") != wanted.get("status")


class _Claiming(Struct, rename="camel"):
    volume_name: str = ""


_claiming: Final = msgspec.json.Decoder(_Claiming | None)
_VOLUMES: Final = ResolvedResource(
    GroupResource("", "persistentvolumes"), "v1", namespaced=False, custom=False, kind="PersistentVolume"
)
_PROVISIONED: Final = "pv.kubernetes.io/provisioned-by"
_UNREAD: Final = "the volume of the claim could not be looked up"


def _by_claim(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The volume that goes with a claim which was bound to it."""
    request = context.request
    held = codec.read(request, _claiming, request.old_spec, "the claim") or _Claiming()
    if not (request.may_end and held.volume_name):
        return []
    target = Target(_VOLUMES.resource, _VOLUMES.kind, "", held.volume_name, "")
    if not context.state.policies.protecting(target):
        return []
    stored: Any = yield from ask(ReadWhole(ObjectRef(_VOLUMES, "", held.volume_name), _UNREAD))
    if stored is None:
        return []
    metadata, spec = stored.get("metadata") or {}, stored.get("spec") or {}
    kept = spec.get("persistentVolumeReclaimPolicy") == "Retain"
    if kept or _PROVISIONED in (metadata.get("annotations") or {}):
        return []
    return [goes_along(target)]


BY_CLAIM: Final = Deleter(
    _CLAIMS,
    "its deletion",
    "the PersistentVolume that it is bound to, unless that was made for it or is retained",
    "the volume controller deletes it by its reclaim policy",
    _by_claim,
    frozenset({Operation.UPDATE, Operation.DELETE}),
)

DELETER: Final = Deleter(
    _VOLUMES.resource,
    "its deletion, another claimRef or status, or another reclaim policy than Retain",
    "the PersistentVolumeClaim that is bound to it",
    "the volume controller marks the claim Lost, or deletes its data later",
    _losses,
    frozenset({Operation.UPDATE, Operation.DELETE}),
)
