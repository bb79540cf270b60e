"""An object that stands for storage takes the data of its holder along: a PersistentVolume its claim's.

So does the content of a VolumeSnapshot. One that was made for its holder is the holder's own, and goes with it; one
that was there before is not. Whoever makes a second one over the same storage may have that deleted by its policy: what
else stands for a path, a share or a handle nobody can tell (links, names of servers, folders above).
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from seconder.admission import coverage
from seconder.admission.changes import free_changes
from seconder.admission.findings import Refusal
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import CLAIMS, VOLUMES
from seconder.admission.lookups import Asking, Holders, ObjectRef, ReadWhole, Unknown, ask
from seconder.admission.request import MUTATIONS, WRITES, Operation
from seconder.admission.review import MOST_DEPENDENTS, Effect, ReviewContext, goes_along
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, GroupResource, ResolvedResource, Target
from seconder.api.type_reader import TypeReader

RETAIN: Final = "Retain"
_LEAST_OF_UID: Final = 8
"""Characters of a uid that tell it from others."""
_UNREAD: Final = "what holds the storage could not be looked up"
_UNTOLD: Final = "which storage it stands for cannot be told"


class _Storage(NamedTuple):
    """A kind of object that stands for storage, and the kind in namespaces whose objects hold one each.

    ``policy`` and ``holder`` are fields of its spec; ``bound`` is where a holder names it. ``made`` tells whether it
    was made for its holder, by the uid of that. ``anew``: one that says so when it is made stands for new storage,
    which its status names.
    """

    kind: ResolvedResource
    policy: str
    holder: str
    held_by: ResolvedResource
    bound: tuple[str, str]
    made: Callable[[Mapping[str, Any], str], bool]
    anew: bool


class _Holder(Struct):
    """ObjectReference (core/v1)."""

    namespace: str = ""
    name: str = ""
    uid: str = ""


class _State(NamedTuple):
    holder: _Holder | None
    policy: str


_holder: Final[TypeReader[_Holder | None]] = TypeReader(_Holder | None)


def _state(storage: _Storage, document: Mapping[str, Any]) -> _State:
    """What an object says of itself. Raises Unknown."""
    spec = document.get("spec") or {}
    try:
        holder = _holder.convert(spec.get(storage.holder))
        return _State(holder if holder and holder.name else None, str(spec.get(storage.policy, "")))
    except (AttributeError, msgspec.ValidationError):
        raise Unknown(_UNTOLD) from None


def _of_storage(storage: _Storage) -> Deleter:
    def losses(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
        request = context.request
        if not _matters(context, storage):
            return []
        stored, wanted = context.whole
        before, after = _state(storage, stored), _state(storage, wanted)
        if request.operation is Operation.CREATE and _GIVEN.fullmatch(request.target.name):
            return [Refusal(_TAKEN_NAME, Reason.APPROVAL_MISSING, _ANOTHER_NAME)]
        rewritten = request.updates and _changed(context, storage, after)
        found: list[Effect | Refusal] = []
        if before.holder and (request.may_end or rewritten):
            found += yield from _held(context, storage, before.holder)
        # Where its holder goes by it, that one's approval is enough.
        if not found and after.policy not in {"", RETAIN}:
            anew = storage.anew and storage.made(wanted, "") and request.operation is Operation.CREATE
            if (after.policy != before.policy and not anew) or (storage.anew and rewritten):
                found.append(_refusal(storage))
        # One of the same name and another uid, or none, is another: its controller goes by both.
        if after.holder and after.holder != before.holder:
            given = yield from _held(context, storage, after.holder, given=not found)
            found += [each for each in given if each not in found]
        return found

    return Deleter(
        storage.kind.resource,
        f"its deletion, whatever is not free of it, another {storage.policy} than Retain, or another"
        f" {storage.held_by.kind} that it names{', or by a name that its controller gives' if storage.anew else ''}",
        f"the {storage.held_by.kind} that holds it, or that it names; with that policy whatever else stands for its"
        " storage, which no peer can approve",
        "its controller takes what holds it for lost, binds another to it, or deletes the data later",
        losses,
        MUTATIONS,
        kinds=frozenset({storage.kind.resource, storage.held_by.resource}),
        namespaced=False,
    )


_GIVEN: Final = re.compile(r"(group)?snapcontent-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Names that controllers give to what they make for a snapshot: they make none where one is.

That of a volume is known by the claim that waits for it: see ``claiming``.
"""

_TAKEN_NAME: Final = "a controller gives such a name itself, and would wait for what has it"
_WHAT_IT_IS_OF: Final = "what stands for the storage of a protected claim or volume cannot be told"
_ATTACHES: Final = Refusal(
    f"{_WHAT_IT_IS_OF}, and may be attached by it", Reason.APPROVAL_MISSING, "Leave it to the controller to attach it."
)
_DETACHES: Final = Refusal(
    f"{_WHAT_IT_IS_OF}, and may be detached by it",
    Reason.APPROVAL_MISSING,
    "Leave it to the controller to detach it, or ask a person.",
)
_ANOTHER_NAME: Final = "Give it another name, or ask a person to make it."


def _refusal(storage: _Storage) -> Refusal:
    what = f"what else stands for its storage cannot be told, and by this {storage.policy} that goes with it"
    return Refusal(what, Reason.APPROVAL_MISSING, "Give it the policy Retain, or ask a person to make it.")


def matter(context: ReviewContext, namespace: str) -> bool:
    """Whether some policy protects claims in a namespace, or volumes."""
    policies = context.state.policies
    return policies.protects_in(CLAIMS.resource, namespace) or policies.protects_in(VOLUMES.resource, "")


def held_by(resources: Collection[GroupResource]) -> list[ResolvedResource]:
    """The kinds whose objects hold storage of these kinds."""
    return [storage.held_by for storage in _STORAGES if storage.kind.resource in resources]


def _matters(context: ReviewContext, storage: _Storage) -> bool:
    """Whether some policy protects storage of the kind, or what holds it."""
    return context.state.policies.follows_some_of({storage.kind.resource, storage.held_by.resource})


def _changed(context: ReviewContext, storage: _Storage, after: _State) -> bool:
    """Whether an update changes what is not free, as of its holder: nothing selects what is held by its labels.

    That the storage is kept afterwards is free.
    """
    free = free_changes.built_in(storage.held_by.resource)
    return context.changes([free.freeing(("spec", storage.policy)) if after.policy == RETAIN else free])


def _held(
    context: ReviewContext, storage: _Storage, holder: _Holder, *, given: bool = False
) -> Asking[Sequence[Effect | Refusal]]:
    """The deletion of what holds it, as that is stored.

    ``given``: nobody approves that it leaves another. A holder that is not there yet is nobody's to approve.
    """
    kind = _served(context, storage.held_by)
    target = Target(kind.resource, kind.kind, holder.namespace, holder.name, holder.uid)
    effect = goes_along(target, kind.version)
    if not coverage.may_be_covered(context, effect):
        return []
    stored = yield from coverage.read(effect, _UNREAD)
    if given and stored is None:
        what = f"it would be the storage of a protected {kind.kind} that is not there yet"
        return [Refusal(what, Reason.APPROVAL_MISSING, "Ask a person to make it.")]
    # A holder that was made anew under the name has other storage.
    return [coverage.at(effect, stored)] if stored is not None and holder.uid in {"", stored.uid} else []


def _served(context: ReviewContext, kind: ResolvedResource) -> ResolvedResource:
    """The kind in the version in which a policy names it."""
    return next(iter(context.state.policies.of_kind(kind.resource.group, kind.kind)), kind)


def _bound(storage: _Storage, document: Mapping[str, Any]) -> str:
    """The name of the storage that a holder is bound to; empty where it is to none."""
    part, field = storage.bound
    name = (document.get(part) or {}).get(field)
    return name if isinstance(name, str) else ""


def _goes(context: ReviewContext, storage: _Storage, name: str, holder: str) -> Asking[list[Effect]]:
    """The deletion of storage with the holder of this uid that was bound to it."""
    kind = _served(context, storage.kind)
    target = Target(kind.resource, kind.kind, "", name, "")
    if not context.state.policies.protecting(target) or storage.made({"metadata": {"name": name}}, holder):
        return []
    stored: Any = yield from ask(ReadWhole(ObjectRef(kind, "", name), _UNREAD))
    if stored is None or _state(storage, stored).policy == RETAIN or storage.made(stored, holder):
        return []
    return [goes_along(target, kind.version)]


def _within(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The deletions of the storage whose holders are in a namespace that goes."""
    namespace = context.request.target
    found: list[Effect] = []
    if not context.may_end:
        return found
    for storage in _STORAGES:
        kind = _served(context, storage.kind)
        if context.state.policies.protecting(Target(kind.resource, kind.kind, "", "", "")):
            for holder in (yield from ask(Holders(_served(context, storage.held_by), namespace.name, storage.bound))):
                found += yield from _goes(context, storage, holder.holds, holder.uid)
                # More are refused whatever they are.
                if len(found) > MOST_DEPENDENTS:
                    return found
    return found


def _of_holder(storage: _Storage) -> Deleter:
    def losses(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
        """The storage that goes with what was bound to it."""
        if not (_matters(context, storage) and context.may_end):
            return []
        name = _bound(storage, context.whole[0])
        return (yield from _goes(context, storage, name, context.request.target.uid)) if name else []

    return Deleter(
        storage.held_by.resource,
        "its deletion",
        f"the {storage.kind.kind} that it is bound to, unless that was made for it or is retained",
        f"its controller deletes it by its {storage.policy}",
        losses,
        frozenset({Operation.UPDATE, Operation.DELETE}),
        kinds=frozenset({storage.kind.resource}),
        deletes=frozenset({storage.kind.resource}),
    )


def _of_taker(storage: _Storage) -> Deleter:
    content = storage.kind.kind
    field = f"{content[0].lower()}{content[1:]}Name"

    def losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
        """The storage that was kept for what has this very name, and is named by it as well."""
        target = context.request.target
        if context.request.subresource or not _matters(context, storage):
            return []
        before, name = (_named(each, field) for each in context.whole)
        kind = _served(context, storage.kind)
        effect = goes_along(Target(kind.resource, kind.kind, "", name, ""), kind.version)
        if name in {"", before} or not coverage.may_be_covered(context, effect):
            return []
        stored: Any = yield from ask(ReadWhole(effect.ref, _UNREAD))
        holder = None if stored is None else _state(storage, stored).holder
        # One that has had a holder has its uid, and takes no other.
        kept = (
            holder is not None and not holder.uid and (holder.namespace, holder.name) == (target.namespace, target.name)
        )
        return [effect] if kept else []

    return Deleter(
        storage.held_by.resource,
        f"its creation, where it names a {content} that is kept for it",
        f"the {content}",
        "its controller binds them, and it goes with that, or stays as taken",
        losses,
        WRITES,
        kinds=frozenset({storage.kind.resource}),
    )


def _named(document: Mapping[str, Any], field: str) -> str:
    """The storage that a holder asks for; empty where it asks for new one."""
    source = (document.get("spec") or {}).get("source")
    name = source.get(field) if isinstance(source, Mapping) else None
    return name if isinstance(name, str) else ""


def _attached(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
    """The volume that is detached from a node, or of which that is said, and what holds it.

    Nobody attaches any but its controller; and whoever has a second attachment ends the first one with that. So does
    who ends one of other storage, as it is called: one handle may stand in several volumes.
    """
    request, storage = context.request, _STORAGES[0]
    if not _matters(context, storage):
        return []
    if request.operation is Operation.CREATE:
        return [_ATTACHES]
    if not (request.may_end or context.rewrites):
        return []
    source = (context.whole[0].get("spec") or {}).get("source") or {}
    name: str = source.get("persistentVolumeName") or ""
    stored: Any = (yield from ask(ReadWhole(ObjectRef(storage.kind, "", name), _UNREAD))) if name else None
    if stored is None:
        return [_DETACHES]
    volume = goes_along(Target(storage.kind.resource, storage.kind.kind, "", name, ""))
    found: list[Effect | Refusal] = [volume] if coverage.may_be_covered(context, volume) else []
    holder = _state(storage, stored).holder
    found += (yield from _held(context, storage, holder)) if holder else ()
    return found or [_DETACHES]


def provisioned(document: Mapping[str, Any], holder: str) -> bool:
    """Whether its name has the uid of the claim in it: provisioners take it, whole or the beginning of it.

    Whatever else it says of itself it has said since, to whomever it was bound before.
    """
    name = str((document.get("metadata") or {}).get("name"))
    beginning = name.rpartition("-")[2]
    shortened = len(beginning) >= _LEAST_OF_UID and holder.replace("-", "").startswith(beginning)
    return bool(holder) and (name.endswith(f"-{holder}") or shortened)


def _taken(document: Mapping[str, Any], _: str) -> bool:
    """Whether it names the volumes of which a new snapshot is taken, and no snapshot that is there."""
    source = (document.get("spec") or {}).get("source")
    return isinstance(source, Mapping) and not source.keys() - {"volumeHandle", "volumeHandles"}


def _custom(group: str, plural: str, version: str, kind: str, *, namespaced: bool) -> ResolvedResource:
    return ResolvedResource(GroupResource(group, plural), version, namespaced, custom=True, kind=kind)


def _snapshots(group: str, version: str, kind: str) -> _Storage:
    content = f"{kind}Content"
    return _Storage(
        _custom(group, f"{content.lower()}s", version, content, namespaced=False),
        "deletionPolicy",
        f"{kind[0].lower()}{kind[1:]}Ref",
        _custom(group, f"{kind.lower()}s", version, kind, namespaced=True),
        ("status", f"bound{content}Name"),
        _taken,
        anew=True,
    )


_STORAGES: Final = (
    _Storage(
        VOLUMES,
        "persistentVolumeReclaimPolicy",
        "claimRef",
        CLAIMS,
        ("spec", "volumeName"),
        provisioned,
        # Anybody may annotate so.
        anew=False,
    ),
    _snapshots("snapshot.storage.k8s.io", "v1", "VolumeSnapshot"),
    _snapshots("groupsnapshot.storage.k8s.io", "v1beta2", "VolumeGroupSnapshot"),
)

_ATTACHMENTS: Final = Deleter(
    GroupResource("storage.k8s.io", "volumeattachments"),
    "its creation, its deletion, or whatever is not free of it",
    "the PersistentVolume that it attaches, and its claim; by its creation, and where neither is protected or that"
    " cannot be told, what else its storage is, which no peer can approve",
    "the volume is attached where no pod needs it, or detached from the node where pods write to it",
    _attached,
    MUTATIONS,
    kinds=frozenset({VOLUMES.resource, CLAIMS.resource}),
    namespaced=False,
)

WITHIN: Final = Deleter(
    NAMESPACES,
    "its deletion",
    "the PersistentVolumes and snapshot contents that are held in it, unless they were made for that or are retained",
    "with a namespace go claims and snapshots, and with them what they are bound to",
    _within,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=frozenset(storage.kind.resource for storage in _STORAGES),
)

DELETERS: Final = (
    _ATTACHMENTS,
    *map(_of_storage, _STORAGES),
    *map(_of_holder, _STORAGES),
    # A claim that names a volume, or that a volume names: see ``claiming``.
    *map(_of_taker, _STORAGES[1:]),
)
