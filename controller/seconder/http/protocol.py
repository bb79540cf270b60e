"""One connection: from its bytes to its answers, on httptools' public interface (see ADR 10)."""

import asyncio
import enum
import math
from collections.abc import Mapping
from http import HTTPStatus
from operator import attrgetter
from typing import Final

import httptools

from seconder.http import head, reply
from seconder.http.body_memory import BodyMemory
from seconder.http.crowd import NEVER, Crowd
from seconder.http.door import Visitor, said
from seconder.http.handler import BadReview, Handler, Page, Reader, Report
from seconder.http.known_heads import KnownHeads
from seconder.http.limits import FRAMING_BYTES, SMALL_BODY_BYTES, Limits
from seconder.http.reply import Refusal, Replies

_BUFFER_BYTES: Final = 64 * 1024

_TOGETHER: Final = 16
"""Requests that are answered together at the most. Each may hold as much as ``_BUFFER_BYTES``."""

_UNSENT_BYTES: Final = 16 * 1024
"""Of answers that wait in this process because the client takes none, before no more requests are read."""


class _Phase(enum.Enum):
    CONNECTING = enum.auto()
    IDLE = enum.auto()
    """Nothing of a request has come since the last answer."""
    HEAD = enum.auto()
    BODY = enum.auto()
    DROPPING = enum.auto()
    """A request has been refused by its head alone, and its body is still coming."""
    WHOLE = enum.auto()
    """A request has come to its end, and is about to be answered."""
    ANSWERING = enum.auto()
    """A handler has something to wait for."""
    CLOSING = enum.auto()
    GONE = enum.auto()


_IDLE: Final = _Phase.IDLE
_WHOLE: Final = _Phase.WHOLE
_RECEIVING: Final = frozenset((_Phase.HEAD, _Phase.BODY, _Phase.DROPPING))
_BUSY: Final = _RECEIVING | {_WHOLE}

Answer = bytes | Page
"""A handler's, or a reader's."""

Outcome = Answer | asyncio.Future[Answer] | Refusal
"""What became of a request: the answer, now or later, or a refusal."""


_READING: Final = frozenset((b"GET", b"HEAD"))

Asked = tuple[bytes, str, bytes, list[tuple[bytes, bytes]]]
"""A head without its ``Content-Length``: method, version, target, headers in their order."""


class Shared:
    """What the connections of one listener have in common.

    ``strangers``: what serves clients that have not proven themselves by a certificate, in the place of each handler
    that it names. Empty: nobody has to. ``pages``: what there is to read, by path.
    """

    def __init__(
        self,
        routes: Mapping[str, Handler],
        report: Report,
        limits: Limits,
        strangers: Mapping[Handler, Handler] | None = None,
        pages: Mapping[str, Reader] | None = None,
    ) -> None:
        self.routes: Final = {path.encode(): handler for path, handler in routes.items()}
        self.pages: Final = {path.encode(): reader for path, reader in (pages or {}).items()}
        self.strangers: Final = strangers or {}
        self.report: Final = report
        self.limits: Final = limits
        self.replies: Final = Replies()
        self.open: Final[set[ReviewProtocol]] = set()
        self.crowd: Final[Crowd[ReviewProtocol | Visitor]] = Crowd(limits.connections, attrgetter("last_used"), said)
        """Those that count, and which of them gives way to another."""
        self.known: Asked | None = None
        """The head that was last found good. The API server's are all alike, but for their length."""
        self.known_handler: Handler | None = None
        received = bytearray(_BUFFER_BYTES)
        self.buffer: Final = memoryview(received)
        """Where every connection's bytes arrive. One is enough: the event loop fills it and hands it on in one step,
        and the parser copies what it keeps."""
        self.known_heads: Final = KnownHeads(received, limits.body_bytes)
        """The same for requests that come in one piece."""
        self.small_bodies: Final = BodyMemory(limits.small_bodies)
        self.large_bodies: Final = BodyMemory(limits.large_bodies)
        self.draining = False
        self._whole: list[ReviewProtocol] = []

    def answer_soon(self, connection: "ReviewProtocol") -> None:
        """Answer the whole request of a connection, together with others that come in this turn of the event loop.

        Reading, deciding and writing each take other code than the one before, in kernel, OpenSSL and interpreter. Of
        several requests it is quicker to read all, decide all and write all, since the processor then finds in its
        caches what it needs next. Nobody waits for what has not come yet.
        """
        if not self._whole:
            asyncio.get_running_loop().call_soon(self.answer_whole)
        self._whole.append(connection)
        if len(self._whole) >= _TOGETHER:
            self.answer_whole()

    def answer_whole(self) -> None:
        """Answer the requests that have come in this turn of the event loop."""
        # Some may be gone meanwhile, or have been answered since something more came.
        connections = [connection for connection in self._whole if connection.whole]
        self._whole.clear()
        outcomes = [connection.decide() for connection in connections]
        for connection, outcome in zip(connections, outcomes, strict=True):
            try:
                connection.reply(outcome)
            except Exception as error:  # noqa: BLE001 - the end of one connection is none of the others' affair
                self.report(error)
                connection.abort()


class _Stop(Exception):
    """Leaves the parser from within one of its callbacks."""


class ReviewProtocol(asyncio.BufferedProtocol):
    """Answers POST, and GET where there is a page, on exact paths, whatever the query string, one request at a time.

    A plain protocol would be given a new ``bytes`` object per TLS read, for which uvloop asks the C library for 256
    KiB. Where glibc serves that by mapping and unmapping memory, which it does until a first piece of that size has
    been freed, this was more than half of the CPU time of a small review. So bytes come into a buffer that is there.

    The parser's callbacks only take note. What is to be done about a piece is done when the parser is through with it:
    only then is it known whether something follows the request. There are no timers per request: each event moves
    ``deadline`` (a time of the loop's clock), and the listener calls ``enforce`` on every connection now and then.
    """

    __slots__ = (
        "_answered",
        "_body",
        "_choked",
        "_expects",
        "_fed",
        "_handler",
        "_headers",
        "_held",
        "_last",
        "_length",
        "_memory",
        "_method",
        "_now",
        "_parser",
        "_phase",
        "_reader",
        "_refusal",
        "_shared",
        "_stranger",
        "_target",
        "_task",
        "deadline",
        "transport",
    )

    transport: asyncio.Transport
    """Unset while connecting."""

    _fed: int  # bytes that came in since the last answer
    _target: bytes
    _method: bytes
    _headers: list[tuple[bytes, bytes]]
    _length: bytes  # the value of Content-Length, where it is written so; else it is among the headers
    _body: bytes | bytearray
    _handler: Handler | None
    _reader: Reader | None
    _refusal: Refusal | None
    _expects: bool  # the client waits for a 100

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._now = asyncio.get_running_loop().time
        self._parser = httptools.HttpRequestParser(self)
        self._phase = _Phase.CONNECTING
        self._task: asyncio.Future[Answer] | None = None
        self._memory: BodyMemory | None = None
        self._held = 0  # bytes of that
        self._last = False  # the next answer ends the connection
        self._choked = False  # the client does not take its answers
        self._stranger = False  # the client was asked to prove itself, and did not
        self._answered = False  # a handler has answered it once
        self.deadline = math.inf
        self._forget()

    # What the listener asks and does

    @property
    def connected(self) -> bool:
        """Whether there is a transport, or was."""
        return self._phase is not _Phase.CONNECTING

    @property
    def busy(self) -> bool:
        """Whether a request has begun and its answer has not been given."""
        return self._task is not None or self._phase in _BUSY

    @property
    def whole(self) -> bool:
        """Whether a request has come to its end and is not answered yet."""
        return self._phase is _WHOLE

    @property
    def idle_since(self) -> float:
        """When the last answer was given, a time of the loop's clock; infinity unless it waits for a request."""
        return self.deadline - self._shared.limits.idle_seconds if self._phase is _IDLE else math.inf

    @property
    def last_used(self) -> float:
        """When it last had a whole request for a handler, a time of the loop's clock, as the crowd wants it."""
        if self._task is not None or self._phase is _WHOLE:
            return math.inf
        if not self._answered:
            return NEVER
        if self._phase in _RECEIVING:
            return self.deadline - self._shared.limits.request_seconds
        return self.deadline - self._shared.limits.idle_seconds if self._phase is _IDLE else NEVER

    def enforce(self, now: float) -> None:
        """End what is overdue at ``now``, a time of the loop's clock."""
        if now < self.deadline:
            return
        self.deadline = now + self._shared.limits.closing_seconds
        if self._task is not None:
            self._shared.report(TimeoutError("a request was not answered in time"))
            self.abort()
        elif self._phase in _RECEIVING:
            self._end(reply.TOO_SLOW)
        elif self._phase is _IDLE:
            self.close()
        elif self._phase is _Phase.CLOSING:
            self.transport.abort()

    def close(self) -> None:
        """Close once what has been written is on its way."""
        self._phase = _Phase.CLOSING
        self._forget()
        self.deadline = self._now() + self._shared.limits.closing_seconds
        self.transport.close()

    def give_room(self) -> None:
        """Refuse the request that is coming in, for the sake of others."""
        self._end(reply.NO_ROOM)

    def abort(self) -> None:
        """End at once, whatever is under way."""
        if self._task is not None:
            self._task.cancel()
        if self._phase not in (_Phase.CONNECTING, _Phase.GONE):
            self.transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's own
        """See ``asyncio.BaseProtocol``. A client may connect ahead of need and wait as long as between requests."""
        self.transport = transport
        transport.set_write_buffer_limits(high=_UNSENT_BYTES)
        # OpenSSL has verified it, or there is none.
        proven = bool(self._shared.strangers and transport.get_extra_info("peercert"))
        self._stranger = bool(self._shared.strangers) and not proven
        if proven:
            self._shared.crowd.prove(self)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.BaseProtocol``. A handler that waits goes on: what it has to record is recorded."""
        self._phase = _Phase.GONE
        del self._parser  # which knows this object, too
        if self._task is None:
            self._leave()

    def get_buffer(self, sizehint: int) -> memoryview:
        """See ``asyncio.BufferedProtocol``."""
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See ``asyncio.BufferedProtocol``."""
        begins = self._phase is _IDLE and not self._fed and not self._choked
        if begins and (found := self._shared.known_heads.find(nbytes)) is not None:
            self._handler, self._body = found
            self._phase = _WHOLE
            self._shared.answer_soon(self)
            return
        if self._phase is _Phase.CLOSING:
            return
        self._fed += nbytes
        try:
            self._parser.feed_data(self._shared.buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break_off(error)
        phase = self._phase
        if phase is _WHOLE:
            if begins and self._handler and self._length and not (self._last or self._expects):
                self._shared.known_heads.learn(nbytes, self._length, self._handler)
            self._answer()
        elif phase in _RECEIVING:
            self._look_at_unfinished()

    def eof_received(self) -> None:
        """See ``asyncio.BufferedProtocol``. None of these connections stays half open: the transport closes itself."""
        if self._phase is _WHOLE:
            self._answer()
        if self._task is None:
            self._phase = _Phase.CLOSING
            self._forget()
            self.deadline = self._now() + self._shared.limits.closing_seconds

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._choked = True

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._choked = False

    # What the parser calls

    def on_message_begin(self) -> None:
        """See httptools. A request that comes before the answer to the one before is the connection's end."""
        if self._phase is not _IDLE:
            raise _Stop
        if self._choked:
            self._stop(reply.NO_PIPELINING)
        self._phase = _Phase.HEAD
        self.deadline = self._now() + self._shared.limits.request_seconds

    def on_url(self, url: bytes) -> None:
        """See httptools: a piece of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools: a header, or a trailer."""
        if name == b"Content-Length":
            self._length = value
        else:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._phase = _Phase.BODY
        self._refusal = refusal = self._judge()
        if refusal is not None and refusal.final:
            raise _Stop

    def on_body(self, body: bytes) -> None:
        """See httptools: a piece of the body."""
        if self._refusal is not None:
            return
        if not self._body:
            self._body = body
        else:
            # Not a list: a client may send each byte in a chunk of its own.
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        if len(self._body) > self._shared.limits.body_bytes:
            self._stop(reply.TOO_LARGE)

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._phase is _Phase.DROPPING:
            self._rest()
        else:
            self._phase = _WHOLE

    # From a request to its answer

    def _judge(self) -> Refusal | None:
        """Find the handler, or what is wrong with the head."""
        shared, parser = self._shared, self._parser
        self._method, version = parser.get_method(), parser.get_http_version()
        if (self._method, version, self._target, self._headers) == shared.known and head.fits(
            self._length, shared.limits.body_bytes
        ):
            self._handler = shared.known_handler
            return None
        refusal = self._judge_anew(version)
        if self._handler is not None and not (self._last or self._expects):
            # A copy: trailers are added to the list that is here.
            shared.known = (self._method, version, self._target, list(self._headers))
            shared.known_handler = self._handler
        return refusal

    def _judge_anew(self, version: str) -> Refusal | None:
        excess = self._excess_of_head()
        if excess is not None:
            return excess
        fields = head.fields_of(self._headers)
        if fields is None:
            return reply.REPEATED
        unsound = head.unsound(version, fields)
        if unsound is not None:
            return unsound
        if not head.fits(self._length or fields.get(b"content-length", b""), self._shared.limits.body_bytes):
            return reply.TOO_LARGE
        self._last = version != "1.1" or not self._parser.should_keep_alive()
        expects = head.expects_continue(version, fields)
        refusal = self._route(fields)
        if refusal is None:
            self._expects = expects
        elif expects or b"transfer-encoding" in fields:
            # Whether the body that was asked about comes after this, nobody could tell; and how much there is of one
            # in chunks, only who takes it.
            self._last = True
        return refusal

    def _route(self, fields: head.Fields) -> Refusal | None:
        path = head.path_of(self._target)
        if path is None:
            return reply.MALFORMED
        handler, reader = self._shared.routes.get(path), self._shared.pages.get(path)
        if handler is not None:
            refusal = self._unfit(fields)
        elif reader is not None:
            refusal = None if self._method in _READING else reply.ONLY_GET
        else:
            return reply.NOT_FOUND
        if refusal is None and self._parser.should_upgrade():
            # The parser takes the body for the other protocol's.
            refusal = reply.NO_UPGRADES
        if refusal is None:
            self._handler, self._reader = handler, reader
        return refusal

    def _unfit(self, fields: head.Fields) -> Refusal | None:
        """Why the request is none for a handler."""
        if self._method != b"POST":
            return reply.ONLY_POST
        return None if head.is_json(fields) else reply.ONLY_JSON

    def _excess_of_head(self) -> Refusal | None:
        limits = self._shared.limits
        if len(self._headers) + bool(self._length) > limits.header_count:
            return reply.MANY_HEADERS
        if self._fed > limits.header_bytes and head.size_of(self._target, self._headers) > limits.header_bytes:
            return reply.LARGE_HEADERS
        if len(self._target) > limits.target_bytes:
            return reply.LONG_TARGET
        return None

    def _look_at_unfinished(self) -> None:
        """Refuse what is too much already, or refused by its head, or ask for the rest."""
        excess = self._excess()
        if excess is not None:
            self._end(excess)
        elif self._refusal is not None and self._phase is _Phase.BODY:
            self._refuse(self._refusal)
        elif self._body:
            self._hold()
        elif self._expects:
            self._expects = False
            self.transport.write(reply.CONTINUE)

    def _excess(self) -> Refusal | None:
        limits = self._shared.limits
        # Of trailers, too: on the way to the end of either, only the bytes that came in can be counted.
        if len(self._headers) > limits.header_count:
            return reply.MANY_HEADERS
        if self._phase is _Phase.HEAD:
            return reply.LARGE_HEADERS if self._fed > limits.header_bytes else None
        # A chunk of one byte costs more to take than a thousand bytes in one.
        if self._phase is _Phase.BODY and self._fed - len(self._body) > limits.header_bytes + FRAMING_BYTES:
            return reply.TOO_LARGE
        return None

    def _hold(self) -> None:
        """Take room for what has come of the body."""
        shared, size = self._shared, len(self._body)
        memory = shared.small_bodies if size <= SMALL_BODY_BYTES else shared.large_bodies
        if memory is not self._memory:
            self._release()
            self._memory = memory
        more, self._held = size - self._held, size
        memory.take(self, more)

    def _answer(self) -> None:
        """Answer the request that has come."""
        self.reply(self.decide())

    def decide(self) -> Outcome:
        """Ask the handler about the request that has come."""
        handler = self._handler
        if handler is None:
            return self._read()
        if self._stranger:
            handler = self._shared.strangers.get(handler, handler)
        try:
            answer = handler(bytes(self._body))
            return answer if isinstance(answer, bytes) else asyncio.ensure_future(answer)
        except Exception as error:  # noqa: BLE001 - the last resort: reported with its trace, not shown to the client
            return self._failure(error)

    def _read(self) -> Outcome:
        """Ask the reader, if this is for one."""
        if self._reader is None:
            return self._refusal or reply.INTERNAL
        try:
            page = self._reader((head.fields_of(self._headers) or {}).get(b"accept", b""))
            return page if isinstance(page, Page) else asyncio.ensure_future(page)
        except Exception as error:  # noqa: BLE001 - as above
            return self._failure(error)

    def reply(self, outcome: Outcome) -> None:
        """Answer with what ``decide`` gave."""
        if isinstance(outcome, bytes):
            self._give(outcome)
        elif isinstance(outcome, Page):
            self._show(outcome)
        elif isinstance(outcome, Refusal):
            self._refuse(outcome)
        else:
            self._wait_for(outcome)

    def _wait_for(self, answer: asyncio.Future[Answer]) -> None:
        self._task = answer
        self._task.add_done_callback(self._answer_late)
        self._phase = _Phase.ANSWERING
        # The handler has the body now.
        self._body = b""
        if self._memory is self._shared.large_bodies:
            self._memory.finish(self)
        else:
            self._release()
        self.deadline = self._now() + self._shared.limits.response_seconds

    def _answer_late(self, task: asyncio.Future[Answer]) -> None:
        self._task = None
        if self._phase is _Phase.GONE:
            self._leave()
        elif task.cancelled():
            self.transport.abort()
        elif self.transport.is_closing():
            self._phase = _Phase.CLOSING
        elif (error := task.exception()) is None:
            self.reply(task.result())
        else:
            self._refuse(self._failure(error))

    def _failure(self, error: BaseException) -> Refusal:
        if isinstance(error, BadReview):
            return Refusal(HTTPStatus.BAD_REQUEST, error.detail)
        if isinstance(error, Exception):
            self._shared.report(error)
        return reply.INTERNAL

    def _give(self, answer: bytes) -> None:
        """Write a handler's answer: head and body at once, which makes them one TLS record and one system call."""
        replies = self._shared.replies
        self._answered = True
        if self._last or self._shared.draining:
            self.transport.write(replies.last(answer))
            self.close()
        else:
            self.transport.write(b"%b%d\r\n\r\n%b" % (replies.opening, len(answer), answer))
            self._rest()

    def _show(self, page: Page) -> None:
        last = self._last or self._shared.draining
        self._answered = True
        self.transport.write(self._shared.replies.page(page, last=last, bodiless=self._method == b"HEAD"))
        if last:
            self.close()
        else:
            self._rest()

    def _refuse(self, refusal: Refusal) -> None:
        last = self._last or self._shared.draining
        self.transport.write(self._shared.replies.refusal(refusal, last=last, bodiless=self._method == b"HEAD"))
        if last:
            self.close()
        elif self._phase is _Phase.BODY:
            self._phase = _Phase.DROPPING
        else:
            self._rest()

    def _stop(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _Stop

    def _break_off(self, error: Exception) -> None:
        """See to what the parser ended with: something that is no request, or one of our callbacks."""
        if self._phase in (_WHOLE, _Phase.ANSWERING):
            # This is about what came after a whole request, which is still to be answered.
            self._last = True
            return
        if not isinstance(error, httptools.HttpParserCallbackError):
            self._end(reply.MALFORMED)
        elif self._refusal is not None and self._refusal.final:
            self._end(self._refusal)
        else:
            self._shared.report(error)
            self._end(reply.INTERNAL)

    def _end(self, refusal: Refusal) -> None:
        """Refuse, unless that has been done, and close."""
        self._last = True
        if self._phase is _Phase.DROPPING:
            self.close()
        else:
            self._refuse(refusal)

    # Between requests

    def _rest(self) -> None:
        self._phase = _IDLE
        self._forget()
        self.deadline = self._now() + self._shared.limits.idle_seconds

    def _forget(self) -> None:
        self._fed = 0
        self._target = self._method = self._length = b""
        self._headers = []
        self._body = b""
        self._handler = None
        self._reader = None
        self._refusal = None
        self._expects = False
        if self._memory is not None:
            self._release()

    def _release(self) -> None:
        if self._memory is not None:
            self._memory.take_back(self, self._held)
        self._memory = None
        self._held = 0

    def _leave(self) -> None:
        self._forget()
        self._shared.open.discard(self)
        self._shared.crowd.discard(self)
