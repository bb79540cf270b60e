"""Whether parts of two objects are the same JSON, asked level by level at the cost of one look at each of them."""

from itertools import repeat
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission.changes.free_paths import ABSENT

DEEPEST: Final = 64
"""Levels of an object that paths and patches tell of. Digests bind what is further down."""

canonical: Final = msgspec.json.Encoder(order="sorted").encode
"""The canonical JSON of a value that ``differences.exact`` has read."""


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON. To Python, ``true`` is 1."""
    return one is other or (ABSENT not in (one, other) and canonical(one) == canonical(other))


class Alike(Struct):
    """``same`` for whoever asks about two values, and then about what is in them.

    What differs is remembered with all that it was told by, so that asking about each level looks at nothing twice.
    The values are there as long as this is, and are not changed.
    """

    differ: set[tuple[int, int]] = set()

    def __call__(self, one: Any, other: Any, levels: int = DEEPEST) -> bool:
        """Whether two values are the same JSON. ``levels`` of them are remembered: further down nobody asks."""
        if one is other:
            return True
        kind = type(one)
        if kind is not type(other):
            # A number with a fraction is no float where it is read exactly.
            return not (kind in _PLAIN and type(other) in _PLAIN) and same(one, other)
        if kind is not dict and kind is not list:
            # Two floats may be equal and written otherwise.
            return bool(one == other) if kind in _PLAIN else same(one, other)
        pair = (id(one), id(other))
        if pair in self.differ:
            return False
        if len(one) != len(other):
            alike = False
        elif not levels:
            alike = same(one, other)
        elif kind is list:
            alike = all(map(self, one, other, repeat(levels - 1)))
        else:
            alike = all(map(self, one.values(), map(other.get, one, repeat(ABSENT)), repeat(levels - 1)))
        if not alike:
            self.differ.add(pair)
        return alike


_PLAIN: Final = frozenset({bool, int, str, dict, list, type(None)})
"""Types of which no two have the same JSON, and but for the containers each tells equal values by ``==``."""
