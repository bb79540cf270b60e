"""A stream of text, cut into lines and into JSON values that span lines or share one, with memory for one of them.

An audit log has one event a line, and a line is found as fast as bytes can be searched. Only where a line by itself is
no whole value is looked for brackets. Of a list that holds more than memory does, such as EventList's ``items``, each
element is given by itself.
"""

import re
from collections.abc import Iterator
from typing import Final

LISTS: Final = frozenset(
    {"Records", "events", "hits", "items", "logEvents", "records", "result", "results", "streams", "value", "values"}
)
"""Members whose elements are what somebody recorded: of EventList, CloudWatch, Event Hubs, Loki, Elasticsearch."""

_WITHIN: Final = frozenset({"data", "hits"})
"""Members that hold such members: of Loki's and Elasticsearch's answers."""

_OF_LISTS: Final = frozenset({"result", "streams"})
"""Lists whose elements hold such members themselves."""

_STRING: Final = re.compile(rb'"((?>[^"\\\n]++|\\[^\n])*+)"')
_CLOSED_STRING: Final = re.compile(rb'"(?>[^"\\\n]++|\\[^\n])*+(?:"|\\?\Z)')
# A line that begins with {" is a line of its own: what stands before it was cut.
_BETWEEN: Final = rb'(?>[^"{}\[\]\n]++|\n(?=[^{]|\{[^"])|"(?>[^"\\\n]++|\\[^\n])*+")*+'
_RUN: Final = re.compile(_BETWEEN)
_BRACKET: Final = re.compile(_BETWEEN + rb"[{}\[\]]")
_SPACE: Final = re.compile(rb"[\s,]*+")
_BLANK: Final = re.compile(rb"[ \t\r,]*+")
_COLON: Final = re.compile(rb"\s*+:\s*+")
_SCALAR: Final = re.compile(rb"[^\s,\"{}\[\]]++")
_OPENING: Final = frozenset(b"{[")
_MUCH: Final = 1024 * 1024


_DEEPEST: Final = 4


class Malformed(Exception):
    """What begins here is no JSON value."""


class Cut(Exception):
    """The text ends inside a value."""


class TooLong(Exception):
    """A value is longer than what is kept of one."""


class Window:
    """The part of a stream that is looked at. Offsets are counted from ``at``, so that they stay what they are.

    ``longest`` bounds, in bytes, what is kept of one value. ``passed`` and ``line`` count what lies before ``at``.
    """

    def __init__(self, pieces: Iterator[bytes], longest: int) -> None:
        self._pieces = pieces
        self.longest: Final = longest
        self.data = b""
        self.at = 0
        self.line = 1
        self.passed = 0

    @property
    def held(self) -> int:
        """How many bytes lie behind ``at``."""
        return len(self.data) - self.at

    def more(self) -> bool:
        """Read on; False at the end. Where much is held already, much is read, or it would be copied too often."""
        found, size, wanted = [self.data[self.at :]], 0, self.held // 2 if self.held > _MUCH else 1
        while size < wanted and (piece := next(self._pieces, b"")):
            found.append(piece)
            size += len(piece)
        if not size:
            return False
        self.data, self.at = b"".join(found), 0
        return True

    def take(self, count: int) -> bytes:
        """Give what comes next, and pass over it."""
        end = self.at + count
        found = self.data[self.at : end]
        self.line += found.count(b"\n")
        self.passed += count
        self._at(end)
        return found

    def next_line(self) -> bytes | None:
        """Give the next line with its end and pass over it; None at the end. Raises TooLong and passes over nothing."""
        end = self.data.find(b"\n", self.at)
        while end < 0:
            searched = self.held
            if searched >= self.longest:
                raise TooLong
            if not self.more():
                return self.take(self.held) if self.held else None
            end = self.data.find(b"\n", self.at + searched)
        found = self.data[self.at : end + 1]
        self.line += 1
        self.passed += len(found)
        self._at(end + 1)
        return found

    def _at(self, offset: int) -> None:
        """Go there; what is passed is let go where it is much."""
        if offset > _MUCH:
            self.data, offset = self.data[offset:], 0
        self.at = offset

    def line_over(self) -> bool:
        """Whether nothing more is on this line, which is passed over then."""
        while True:
            end = self._match(_BLANK, 0).end()
            if end < len(self.data) or not self.more():
                break
        self.take(end - self.at)
        if not self.held or self.byte(0) == 0x0A:
            self.take(min(1, self.held))
            return True
        return False

    def give_back(self, text: bytes) -> None:
        """Be before this text again, which was taken last."""
        if self.at < len(text):
            self.data, self.at = text + self.data[self.at :], 0
        else:
            self.at -= len(text)
        self.passed -= len(text)
        self.line -= text.count(b"\n")

    def ahead(self) -> bytes:
        """Give what is held behind ``at``."""
        return self.data[self.at :]

    def skip_line(self) -> None:
        """Pass over the rest of a line, however long."""
        while (end := self.data.find(b"\n", self.at)) < 0:
            self.take(self.held)
            if not self.more():
                return
        self.take(end + 1 - self.at)

    def byte(self, offset: int) -> int:
        """Give the byte there. Raises Cut at the end."""
        while self.at + offset >= len(self.data):
            if not self.more():
                raise Cut
        return self.data[self.at + offset]

    def space(self, offset: int) -> int:
        """Give the offset behind spaces and commas there. Raises Cut at the end."""
        while True:
            offset = self._match(_SPACE, offset).end() - self.at
            if self.at + offset < len(self.data):
                return offset
            if not self.more():
                raise Cut

    def behind(self, offset: int) -> int:
        """Give the offset behind the value there. Raises Malformed, Cut and TooLong."""
        first = self.byte(offset)
        if first == 0x22:
            return self._behind_string(offset)
        if first not in _OPENING:
            end = self._match(_SCALAR, offset).end() - self.at
            while self.at + end == len(self.data) and self.more():
                end = self._match(_SCALAR, offset).end() - self.at
            return end
        return self._behind_brackets(offset)

    def key(self, offset: int) -> tuple[str, int]:
        """Give the member's key there, and the offset of its value. Raises Malformed, Cut and TooLong."""
        end = self._behind_string(offset)
        name = self.data[self.at + offset + 1 : self.at + end - 1].decode(errors="replace")
        self.byte(end)
        while (colon := _COLON.match(self.data, self.at + end)) is None or colon.end() == len(self.data):
            if colon is None and self.data[self.at + end : self.at + end + 64].strip():
                raise Malformed
            if not self.more():
                raise Cut
        return name, colon.end() - self.at

    def _behind_string(self, offset: int) -> int:
        while (found := _STRING.match(self.data, self.at + offset)) is None:
            if self.byte(offset) != 0x22 or _CLOSED_STRING.match(self.data, self.at + offset) is None:
                raise Malformed
            self._grow()
        return found.end() - self.at

    def _behind_brackets(self, offset: int) -> int:
        depth = 0
        while True:
            data, at, match = self.data, self.at + offset, _BRACKET.match
            while (found := match(data, at)) is not None:
                at = found.end()
                depth += 1 if data[at - 1] in _OPENING else -1
                if not depth:
                    return at - self.at
            offset = at - self.at
            self._stuck(offset)
            self._grow()

    def _stuck(self, offset: int) -> None:
        """Raise Malformed unless what comes only ends too early."""
        end = self._match(_RUN, offset).end()
        rest = len(self.data) - end
        if not rest or (rest <= 2 and self.data.startswith(b"\n", end)):
            return
        if self.data[end] != 0x22 or _CLOSED_STRING.match(self.data, end) is None:
            raise Malformed

    def _grow(self) -> None:
        if self.held > self.longest:
            raise TooLong
        if not self.more():
            raise Cut

    def _match(self, pattern: "re.Pattern[bytes]", offset: int) -> "re.Match[bytes]":
        found = pattern.match(self.data, self.at + offset)
        if found is None:
            raise Malformed
        return found


def values(window: Window) -> Iterator[bytes]:
    """The values that begin in this line, each as a whole; of lists that somebody recorded, their elements.

    Raises Malformed, Cut and TooLong, with the window where the trouble begins.
    """
    while True:
        window.take(window.space(0))
        if window.byte(0) == 0x5B:
            window.take(1)
            yield from _elements(window, 0, nested=False)
        else:
            yield from _object(window, 0)
        # Several on one line, as Firehose leaves them.
        if window.line_over():
            return


def _elements(window: Window, depth: int, *, nested: bool) -> Iterator[bytes]:
    """Those of the list that begins before the window."""
    while True:
        window.take(window.space(0))
        first = window.byte(0)
        if first == 0x5D:
            window.take(1)
            return
        if nested and first == 0x7B:
            yield from _object(window, depth + 1)
        else:
            yield window.take(window.behind(0))


def _object(window: Window, depth: int) -> Iterator[bytes]:
    """The object that begins here, or, where it holds what somebody recorded, that."""
    if window.byte(0) != 0x7B:
        raise Malformed
    offset, entered = 1, False
    while True:
        offset = window.space(offset)
        if window.byte(offset) == 0x7D:
            whole = window.take(offset + 1)
            if not entered:
                yield whole
            return
        name, value = window.key(offset)
        first = window.byte(value)
        if first == 0x5B and name in LISTS:
            window.take(value + 1)
            yield from _elements(window, depth, nested=name in _OF_LISTS and depth < _DEEPEST)
        elif first == 0x7B and name in _WITHIN and depth < _DEEPEST:
            window.take(value)
            yield from _object(window, depth + 1)
        else:
            offset = window.behind(value)
            if entered:
                window.take(offset)
                offset = 0
            continue
        offset, entered = 0, True
