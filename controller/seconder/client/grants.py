"""Follows who is granted what by RBAC, to know when an answer of the authorizer is no longer worth remembering."""

import hashlib
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

import msgspec

from seconder.admission import rbac
from seconder.client.api import Api
from seconder.client.watch import Watch, Watches

_ROLES: Final = ("clusterroles", "roles")
_BINDINGS: Final = ("clusterrolebindings", "rolebindings")

_NOT_ASKED: Final = frozenset({"apiVersion", "kind", "metadata"})
"""What of a role or binding the authorizer does not look at. Labels put one role's rules into another by a write of
that other, which is seen as such."""

_NAME_BYTES: Final = 16
"""Of what stands for a role's name: nothing bounds a name. Two by the same bytes are bound wherever either is."""

_MOST_PLACES: Final = 32_768
"""Roles times the namespaces in which they are bound, which are known: at most some 15 MB."""


class BoundRoles:
    """In which namespaces roles are bound, by one kind of bindings; ``""`` stands for all. Safe to use from threads.

    A binding is known by its key, and by what ``binding`` makes of it. Beyond ``most`` places of roles, any role may be
    bound anywhere.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._bindings: dict[bytes, dict[str, int]] = {}
        """By role, and by namespace: how many."""
        self._places = 0
        self._beyond = 0
        """Bindings that are not among these."""

    def take(self, bindings: Mapping[str, bytes]) -> None:
        """Hold these and no others."""
        with self._lock:
            self._bindings, self._places, self._beyond = {}, 0, 0
            for key, each in bindings.items():
                self._add(key, each)

    def take_one(self, key: str, before: bytes | None, now: bytes | None) -> None:
        """Take note of a change of one of them."""
        with self._lock:
            if before is not None:
                self._remove(key, before)
            if now is not None:
                self._add(key, now)

    def places(self, role: str) -> list[str]:
        """Where a role may be bound, by the key of its own."""
        with self._lock:
            return [""] if self._beyond else list(self._bindings.get(_name(role), ()))

    def _add(self, key: str, of: bytes) -> None:
        role, place = of[:_NAME_BYTES], _namespace(key)
        known = place in self._bindings.get(role, ())
        if not known and self._places >= self._most:
            self._beyond += 1
            return
        bindings = self._bindings.setdefault(role, {})
        bindings[place] = bindings.get(place, 0) + 1
        self._places += not known

    def _remove(self, key: str, of: bytes) -> None:
        role, place = of[:_NAME_BYTES], _namespace(key)
        bindings = self._bindings.get(role, {})
        if place not in bindings:
            # Of the same role and place, those that are known go first: what is left is beyond.
            self._beyond -= 1
            return
        bindings[place] -= 1
        if not bindings[place]:
            del bindings[place]
            self._places -= 1
        if not bindings:
            del self._bindings[role]


class Grants(Watches):
    """Watches all roles and bindings, of each what tells whether the authorizer would answer by it as before.

    ``changed`` is called in the thread that saw a change, with the namespace in which rights may be others by now; with
    None where they may be anywhere, and after each list. A role counts where it is bound: what is written of others, or
    beside rules and subjects, changes nothing. ``most`` is how many places of bound roles are known.
    """

    def __init__(
        self,
        api: Api,
        changed: Callable[[str | None], None],
        failed: Callable[[str, Exception], None],
        *,
        most: int = _MOST_PLACES,
    ) -> None:
        self._changed = changed
        self._bound = {plural: BoundRoles(most) for plural in _BINDINGS}
        roles = (
            Watch(api, _path(plural), _content, lambda _: changed(None), failed, one=self._role) for plural in _ROLES
        )
        super().__init__((*roles, *(self._following(api, plural, failed) for plural in _BINDINGS)))

    def _following(self, api: Api, plural: str, failed: Callable[[str, Exception], None]) -> Watch[bytes]:
        roles = self._bound[plural]

        # Noted before it is told: a role that is written meanwhile is bound, or was written before this counts.
        def listed(bindings: Mapping[str, bytes]) -> None:
            roles.take(bindings)
            self._changed(None)

        def one(key: str, before: bytes | None, now: bytes | None) -> None:
            roles.take_one(key, before, now)
            # What a binding in a namespace gives, it gives there alone, whoever has it.
            self._changed(_namespace(key) or None)

        return Watch(api, _path(plural), binding, listed, failed, one=one)

    def _role(self, key: str, _before: bytes | None, _now: bytes | None) -> None:
        # One that is bound later, or whose binding is not seen yet, counts by that.
        places = {place for roles in self._bound.values() for place in roles.places(key)}
        for place in {""} if "" in places else places:
            self._changed(place or None)


def _path(plural: str) -> str:
    return f"/apis/{rbac.GROUP}/v1/{plural}"


def _namespace(key: str) -> str:
    return key.rpartition("/")[0]


def _name(role: str) -> bytes:
    return hashlib.sha256(role.encode()).digest()[:_NAME_BYTES]


def _content(document: Mapping[str, Any]) -> bytes:
    """Stands for all that the authorizer may look at in a role or a binding."""
    content = {key: value for key, value in document.items() if key not in _NOT_ASKED}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).digest()


def binding(document: Mapping[str, Any]) -> bytes:
    """Stands for a binding: first for the role that it binds, then for all of it."""
    role, namespace = document["roleRef"], document["metadata"].get("namespace")
    name: str = role["name"]
    key = f"{namespace}/{name}" if namespace and role["kind"] != "ClusterRole" else name
    return _name(key) + _content(document)
