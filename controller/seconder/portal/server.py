"""Serves the portal's pages, by uvicorn, within bounds."""

import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from operator import attrgetter
from typing import Any, Final

import h11
import uvicorn
from starlette.requests import ClientDisconnect

from seconder.http.crowd import Crowd
from seconder.http.door import Door, Visitor, said
from seconder.observability import log

Application = Callable[..., Awaitable[None]]
"""Of ASGI 3."""

CONNECTIONS: Final = 256
"""Browsers keep some six open. Beyond that one gives way to a new one: see ``Crowd``."""

_HEADER_BYTES: Final = 16 * 1024
_IDLE_SECONDS: Final = 120
_BACKLOG: Final = 1024
"""Connections that the kernel takes ahead."""

_STOP_SECONDS: Final = 2.0

_CLIENTS: Final = (h11.ProtocolError, ClientDisconnect)
"""What is raised because of what a client does."""


class Server:
    """Serves an application on ``listening`` from a thread of its own, with uvicorn as it is.

    Bounded are: connections, of which one gives way to a new one beyond ``connections`` (see ``Crowd``), so that who
    opens many keeps nobody out; a request's head; idle time; lines in the log (see ``_ours`` and ``log.Handler``). Not
    bounded is how long a request may take to come, or its answer to be taken: there is no public setting for it, and
    such a connection is the next one's room.
    """

    def __init__(self, app: Application, listening: socket.socket, connections: int = CONNECTIONS) -> None:
        for name in ("uvicorn.error", "asyncio"):
            # It is added once, however often: it is the same function.
            logging.getLogger(name).addFilter(_ours)
        self._listening = _FewConnections(listening, connections)
        config = uvicorn.Config(
            self._listening.noting(app),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],), name="portal", daemon=True)

    def start(self) -> None:
        """Begin to serve; the process may end without ``stop``. Clients may connect from now on."""
        self._listening.listen(_BACKLOG)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; wait for it a little."""
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)


def _ours(record: logging.LogRecord) -> bool:
    """Whether a record is about our doing. What a client's bytes raise, or their end, is counted, and has no line.

    uvicorn answers bytes that are no HTTP by itself. The application, which does not know, answers too, and uvicorn
    logs what h11 says to that as if the application had raised it. Where the application waits for the rest of a body,
    Starlette tells it of the client's end by an exception.
    """
    if record.exc_info and isinstance(record.exc_info[1], _CLIENTS):
        log.leave_out()
        return False
    return True


class _FewConnections(Door):
    """A listening socket that ends one connection for a new one when there would be too many.

    uvicorn's ``limit_concurrency`` takes any number of connections and then answers 503, to probes as well.
    """

    def __init__(self, listening: socket.socket, most: int) -> None:
        self._room: Crowd[Visitor] = Crowd(most, attrgetter("last_used"), said)
        self._guests: dict[tuple[str, int], _Guest] = {}
        # Each needs some turns of the event loop until it has been heard, and may have to go as soon as there are
        # ``most`` newer ones.
        super().__init__(listening, self._room, _see_off, max(1, most // 8))

    def accept(self) -> tuple[Visitor, Any]:
        """See ``Door``; asyncio's own event loop calls it."""
        visitor, address = super().accept()
        guest = _Guest(visitor.family, visitor.type, visitor.proto, fileno=visitor.detach())
        guest.address, guest.left = address, self._left
        self._room.heard(visitor, guest)
        self._guests[address[:2]] = guest
        return guest, address

    def noting(self, app: Application) -> Application:
        """The application; a connection is known by it to be of use."""

        async def noting(scope: Any, receive: Any, send: Any) -> None:
            guest = self._guests.get(scope.get("client"))
            if guest is not None:
                guest.last_used = time.monotonic()
            await app(scope, receive, send)

        return noting

    def _left(self, guest: "_Guest") -> None:
        self._room.discard(guest)
        if self._guests.get(guest.address[:2]) is guest:
            del self._guests[guest.address[:2]]


class _Guest(Visitor):
    """A connection that says when it is closed."""

    left: Callable[["_Guest"], None]

    def close(self) -> None:
        """See ``socket.socket``; asyncio's own transports call it."""
        super().close()
        self.left(self)


def _see_off(guest: socket.socket) -> None:
    # The event loop finds that nothing more comes, and closes it. An OSError: the client has left by itself.
    with suppress(OSError):
        guest.shutdown(socket.SHUT_RDWR)
