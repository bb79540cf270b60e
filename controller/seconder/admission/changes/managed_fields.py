"""What an update moves in ``metadata.managedFields``: who owns which fields, whose values stay as they are.

Server-side apply takes away what its manager owned, does not send any more, and nobody else owns. Clients may send
managedFields themselves with any update of an object but apply, and the API server takes them as they are
(``FieldManager.Update``); ``[{}]`` clears them. So ownership decides what somebody's next apply removes.

What the API server does by itself is fine: an update takes fields over whose values it changes; an apply owns
what others own too; the oldest updates become ``ancient-changes``; an apply to an object without managedFields finds
``before-first-apply``; and kubectl hands its client-side apply's fields over to its server-side apply. All else is
told.
"""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from seconder.admission.changes import free_paths
from seconder.admission.changes.alike import DEEPEST, Alike
from seconder.admission.changes.free_paths import ABSENT, ANNOTATIONS, LABELS, FreePaths, Steps
from seconder.admission.changes.place import FIELD, Place
from seconder.api.type_reader import TypeReader

Written = Mapping[str, Raw]
"""An object by its keys; the values as they are written."""

Fields = Mapping[str, Any]
"""FieldsV1: owned fields below a place, by tokens such as ``f:spec``, ``k:{"name":"x"}`` and ``v:"x"``."""

NO_LONGER: Final = " no longer"
"""Behind the name of an entry that has lost fields. In front of it, it might be a part of that."""

_APPLY: Final = "Apply"
_ANCIENT: Final = "ancient-changes"
_BEFORE: Final = "before-first-apply"
_KUBECTL: Final = "kubectl"
_CLIENT_SIDE: Final = b'"f:kubectl.kubernetes.io/last-applied-configuration"'
"""Who owns this annotation has applied by client: kubectl's server-side apply then takes all that it owns for its own
(``csaupgrade``), and removes what it does not send."""


class Key(NamedTuple):
    """What tells one entry from another (``BuildManagerIdentifier``). ``version`` is empty for an Apply."""

    manager: str
    operation: str
    subresource: str
    version: str

    @property
    def applies(self) -> bool:
        """Whether fields go that the manager does not send any more."""
        return self.operation == _APPLY

    @property
    def text(self) -> str:
        """The entry's name, of which no two are alike but for the version: clients choose manager and subresource."""
        part = self.subresource
        part = part if not part or (part.isascii() and part.isalnum()) else json.dumps(part)
        return f"{free_paths.word(self.manager)} ({self.operation}{' ' if part else ''}{part})"


_MOST: Final = 64
"""Entries of one object. The API server keeps some ten of updates; appliers are few."""

_MOST_BYTES: Final = 4 * 1024 * 1024
"""Of all entries, times those that are not the same in both states: each field of these is looked for in the others."""

_MAPS: Final = frozenset({LABELS, ANNOTATIONS})
"""Of a map, unlike of an object with named fields, nothing goes but what is owned itself."""

_NOWHERE: Final[Steps] = ("",)
SERVER: Final = Key(_KUBECTL, _APPLY, "", "")
"""kubectl's own server-side apply."""
CLIENT: Final = Key("kubectl-client-side-apply", "Update", "", "")
"""kubectl's own client-side apply, of whatever version."""
_HEIR: Final = Key("", "", "", "")
"""Stands for entries between which fields may move."""


class _Entry(Struct, rename="camel"):
    manager: str = ""
    operation: str = ""
    api_version: str = ""
    subresource: str = ""
    fields_v1: Raw = Raw(b"{}")


class _Metadata(Struct, rename="camel"):
    managed_fields: Raw = Raw(b"null")


class Holder(NamedTuple):
    """An entry that holds a place now: what it owns there, and what it owned there before."""

    key: Key
    now: Fields
    was: Fields

    def below(self, token: str) -> "Holder":
        """The same one step further, where it holds something now."""
        return Holder(self.key, self.now[token], self.was.get(token, {}))


_metadata: Final = msgspec.json.Decoder(_Metadata)
_entries: Final = msgspec.json.Decoder(list[_Entry] | None)
_fields: Final = msgspec.json.Decoder(dict[str, Any])


class Untold(Exception):
    """Who owns which fields cannot be told."""


class Moved:
    """The entries of two states of an object that are not the same in both."""

    def __init__(self, before: Mapping[Key, Raw], after: Mapping[Key, Raw]) -> None:
        self._raw: Final = (before, after)
        self._changed: Final = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        self._read: Final[dict[tuple[int, Key], Fields]] = {}
        clients = (_clients(before), _clients(after))
        self._entering: Final = clients[1] - clients[0]
        self._by_client: Final = tuple(
            frozenset(key for key in entries if not key.applies and key.manager in names)
            for entries, names in zip(self._raw, clients, strict=True)
        )
        """The entries whose fields kubectl's server-side apply takes for its own."""
        self._staying: Final[dict[tuple[Steps, int, int], bool]] = {}
        """Whether a place stays, by where it is and what is there: the same for all entries."""
        self._alike: Final = Alike()

    def _tree(self, which: int, key: Key) -> Fields:
        if (which, key) not in self._read:
            raw = self._raw[which].get(key)
            self._read[which, key] = {} if raw is None else _fields.decode(raw)
        return self._read[which, key]

    def matters(self, free: Sequence[FreePaths], kept: Set[Steps]) -> bool:
        """Whether more than free fields may have moved, told without the object. As deep as what moved.

        ``kept``: places that no manifest is without.
        """
        spared = kept | _MAPS
        return bool(self._entering) or any(
            _touches(self._tree(0, key), self._tree(1, key), free, spared, self._alike) for key in self._changed
        )

    def told(self, root: Place) -> Iterator[tuple[str, str]]:
        """What moved, as who owns a field now, or does not own it any more, and the field.

        Raises Untold for what is too large, and RecursionError.
        """
        if sum(len(bytes(raw)) for entries in self._raw for raw in entries.values()) * len(self._changed) > _MOST_BYTES:
            raise Untold("its managedFields are too large, of too many managers")
        for key in self._changed:
            others = [
                Holder(other, self._tree(1, other), self._tree(0, other)) for other in self._raw[1] if other != key
            ]
            others += [Holder(_HEIR, tree, {}) for tree in self._heirs(key)]
            last: Steps = _NOWHERE
            for place, gained, holders in _walk(self._tree(0, key), self._tree(1, key), root, others, self._alike):
                # With what holds it, it is told already.
                if place.steps[: len(last)] != last and self._wrong(key, place, gained, holders):
                    last = place.steps
                    yield f"{key.text}{'' if gained else NO_LONGER}", free_paths.text(place.steps)
        yield from self._told_of_entering(root)

    def _wrong(self, key: Key, place: Place, gained: bool, holders: Sequence[Holder]) -> bool:
        """Whether an entry's owning a field from now on, or no longer, takes it away, or is no server's doing."""
        if place.steps in _MAPS:
            return False
        if gained:
            if key.applies:
                return place.at_stake and not holders
            return key.manager != _ANCIENT and (key.manager != _BEFORE or bool(self._raw[0])) and self._stays(place)
        if place.none_free:
            return (
                place.at_stake and self._alone(holders)
                if key.applies
                else not _inherited(holders) and self._stays(place)
            )
        # It has held that around what is free, and what else it has lost there is told by itself.
        if not place.at_stake or not self._alone(holders) or (not key.applies and _inherited(holders)):
            return False
        # What that one has held before, and holds now, it takes away either way.
        own = [holder for holder in holders if holder.key != _HEIR]
        if place.at_stake_beside([below for below, _ in _lasting(place, own)]):
            return True
        return not place.freed and not _sends(place, own)

    def _stays(self, place: Place) -> bool:
        there = (place.steps, id(place.before), id(place.after))
        if there not in self._staying:
            self._staying[there] = place.stays(self._alike)
        return self._staying[there]

    def _alone(self, holders: Sequence[Holder]) -> bool:
        """Whether a field is left to one who takes it away once it is not sent. kubectl is one by both its ways."""
        left = {SERVER if each.key in self._by_client[1] else each.key for each in holders if each.key != _HEIR}
        return len(left) == 1 and all(key.applies for key in left)

    def _heirs(self, key: Key) -> list[Fields]:
        """Where the API server, or kubectl, moves fields of an entry to; for kubectl's own, where from."""
        if key == SERVER:
            return [self._tree(0, other) for other in self._by_client[0]]
        if key.applies:
            return []
        ancient = self._tree(1, Key(_ANCIENT, key.operation, "", key.version))
        return [ancient, self._tree(1, SERVER)] if key in self._by_client[0] else [ancient]

    def _told_of_entering(self, root: Place) -> Iterator[tuple[str, str]]:
        """What kubectl's server-side apply would take for its own from now on."""
        if not self._entering:
            return
        taking = self._by_client[1] | {SERVER}
        others = [Holder(key, self._tree(1, key), {}) for key in self._raw[1] if key not in taking]
        # What kubectl's own apply by client has set is in its manifest, whoever has dropped the annotation meanwhile.
        entering = self._entering - {CLIENT.manager}
        for key in sorted(key for key in self._by_client[1] if key.manager in entering):
            last: Steps = _NOWHERE
            for place, _, holders in _walk({}, self._tree(1, key), root, others, self._alike):
                told = place.steps[: len(last)] == last or place.steps in _MAPS
                if not holders and not told and place.at_stake:
                    last = place.steps
                    yield SERVER.text, free_paths.text(place.steps)


def moved(before: Written, after: Written) -> Moved | None:
    """What moved between two states of an object, given by its keys; None where nothing did.

    Raises Untold for very many managers, msgspec.MsgspecError for what is no metadata, and RecursionError.
    """
    old, new = before.get("metadata", _NONE), after.get("metadata", _NONE)
    if old == new:
        return None
    was, now = _metadata.decode(old).managed_fields, _metadata.decode(new).managed_fields
    if was == now:
        return None
    old_entries, new_entries = _by_key(was), _by_key(now)
    return None if old_entries == new_entries else Moved(old_entries, new_entries)


_NONE: Final = Raw(b"{}")


def trees(stored: Written) -> list[tuple[Key, Fields]]:
    """Who owns what of an object, given by its keys. Raises as ``moved`` does."""
    entries = _by_key(_metadata.decode(stored.get("metadata", _NONE)).managed_fields)
    return [(key, _fields.decode(raw)) for key, raw in entries.items()]


def _by_key(raw: Raw) -> dict[Key, Raw]:
    entries = _entries.decode(raw) or ()
    if len(entries) > _MOST:
        raise Untold(f"it has more than {_MOST} field managers")
    found: dict[Key, Raw] = {}
    for entry in entries:
        version = "" if entry.operation == _APPLY else entry.api_version
        found[Key(entry.manager, entry.operation, entry.subresource, version)] = entry.fields_v1
    return found


def _clients(entries: Mapping[Key, Raw]) -> frozenset[str]:
    """The managers that have applied by client."""
    return frozenset(key.manager for key, raw in entries.items() if not key.applies and _CLIENT_SIDE in bytes(raw))


def owned(managed: Any, root: Place) -> Mapping[str, set[str]]:
    """All fields that each entry owns, as ``Moved.told`` names both. ``managed`` is the field of an object."""
    found: dict[str, set[str]] = {}
    for entry in managed if isinstance(managed, list) else ():
        read = _owned.convert(entry)
        key = Key(read.manager, read.operation, read.subresource, "")
        texts = (free_paths.text(place.steps) for place, _, _ in _walk({}, read.fields_v1, root, [], Alike()))
        found.setdefault(key.text, set()).update(texts)
    return found


class _Owned(Struct, rename="camel"):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields_v1: dict[str, Any] = {}


_owned: Final = TypeReader(_Owned)


def _inherited(holders: Sequence[Holder]) -> bool:
    return any(holder.key == _HEIR for holder in holders)


def _lasting(place: Place, holders: Sequence[Holder]) -> Iterator[tuple[Place, Sequence[Holder]]]:
    """The places right below one that any of these has held before and holds now, each with those."""
    tokens = place.tokens()
    for token in sorted({token for each in holders for token in each.was if token in each.now} - {_SELF}):
        yield tokens.at(token), [each.below(token) for each in holders if token in each.now and token in each.was]


def _sends(place: Place, holders: Sequence[Holder]) -> bool:
    """Whether any of these holds something guarded in a place all the while.

    No agent has them come to own that alone. So it is in a manifest, and the object around it is.
    """
    return any(
        (below.none_free and below.before is not ABSENT and below.at_stake) or _sends(below, held)
        for below, held in _lasting(place, holders)
    )


def _touches(
    old: Fields, new: Fields, free: Sequence[FreePaths], spared: Set[Steps], alike: Alike, place: Steps = ()
) -> bool:
    """Whether one holds a place that the other does not, and that is neither free nor one of the spared ones."""
    for token in old.keys() | new.keys():
        before, after = old.get(token), new.get(token)
        if token == _SELF or (None not in (before, after) and alike(before, after)):
            continue
        if not token.startswith(FIELD):
            # Which element of a list that is, only the object tells.
            return True
        step = token.removeprefix(FIELD)
        below = [free_paths.at(paths, step) for paths in free]
        if free_paths.all_free(below):
            continue
        here = (*place, step)
        if (None in (before, after) and here not in spared) or len(here) > DEEPEST:
            return True
        if _touches(before or {}, after or {}, below, spared, alike, here):
            return True
    return False


_SELF: Final = "."


def _walk(
    old: Fields, new: Fields, place: Place, others: Sequence[Holder], alike: Alike
) -> Iterator[tuple[Place, bool, Sequence[Holder]]]:
    """The places that are owned by one and not by the other: each, whether it is gained, and which others hold it.

    What holds a field holds the object around it, too.
    """
    tokens = place.tokens()
    for token in sorted(old.keys() | new.keys()):
        before, after = old.get(token), new.get(token)
        if token == _SELF or (None not in (before, after) and alike(before, after)):
            continue
        below = tokens.at(token)
        if below.all_free:
            continue
        holding = [holder.below(token) for holder in others if token in holder.now]
        if before is None or after is None:
            yield below, before is None, holding
        yield from _walk(before or {}, after or {}, below, holding, alike)
