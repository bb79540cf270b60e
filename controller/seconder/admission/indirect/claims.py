"""A StatefulSet's controller deletes its claims where persistentVolumeClaimRetentionPolicy says so (KEP-1847)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec, coverage
from seconder.admission.indirect import scaling, volumes
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import CLAIMS, MAKERS, VOLUMES
from seconder.admission.lookups import Asking, HeldResource, NamespaceContents, ObjectRef, ReadWhole, Unknown, ask
from seconder.admission.request import MUTATIONS, Operation, Request
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import STATEFUL_SETS, Action, Target
from seconder.api.type_reader import TypeReader

_UNREAD: Final = "what becomes of its claims could not be looked up"
_DELETE: Final = "Delete"
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")


class _Retention(Struct, rename="camel"):
    when_deleted: str = ""
    when_scaled: str = ""


class _Ordinals(Struct):
    start: int = 0


class _Name(Struct):
    name: str = ""


class _Template(Struct):
    metadata: _Name = msgspec.field(default_factory=_Name)


class _Volume(_Name):
    ephemeral: dict[str, Any] | None = None


class _Pod(Struct):
    volumes: list[_Volume] | None = None


class _Pods(Struct):
    spec: _Pod = msgspec.field(default_factory=_Pod)


class _Set(Struct, rename="camel"):
    replicas: int | None = None
    ordinals: _Ordinals | None = None
    persistent_volume_claim_retention_policy: _Retention | None = None
    volume_claim_templates: list[_Template] | None = None
    template: _Pods = msgspec.field(default_factory=_Pods)

    @property
    def ephemeral(self) -> set[str]:
        """The names of the volumes that have a claim of their own for as long as the pod is there."""
        return {volume.name for volume in self.template.spec.volumes or () if volume.ephemeral is not None}

    @property
    def retention(self) -> _Retention:
        return self.persistent_volume_claim_retention_policy or _Retention()

    @property
    def kept(self) -> range:
        """The ordinals of its pods."""
        start = self.ordinals.start if self.ordinals else 0
        return range(start, start + (1 if self.replicas is None else self.replicas))


_Ordinal = Callable[[int], bool]
_spec: Final = msgspec.json.Decoder(_Set | None)
_set: Final = TypeReader(_Set)
SETS: Final = MAKERS[STATEFUL_SETS]


def _everything(_: int) -> bool:
    return True


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request, target = context.request, context.request.target
    if not volumes.matter(context, target.namespace):
        return []
    if request.subresource == "scale":
        told = yield from _through_scale(context)
    else:
        told = _lost(request, _decoded(request, request.old_spec), _decoded(request, request.new_spec))
    if told is None:
        return []
    return (yield from _claims_of(target.namespace, target.name, told))


def _autoscaled(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What goes by an autoscaler that may take a StatefulSet to fewer replicas, or could not before."""
    place = context.request.target.namespace
    if not volumes.matter(context, place):
        return []
    named = scaling.scaling(context)
    if named is None or (named.group, named.kind) != (STATEFUL_SETS.group, SETS.kind):
        return []
    ref = ObjectRef(SETS, place, named.name)
    stored: Any = yield from ask(ReadWhole(ref, _UNREAD))
    if stored is None:
        return []
    workload = _converted(stored)
    if workload.retention.when_scaled != _DELETE:
        return []
    kept = msgspec.structs.replace(workload, replicas=named.least).kept
    told = _templates(workload), lambda ordinal: ordinal not in kept
    return (yield from _claims_of(place, named.name, told))


def _claims_of(place: str, name: str, told: tuple[set[str], _Ordinal]) -> Asking[Sequence[Effect]]:
    """The deletions of a set's claims, of those of its ordinals that go."""
    templates, goes = told
    if not templates:
        return []
    held = yield from ask(NamespaceContents(place, (HeldResource(CLAIMS, True),)))
    names = "|".join(re.escape(template) for template in sorted(templates))
    claim = re.compile(rf"(?:{names})-{re.escape(name)}-([0-9]{{1,10}})")
    return [
        goes_along(Target(CLAIMS.resource, CLAIMS.kind, place, item.name, item.uid), CLAIMS.version)
        for item in held[CLAIMS.resource]
        if (named := claim.fullmatch(item.name)) and goes(int(named[1]))
    ]


def _named(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected StatefulSets whose pods would have a claim of this very name, and so get this one, or none."""
    target = context.request.target
    if context.request.subresource or not context.state.policies.protects_in(SETS.resource, target.namespace):
        return []
    named = tuple(_claimants(target.name))
    if not named:
        return []
    held = yield from ask(NamespaceContents(target.namespace, (HeldResource(SETS, True),)))
    there = {item.name: item.uid for item in held[SETS.resource]}
    found: dict[str, Effect] = {}
    for name, claim, of_template in named:
        if name not in there or name in found:
            continue
        stored: Any = yield from ask(ReadWhole(ObjectRef(SETS, target.namespace, name), _UNREAD))
        workload = _converted(stored) if stored else _Set()
        if claim in _templates(workload) if of_template else claim in workload.ephemeral or _rolls(stored):
            above = Target(SETS.resource, SETS.kind, target.namespace, name, there[name])
            found[name] = goes_along(above, SETS.version)
    return list(found.values())


def _rolls(stored: Any) -> bool:
    """Whether some of a set's pods are made by another template than it tells."""
    status = (stored or {}).get("status") or {}
    return status.get("currentRevision") != status.get("updateRevision")


def _claimants(claim: str) -> Iterator[tuple[str, str, bool]]:
    """Which StatefulSets may have a claim of this name: by the name of the set, and of the template or volume.

    ``TEMPLATE-SET-NUMBER`` is a template's, ``SET-NUMBER-VOLUME`` an ephemeral volume's; any of these may hold dashes.
    """
    parts = claim.split("-")
    last = len(parts) - 1
    for place, part in enumerate(parts):
        if not _NUMBER.fullmatch(part):
            continue
        if place == last:
            yield from (("-".join(parts[first:place]), "-".join(parts[:first]), True) for first in range(1, place))
        elif place:
            yield "-".join(parts[:place]), "-".join(parts[place + 1 :]), False


def _decoded(request: Request, spec: msgspec.Raw) -> _Set | None:
    found: _Set | None = codec.read(request, _spec, spec, "the StatefulSet")
    return found


def _through_scale(context: ReviewContext) -> Asking[tuple[set[str], _Ordinal] | None]:
    """What goes by a Scale (autoscaling/v1), which holds the number alone."""
    old, new = context.replicas
    if old is None or new is None or new >= old:
        return None
    stored = yield from coverage.read_whole(context.effect(Action.DELETE, {}), _UNREAD)
    before = _converted(stored)
    return _lost(context.request, before, msgspec.structs.replace(before, replicas=new))


def _converted(stored: Mapping[str, Any]) -> _Set:
    """A StatefulSet as it is stored. Raises Unknown."""
    try:
        return _set.convert(stored["spec"])
    except (KeyError, msgspec.ValidationError):
        raise Unknown(_UNREAD) from None


def _lost(request: Request, before: _Set | None, after: _Set | None) -> tuple[set[str], _Ordinal] | None:
    """The names of the templates, and which ordinals' claims go; None where none do."""
    if request.operation is Operation.DELETE:
        return _of_deleted(before) if before else None
    if after is None:
        return None
    now, was = after.retention, before.retention if before else _Retention()
    if (now.when_deleted == _DELETE != was.when_deleted) or (now.when_scaled == _DELETE != was.when_scaled):
        # Whoever deletes or scales it afterwards need not know what it says.
        return _templates(after), _everything
    if now.when_scaled == _DELETE and before is not None:
        gone, kept = before.kept, after.kept
        if gone and not (kept and kept.start <= gone.start and gone.stop <= kept.stop):
            return _templates(after), lambda ordinal: ordinal in gone and ordinal not in kept
    return None


def _of_deleted(workload: _Set) -> tuple[set[str], _Ordinal] | None:
    return (_templates(workload), _everything) if workload.retention.when_deleted == _DELETE else None


def _templates(workload: _Set) -> set[str]:
    return {template.metadata.name for template in workload.volume_claim_templates or ()}


_ENDED: Final = frozenset({CLAIMS.resource, VOLUMES.resource})

DELETER: Final = Deleter(
    STATEFUL_SETS,
    "retention of claims, or fewer or other replicas or ordinals under it; its deletion",
    "its PersistentVolumeClaims",
    "the StatefulSet's own controller deletes claims as the set says",
    _losses,
    MUTATIONS,
    kinds=_ENDED,
    deletes=frozenset({CLAIMS.resource}),
)

NAMED: Final = Deleter(
    CLAIMS.resource,
    "its creation, by a name that a pod of a protected StatefulSet would give to a claim",
    "the StatefulSet",
    "the pod gets this one, or never starts, and the next ones alike",
    _named,
    frozenset({Operation.CREATE}),
    kinds=frozenset({STATEFUL_SETS}),
)

AUTOSCALED: Final = tuple(
    Deleter(
        resource,
        "a StatefulSet as its target, whose retention of claims is to delete them when it is scaled",
        "the claims beyond its least size",
        "its controller scales down, and the StatefulSet's own deletes claims as the set says",
        _autoscaled,
        scaling.operations(resource),
        kinds=_ENDED,
    )
    for resource in scaling.SIZERS
)
