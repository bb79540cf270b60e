"""Whoever makes a claim that a protected volume may be bound to ends the volume: it goes with the claim.

By whosever hand: the claim's namespace, its owner, its StatefulSet or its pod take it along. So it is asked about when
the claim is made, or what makes such claims.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from seconder.admission.indirect import volumes
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import CLAIMS, POD_RUNNERS, VOLUMES
from seconder.admission.lookups import Asking, FreeVolume, FreeVolumes, Unknown, ask
from seconder.admission.request import WRITES
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import GroupResource, Target

_TEMPLATE: Final = b"olumeClaimTemplate"
"""Of the names of all fields that hold a template of claims. No character of such a name is written by an escape."""

_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
"""The annotation that counts before the field ``storageClassName``."""


class _Wanted(NamedTuple):
    """What a claim asks for: a volume by name, or one of these classes; ``name``: the claim's own, where it is known.

    Sizes, modes and labels do not count: what is too small today may be changed until the claim is bound.
    """

    volume: str
    classes: tuple[str, ...]
    name: str

    def may_have(self, volume: FreeVolume, place: str) -> bool:
        """Whether the volume controller may bind it, from a namespace, to a volume that is free."""
        if volume.kept_for:
            namespace, name = volume.kept_for
            if namespace != place or self.name not in {"", name}:
                return False
        if self.volume:
            return self.volume == volume.name
        # Without a class it gets the default one, now or later.
        return not self.classes or not volume.classes or not set(self.classes).isdisjoint(volume.classes)


def free_volume(document: Mapping[str, Any]) -> FreeVolume | None:
    """A volume that waits for a claim, and is not retained when that goes; None for any other."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    claim = spec.get("claimRef") or {}
    if claim.get("uid") or spec.get("persistentVolumeReclaimPolicy") == volumes.RETAIN:
        return None
    kept_for = (claim.get("namespace", ""), claim["name"]) if claim.get("name") else None
    return FreeVolume(metadata["name"], metadata["uid"], _classes(metadata, spec), kept_for)


def _classes(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[str, ...]:
    named = (metadata.get("annotations") or {}).get(_CLASS), spec.get("storageClassName")
    return tuple(each for each in named if each is not None)


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request = context.request
    claims = request.target.resource == CLAIMS.resource
    # Nearly all that agents write makes no claim.
    if request.subresource or not (claims or _TEMPLATE in request.body):
        return []
    kind = VOLUMES
    if not context.state.policies.protecting(Target(kind.resource, kind.kind, "", "", "")):
        return []
    stored, wanted = context.whole
    before, after = ({*_claims(request.target.resource, each)} for each in (stored, wanted))
    # What is bound stays so.
    if claims and any(claim.volume for claim in before):
        return []
    asked = after - before
    if not asked:
        return []
    names = () if any(not each.volume for each in asked) else tuple(sorted({each.volume for each in asked}))
    found = yield from ask(FreeVolumes(names))
    lost = [each for each in found if any(claim.may_have(each, request.target.namespace) for claim in asked)]
    return [goes_along(Target(kind.resource, kind.kind, "", each.name, each.uid), kind.version) for each in lost]


def _claims(resource: GroupResource, document: Mapping[str, Any]) -> Iterator[_Wanted]:
    """The claims that an object is, or has made. Raises Unknown."""
    try:
        if resource == CLAIMS.resource:
            if document:
                yield _wanted(document, (document.get("metadata") or {}).get("name", ""))
            return
        for template in _templates(document.get("spec")):
            yield _wanted(template, "")
    except (AttributeError, TypeError):
        raise Unknown("what its claims ask for cannot be told") from None


def _wanted(document: Mapping[str, Any], name: str) -> _Wanted:
    metadata, spec = document.get("metadata") or {}, document.get("spec") or {}
    return _Wanted(spec.get("volumeName") or "", _classes(metadata, spec), name)


def _templates(value: Any) -> Iterator[Any]:
    """All templates of claims in an object: a StatefulSet's, and those of its pods' ephemeral volumes."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left.extend(each)
        elif isinstance(each, dict):
            for key, below in each.items():
                if key == "volumeClaimTemplates":
                    yield from below or ()
                elif key == "volumeClaimTemplate":
                    yield below
                else:
                    left.append(below)


def _row(resource: GroupResource, by: str) -> Deleter:
    return Deleter(
        resource,
        by,
        "each protected PersistentVolume that waits for a claim, may be bound to it, and is not retained",
        "the volume goes with the claim, whatever ends that",
        _losses,
        WRITES,
    )


_BY_TEMPLATE: Final = "templates of such claims"

DELETERS: Final = (
    _row(CLAIMS.resource, "its creation, or another volume or class that it asks for"),
    *(_row(resource, _BY_TEMPLATE) for resource in sorted(POD_RUNNERS)),
)
