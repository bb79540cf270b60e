"""Logs of JSON, one record a line or as they are kept elsewhere, read as a stream.

Memory does not grow with them.

Every line is decoded. A look at its bytes beforehand would save little, and could be led astray by what stands in a
request's body, or by a key that is spelt with escapes.
"""

import codecs
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from seconder.api.text import clean
from seconder.plugin.auditing import unpacking
from seconder.plugin.auditing.json_texts import Cut, Malformed, TooLong, Window, values
from seconder.plugin.auditing.log_forms import Form, Parts, form_of, is_value, texts
from seconder.plugin.auditing.unpacking import Broken, Unreadable
from seconder.plugin.terminal.problem import Problem

NOTHING_READ: Final = 2
"""The exit code where a file held nothing that could be read."""

_LONGEST: Final = 8 * 1024 * 1024
"""Bytes of a record. etcd takes objects of 1.5 MiB, and an event holds at most two and what is around them."""

_DEEPEST: Final = 8
_OPENING: Final = frozenset({b"{", b"["})
_BRACKETS: Final = frozenset({b"", b"[", b"]"})
_GOES_ON: Final = frozenset({b"{", b"[", b","})
_SHORT: Final = 1_000
_TELLING: Final = frozenset(Form) - {Form.TEXT, Form.JSON}
_MOST_LOOKED_AT: Final = 100
_TELL_EVERY: Final = 1024 * 1024

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Kind(Generic[Record]):
    """What is looked for in a log.

    ``decode`` gives the record that a text is, or None. Of the records only those that ``counts`` are given; ``moment``
    is when one happened. ``name`` is what one is called, ``none`` what is said of a file in which none counts, and
    ``instead`` what is said of other logs in place of the form's own words.
    """

    name: str
    none: str
    decode: Callable[[bytes], Record | None]
    counts: Callable[[Record], bool]
    moment: Callable[[Record], datetime | None]
    instead: Mapping[Form, str] = field(default_factory=dict)

    def words(self, form: Form) -> str:
        """What a log of another form looks like."""
        return self.instead.get(form, form.value)


@dataclass(slots=True)
class Reading:
    """What has been read so far. ``bytes`` are those of the records, unpacked; ``requests`` are the records that count.

    ``name`` is what a record is called. ``unread`` has a sentence for each file of which nothing was read, ``looks``
    what the first bad line looks like, where that tells something. ``lost``: lines that never reached the log, by its
    own words.
    """

    bytes: int = 0
    lines: int = 0
    requests: int = 0
    bad: int = 0
    first_bad: str = ""
    looks: str = ""
    name: str = "record"
    lost: int = 0
    cut: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None

    @property
    def notes(self) -> list[str]:
        """What could not be read, if anything."""
        found = []
        if self.bad:
            lines = "1 line is" if self.bad == 1 else f"{self.bad:,} lines are"
            looks = f" (it looks like {self.looks})" if self.looks else ""
            found.append(f"{lines} no {self.name} and left out, the first at {clean(self.first_bad)}{looks}")
        if self.lost:
            found.append(f"{self.lost:,} lines were lost before they could be written (lines_lost)")
        return [*found, *(f"{clean(path)} ends in the middle: its last {self.name} is left out" for path in self.cut)]

    @property
    def failure(self) -> str:
        """What to say where a file held nothing that could be read; empty where each did.

        Of several files some may be empty, as they are just after a rotation.
        """
        return "; ".join([*self.unread, *(() if self.requests else self.empty)])

    def require_requests(self) -> None:
        """Raise Problem with code 2 unless some request was read: nothing may be said about what was not."""
        if not self.requests:
            raise Problem(self.failure or "nothing was read", NOTHING_READ)


class Watcher(Protocol):
    """Hears how far the reading is. ``position`` and ``total`` are in bytes of the files as they are stored."""

    def at(self, position: int, total: int | None) -> None:
        """Take note; called about once for each MiB."""


def records(paths: Sequence[str], kind: Kind[Record], reading: Reading, watcher: Watcher) -> Iterator[Record]:
    """The records that count; ``-`` is standard input. ``reading`` is kept up to date.

    Raises Problem when a file cannot be read.
    """
    reading.name = kind.name
    total = _total(paths)
    before = 0
    for path in paths:
        with unpacking.opened(path) as (pieces, position):
            file = _File(path, kind, pieces, reading, lambda: watcher.at(before + position(), total))  # noqa: B023
            known = reading.requests
            for record in file.records():
                if kind.counts(record):
                    reading.requests += 1
                    at = kind.moment(record)
                    if at is not None:
                        reading.first = at if reading.first is None else min(at, reading.first)
                        reading.last = at if reading.last is None else max(at, reading.last)
                    yield record
            if reading.requests == known:
                file.nothing_read()
            before += position()
    watcher.at(before, total)


class _File(Generic[Record]):
    """One file's records, whatever they are wrapped in."""

    def __init__(
        self, path: str, kind: Kind[Record], pieces: Iterator[bytes], reading: Reading, tell: Callable[[], None]
    ) -> None:
        self._path = path
        self._kind = kind
        self._decode = kind.decode
        self._reading = reading
        self._tell = tell
        self._told = reading.bytes
        self._before = reading.bytes
        self._broken = False
        self._what = ""
        self._looks: Form | None = None
        self._records = 0
        self._parts = Parts(_LONGEST)
        self._window = Window(self._until_broken(pieces), _LONGEST)

    def records(self) -> Iterator[Record]:
        """Every record, those too that do not count."""
        window, reading = self._window, self._reading
        while True:
            try:
                line = window.next_line()
            except TooLong:
                # The line may hold a list of any length.
                yield from self._values(b"")
                continue
            if line is None:
                break
            reading.lines += 1
            self._count()
            record = self._decode(line)
            if record is not None:
                self._records += 1
                yield record
            elif not line.isspace():
                yield from self._otherwise(line)
        self._count()
        if self._broken or self._parts.held:
            self._cut()

    def nothing_read(self) -> None:
        """Say why this file gave no request."""
        name = "standard input" if self._path == unpacking.STDIN else clean(self._path)
        if self._what:
            self._reading.unread.append(f"nothing was read from {name}: it is {self._what}")
        elif self._records:
            self._reading.empty.append(f"{name} {self._kind.none}")
        elif self._looks:
            self._reading.unread.append(f"nothing was read from {name}: it looks like {self._kind.words(self._looks)}")
        elif self._broken or self._path in self._reading.cut:
            self._reading.unread.append(
                f"nothing was read from {name}: it ends in the middle of its first {self._kind.name}"
            )
        else:
            self._reading.empty.append(f"nothing was read from {name}: it is empty")

    def _otherwise(self, line: bytes) -> Iterator[Record]:
        """The records of a line that is none by itself."""
        known = self._records
        self._parts.took = False
        for candidate in _readings(line):
            yield from self._unwrapped(candidate, 0)
            if self._records > known or self._parts.took:
                return
        text = line.strip().removeprefix(codecs.BOM_UTF8)
        inside = text.strip(b", \t")
        if inside in _BRACKETS:
            return
        if inside[:1] in _OPENING and not is_value(inside):
            yield from self._values(line)
        else:
            self._bad(self._window.line - 1, text)

    def _values(self, line: bytes) -> Iterator[Record]:
        """The records of what begins with this line, which was the last, and ends in another, or anywhere."""
        window = self._window
        window.give_back(line)
        number = window.line
        try:
            for text in values(window):
                known = self._records
                yield from self._unwrapped(text, 0)
                if self._records == known:
                    self._bad(number, text)
                number = window.line
                self._reading.lines += 1
                self._count()
        except (Malformed, TooLong) as error:
            self._bad(window.line, window.ahead(), Form.LONG if isinstance(error, TooLong) else None)
            window.skip_line()
        except Cut:
            begun, ended, _ = window.ahead().partition(b"\n")
            # Whoever prints objects over several lines has short ones, and breaks them after a bracket or a comma.
            if ended and (begun.rstrip()[-1:] not in _GOES_ON or len(begun) > _SHORT):
                self._bad(window.line, begun)
                window.skip_line()
            else:
                window.take(window.held)
                self._cut()

    def _unwrapped(self, text: bytes, depth: int) -> Iterator[Record]:
        record = self._decode(text)
        if record is not None:
            self._records += 1
            yield record
        elif depth < _DEEPEST:
            for inner in texts(text, self._parts):
                yield from self._unwrapped(inner.strip(), depth + 1)

    def _until_broken(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces up to where the file is damaged: what came before counts."""
        try:
            yield from pieces
        except Broken:
            self._broken = True
        except Unreadable as error:
            self._what = str(error)

    def _count(self) -> None:
        reading = self._reading
        reading.bytes = self._before + self._window.passed
        if reading.bytes - self._told >= _TELL_EVERY:
            self._told = reading.bytes
            self._tell()

    def _bad(self, number: int, text: bytes, form: Form | None = None) -> None:
        reading = self._reading
        reading.bad += 1
        # A log may begin with what tells nothing of it.
        if self._looks is None or (self._looks not in _TELLING and reading.bad <= _MOST_LOOKED_AT):
            self._looks = form or form_of(text.strip())
        if not reading.first_bad:
            reading.first_bad = f"{self._path}:{number}"
            reading.looks = self._kind.words(self._looks) if self._looks in _TELLING else ""

    def _cut(self) -> None:
        if self._path not in self._reading.cut:
            self._reading.cut.append(self._path)


def _readings(line: bytes) -> Iterator[bytes]:
    """What a line may be in its log: itself; or an element of a list over several lines, with the brackets beside it.

    One after another, since a line may be long. A part of a line that was cut is itself, to the last comma.
    """
    bare = line.rstrip(b"\r\n").removeprefix(codecs.BOM_UTF8) if line[:1] not in _OPENING else line
    yield bare
    inside = bare.strip(b", \t\r\n")
    if len(inside) < len(bare.rstrip()):
        yield inside
    for without in (inside.lstrip(b"["), inside.rstrip(b"]")):
        if len(without) < len(inside):
            yield without


def _total(paths: Sequence[str]) -> int | None:
    """The size of all files together; None where one of them has none, such as a pipe."""
    total = 0
    for path in paths:
        if path == unpacking.STDIN and sys.stdin is None:
            return None
        try:
            file = os.fstat(sys.stdin.fileno()) if path == unpacking.STDIN else os.stat(path)
        except (OSError, ValueError):
            return None
        if not os.path.isfile(path) and path != unpacking.STDIN:
            return None
        if not file.st_size:
            return None
        total += file.st_size
    return total
