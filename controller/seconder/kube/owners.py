"""Follows who owns what, of the kinds that policies protect from deletion: one watch a kind, metadata alone."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from seconder.core import names
from seconder.core.matching import PolicyIndex
from seconder.core.owned import Owned, Ownership
from seconder.core.policy import ResolvedResource
from seconder.core.request import GroupResource, Target
from seconder.kube.api import Api, ApiError
from seconder.kube.lookup import collection
from seconder.kube.watch import Watch
from seconder.wire.ownership import ownership

_MOST_KINDS: Final = 200
"""Each takes a thread and a connection. Where policies protect more, what owns what is not known."""


class _Kind:
    """The owned objects of one resource, by ``namespace/name``."""

    def __init__(
        self,
        api: Api,
        resource: ResolvedResource,
        failed: Callable[[str, Exception], None],
        clock: Callable[[], float],
    ) -> None:
        self._failed = failed
        self._never = False
        self.found: Mapping[str, Ownership] = {}
        self._watch = Watch(
            api, collection(resource), ownership, self._take, self._trouble, metadata_only=True, clock=clock
        )
        self.start: Final = self._watch.start
        self.stop: Final = self._watch.stop

    @property
    def known(self) -> bool:
        """Whether ``found`` is all, and proven recently."""
        return self._never or self._watch.age() <= names.FRESH_SECONDS

    def _take(self, found: Mapping[str, Ownership]) -> None:
        self.found = found

    def _trouble(self, path: str, error: Exception) -> None:
        if isinstance(error, ApiError) and error.status == 405:
            # Not to be listed or watched, so the garbage collector leaves it alone too: it needs both.
            self._never = True
            self._watch.stop()
        else:
            self._failed(path, error)


class Owners:
    """Knows what goes with an object that is deleted. Safe to use from several threads."""

    def __init__(
        self, api: Api, failed: Callable[[str, Exception], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._failed = failed
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[ResolvedResource, _Kind] = {}

    def follow(self, policies: PolicyIndex) -> None:
        """Begin to follow what these policies protect, and leave what they do not."""
        wanted = policies.followed if len(policies.followed) <= _MOST_KINDS else frozenset()
        with self._lock:
            for resource in self._kinds.keys() - wanted:
                self._kinds.pop(resource).stop()
            for resource in wanted - self._kinds.keys():
                self._kinds[resource] = _Kind(self._api, resource, self._failed, self._clock)
                self._kinds[resource].start()

    def stop(self) -> None:
        """Let the watches end."""
        with self._lock:
            for kind in self._kinds.values():
                kind.stop()

    def owned(self, policies: PolicyIndex, keys: frozenset[str], target: Target) -> list[Owned] | None:
        """Give what goes with the owners of these keys, directly and through each other; None while it is not known.

        ``target`` is the object whose end it is, and not among them.
        """
        with self._lock:
            kinds = {each: kind for each, kind in self._kinds.items() if each in policies.followed}
        if not policies.followed_known or len(kinds) < len(policies.followed):
            return None
        if not all(kind.known for kind in kinds.values()):
            return None
        # A copy each, made at one go: the watches go on changing theirs meanwhile.
        objects = [(each, dict(kinds[each].found)) for each in sorted(kinds, key=lambda each: each.resource)]
        found: dict[str, Owned | None] = {target.uid: None}
        through = dict.fromkeys(keys, target.resource)
        while through:
            following: dict[str, GroupResource] = {}
            for each, items in objects:
                for key, owner in items.items():
                    if through.keys().isdisjoint(owner.keys) or owner.uid in found:
                        continue
                    by = next(through[owner] for owner in owner.keys if owner in through)
                    namespace, _, name = key.rpartition("/")
                    found[owner.uid] = Owned(each, namespace, name, owner.uid, by)
                    following[owner.uid] = each.resource
            through = following
        return [each for each in found.values() if each]
