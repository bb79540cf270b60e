"""A StatefulSet's controller deletes its claims where persistentVolumeClaimRetentionPolicy says so (KEP-1847)."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from seconder.admission import codec, coverage
from seconder.admission.findings import Refusal, absent
from seconder.admission.indirect import claiming, of_pods, scaling, selectors, volumes
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import CLAIMS, MAKERS, VOLUMES
from seconder.admission.lookups import (
    Asking,
    Claimant,
    Claimants,
    HeldResource,
    NamespaceContents,
    ObjectRef,
    ReadWhole,
    TooMany,
    Unknown,
    ask,
)
from seconder.admission.request import MUTATIONS, WRITES, Operation, Request
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import PODS, STATEFUL_SETS, Action, Target
from seconder.api.type_reader import TypeReader

_UNREAD: Final = "what becomes of its claims could not be looked up"
_DELETE: Final = "Delete"
_TO_COME: Final = "the claim that goes by it later"
_ADVICE: Final = "Do it while the claims are there, or ask a person."
_ABSENT: Final = "the StatefulSet that it scales"
_MAKE_IT: Final = "Make the StatefulSet first."
_MOST_PAIRS: Final = 131_072
"""Names of claims that are compared with those of others: of a dozen templates, with a thousand StatefulSets' as many.
Nothing bounds the templates of one."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_OF_A_SET: Final = re.compile(r"(?P<name>.+)-(?P<ordinal>[0-9]+)")
"""The name of a pod that a StatefulSet takes. With zeros before it, its ordinal is the same one."""


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

    @property
    def ephemeral(self) -> set[str]:
        """The names of the volumes that have a claim of their own for as long as the pod is there."""
        return {volume.name for volume in self.volumes or () if volume.ephemeral is not None}


class _Pods(Struct):
    spec: _Pod = msgspec.field(default_factory=_Pod)


class _Set(Struct, rename="camel"):
    replicas: int | None = None
    ordinals: _Ordinals | None = None
    persistent_volume_claim_retention_policy: _Retention | None = None
    volume_claim_templates: list[_Template] | None = None
    template: _Pods = msgspec.field(default_factory=_Pods)

    @property
    def retention(self) -> _Retention:
        return self.persistent_volume_claim_retention_policy or _Retention()

    @property
    def kept(self) -> range:
        """The ordinals of its pods."""
        start = self.ordinals.start if self.ordinals else 0
        return range(start, start + (1 if self.replicas is None else self.replicas))


class _Going(NamedTuple):
    """The names of the templates whose claims go, and of which ordinals. ``later``: of those to come as well."""

    templates: set[str]
    goes: Callable[[int], bool]
    later: bool = False


_spec: Final = msgspec.json.Decoder(_Set | None)
_pod: Final = msgspec.json.Decoder(_Pod | None)
_set: Final = TypeReader(_Set)
SETS: Final = MAKERS[STATEFUL_SETS]


def _everything(_: int) -> bool:
    return True


def _losses(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    request, target = context.request, context.request.target
    if not volumes.matter(context, target.namespace):
        return []
    if request.subresource == "scale":
        told = yield from _through_scale(context)
    else:
        told = _lost(request, _decoded(request, request.old_spec), _decoded(request, request.new_spec))
    if told is None:
        return []
    return (yield from _claims_of(context, target, told))


def _autoscaled(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    """What goes by an autoscaler that may take a StatefulSet to fewer replicas, now or once it has more."""
    place = context.request.target.namespace
    if not volumes.matter(context, place):
        return []
    named = scaling.scaling(context)
    if named is None or (named.group, named.kind) != (STATEFUL_SETS.group, SETS.kind):
        return []
    ref = ObjectRef(SETS, place, named.name)
    stored: Any = yield from ask(ReadWhole(ref, _UNREAD))
    stays = not context.request.deletes
    if stored is None:
        # What it will say of its claims is not known.
        return [absent(_ABSENT, _MAKE_IT)] if stays and of_pods.may_come(context, place, [CLAIMS]) else []
    workload = _converted(stored)
    if workload.retention.when_scaled != _DELETE:
        return []
    kept = msgspec.structs.replace(workload, replicas=named.least).kept
    told = _Going(_templates(workload), lambda ordinal: ordinal not in kept, later=stays)
    return (yield from _claims_of(context, _target(place, named.name), told))


def _joined(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    """What goes by a pod that a StatefulSet takes beyond its ordinals, whatever controls it until then."""
    request, target = context.request, context.request.target
    of_set = _OF_A_SET.fullmatch(target.name)
    if of_set is None or not volumes.matter(context, target.namespace):
        return []
    labels = request.new.labels or {}
    # A status carries them as well. What is made below a pod has its own.
    if request.updates and not request.changes_owners and (request.old.labels or {}) == labels:
        return []
    if request.subresource and not request.updates:
        return []
    above = _target(target.namespace, of_set["name"])
    stored: Any = yield from ask(ReadWhole(ObjectRef(SETS, above.namespace, above.name), _UNREAD))
    if stored is None or not selectors.fits(STATEFUL_SETS, stored.get("spec"), labels):
        return []
    told, ordinal = _beyond(_converted(stored)), int(of_set["ordinal"])
    if told is None or not told.goes(ordinal):
        return []
    going = told._replace(goes=lambda number: number == ordinal, later=True)
    return (yield from _claims_of(context, above, going))


def _beyond(workload: _Set) -> _Going | None:
    """What goes by pods that a StatefulSet has beyond its ordinals; None where nothing does.

    Its controller scales down by them, and gives their claims the pod for an owner, or the set itself
    (kubernetes/pkg/controller/statefulset, ``condemned``).
    """
    kept, retention = workload.kept, workload.retention
    if _DELETE not in {retention.when_scaled, retention.when_deleted}:
        return None
    return _Going(_templates(workload), lambda ordinal: ordinal not in kept)


def matter(context: ReviewContext, place: str) -> bool:
    """Whether some policy protects claims or volumes in a namespace or, without one, anywhere."""
    if place:
        return volumes.matter(context, place)
    return context.state.policies.follows_some_of({CLAIMS.resource, VOLUMES.resource})


def crowded(context: ReviewContext, sets: Sequence[Target]) -> Asking[list[Effect]]:
    """What goes where each of these StatefulSets takes pods, of whatever ordinals. Raises Unknown."""
    found: list[Effect] = []
    for above in sets:
        stored: Any = yield from ask(ReadWhole(ObjectRef(SETS, above.namespace, above.name), _UNREAD))
        told = _beyond(_converted(stored)) if stored is not None else None
        going = (yield from _claims_of(context, above, told)) if told is not None else ()
        found += [each for each in going if isinstance(each, Effect)]
    return found


def _target(place: str, name: str) -> Target:
    return Target(SETS.resource, SETS.kind, place, name, "")


def _claims_of(context: ReviewContext, above: Target, told: _Going) -> Asking[Sequence[Effect | Refusal]]:
    """The deletions of a set's claims, of the ordinals that go; a refusal where all are yet to come."""
    templates, goes, later = told
    if not templates:
        return []
    place, name = above.namespace, above.name
    held = yield from ask(NamespaceContents(place, (HeldResource(CLAIMS, True),)))
    names = "|".join(re.escape(template) for template in sorted(templates))
    claim = re.compile(rf"(?:{names})-{re.escape(name)}-([0-9]{{1,10}})")
    found = [
        goes_along(Target(CLAIMS.resource, CLAIMS.kind, place, item.name, item.uid), CLAIMS.version)
        for item in held[CLAIMS.resource]
        if (named := claim.fullmatch(item.name)) and goes(int(named[1]))
    ]
    if later and not found and of_pods.may_come(context, place, [CLAIMS]):
        return [absent(_TO_COME, _ADVICE)]
    return found


class _Names(NamedTuple):
    """Names that begin and end alike, with a number between. ``open``: whatever follows then."""

    before: str
    after: str
    open: bool = False

    def has(self, name: str) -> bool:
        """Whether this is one of them."""
        number, dash, rest = name.removeprefix(self.before).partition("-")
        follows = dash + rest
        return (
            name.startswith(self.before)
            and _NUMBER.fullmatch(number) is not None
            and (bool(dash) if self.open else follows == self.after)
        )

    def meets(self, other: "_Names") -> bool:
        """Whether some name is one of both. No number has a dash in it, and one follows each, or nothing does."""
        short, long = sorted((self, other), key=lambda each: len(each.before))
        if short.before == long.before:
            return short.after == long.after or (short.open and bool(long.after)) or (long.open and bool(short.after))
        number = long.before.removeprefix(short.before).partition("-")[0]
        if not (long.before.startswith(short.before) and _NUMBER.fullmatch(number)):
            return False
        return (
            long.before.startswith(f"{short.before}{number}-")
            if short.open
            else long.has(f"{short.before}{number}{short.after}")
        )


def claimant(document: Mapping[str, Any]) -> Claimant:
    """A StatefulSet as a list of them gives it. Raises Unknown."""
    metadata, status, workload = document["metadata"], document.get("status") or {}, _converted(document)
    rolls = status.get("currentRevision") != status.get("updateRevision")
    templates, volumes_ = frozenset(_templates(workload)), frozenset(workload.template.spec.ephemeral)
    return Claimant(metadata["name"], metadata["uid"], templates, volumes_, rolls)


def _claim_names(workload: Claimant) -> set[_Names]:
    """The names that its pods give to their claims."""
    names = {_Names(f"{template}-{workload.name}-", "") for template in workload.templates}
    names |= {_Names(f"{workload.name}-", f"-{volume}") for volume in workload.volumes}
    return names | ({_Names(f"{workload.name}-", "-", open=True)} if workload.rolls else set())


def _named(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected StatefulSets whose pods would have a claim of this very name, and so get this one, or none.

    Whether an agent makes the claim, or what has a controller make it.
    """
    target = context.request.target
    if context.request.subresource or not context.state.policies.protects_in(SETS.resource, target.namespace):
        return []
    made, patterns = _made(context.request)
    if not (made or patterns):
        return []
    found: list[Effect] = []
    pairs = 0
    for each in (yield from ask(Claimants(target.namespace))):
        itself = (SETS.resource, each.name) == (target.resource, target.name)
        theirs = () if itself else _claim_names(each)
        pairs += len(theirs) * (len(made) + len(patterns))
        if pairs > _MOST_PAIRS:
            raise TooMany("it may name more claims of StatefulSets than can be compared", "Ask for fewer at a time.")
        if any(any(map(names.has, made)) or any(map(names.meets, patterns)) for names in theirs):
            above = Target(SETS.resource, SETS.kind, target.namespace, each.name, each.uid)
            found.append(goes_along(above, SETS.version))
    return found


def _made(request: Request) -> tuple[set[str], set[_Names]]:
    """The names of the claims that a request makes, or has made, which it did not before.

    Names of pods that others than StatefulSets make end in letters by chance, and so no claims of those meet any.
    """
    target = request.target
    if target.resource == CLAIMS.resource:
        return {target.name}, set()
    if target.resource == PODS:
        pod: _Pod | None = codec.read(request, _pod, request.new_spec, "the pod")
        return {f"{target.name}-{volume}" for volume in (pod.ephemeral if pod else ())}, set()
    before, after = (
        _claim_names(
            Claimant(target.name, "", frozenset(_templates(each)), frozenset(each.template.spec.ephemeral), False)
        )
        for each in (_decoded(request, spec) or _Set() for spec in (request.old_spec, request.new_spec))
    )
    return set(), after - before


def _decoded(request: Request, spec: msgspec.Raw) -> _Set | None:
    found: _Set | None = codec.read(request, _spec, spec, "the StatefulSet")
    return found


def _through_scale(context: ReviewContext) -> Asking[_Going | None]:
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


def _lost(request: Request, before: _Set | None, after: _Set | None) -> _Going | None:
    """Which claims go; None where none do. What a new set says of its own claims to come is whoever makes it's."""
    if request.operation is Operation.DELETE:
        return _of_deleted(before) if before else None
    if after is None:
        return None
    now, was = after.retention, before.retention if before else _Retention()
    if (now.when_deleted == _DELETE != was.when_deleted) or (now.when_scaled == _DELETE != was.when_scaled):
        # Whoever deletes or scales it afterwards need not know what it says.
        return _Going(_templates(after), _everything, later=before is not None)
    if now.when_scaled == _DELETE and before is not None:
        gone, kept = before.kept, after.kept
        if gone and not (kept and kept.start <= gone.start and gone.stop <= kept.stop):
            return _Going(_templates(after), lambda ordinal: ordinal in gone and ordinal not in kept)
    return None


def _of_deleted(workload: _Set) -> _Going | None:
    return _Going(_templates(workload), _everything) if workload.retention.when_deleted == _DELETE else None


def _templates(workload: _Set) -> set[str]:
    return {template.metadata.name for template in workload.volume_claim_templates or ()}


_ENDED: Final = frozenset({CLAIMS.resource, VOLUMES.resource})

DELETER: Final = Deleter(
    STATEFUL_SETS,
    "retention of claims, or fewer or other replicas or ordinals under it; its deletion",
    "its PersistentVolumeClaims; by another retention of one that has none, those to come, which no peer can approve",
    "the StatefulSet's own controller deletes claims as the set says",
    _losses,
    MUTATIONS,
    kinds=_ENDED,
    deletes=frozenset({CLAIMS.resource}),
)

JOINED: Final = Deleter(
    PODS,
    "its creation, other labels or owners, by a name beyond the ordinals of a StatefulSet that selects it, and of which"
    " claims go",
    "the claim of that ordinal; one to come, which no peer can approve, where there is none",
    "the StatefulSet's controller takes it, scales down by it, and deletes the claim as the set says",
    _joined,
    WRITES,
    kinds=_ENDED,
)

_TAKES_A_NAME: Final = "the pod gets this one, or never starts, and the next ones alike"

NAMED: Final = (
    Deleter(
        CLAIMS.resource,
        "its creation, by a name that a pod of a protected StatefulSet would give to a claim",
        "the StatefulSet",
        _TAKES_A_NAME,
        _named,
        frozenset({Operation.CREATE}),
        kinds=frozenset({STATEFUL_SETS}),
    ),
    *(
        Deleter(
            resource,
            "templates of claims that get such a name",
            "the StatefulSet",
            _TAKES_A_NAME,
            _named,
            operations,
            kinds=frozenset({STATEFUL_SETS}),
            # Who may make these takes names and pods of such a set otherwise.
            alone=False,
            word=claiming.TEMPLATE,
        )
        for resource, operations in ((STATEFUL_SETS, WRITES), (PODS, frozenset({Operation.CREATE})))
    ),
)

AUTOSCALED: Final = tuple(
    Deleter(
        resource,
        "a StatefulSet as its target, whose retention of claims is to delete them when it is scaled",
        "the claims beyond its least size; those to come, which no peer can approve, where there are none",
        "its controller scales down, and the StatefulSet's own deletes claims as the set says",
        _autoscaled,
        scaling.operations(resource),
        kinds=_ENDED,
    )
    for resource in scaling.SIZERS
)
