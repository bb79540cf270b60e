"""A PersistentVolume that goes, or is given to another claim, takes the data of its claim along."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import codec, coverage
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import Action, GroupResource, Target

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
        if not request.updates or (after.claim_ref == claim and not destroyed):
            return []
    target = Target(_CLAIMS, "PersistentVolumeClaim", claim.namespace, claim.name, claim.uid)
    effect = Effect(Action.DELETE, target, "v1", {}, dependent=True)
    if not coverage.may_be_covered(context, effect):
        return []
    stored = yield from coverage.read(effect, "the claim on the volume could not be looked up")
    # A claim that was made anew under the name has another volume.
    return [coverage.at(effect, stored)] if stored is not None and claim.uid in {"", stored.uid} else []


DELETER: Final = Deleter(
    GroupResource("", "persistentvolumes"),
    "its deletion, another claimRef, or another reclaim policy than Retain",
    "the PersistentVolumeClaim that is bound to it",
    "the volume controller marks the claim Lost, or deletes its data later",
    _losses,
    frozenset({Operation.UPDATE, Operation.DELETE}),
)
