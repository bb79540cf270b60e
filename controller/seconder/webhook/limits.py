"""What one client may take of the server: connections, time, header and body bytes. uvicorn bounds none of these."""

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from seconder.webhook.exchange import WholeAnswer
from seconder.webhook.front import MAX_BODY_BYTES

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

SMALL_BODY_BYTES: Final = 64 * 1024
"""A body up to this size never has to wait for memory, however many large ones are on their way."""

_FRAMING_BYTES: Final = 64 * 1024
"""Room in a request for chunk sizes and trailers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one listener. Times are in seconds, sizes in bytes.

    ``connections`` counts those in their TLS handshake too. ``large_bodies`` bounds what all bodies together hold
    beyond their first ``SMALL_BODY_BYTES``. ``request_seconds`` runs from a request's first byte to its last,
    ``response_seconds`` from there to the end of the answer: the API server gives up after 30. ``idle_seconds`` must be
    longer than the 90 for which the API server keeps an idle connection, or it sends a request into a connection that
    is being closed and the review fails. ``closing_seconds`` is how long a client may take to notice a close.
    """

    connections: int = 1000
    header_count: int = 64
    header_bytes: int = 16 * 1024
    target_bytes: int = 2048
    body_bytes: int = MAX_BODY_BYTES
    large_bodies: int = 32 * 1024 * 1024
    handshake_seconds: float = 10
    request_seconds: float = 10
    response_seconds: float = 60
    idle_seconds: int = 120
    closing_seconds: float = 5


class Shared(ServerState):
    """What the connections of one listener have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.open: set[object] = set()
        self.large_bodies = 0
        self.draining = False


class _Refused(Exception):
    """Leaves the parser from within one of its callbacks."""

    def __init__(self, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, held to ``Limits``.

    There are no timers per request: each event moves ``deadline`` (a time of the loop's clock), and the listener calls
    ``enforce`` on every connection now and then.
    """

    server_state: Shared

    def __init__(self, config: Config, shared: Shared, limits: Limits) -> None:
        super().__init__(config, shared, {}, asyncio.get_running_loop())
        self.limits = limits
        self.deadline = math.inf
        self.idle_since = math.inf
        self._receiving = False
        self._has_head = False
        self._deaf = False
        self._fed = 0
        self._body = 0
        self._large = 0

    @property
    def answering(self) -> bool:
        """Whether a request has been handed on and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has come since the last answer."""
        return not self._receiving and not self.answering

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock: a client may connect ahead of need and then wait as long as between requests."""
        super().connection_made(transport)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what the connection held."""
        super().connection_lost(exc)
        self.server_state.open.discard(self)
        self._release()

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what is too much."""
        if self._deaf or self.transport.is_closing():
            return
        self._fed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(_Refused(400, "upgrades are not served"))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, _Refused) else _Refused(400, "malformed HTTP request"))
        else:
            # A request that came in one piece is past already, and was no larger than the buffer.
            if self._receiving:
                self._check_unfinished()

    def on_message_begin(self) -> None:
        """See httptools. A second request before the answer to the first ends the connection after that answer."""
        if self.answering:
            raise _Refused(400, "pipelining is not served")
        super().on_message_begin()
        self._receiving = True
        self._body = 0
        self.deadline = self.loop.time() + self.limits.request_seconds

    def on_headers_complete(self) -> None:
        """See httptools. Nothing of a refused request reaches the application."""
        limits = self.limits
        if len(self.headers) > limits.header_count:
            raise _Refused(431, "the request has too many headers")
        if self._fed > limits.header_bytes and self._head_bytes() > limits.header_bytes:
            raise _Refused(431, "the request's headers are too large")
        if len(self.url) > limits.target_bytes:
            raise _Refused(414, "the request target is too long")
        super().on_headers_complete()
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        """See httptools: a piece of the body."""
        self._body += len(body)
        if self._body > SMALL_BODY_BYTES:
            self._take(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        super().on_message_complete()
        self._receiving = self._has_head = False
        self._fed = 0
        if self.answering:
            self.deadline = self.loop.time() + self.limits.response_seconds
        else:
            self._rest()

    def on_response_complete(self) -> None:
        """Note the end of an answer (called by uvicorn's cycle)."""
        self.server_state.total_requests += 1
        self._release()
        if self.transport.is_closing():
            self.deadline = self.loop.time() + self.limits.closing_seconds
            return
        self.flow.resume_reading()
        if not self._receiving:
            self._rest()

    def enforce(self, now: float) -> None:
        """End what is overdue at ``now``, a time of the loop's clock."""
        if now < self.deadline:
            return
        self.deadline = now + self.limits.closing_seconds
        if self._receiving and not self.transport.is_closing():
            self._refuse(_Refused(408, "the request did not come in time"))
        elif self.idle and not self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.abort()

    def drain(self) -> None:
        """Make the answer under way, if any, the last one. Later ones see ``Shared.draining``."""
        if self.answering:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        if self.server_state.draining:
            cycle.keep_alive = False
        whole = WholeAnswer(cycle)
        super()._start_asgi_task(cycle, lambda scope, receive, _send: app(scope, receive, whole.send))

    def _rest(self) -> None:
        self.idle_since = self.loop.time()
        self.deadline = self.idle_since + self.timeout_keep_alive

    def _check_unfinished(self) -> None:
        limits = self.limits
        # The parser keeps an unfinished header or trailer to itself, so bytes are counted where they come in.
        if not self._has_head:
            if self._fed > limits.header_bytes:
                self._refuse(_Refused(431, "the request's headers are too large"))
        elif len(self.headers) > limits.header_count:
            self._refuse(_Refused(431, "the request has too many trailers"))
        elif (
            self._fed > limits.header_bytes + limits.body_bytes + _FRAMING_BYTES
            or self._announced() > limits.body_bytes
        ):
            self._refuse(_Refused(413, "the request is too large"))

    def _announced(self) -> int:
        """Give the body's size as the request's head has it; 0 when it does not."""
        return sum(int(value) for name, value in self.headers if name == b"content-length")

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _take(self, size: int) -> None:
        if self._body > self.limits.body_bytes:
            raise _Refused(413, "the request is too large")
        if self.cycle.response_complete:
            return  # answered without its body, of which nothing is kept
        if self.server_state.large_bodies + size > self.limits.large_bodies:
            # The API server asks again on a 503 that says when.
            raise _Refused(503, "too many large requests at once", (b"retry-after", b"1"))
        self.server_state.large_bodies += size
        self._large += size

    def _release(self) -> None:
        self.server_state.large_bodies -= self._large
        self._large = 0

    def _refuse(self, refused: _Refused) -> None:
        if self.answering and not self._receiving:
            # A whole request is being answered, and this is about what came after it.
            self.cycle.keep_alive = False
            self._deaf = True
            return
        # Only the head of a request makes a cycle; until there is one, self.cycle is the last request's.
        answered = self._has_head and self.cycle.response_started
        if self._has_head:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._release()
        if not answered:
            body = refused.detail.encode()
            headers = (
                *self.server_state.default_headers,
                *refused.headers,
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
            )
            head = b"".join(b"%b: %b\r\n" % header for header in headers)
            self.transport.write(STATUS_LINE[refused.status] + head + b"\r\n" + body)
        self.transport.close()
        self.deadline = self.loop.time() + self.limits.closing_seconds
