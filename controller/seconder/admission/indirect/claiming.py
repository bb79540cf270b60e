"""Which claim may be bound to which volume, where either is protected and the other an agent's.

Whoever makes a claim that a protected volume may be bound to ends the volume: it goes with the claim, by whosever hand:
the claim's namespace, its owner, its StatefulSet or its pod take it along. So it is asked about when the claim is made,
or what makes such claims. And whoever makes a volume, or a class, that a protected claim waits for says where its data
goes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from seconder.admission import coverage
from seconder.admission.findings import Refusal
from seconder.admission.indirect import volumes
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import CLAIMS, POD_RUNNERS, VOLUMES
from seconder.admission.lookups import Asking, Claim, Claims, FreeVolume, FreeVolumes, TooMany, Unknown, ask
from seconder.admission.request import WRITES, Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, STATEFUL_SETS, GroupResource, Target

TEMPLATE: Final = b"olumeClaimTemplate"
"""Of the names of all fields that hold a template of claims. No character of such a name is written by an escape."""

_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
"""The annotation that counts before the field ``storageClassName``."""


_MOST: Final = 64
"""Claims of one object that ask for different things, each of which is compared with all volumes that are free."""


class _Name(NamedTuple):
    """The name of a claim, or, where it is not ``whole``, what it begins and ends with."""

    before: str
    after: str = ""
    whole: bool = False

    def may_be(self, name: str) -> bool:
        """Whether a claim may have this name."""
        return name == self.before if self.whole else name.startswith(self.before) and name.endswith(self.after)


_ANY: Final = _Name("")


class _Wanted(NamedTuple):
    """What a claim asks for: a volume by name, or one of these classes; ``name``: the claim's own.

    Sizes, modes and labels do not count: what is too small today may be changed until the claim is bound.
    """

    volume: str
    classes: tuple[str, ...]
    name: _Name

    def may_have(self, volume: FreeVolume, place: str) -> bool:
        """Whether the volume controller may bind it, from a namespace, to a volume that is free."""
        if volume.kept_for:
            namespace, name = volume.kept_for
            # Bound to that one, of whatever class either is (component-helpers/storage/volume, FindMatchingVolume).
            return namespace == place and self.name.may_be(name) and self.volume in {"", volume.name}
        if self.volume:
            return self.volume == volume.name
        # Without a class it gets the default one, now or later.
        return not self.classes or not volume.classes or not set(self.classes).isdisjoint(volume.classes)

    def may_end(self, volume: FreeVolume, place: str) -> bool:
        """Whether a volume that is free may be the claim's from then on.

        One that is retained stays when the claim goes, as nobody's: that counts where the claim names it, or it the
        claim. Those of a class that say of no claim that they are for that are there to be taken.
        """
        meant = self.volume or volume.kept_for
        return self.may_have(volume, place) and bool(meant or not volume.retained)


def free_volume(document: Mapping[str, Any]) -> FreeVolume | None:
    """A volume that waits for a claim; None for any other."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    claim = spec.get("claimRef") or {}
    if claim.get("uid"):
        return None
    kept_for = (claim.get("namespace", ""), claim["name"]) if claim.get("name") else None
    retained = spec.get("persistentVolumeReclaimPolicy") == volumes.RETAIN
    return FreeVolume(metadata["name"], metadata.get("uid", ""), _classes(metadata, spec), kept_for, retained)


def stored_claim(document: Mapping[str, Any]) -> Claim:
    """A claim as a list of them gives it."""
    metadata, wanted = document["metadata"], _wanted(document, _ANY)
    attributes = (document.get("spec") or {}).get("volumeAttributesClassName") or ""
    return Claim(metadata["namespace"], metadata["name"], metadata["uid"], wanted.volume, wanted.classes, attributes)


def _classes(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[str, ...]:
    named = (metadata.get("annotations") or {}).get(_CLASS), spec.get("storageClassName")
    return tuple(each for each in named if each is not None)


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request = context.request
    claims = request.target.resource == CLAIMS.resource
    # Nearly all that agents write makes no claim.
    if request.subresource or not (claims or TEMPLATE in request.body):
        return []
    kind = VOLUMES
    if not context.state.policies.protecting(Target(kind.resource, kind.kind, "", "", "")):
        return []
    stored, wanted = context.whole
    before, after = ({*_claims(request.target, each)} for each in (stored, wanted))
    # What is bound stays so.
    if claims and any(claim.volume for claim in before):
        return []
    asked = after - before
    if not asked:
        return []
    names = () if any(not each.volume for each in asked) else tuple(sorted({each.volume for each in asked}))
    if len(asked) > _MOST:
        # Of one class there may be as many as there are, whatever their names.
        asked = {claim._replace(name=_ANY) for claim in asked}
    if len(asked) > _MOST:
        raise TooMany(f"it asks for more than {_MOST} claims of different kinds", "Ask for fewer of them.")
    found = yield from ask(FreeVolumes(names))
    lost = [each for each in found if any(claim.may_end(each, request.target.namespace) for claim in asked)]
    return [goes_along(Target(kind.resource, kind.kind, "", each.name, each.uid), kind.version) for each in lost]


def _claims(target: Target, document: Mapping[str, Any]) -> Iterator[_Wanted]:
    """The claims that an object is, or has made. Raises Unknown."""
    try:
        if target.resource == CLAIMS.resource:
            if document:
                yield _wanted(document, _Name(target.name, whole=True))
            return
        for template, name in _templates(target, document.get("spec")):
            yield _wanted(template, name)
    except (AttributeError, TypeError):
        raise Unknown("what its claims ask for cannot be told") from None


def _wanted(document: Mapping[str, Any], name: _Name) -> _Wanted:
    metadata, spec = document.get("metadata") or {}, document.get("spec") or {}
    return _Wanted(spec.get("volumeName") or "", _classes(metadata, spec), name)


def _templates(target: Target, value: Any) -> Iterator[tuple[Any, _Name]]:
    """All templates of claims in an object, a StatefulSet's and those of its pods' ephemeral volumes, with their names.

    A claim of a template is called after that, the set and a number; one of a volume after its pod and that. Which
    pods others than StatefulSets make ends in letters by chance.
    """
    left: list[tuple[Any, _Name]] = [(value, _ANY)]
    while left:
        each, name = left.pop()
        if isinstance(each, list):
            left.extend((one, name) for one in each)
        elif isinstance(each, dict):
            if "ephemeral" in each:
                name = _of_volume(target, f"-{each.get('name')}")
            for key, below in each.items():
                if key == "volumeClaimTemplates":
                    yield from ((one, _of_template(target, one)) for one in below or ())
                elif key == "volumeClaimTemplate":
                    yield below, name
                else:
                    left.append((below, name))


def _of_template(workload: Target, template: Mapping[str, Any]) -> _Name:
    named = (template.get("metadata") or {}).get("name")
    return _Name(f"{named}-{workload.name}-") if named and workload.resource == STATEFUL_SETS else _ANY


def _of_volume(target: Target, after: str) -> _Name:
    """The name of the claim of a volume: the object is its pod, or makes such pods."""
    if target.resource == PODS:
        return _Name(target.name + after, whole=True)
    return _Name(f"{target.name}-" if target.resource == STATEFUL_SETS else "", after)


def _offered(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    """The protected claims that a volume may be bound to from now on, where it says of no claim that it is for that.

    Without one that waits: the next claims of the class would be bound to it, a StatefulSet's of more replicas.
    """
    request = context.request
    if request.subresource or (request.updates and not context.rewrites):
        return []
    named = () if request.updates else (yield from _named(context))
    volume = free_volume(context.whole[1])
    if named or volume is None or volume.kept_for:
        # It is bound, or is some claim's: see ``volumes``.
        return named
    claims = yield from _protected_claims(context)
    waiting = [effect for effect, claim in claims if _waits(claim).may_have(volume, claim.namespace)]
    if waiting or not any(_of_class(claim, volume.classes) for _, claim in claims):
        return waiting
    return [Refusal(_NEXT, Reason.APPROVAL_MISSING, _SAY_WHOSE)]


def _named(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected claims that wait, and after whose uid a provisioner would name their volume: it makes none then."""
    name = context.request.target.name
    if not _AFTER_A_UID.search(name):
        return []
    claims = yield from _protected_claims(context)
    document = {"metadata": {"name": name}}
    return [effect for effect, claim in claims if not claim.volume and volumes.provisioned(document, claim.uid)]


_AFTER_A_UID: Final = re.compile(r"-[0-9a-f]{8,}$")
"""What the name of a provisioned volume ends with: a uid, or its beginning without dashes."""

_NEXT: Final = "the next claim of a protected kind in its class would be bound to it"
_SAY_WHOSE: Final = "Say in its claimRef which claim it is for, or ask a person to make it."


def _classed(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected claims that wait for a class of this name, which would be provisioned as it says."""
    name = context.request.target.name
    claims = yield from _protected_claims(context)
    return [effect for effect, claim in claims if not claim.volume and name in claim.classes]


def _attributed(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected claims that wait for a class of attributes of this name: their volumes are changed as it says."""
    name = context.request.target.name
    claims = yield from _protected_claims(context)
    return [effect for effect, claim in claims if claim.attributes == name]


def _protected_claims(context: ReviewContext) -> Asking[list[tuple[Effect, Claim]]]:
    found = []
    for claim in (yield from ask(Claims())):
        target = Target(CLAIMS.resource, CLAIMS.kind, claim.namespace, claim.name, claim.uid)
        effect = goes_along(target, CLAIMS.version)
        if coverage.may_be_covered(context, effect):
            found.append((effect, claim))
    return found


def _waits(claim: Claim) -> _Wanted:
    return _Wanted(claim.volume, claim.classes, _Name(claim.name, whole=True))


def _of_class(claim: Claim, classes: tuple[str, ...]) -> bool:
    """Whether a claim has such a class. What names none has the empty one."""
    return not set(claim.classes or ("",)).isdisjoint(classes or ("",))


def _row(resource: GroupResource, by: str) -> Deleter:
    return Deleter(
        resource,
        by,
        "each protected PersistentVolume that waits for a claim and may be bound to it; of those that are retained the"
        " ones that it names, or that name it",
        "the volume goes with the claim, whatever ends that",
        _losses,
        WRITES,
        kinds=frozenset({VOLUMES.resource}),
    )


_BY_TEMPLATE: Final = "templates of such claims"

DELETERS: Final = (
    _row(CLAIMS.resource, "its creation, or another volume or class that it asks for"),
    *(_row(resource, _BY_TEMPLATE) for resource in sorted(POD_RUNNERS)),
    Deleter(
        VOLUMES.resource,
        "its creation, or another class, name of a claim, size or whatever else is not free of it, while it has no"
        " claim and names none; its creation after a claim's uid",
        "the protected PersistentVolumeClaims that wait and may be bound to it, or after which it is named; with others"
        " of its class, which no peer can approve, the next ones",
        "the volume controller binds them, and what is written to them goes there",
        _offered,
        WRITES,
        frozenset({CLAIMS.resource}),
        namespaced=False,
    ),
    Deleter(
        GroupResource("storage.k8s.io", "storageclasses"),
        "its creation",
        "the protected PersistentVolumeClaims that wait for a class of its name",
        "its provisioner makes their volumes",
        _classed,
        frozenset({Operation.CREATE}),
        frozenset({CLAIMS.resource}),
        namespaced=False,
    ),
    Deleter(
        GroupResource("storage.k8s.io", "volumeattributesclasses"),
        "its creation",
        "the protected PersistentVolumeClaims that name it",
        "their driver changes their volumes as it says",
        _attributed,
        frozenset({Operation.CREATE}),
        frozenset({CLAIMS.resource}),
        namespaced=False,
    ),
)
