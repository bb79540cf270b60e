"""API audit logs (audit.k8s.io/v1), one event a line or as they are kept elsewhere, read as a stream.

Memory does not grow with them.

Every line is decoded. A look at its bytes beforehand would save little, and could be led astray by what stands in a
request's body, or by a key that is spelt with escapes.
"""

import codecs
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Protocol
from urllib.parse import parse_qs

import msgspec

from seconder.admission.request import Caller
from seconder.api.resources import NAMESPACES, GroupResource, Target
from seconder.api.text import clean
from seconder.plugin.auditing import unpacking
from seconder.plugin.auditing.json_texts import Cut, Malformed, TooLong, Window, values
from seconder.plugin.auditing.log_forms import Form, Parts, form_of, is_value, texts
from seconder.plugin.auditing.unpacking import Broken, Unreadable
from seconder.plugin.terminal.problem import Problem

NOTHING_READ: Final = 2
"""The exit code where a file held nothing that could be read."""

_LONGEST: Final = 8 * 1024 * 1024
"""Bytes of an event. etcd takes objects of 1.5 MiB, and an event holds at most two and what is around them."""

_DEEPEST: Final = 8
_OPENING: Final = frozenset({b"{", b"["})
_BRACKETS: Final = frozenset({b"", b"[", b"]"})
_GOES_ON: Final = frozenset({b"{", b"[", b","})
_SHORT: Final = 1_000
_TELLING: Final = frozenset(Form) - {Form.TEXT, Form.JSON}
_TELL_EVERY: Final = 1024 * 1024
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


_decode: Final = msgspec.json.Decoder(Event).decode


@dataclass(slots=True)
class Reading:
    """What has been read so far. ``bytes`` are those of the events, unpacked.

    ``unread`` has a sentence for each file of which nothing was read, ``looks`` what the first bad line looks like.
    """

    bytes: int = 0
    lines: int = 0
    requests: int = 0
    bad: int = 0
    first_bad: str = ""
    looks: Form | None = None
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
            looks = f" (it looks like {self.looks})" if self.looks in _TELLING else ""
            found.append(f"{lines} no audit event and left out, the first at {clean(self.first_bad)}{looks}")
        return [*found, *(f"{clean(path)} ends in the middle: its last event is left out" for path in self.cut)]

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


def requests(paths: Sequence[str], reading: Reading, watcher: Watcher) -> Iterator[Event]:
    """One event for each request, when it was over (stages ResponseComplete and Panic); ``-`` is standard input.

    ``reading`` is kept up to date. Raises Problem when a file cannot be read.
    """
    total = _total(paths)
    before = 0
    for path in paths:
        with unpacking.opened(path) as (pieces, position):
            file = _File(path, pieces, reading, lambda: watcher.at(before + position(), total))  # noqa: B023
            known = reading.requests
            for event in file.events():
                if event.stage in _LAST_STAGES:
                    reading.requests += 1
                    at = event.request_received_timestamp
                    if at is not None:
                        reading.first = at if reading.first is None else min(at, reading.first)
                        reading.last = at if reading.last is None else max(at, reading.last)
                    yield event
            if reading.requests == known:
                file.nothing_read()
            before += position()
    watcher.at(before, total)


class _File:
    """One file's events, whatever they are wrapped in."""

    def __init__(self, path: str, pieces: Iterator[bytes], reading: Reading, tell: Callable[[], None]) -> None:
        self._path = path
        self._reading = reading
        self._tell = tell
        self._told = reading.bytes
        self._before = reading.bytes
        self._broken = False
        self._what = ""
        self._looks: Form | None = None
        self._events = 0
        self._parts = Parts(_LONGEST)
        self._window = Window(self._until_broken(pieces), _LONGEST)

    def events(self) -> Iterator[Event]:
        """Every event, of every stage."""
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
            event = _event(line)
            if event is not None:
                self._events += 1
                yield event
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
        elif self._events:
            self._reading.empty.append(f"{name} holds no event of a request's end (stage ResponseComplete)")
        elif self._looks:
            self._reading.unread.append(f"nothing was read from {name}: it looks like {self._looks}")
        elif self._broken or self._path in self._reading.cut:
            self._reading.unread.append(f"nothing was read from {name}: it ends in the middle of its first event")
        else:
            self._reading.empty.append(f"nothing was read from {name}: it is empty")

    def _otherwise(self, line: bytes) -> Iterator[Event]:
        """The events of a line that is none by itself."""
        text = line.strip().removeprefix(codecs.BOM_UTF8)
        inside = text.strip(b", \t")
        known = self._events
        self._parts.took = False
        # A list may have an element on each line, and its brackets beside the first and the last.
        for candidate in dict.fromkeys((inside, inside.lstrip(b"["), inside.rstrip(b"]"))):
            yield from self._unwrapped(candidate, 0)
            if self._events > known or self._parts.took:
                return
        if inside in _BRACKETS:
            return
        if inside[:1] in _OPENING and not is_value(inside):
            yield from self._values(line)
        else:
            self._bad(self._window.line - 1, text)

    def _values(self, line: bytes) -> Iterator[Event]:
        """The events of what begins with this line, which was the last, and ends in another, or anywhere."""
        window = self._window
        window.give_back(line)
        number = window.line
        try:
            for text in values(window):
                known = self._events
                yield from self._unwrapped(text, 0)
                if self._events == known:
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

    def _unwrapped(self, text: bytes, depth: int) -> Iterator[Event]:
        event = _event(text)
        if event is not None:
            self._events += 1
            yield event
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
        if self._looks is None:
            self._looks = form or form_of(text.strip())
        if not reading.first_bad:
            reading.first_bad, reading.looks = f"{self._path}:{number}", self._looks

    def _cut(self) -> None:
        if self._path not in self._reading.cut:
            self._reading.cut.append(self._path)


def _event(text: bytes) -> Event | None:
    """The text as an event; None where it is something else, or lacks what no event lacks."""
    try:
        event = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    at = event.request_received_timestamp
    if event.kind != _KIND or not event.api_version.startswith(_GROUP) or (at and at.year in _NO_UTC):
        return None
    return event


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
