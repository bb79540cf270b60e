"""What goes with an object: the garbage collector deletes what is owned by an object that is gone.

Only objects of kinds that policies protect from deletion are followed, and of those that built-in controllers make them
of. An owner of an owner is found where the one between is of such a kind itself; a chain through another is not seen.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from seconder.admission.kinds import MADE_BY_CONTROLLER, REPLICATION_CONTROLLERS
from seconder.admission.request import Metadata, Operation, Options, Request
from seconder.api.resources import DEFINITIONS, JOBS, NAMESPACES, GroupResource, ResolvedResource, Target

_ORPHAN_POLICY: Final = "Orphan"
ORPHAN_FINALIZER: Final = "orphan"
"""By it an object leaves behind what it owns, however it goes: with an owner of its own, too."""
_FOREGROUND_FINALIZER: Final = "foregroundDeletion"
_NEVER_ORPHANS: Final = frozenset(
    # The API server passes over the wish for Events; the others are emptied whatever becomes of what they own.
    {GroupResource("", "events"), GroupResource("events.k8s.io", "events"), NAMESPACES, DEFINITIONS}
)

_ORPHANED: Final = frozenset({JOBS, REPLICATION_CONTROLLERS})
"""Of which a deletion leaves behind what they own unless it says otherwise (``DefaultGarbageCollectionPolicy``)."""


class Dependent(NamedTuple):
    """A followed object that goes with another. ``through`` is the kind of the owner that it goes with at once.

    ``above`` are the kinds of that one's owner, of the owner's owner, and so on, up to what the request is about.
    """

    resource: ResolvedResource
    namespace: str
    name: str
    uid: str
    through: GroupResource
    above: tuple[GroupResource, ...] = ()

    @property
    def target(self) -> Target:
        """The object as the target of a request."""
        return Target(self.resource.resource, self.resource.kind, self.namespace, self.name, self.uid)

    @property
    def chain(self) -> tuple[GroupResource, ...]:
        """The kinds from its own up to that of what the request is about."""
        return self.resource.resource, self.through, *self.above

    @property
    def makers(self) -> Sequence[Target]:
        """What it is made of, nearest first, each by the next one's own controller: a Pod's ReplicaSet and Deployment.

        As far as policies ask: all are in one namespace.
        """
        made, found = self.resource.resource, []
        for owner in (self.through, *self.above):
            if (owner, made) not in MADE_BY_CONTROLLER:
                break
            found.append(Target(owner, "", self.namespace, "", ""))
            made = owner
        return found


class Kind(NamedTuple):
    """A kind in the words of an ownerReference, which are its writer's own."""

    api_version: str
    kind: str


CROWD: Final = ""
"""Stands among the keys of an object that has more owners than anybody needs. No owner has it for a key."""

_EACH: Final = 250
"""Bytes that a key of an owner takes, with all that leads to it, and what an object takes beside."""


class Ownership(NamedTuple):
    """What is kept of an owned object: its uid, and the keys of its owners.

    ``crowd`` are the keys of an object of very many owners, as their hashes in this process, sorted; ``keys`` is
    ``CROWD`` alone then.
    """

    uid: str
    keys: tuple[str, ...]
    crowd: "array[int] | None" = None

    def has(self, key: str) -> bool:
        """Whether an owner of this key is among them. In a crowd, one key in 2^64 is taken for another's."""
        if self.crowd is None:
            return key in self.keys
        hashed = hash(key)
        place = bisect_left(self.crowd, hashed)
        return place < len(self.crowd) and self.crowd[place] == hashed

    @property
    def weight(self) -> int:
        """About how many bytes it takes to keep this, and to find it by its owners."""
        return _EACH * (len(self.keys) + 1) + (0 if self.crowd is None else self.crowd.itemsize * len(self.crowd))


def keys(request: Request, target: Target) -> frozenset[str]:
    """The keys of owners that end with this request's object: itself, and what a definition defines."""
    orphans = request.operation is Operation.DELETE and _orphans(request.options, request.old)
    owners = set() if orphans and target.resource not in _NEVER_ORPHANS else {target.uid}
    if target.resource == DEFINITIONS:
        # Its plural and its group; a kind's name is not in it, and others of the group may be taken for it.
        owners.add(group_key(target.name.partition(".")[2]))
    return frozenset(owners)


def may_leave(request: Request) -> bool:
    """Whether this deletion leaves behind what the object owns, or may: of some kinds it does where nobody says so."""
    resource, options = request.target.resource, request.options
    if resource in _NEVER_ORPHANS or request.operation is not Operation.DELETE:
        return False
    untold = options.orphan_dependents is None and options.propagation_policy is None
    return _orphans(options, request.old) or (untold and resource in _ORPHANED)


def comes_to_leave(request: Request) -> bool:
    """Whether a write gives the object the finalizer by which its deletion leaves behind what it owns."""
    added = request.new.finalizers or ()
    return ORPHAN_FINALIZER in added and ORPHAN_FINALIZER not in (request.old.finalizers or ())


def _orphans(options: Options, stored: Metadata) -> bool:
    """Whether what the object owns stays after its deletion. The options come before what the object itself says."""
    if options.orphan_dependents is not None:
        return options.orphan_dependents
    if options.propagation_policy is not None:
        return options.propagation_policy == _ORPHAN_POLICY
    if not stored.finalizers:
        return False
    # The first one of the two that stands there counts.
    ways = [finalizer for finalizer in stored.finalizers if finalizer in {ORPHAN_FINALIZER, _FOREGROUND_FINALIZER}]
    return ways[:1] == [ORPHAN_FINALIZER]


def kind_key(kind: Kind) -> str:
    """The key that all owners of one kind share."""
    return f"/{kind.api_version}/{kind.kind}"


def kind_of(key: str) -> Kind | None:
    """Read a key of ``kind_key``; None for the others."""
    if not key.startswith("/"):
        return None
    api_version, _, kind = key[1:].rpartition("/")
    return Kind(api_version, kind)


def group_key(group: str) -> str:
    """The key that all owners of one API group share."""
    return f"*.{group}"
