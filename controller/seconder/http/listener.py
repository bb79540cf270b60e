"""A listening socket and its connections: taken, held to their limits, drained."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

from seconder.http.door import Door, Visitor
from seconder.http.protocol import ReviewProtocol, Shared
from seconder.http.tls import ServingCertificate

IDLE_GRACE_SECONDS: Final = 5.0
"""While draining, a connection that has been idle for so long is closed. A busy client uses each of its connections
sooner, and then learns from the answer that it is the last one."""

_BACKLOG: Final = 1024
_RECEIVE_BYTES: Final = 16 * 1024
"""What the kernel keeps of what came in, and doubles for its own needs. It may hand all of that over in one piece, and
event loop and OpenSSL each keep a buffer as large as the largest piece that they were ever given, as long as a
connection lasts."""

_SEND_BYTES: Final = 32 * 1024
"""What the kernel keeps of answers that a client does not take, and doubles. Left to itself it would grow to megabytes
for each connection, which count as the process's own where its memory is limited."""

_AT_ONCE: Final = 32
"""Connections that begin their handshake before others are served again."""

_TICK_SECONDS: Final = 1.0
_DRAIN_POLL_SECONDS: Final = 0.02


class Listener:
    """One listening socket and its connections, each held to ``shared.limits``. With a ``certificate``, TLS."""

    def __init__(self, sock: socket.socket, shared: Shared, certificate: ServingCertificate | None = None) -> None:
        self._door = Door(sock, shared.crowd, self._see_off, _AT_ONCE)
        self._shared = shared
        self.certificate: Final = certificate
        self._tasks: asyncio.TaskGroup | None = None
        self._watching: asyncio.Task[None] | None = None
        self._greeted: dict[ReviewProtocol, Visitor] = {}
        """Those in their handshake."""

    @property
    def connections(self) -> list[ReviewProtocol]:
        """The connections that are past their handshake."""
        return [connection for connection in self._shared.open if connection.connected]

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to listen. ``certificate`` has been loaded; ``tasks`` outlives the listener."""
        self._tasks = tasks
        # Taken over by the connections.
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
        self._door.listen(_BACKLOG)
        self._watching = tasks.create_task(self._watch())

    async def drain(self, seconds: float, hurry: asyncio.Event) -> bool:
        """Stop listening, let what has begun finish, and close. True when no request was cut off.

        Answers from now on carry ``Connection: close``. Idle connections are closed last. At most ``seconds``, and no
        longer once ``hurry`` is set.
        """
        if self._tasks is None:
            return True
        # Clients whose connection the kernel has taken already were told that they are connected.
        for visitor in self._door.rest():
            self._greet(visitor)
        self._stop_listening()
        self._shared.draining = True
        loop = asyncio.get_running_loop()
        start = now = loop.time()
        grace = min(IDLE_GRACE_SECONDS, seconds / 2)
        while self._shared.open and now < start + seconds and not hurry.is_set():
            for connection in self.connections:
                if now - max(start, connection.idle_since) >= grace:
                    connection.close()
            await asyncio.sleep(_DRAIN_POLL_SECONDS)
            now = loop.time()
        return not any(connection.busy for connection in self.connections)

    def close(self) -> None:
        """End at once whatever is left."""
        self._stop_listening()
        if self._watching is not None:
            self._watching.cancel()
        for connection in self.connections:
            connection.abort()

    def _stop_listening(self) -> None:
        if self._door.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._door)
            self._door.close()

    async def _watch(self) -> None:
        """Do what is due now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        tick = min(_TICK_SECONDS, self._shared.limits.request_seconds / 4)
        while True:
            if self._door.fileno() >= 0:
                loop.add_reader(self._door, self._accept)
                self._door.weary(self._shared.limits.handshake_seconds)
            self._shared.replies.tick()
            for connection in self.connections:
                connection.enforce(loop.time())
            await asyncio.sleep(tick)

    def _accept(self) -> None:
        """Take connections that are there: the event loop calls again while there are more."""
        try:
            while True:
                self._greet(self._door.accept()[0])
        except BlockingIOError:
            return
        except OSError:
            # The process is out of file descriptors, or the machine of memory. To try again at once would keep the loop
            # from its work, so the next attempt is the next tick's.
            asyncio.get_running_loop().remove_reader(self._door)

    def _greet(self, visitor: Visitor) -> None:
        if self._tasks is None:
            visitor.close()
            return
        protocol = ReviewProtocol(self._shared)
        # Counted from its first byte on, before its handshake, which is the cheapest thing to leave half done.
        self._shared.crowd.heard(visitor, protocol)
        self._shared.open.add(protocol)
        self._greeted[protocol] = visitor
        self._tasks.create_task(self._connect(visitor, protocol))

    def _see_off(self, protocol: ReviewProtocol) -> None:
        """End a connection for the sake of another."""
        visitor = self._greeted.get(protocol)
        if visitor is None or protocol.connected:
            protocol.abort()
            return
        # The event loop finds that nothing more comes, and closes it. An OSError: the client has left by itself.
        with suppress(OSError):
            visitor.shutdown(socket.SHUT_RDWR)

    async def _connect(self, sock: socket.socket, protocol: ReviewProtocol) -> None:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        limits = self._shared.limits
        try:
            if self.certificate is None:
                await loop.connect_accepted_socket(lambda: protocol, sock)
            else:
                await loop.connect_accepted_socket(
                    lambda: protocol,
                    sock,
                    ssl=self.certificate.context,
                    ssl_handshake_timeout=limits.handshake_seconds,
                    ssl_shutdown_timeout=limits.closing_seconds,
                )
        except OSError:
            # The client went away, or spoke no TLS, or not in time: its own affair. (ssl.SSLError is an OSError.)
            return
        except Exception as error:  # noqa: BLE001 - what nobody foresaw ends this connection, not all of them
            self._shared.report(error)
        finally:
            del self._greeted[protocol]
            if not protocol.connected:
                self._shared.open.discard(protocol)
                self._shared.crowd.discard(protocol)
