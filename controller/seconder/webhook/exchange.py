"""Two things that uvicorn does per request, done in fewer system calls. Neither changes what a client sees."""

import asyncio
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent

_BUFFER: Final = memoryview(bytearray(64 * 1024))
"""Where every connection's bytes arrive. One is enough: the event loop fills it and hands it on in one step, and the
parser copies what it keeps."""


class BufferedConnection(asyncio.BufferedProtocol):
    """Feeds an ``HttpToolsProtocol`` from a buffer that already exists.

    uvloop gives plain protocols a new ``bytes`` object per TLS read, for which it asks the C library for 256 KiB. Where
    glibc serves that by mapping and unmapping memory, which it does until a first piece of that size has been freed,
    this was more than half of the CPU time of a small review.
    """

    def __init__(self, http: HttpToolsProtocol) -> None:
        self._http = http

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._http.connection_made(transport)  # type: ignore[arg-type]  # a stream protocol is given a stream transport

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._http.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """See ``asyncio.BufferedProtocol``."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """See ``asyncio.BufferedProtocol``."""
        self._http.data_received(_BUFFER[:nbytes])  # type: ignore[arg-type]  # httptools takes any buffer

    def eof_received(self) -> None:
        """See ``asyncio.BufferedProtocol``."""
        self._http.eof_received()

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        self._http.resume_writing()


class WholeAnswer:
    """Stands before one cycle's ``send`` and sends an answer that is there as a whole in one write.

    ASGI gives an answer in two messages at least, and uvicorn writes each at once: two TLS records, two system calls.
    Here the first is held back until the second comes. What is not of the plain kind goes uvicorn's own way.
    """

    __slots__ = ("_cycle", "_held")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._held: HTTPResponseStartEvent | None = None

    async def send(self, message: "ASGISendEvent") -> None:
        """Take one ASGI message."""
        cycle = self._cycle
        if message["type"] == "http.response.start" and self._held is None and not cycle.response_started:
            self._held = message
            return
        start, self._held = self._held, None
        if start is not None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                body = message.get("body", b"")
                head = _head(cycle, start, len(body))
                if head is not None:
                    _write(cycle, head + body)
                    return
            await cycle.send(start)
        await cycle.send(message)


def _head(cycle: RequestResponseCycle, start: "HTTPResponseStartEvent", length: int) -> bytes | None:
    """Give status line and headers, or None for an answer that is not of the plain kind."""
    if cycle.flow.write_paused or cycle.disconnected or cycle.scope["method"] == "HEAD":
        return None
    parts = [STATUS_LINE[start["status"]]]
    sized = False
    for name, value in (*cycle.default_headers, *start.get("headers", ())):
        if name == b"content-length":
            sized = value == b"%d" % length
        elif name in (b"connection", b"transfer-encoding"):
            return None
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
            return None
        parts += (name, b": ", value, b"\r\n")
    if not sized:
        return None
    parts.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    return b"".join(parts)


def _write(cycle: RequestResponseCycle, answer: bytes) -> None:
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(answer)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
