"""Paths of fields that may change freely, and what is left of an object without them.

A path is steps with dots between them. It frees itself and all that is below. ``*`` stands for any one step: a key, or
an element of a list, which an index (``0``) names too. A key that holds a dot stands in brackets:
``metadata.labels[example.com/team]``. A step that ends in ``/*`` stands for all keys with that prefix
(``metadata.labels[example.com/*]``), and one that begins with ``*.`` too for those of domains below it
(``metadata.labels[*.example.com/*]``); ``*/*`` stands for all keys with a prefix. Such a step may leave some out:
``[*.example.com/* but a.example.com/*, example.com/team]``. ``!`` in front takes a path back, whatever frees it.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct

from seconder.api.policy import FREE_CHANGE

Steps = tuple[str, ...]

_STEP: Final = re.compile(r"\.?(?:\[([^\[\]]+)\]|([^.\[\]]+))")
_PLAIN: Final = re.compile(r"[\w/@#|+=~%:$*-]+", re.ASCII)
"""What a key is made of that can be read as nothing but a key, and ends nowhere in a path or a sentence."""

_DOTTED: Final = re.compile(r"[\w/@#|+=~%:$*.-]+", re.ASCII)
_ANY: Final = "*"
_BUT: Final = " but "
"""Stands before the keys, with commas between them, that a pattern leaves out."""

LABELS: Final[Steps] = ("metadata", "labels")
ANNOTATIONS: Final[Steps] = ("metadata", "annotations")
_EMPTY_IS_NONE: Final = frozenset({LABELS, ANNOTATIONS})
"""The API server stores no empty map there, so that the first key that is free brings none along."""

DROPPED: Final[Any] = object()
"""Stands for a value of which nothing is left."""

ABSENT: Final[Any] = object()
"""Stands for a value that is not there."""


def value_at(value: Any, steps: Sequence[str | int]) -> Any:
    """What stands at the end of these keys of maps and indices of lists; ABSENT where nothing does."""
    try:
        for step in steps:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return ABSENT
    return value


class FreePaths(Struct, frozen=True, cache_hash=True):
    """What is free at one place of an object, and below.

    ``freed``: the place itself is. ``free`` and ``back`` are the paths, from this place on, that free and that take
    back.
    """

    free: tuple[Steps, ...] = ()
    back: tuple[Steps, ...] = ()
    freed: bool = False

    @property
    def all_free(self) -> bool:
        """Whether everything here and below is free."""
        return self.freed and not self.back

    @property
    def none_free(self) -> bool:
        """Whether nothing here and below is free."""
        return not self.freed and not self.free

    def freeing(self, steps: Steps) -> "FreePaths":
        """The same, and these steps."""
        return FreePaths((*self.free, steps), self.back, self.freed)

    def taking_back(self, steps: Steps) -> "FreePaths":
        """The same, but for these steps."""
        return FreePaths(self.free, (*self.back, steps), self.freed)


Free = tuple[FreePaths, ...]
"""What several lists leave free at one place. A field is free where all of them free it."""

NOTHING: Final = FreePaths()
"""Where nothing is free."""


LONGEST: Final = 320
"""Characters of a step that is remembered. A client may make up one that is as long as a whole object."""


def at(paths: FreePaths, step: str) -> FreePaths:
    """What is free one step further."""
    return _at(paths, step) if len(step) <= LONGEST else _at.__wrapped__(paths, step)


@functools.lru_cache(4096)
def _at(paths: FreePaths, step: str) -> FreePaths:
    if paths.none_free:
        return paths
    index = _index(paths)
    stands = [step, _ANY] if step != _ANY else [_ANY]
    prefix, slash, _ = step.partition("/")
    if slash:
        # Of a key with a prefix alone: most steps are none.
        stands.append(f"{prefix}/{_ANY}")
        stands += index.standing_for(step, prefix)
    back = tuple(steps for each in stands for steps in index.back.get(each, ()))
    if () in back:
        return NOTHING
    free = tuple(steps for each in stands for steps in index.free.get(each, ()))
    return FreePaths(tuple(filter(None, free)), back, paths.freed or () in free)


class _Index:
    """The paths of one place by their first steps, and those of these that are patterns by their domains.

    A label that nobody has seen yet is looked up as often as a request has labels: not among hundreds one by one.
    """

    def __init__(self, paths: FreePaths) -> None:
        self.free: Final = _by_first(paths.free)
        self.back: Final = _by_first(paths.back)
        self._patterns: Final[dict[str, list[tuple[str, frozenset[str]]]]] = {}
        for first in {**self.free, **self.back}:
            keys, _, spared = first.partition(_BUT)
            if keys == "*/*" or (keys.startswith("*.") and keys.endswith("/*") and len(keys) > len("*./*")):
                self._patterns.setdefault(keys[2:-2], []).append((first, frozenset(spared.split(", "))))
        self._longest: Final = max(map(len, self._patterns), default=-1)

    def standing_for(self, key: str, prefix: str) -> list[str]:
        """The patterns of a key's domain, of those above it, and of any (``*/*``, here as no domain); see ``_BUT``."""
        found: list[str] = []
        if self._longest < 0:
            return found
        # The domains that are no longer than any pattern's: a prefix may be as long as a whole object, of dots alone.
        domain = prefix
        if len(domain) > self._longest:
            domain = domain[len(domain) - self._longest - 1 :].partition(".")[2]
        while True:
            for first, spared in self._patterns.get(domain, ()):
                if spared.isdisjoint((key, f"{prefix}/*")):
                    found.append(first)
            if not domain:
                return found
            domain = domain.partition(".")[2]


def _by_first(paths: Sequence[Steps]) -> dict[str, list[Steps]]:
    found: dict[str, list[Steps]] = {}
    for steps in paths:
        found.setdefault(steps[0], []).append(steps[1:])
    return found


_index: Final = functools.lru_cache(512)(_Index)


class Below(NamedTuple):
    """What each of some lists leaves free one step further: all of it by every one, and something by every one."""

    free: Free
    all_free: bool
    some_free: bool


@functools.lru_cache(4096)
def below(free: Free, step: str) -> Below:
    """The same for several lists at once, and remembered: for steps of no more than ``LONGEST`` characters."""
    further = tuple(at(paths, step) for paths in free)
    return Below(further, all_free(further), some_free(further))


def all_free(free: Sequence[FreePaths]) -> bool:
    """Whether each of these frees everything here and below. Without any of them, nothing is free."""
    for paths in free:
        if not paths.freed or paths.back:
            return False
    return bool(free)


def some_free(free: Sequence[FreePaths]) -> bool:
    """Whether each of these may free something here or below."""
    for paths in free:
        if not paths.freed and not paths.free:
            return False
    return bool(free)


def steps_of(path: str) -> Steps:
    """The steps of a path without its ``!``. Raises ValueError for what is no path."""
    if not re.fullmatch(FREE_CHANGE, path):
        raise ValueError("no path of fields")
    return tuple(bracketed or plain for bracketed, plain in _STEP.findall(path.removeprefix("!")))


@functools.lru_cache(1024)
def compiled(paths: tuple[str, ...]) -> FreePaths:
    """What these paths free. Raises ValueError for what is no path."""
    free = tuple(steps_of(path) for path in paths if not path.startswith("!"))
    back = tuple(steps_of(path) for path in paths if path.startswith("!"))
    return FreePaths(free, back)


def text(steps: Sequence[str]) -> str:
    """Steps as a path, for each its own: digests rest on it.

    A key that is more than a plain name stands in quotes, as JSON: whoever writes an object chooses it.
    """
    path = ""
    for step in steps:
        if _PLAIN.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{word(step)}]"
    return path


def word(name: str) -> str:
    """A name that a client has chosen, as it is where it can be read as nothing else, and else as JSON in quotes."""
    return name if _DOTTED.fullmatch(name) else json.dumps(name)


def without(value: Any, free: Sequence[FreePaths], place: Steps = ()) -> Any:
    """What is left of a value without what is free by each of these; DROPPED where that is nothing.

    A field that only one of them guards stays. Without any of them, all stays. The value itself is not changed.
    """
    if not free or any(paths.none_free for paths in free):
        return value
    freed = all(paths.freed for paths in free)
    if freed and all(paths.all_free for paths in free):
        return DROPPED
    if isinstance(value, Mapping):
        left: Any = {}
        for key, below in value.items():
            kept = without(below, [at(paths, key) for paths in free], (*place, key))
            if kept is not DROPPED:
                left[key] = kept
        empties = freed or (place in _EMPTY_IS_NONE and bool(value))
        return DROPPED if empties and not left else left
    if isinstance(value, list):
        found = [
            without(below, [at(paths, str(index)) for paths in free], (*place, str(index)))
            for index, below in enumerate(value)
        ]
        if freed and all(kept is DROPPED for kept in found):
            return DROPPED
        # An element keeps its place.
        return [None if kept is DROPPED else kept for kept in found]
    return DROPPED if freed else value
