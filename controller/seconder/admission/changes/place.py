"""A place in an object on which an update has a bearing, whether or not its value changes."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission.changes import free_paths
from seconder.admission.changes.alike import DEEPEST, Alike, canonical
from seconder.admission.changes.free_paths import ABSENT, ANNOTATIONS, DROPPED, FreePaths, Steps

_METADATA: Final = (
    "name", "generateName", "namespace", "uid", "selfLink", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields",
)  # fmt: skip
KEPT: Final = frozenset(
    {("apiVersion",), ("kind",), ("metadata",), ANNOTATIONS, *(("metadata", field) for field in _METADATA)}
)
"""What every manifest holds, or no client can take away. What was applied last is itself an annotation."""


class Place(Struct, frozen=True):
    """``steps`` lead to it. ``before`` and ``after`` are what the stored and the wanted object hold there.

    ``free`` is what may change freely from there on. ``kept`` are places of the object that no manifest is without.
    ``defaults`` are what the API server puts where nothing is: what holds that, and stays so, is as good as free.
    """

    steps: Steps
    before: Any
    after: Any
    free: Sequence[FreePaths]
    kept: Set[Steps] = KEPT
    defaults: Mapping[Steps, Sequence[Any]] = {}

    @property
    def all_free(self) -> bool:
        """Whether nothing here or below is guarded."""
        return free_paths.all_free(self.free)

    @property
    def none_free(self) -> bool:
        """Whether all of it is guarded."""
        return not free_paths.some_free(self.free)

    @property
    def at_stake(self) -> bool:
        """Whether something guarded goes with it, now or later. What the update itself adds is not at stake."""
        if self.steps in self.kept:
            return False
        if self.before is ABSENT:
            return self.after is ABSENT and self.none_free
        if self.none_free:
            return True
        return free_paths.without(self.before, self.free, self.steps) is not DROPPED

    @property
    def freed(self) -> bool:
        """Whether it may go itself, with all that is free in it."""
        return bool(self.free) and all(paths.freed for paths in self.free)

    def at_stake_beside(self, held: Sequence["Place"]) -> bool:
        """Whether something guarded is in it that is in none of these places right below it."""
        if not isinstance(self.before, Mapping | list):
            return self.at_stake
        named = {place.steps[-1] for place in held if place.before is not ABSENT}
        return any(place.at_stake for place in self._inside() if place.steps[-1] not in named)

    def _inside(self) -> Iterator["Place"]:
        """The places of all fields or elements that were here."""
        if isinstance(self.before, Mapping):
            yield from map(self.field, self.before)
        else:
            yield from (self.below(str(index), value, value) for index, value in enumerate(self.before))

    def stays(self, alike: Alike) -> bool:
        """Whether it is guarded as a whole, is there, and stays as it is. ``alike``: the same for all places."""
        if not self.none_free or self.steps in self.kept or ABSENT in (self.before, self.after):
            return False
        return alike(self.before, self.after)

    def field(self, name: str) -> "Place":
        """The place of a field of the object that is here."""
        return self.below(name, _field(self.before, name), _field(self.after, name))

    def tokens(self) -> "Tokens":
        """The places of the fields of the object that is here, or of the elements of the list."""
        return Tokens(self)

    def below(self, step: str, before: Any, after: Any) -> "Place":
        """The place one step further, with what is there. Raises RecursionError below ``DEEPEST``."""
        steps = (*self.steps, step)
        if len(steps) > DEEPEST:
            raise RecursionError("it nests too deeply")
        free: Sequence[FreePaths] = [free_paths.at(paths, step) for paths in self.free]
        for value in self.defaults.get(steps, ()):
            alike = Alike()
            if alike(before, value) and alike(after, value):
                free = _FREED
        return Place(steps, before, after, free, self.kept, self.defaults)


_FREED: Final = (FreePaths(freed=True),)


def _field(value: Any, name: str) -> Any:
    return value.get(name, ABSENT) if isinstance(value, Mapping) else ABSENT


FIELD: Final = "f:"
"""Begins the tokens of managedFields that are names of fields."""


class Tokens:
    """The fields of an object, or the elements of a list, found by the tokens of managedFields.

    Elements are told by value, by the values of keys, or by index. An element has the index that it had, or has now;
    what nobody finds is a step of its own.
    """

    def __init__(self, place: Place) -> None:
        self._place: Final = place
        self._lists: tuple[_List, _List] | None = None

    def at(self, token: str) -> Place:
        """The place that a token names."""
        if token.startswith(FIELD):
            return self._place.field(token.removeprefix(FIELD))
        self._lists = self._lists or (_List(self._place.before), _List(self._place.after))
        was, now = (each.index(token) for each in self._lists)
        before = ABSENT if was is None else self._place.before[was]
        after = ABSENT if now is None else self._place.after[now]
        step = token if was is None and now is None else str(now if was is None else was)
        return self._place.below(step, before, after)


_MOST_KEYS: Final = 8
"""Ways to tell the elements of one list apart: a schema knows one. By others none is found."""


class _List:
    """A list whose elements are looked up once, however many tokens there are."""

    def __init__(self, value: Any) -> None:
        self._value: Final[Sequence[Any]] = value if isinstance(value, list) else ()
        self._found: Final[dict[tuple[str, ...] | None, dict[bytes, int]]] = {}

    def index(self, token: str) -> int | None:
        kind, _, told = token.partition(":")
        try:
            wanted = msgspec.json.decode(told)
        except msgspec.MsgspecError:
            return None
        if kind == "i":
            return wanted if isinstance(wanted, int) and 0 <= wanted < len(self._value) else None
        if kind == "v":
            return self._by(None).get(canonical(wanted))
        if kind == "k" and isinstance(wanted, Mapping):
            keys = tuple(sorted(wanted))
            return self._by(keys).get(canonical([wanted[key] for key in keys]))
        return None

    def _by(self, keys: tuple[str, ...] | None) -> Mapping[bytes, int]:
        """The indexes of elements by their canonical JSON, or by that of some of their keys."""
        if keys not in self._found:
            if len(self._found) >= _MOST_KEYS:
                return {}
            found: dict[bytes, int] = {}
            for index, element in enumerate(self._value):
                told = element
                if keys is not None:
                    told = [element.get(key) for key in keys] if isinstance(element, Mapping) else None
                found.setdefault(canonical(told), index)
            self._found[keys] = found
        return self._found[keys]
