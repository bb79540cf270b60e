"""What differs between two texts, line by line: all of it, in a time that is bounded."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_CONTEXT: Final = 3
"""Lines around each difference."""

_MOST_COMPARED: Final = 4_000_000
"""Pairs of lines that may be compared. What would take more is shown whole, as taken away and put there."""


class Line(NamedTuple):
    """``mark``: ``-``, ``+``, ``@`` for a place, or a space for a line that both texts have."""

    mark: str
    text: str


def lines(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    """The lines of a unified diff without its head; none where nothing differs.

    Whoever signs for a change signs for what they see: no line that differs is left out, however many there are.
    """
    longest = min(len(before), len(after))
    first = next((at for at in range(longest) if before[at] != after[at]), longest)
    if first == len(before) == len(after):
        return
    left = longest - first
    last = next((at for at in range(left) if before[-1 - at] != after[-1 - at]), left)
    # To compare every line with every other takes a time with the square of their number, and most changes are small.
    start = max(0, first - _CONTEXT)
    old = before[start : len(before) - max(0, last - _CONTEXT)]
    new = after[start : len(after) - max(0, last - _CONTEXT)]
    if len(old) * len(new) <= _MOST_COMPARED:
        for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT):
            yield _place(start, group[0][1], group[-1][2], group[0][3], group[-1][4])
            for tag, old_from, old_to, new_from, new_to in group:
                if tag == "equal":
                    yield from (Line(" ", text) for text in old[old_from:old_to])
                else:
                    yield from (Line("-", text) for text in old[old_from:old_to])
                    yield from (Line("+", text) for text in new[new_from:new_to])
        return
    above, below = first - start, min(last, _CONTEXT)
    yield _place(start, 0, len(old), 0, len(new))
    yield from (Line(" ", text) for text in old[:above])
    yield from (Line("-", text) for text in old[above : len(old) - below])
    yield from (Line("+", text) for text in new[above : len(new) - below])
    yield from (Line(" ", text) for text in old[len(old) - below :])


def _place(start: int, old_from: int, old_to: int, new_from: int, new_to: int) -> Line:
    old, new = _range(start + old_from, start + old_to), _range(start + new_from, start + new_to)
    return Line("@", f"@@ -{old} +{new} @@")


def _range(start: int, stop: int) -> str:
    """As ``diff -u`` tells where lines stand."""
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
