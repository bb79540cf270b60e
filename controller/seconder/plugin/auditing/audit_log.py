"""API audit logs (audit.k8s.io/v1, one event a line, plain or gzip), read as a stream: memory does not grow with them.

Every line is decoded. A look at its bytes beforehand would save little, and could be led astray by what stands in a
request's body, or by a key that is spelt with escapes.
"""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Final, Protocol, cast
from urllib.parse import parse_qs

import msgspec

from seconder.admission.request import Caller
from seconder.api.resources import NAMESPACES, GroupResource, Target
from seconder.api.text import clean
from seconder.plugin.terminal.problem import Problem

STDIN: Final = "-"
_LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a line. etcd takes objects of 1.5 MiB, and an event holds at most two and what is around them."""

_BUFFER: Final = 1024 * 1024
_TELL_EVERY: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_KIND: Final = "Event"
_GROUP: Final = "audit.k8s.io/"
_WITH_BODIES: Final = frozenset({"Request", "RequestResponse"})
_any: Final = msgspec.json.Decoder(Any)
_NULL: Final = msgspec.Raw(b"null")
_FAILED: Final = 400
_NO_UTC: Final = frozenset({1, 9999})
"""Years in which a time may lie beyond all dates once its offset is taken off."""

_LAST_STAGES: Final = frozenset({"ResponseComplete", "Panic"})


class User(msgspec.Struct, gc=False):
    """The caller as the API server authenticated it."""

    username: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None

    @property
    def caller(self) -> Caller:
        """The user as the caller of a request."""
        extra = {key: tuple(values or ()) for key, values in self.extra.items()} if self.extra else {}
        return Caller(self.username, frozenset(self.groups or ()), extra)


class Reference(msgspec.Struct, rename="camel", gc=False):
    """The object that the request's path names."""

    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_group: str = ""
    api_version: str = ""
    subresource: str = ""

    @property
    def target(self) -> Target:
        """The object, as requests name it."""
        resource = GroupResource(self.api_group, self.resource)
        # The API server repeats a Namespace's own name as its namespace.
        return Target(resource, "", "" if resource == NAMESPACES else self.namespace, self.name, self.uid)


class Details(msgspec.Struct, gc=False):
    """The details of a Status: which object it is about."""

    uid: str = ""


class Status(msgspec.Struct, gc=False):
    """How the API server answered; ``code`` is HTTP's, 0 where none is recorded."""

    code: int = 0
    message: str = ""
    details: Details | None = None


class Event(msgspec.Struct, rename="camel"):
    """One stage of one request: what of it matters here. The bodies are left as they stand."""

    kind: str
    api_version: str
    stage: str
    verb: str
    level: str = ""
    audit_id: str = msgspec.field(default="", name="auditID")
    request_uri: str = msgspec.field(default="", name="requestURI")
    user: User | None = None
    impersonated_user: User | None = None
    object_ref: Reference | None = None
    response_status: Status | None = None
    request_object: msgspec.Raw = _NULL
    response_object: msgspec.Raw = _NULL
    request_received_timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    annotations: dict[str, str] | None = None

    @property
    def acting(self) -> User:
        """Whom admission was told about: the one who was impersonated, if anybody was."""
        return self.impersonated_user or self.user or User()

    @property
    def query(self) -> dict[str, list[str]]:
        """What stands behind the path. The API server takes the first value where several are given."""
        return parse_qs(self.request_uri.partition("?")[2], keep_blank_values=True)

    @property
    def deletion(self) -> dict[str, Any]:
        """The DeleteOptions that counted: of the body alone where there is one, as the API server reads them.

        Below level Request the log does not tell whether there was one: then nothing is known.
        """
        given = _any.decode(self.request_object)
        if isinstance(given, dict):
            return given
        if self.level not in _WITH_BODIES:
            return {}
        query = self.query
        options: dict[str, Any] = {key: query[key][0] for key in ("propagationPolicy", "dryRun") if key in query}
        if "orphanDependents" in query:
            options["orphanDependents"] = query["orphanDependents"][0].lower() not in {"0", "false"}
        return options

    @property
    def dry_run(self) -> bool:
        """Whether it is known that nothing was to be stored."""
        if not self.verb.startswith("delete"):
            return any(self.query.get("dryRun", ()))
        try:
            return bool(self.deletion.get("dryRun"))
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return False

    @property
    def identity(self) -> int:
        """Which request it was, where it stands in several logs.

        A client chooses its audit ID: only with the API server's own time does it say that.
        """
        return hash((self.audit_id, self.request_received_timestamp, self.verb, self.request_uri))

    @property
    def code(self) -> int:
        """HTTP's status code; 0 where none is recorded."""
        return self.response_status.code if self.response_status else 0

    @property
    def failed(self) -> bool:
        """Whether it came to nothing."""
        return self.code >= _FAILED


@dataclass(slots=True)
class Reading:
    """What has been read so far. ``bytes`` are those of the events, unpacked."""

    bytes: int = 0
    lines: int = 0
    requests: int = 0
    bad: int = 0
    first_bad: str = ""
    cut: list[str] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None

    @property
    def notes(self) -> list[str]:
        """What could not be read, if anything."""
        found = []
        if self.bad:
            lines = "1 line is" if self.bad == 1 else f"{self.bad:,} lines are"
            found.append(f"{lines} no audit event and left out, the first at {clean(self.first_bad)}")
        return [*found, *(f"{clean(path)} ends in the middle: its last event is left out" for path in self.cut)]


class Watcher(Protocol):
    """Hears how far the reading is. ``position`` and ``total`` are in bytes of the files as they are stored."""

    def at(self, position: int, total: int | None) -> None:
        """Take note; called about once for each MiB."""


def requests(paths: Sequence[str], reading: Reading, watcher: Watcher) -> Iterator[Event]:
    """One event for each request, when it was over (stages ResponseComplete and Panic); ``-`` is standard input.

    ``reading`` is kept up to date. Raises Problem when a file cannot be read.
    """
    total = _total(paths)
    before = 0
    for path in paths:
        with _opened(path) as (stream, position):
            for event in _events(path, stream, reading, lambda: watcher.at(before + position(), total)):  # noqa: B023
                if event.stage in _LAST_STAGES:
                    reading.requests += 1
                    at = event.request_received_timestamp
                    if at is not None:
                        reading.first = at if reading.first is None else min(at, reading.first)
                        reading.last = at if reading.last is None else max(at, reading.last)
                    yield event
            before += position()
    watcher.at(before, total)


def _events(path: str, stream: BinaryIO, reading: Reading, tell: Callable[[], None]) -> Iterator[Event]:
    decode = msgspec.json.Decoder(Event).decode
    number, told = 0, reading.bytes
    while True:
        try:
            line = stream.readline(_LONGEST)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            reading.cut.append(path)
            return
        if not line:
            return
        number += 1
        reading.lines += 1
        reading.bytes += len(line)
        if reading.bytes - told >= _TELL_EVERY:
            told = reading.bytes
            tell()
        if line.isspace():
            continue
        whole = line.endswith(b"\n")
        if not whole and len(line) == _LONGEST:
            reading.bytes += _rest_of_line(stream)
            _bad(reading, path, number)
            continue
        try:
            event = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            if whole:
                _bad(reading, path, number)
            else:
                reading.cut.append(path)
            continue
        at = event.request_received_timestamp
        if event.kind != _KIND or not event.api_version.startswith(_GROUP) or (at and at.year in _NO_UTC):
            _bad(reading, path, number)
            continue
        yield event


def _bad(reading: Reading, path: str, number: int) -> None:
    reading.bad += 1
    reading.first_bad = reading.first_bad or f"{path}:{number}"


def _rest_of_line(stream: BinaryIO) -> int:
    passed = 0
    while piece := stream.readline(_BUFFER):
        passed += len(piece)
        if piece.endswith(b"\n"):
            break
    return passed


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """Open a file, unpacked where it is packed; give its stream, and how many of its bytes have been taken."""
    if path == STDIN and sys.stdin is None:
        raise Problem("cannot read standard input: it is closed")
    try:
        raw = os.fdopen(os.dup(sys.stdin.fileno()), "rb", 0) if path == STDIN else open(path, "rb", 0)  # noqa: SIM115
    except (OSError, ValueError) as error:
        raise Problem(f"cannot read {clean(path)}: {getattr(error, 'strerror', None) or error}") from None
    with raw:
        counted = _Counted(raw)
        buffered = io.BufferedReader(counted, _BUFFER)
        try:
            packed = buffered.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
            # No buffer of ours around it: where the file breaks off, all that was unpacked would be lost with that.
            unpacked = gzip.GzipFile(fileobj=buffered) if packed else buffered
            yield cast("BinaryIO", unpacked), lambda: counted.taken
        except OSError as error:
            raise Problem(f"cannot read {clean(path)}: {error.strerror or error}") from None


class _Counted(io.RawIOBase):
    """Counts what is read: where standard input stands nobody can ask."""

    def __init__(self, raw: io.RawIOBase | io.FileIO) -> None:
        super().__init__()
        self._raw = raw
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int | None:  # type: ignore[override]
        count: int | None = self._raw.readinto(buffer)
        self.taken += count or 0
        return count


def _total(paths: Sequence[str]) -> int | None:
    """The size of all files together; None where one of them has none, such as a pipe."""
    total = 0
    for path in paths:
        if path == STDIN and sys.stdin is None:
            return None
        try:
            file = os.fstat(sys.stdin.fileno()) if path == STDIN else os.stat(path)
        except (OSError, ValueError):
            return None
        if not os.path.isfile(path) and path != STDIN:
            return None
        if not file.st_size:
            return None
        total += file.st_size
    return total
