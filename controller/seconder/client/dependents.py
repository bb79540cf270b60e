"""Follows who owns what, of the kinds that policies protect and what makes these: one watch a kind, metadata alone."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from seconder.admission.dependents import CROWD, Dependent, Ownership
from seconder.admission.kinds import MAKERS
from seconder.admission.policy_index import PolicyIndex
from seconder.api import constants
from seconder.api.resources import GroupResource, ResolvedResource, Target
from seconder.client.api import Api, ApiError, collection
from seconder.client.clock import steady
from seconder.client.guard_owners import GuardOwners
from seconder.client.ownership import ownership
from seconder.client.watch import Watch

_MOST_BYTES: Final = 80 * 1024 * 1024
"""Of all that is followed: 100,000 owned objects. An agent may make more, or such as have thousands of owners; then it
is not known who owns what, until there is less."""

_READY_SECONDS: Final = 30.0
"""For how long readiness waits until it is known. What is not known is refused, but one broken API may not stop all."""


class OwnedObjects:
    """The owned objects of one resource, by ``namespace/name``, and these by the keys of their owners."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Mapping[str, Ownership] = {}
        self._by_owner: dict[str, set[str]] = {}

    def owns(self, owner: str) -> bool:
        """Whether something has an owner of this key."""
        return owner in self._by_owner or (CROWD in self._by_owner and bool(self.owned_by(owner)))

    def owned_by(self, owner: str) -> list[tuple[str, Ownership]]:
        """What has an owner of this key."""
        with self._lock:
            # Sorted, so that the same request is refused in the same words each time.
            keys = sorted({*self._by_owner.get(owner, ()), *self._by_owner.get(CROWD, ())})
            owned = [(key, self._found.get(key)) for key in keys]
        # The watch changes what is found a moment before it tells.
        return [(key, stored) for key, stored in owned if stored is not None and stored.has(owner)]

    def take(self, ownerships: Mapping[str, Ownership]) -> None:
        """Hold these, by ``namespace/name``, and no others. The mapping stays its owner's."""
        by_owner: dict[str, set[str]] = {}
        for key, owned in ownerships.items():
            for owner in owned.keys:
                by_owner.setdefault(owner, set()).add(key)
        with self._lock:
            self._found, self._by_owner = ownerships, by_owner

    def take_one(self, key: str, before: Ownership | None, after: Ownership | None) -> None:
        """Take note of a change of one of them."""
        with self._lock:
            for owner in before.keys if before else ():
                self._by_owner[owner].discard(key)
                if not self._by_owner[owner]:
                    del self._by_owner[owner]
            for owner in after.keys if after else ():
                self._by_owner.setdefault(owner, set()).add(key)


class _Followed(OwnedObjects):
    """The owned objects of one resource, followed by a watch. ``room``: how many bytes they may take."""

    # More than seven parameters, with self: what it follows, whom it tells, and its bounds.
    def __init__(
        self,
        api: Api,
        resource: ResolvedResource,
        failed: Callable[[str, Exception], None],
        clock: Callable[[], float],
        room: Callable[["_Followed"], int],
        labels: str,
    ) -> None:
        super().__init__()
        self.labels: Final = labels
        """Of which objects it is, as a list is asked for; empty: of all."""
        self._failed = failed
        self.never = False
        """Whether objects of the resource can be neither listed nor watched, so that nothing of it is ever found."""
        self._room = room
        self.held = 0
        """Bytes that what is found takes."""
        self._listed = (0, 0)
        """The list that is being read, and the bytes that what was read of it takes."""
        self.watch: Final = Watch(
            api,
            collection(resource),
            self._select,
            self.take,
            self._trouble,
            metadata_only=True,
            label_selector=labels,
            one=self.take_one,
            clock=clock,
        )
        self.start: Final = self.watch.start
        self.stop: Final = self.watch.stop

    def take(self, ownerships: Mapping[str, Ownership]) -> None:
        """See OwnedObjects."""
        super().take(ownerships)
        self.held = sum(owned.weight for owned in ownerships.values())

    def take_one(self, key: str, before: Ownership | None, after: Ownership | None) -> None:
        """See OwnedObjects."""
        super().take_one(key, before, after)
        self.held += (after.weight if after else 0) - (before.weight if before else 0)
        if after is not None and self.held > self._room(self):
            raise _no_room()

    def _select(self, document: Mapping[str, Any]) -> Ownership | None:
        """What is kept of an object. Raises ApiError where there is no room: what is not known is refused to agents."""
        owned = ownership(document)
        if owned is None or not self.watch.listing:
            # A change is counted where what was there before is known.
            return owned
        number, listed = self._listed
        listed = owned.weight + (listed if number == self.watch.lists else 0)
        self._listed = (self.watch.lists, listed)
        if listed > self._room(self):
            raise _no_room()
        return owned

    def _trouble(self, path: str, error: Exception) -> None:
        if isinstance(error, ApiError) and error.status == 405:
            # Not to be listed or watched, so the garbage collector leaves it alone too: it needs both.
            self.never = True
            self.watch.stop()
        else:
            self._failed(path, error)


def _no_room() -> ApiError:
    return ApiError(507, "what policies protect has more owners than there is memory for")


class DependentsIndex:
    """Knows what goes with an object that is deleted. Safe to use from several threads."""

    def __init__(
        self,
        api: Api,
        failed: Callable[[str, Exception], None],
        *,
        namespace: str = constants.DEFAULT_NAMESPACE,
        clock: Callable[[], float] = steady,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """``namespace`` is Seconder's own."""
        self._most_bytes = most_bytes
        self._api = api
        self._failed = failed
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[ResolvedResource, _Followed] = {}
        self._policies: PolicyIndex | None = None
        self._in_force: tuple[PolicyIndex, Sequence[tuple[ResolvedResource, _Followed]]] | None = None
        """What is followed for the latest policies, where it is all that they have followed."""
        self._ready = False
        self._ready_by = 0.0
        self._guard = GuardOwners(api, namespace, failed, clock)

    def follow_guard(self) -> None:
        """Begin to follow what owns Seconder's own objects."""
        self._guard.start()

    def follow(self, policies: PolicyIndex) -> None:
        """Begin to follow what these policies protect, and leave what they do not."""
        wanted = policies.followed
        with self._lock:
            if self._policies is None:
                self._ready_by = self._clock() + _READY_SECONDS
            self._policies = policies
            labels = {each: policies.followed_labels(each.resource) for each in wanted}
            for resource in [each for each, kind in self._kinds.items() if labels.get(each) != kind.labels]:
                self._kinds.pop(resource).stop()
            for resource in wanted - self._kinds.keys():
                self._kinds[resource] = _Followed(
                    self._api, resource, self._failed, self._clock, self._room, labels[resource]
                )
                self._kinds[resource].start()
            followed = self._all_followed(policies)
            self._in_force = None if followed is None else (policies, followed)

    def _room(self, asking: _Followed) -> int:
        """The bytes that what is found of one resource may take, beside those of all others."""
        return self._most_bytes - sum(kind.held for kind in list(self._kinds.values()) if kind is not asking)

    def stop(self) -> None:
        """Let the watches end."""
        self._guard.stop()
        with self._lock:
            for kind in self._kinds.values():
                kind.stop()

    def unmet(self) -> list[str]:
        """What is not loaded yet. That holds up readiness once, for a while after the first policies at most."""
        with self._lock:
            policies = self._policies
        if not self._ready and policies is not None:
            self._ready = self._clock() >= self._ready_by or self._known(policies, "") is not None
        return [] if self._ready else ["who owns what is not loaded"]

    def _known(self, policies: PolicyIndex, place: str) -> Sequence[tuple[ResolvedResource, _Followed]] | None:
        """All that is followed for these policies, in a fixed order; None while one of it is not known.

        None also where it is not all that may be owned in a namespace or, without one, anywhere.
        """
        if policies.unfollowed and not policies.all_followed(place):
            return None
        in_force = self._in_force
        if in_force is not None and in_force[0] is policies:
            followed = in_force[1]
        else:
            # A review that began a moment ago, under the policies before.
            with self._lock:
                found = self._all_followed(policies)
            if found is None:
                return None
            followed = found
        # Asked by each review of a deletion, and so without a call for each watch.
        now = self._clock()
        for _, kind in followed:
            if not (kind.never or now - kind.watch.proven <= constants.FRESH_SECONDS):
                return None
        return followed

    def _all_followed(self, policies: PolicyIndex) -> Sequence[tuple[ResolvedResource, _Followed]] | None:
        """All that these policies have followed, in a fixed order; None while one of it is not."""
        kinds = {each: kind for each, kind in self._kinds.items() if each in policies.followed}
        if len(kinds) < len(policies.followed):
            return None
        return [(each, kinds[each]) for each in sorted(kinds, key=lambda each: each.resource)]

    def owner_keys(self, policies: PolicyIndex, place: str, keys: Collection[str]) -> frozenset[str] | None:
        """Those of these keys by which something owns protected objects, in a namespace or, without one, anywhere.

        What owns an object in no namespace is in none either, and so counts everywhere. None while it is not known.
        """
        kinds = self._known(policies, place)
        if kinds is None:
            return None
        return keys_of_owners(kinds, policies, place, keys)

    def none_owned(self, policies: PolicyIndex, keys: frozenset[str], place: str) -> bool:
        """Whether nothing goes with the owners of these keys, and that is known. Takes microseconds.

        ``place``: the namespace of the owners, where they are in one.
        """
        kinds = self._known(policies, place)
        if kinds is None:
            return False
        for _, kind in kinds:
            for key in keys:
                if kind.owns(key):
                    return False
        return True

    def owns_guard(self, keys: frozenset[str], namespaces: frozenset[str]) -> bool | None:
        """Whether an owner of these keys owns something of Seconder's own; None while it is not known."""
        return self._guard.owns(keys, namespaces)

    guard_at_hand = owns_guard

    def dependents(self, policies: PolicyIndex, keys: frozenset[str], target: Target) -> list[Dependent] | None:
        """What goes with the owners of these keys, directly and through each other; None while it is not known.

        ``target`` is the object whose end it is, and not among them.
        """
        kinds = self._known(policies, target.namespace)
        if kinds is None:
            return None
        return dependents_of(kinds, keys, target)


def keys_of_owners(
    kinds: Sequence[tuple[ResolvedResource, OwnedObjects]], policies: PolicyIndex, place: str, keys: Collection[str]
) -> frozenset[str]:
    """Those of these keys by which something owns protected objects, in a namespace or, without one, anywhere."""

    def counts(resource: ResolvedResource, key: str, owned: Ownership) -> bool:
        target = _target(resource, key)
        if policies.protecting(target):
            return True
        # What no policy names, and what is made of it.
        below = dependents_of(kinds, frozenset({owned.uid}), target) if resource.resource in MAKERS else ()
        return any(policies.protecting(dependent.target) for dependent in below)

    found = set()
    for resource, kind in kinds:
        inside = f"{place}/" if place and resource.namespaced else ""
        for owner in keys:
            if not kind.owns(owner):
                continue
            if any(counts(resource, key, owned) for key, owned in kind.owned_by(owner) if key.startswith(inside)):
                found.add(owner)
    return frozenset(found)


def dependents_of(
    kinds: Sequence[tuple[ResolvedResource, OwnedObjects]], keys: frozenset[str], target: Target
) -> list[Dependent]:
    """What goes with the owners of these keys, directly and through owned other, without ``target`` itself."""
    found: dict[str, Dependent | None] = {target.uid: None}
    through: dict[str, tuple[GroupResource, ...]] = dict.fromkeys(sorted(keys), (target.resource,))
    while through:
        following: dict[str, tuple[GroupResource, ...]] = {}
        for resource, kind in kinds:
            for owner, chain in through.items():
                for key, owned in kind.owned_by(owner):
                    if owned.uid in found:
                        continue
                    namespace, _, name = key.rpartition("/")
                    by, *above = chain
                    found[owned.uid] = Dependent(resource, namespace, name, owned.uid, by, tuple(above))
                    following[owned.uid] = (resource.resource, *chain)
        through = following
    return [dependent for dependent in found.values() if dependent]


def _target(resource: ResolvedResource, key: str) -> Target:
    namespace, _, name = key.rpartition("/")
    return Target(resource.resource, resource.kind, namespace, name, "")
