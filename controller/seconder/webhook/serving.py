"""Serving: reviews over TLS and the ops port beside them, in one process and on one event loop, until told to stop."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.config import Config

from seconder.webhook.exchange import BufferedConnection
from seconder.webhook.limits import BoundedProtocol, Limits, Shared
from seconder.webhook.tls import ServingCertificate

if TYPE_CHECKING:
    from starlette.types import ASGIApp

REVIEW_LIMITS: Final = Limits()
OPS_LIMITS: Final = Limits(connections=64, body_bytes=64 * 1024)

IDLE_GRACE_SECONDS: Final = 5.0
"""While draining, a connection that has been idle for so long is closed. A busy client uses each of its connections
sooner, and then learns from the answer that it is the last one."""

_BACKLOG: Final = 1024
_TICK_SECONDS: Final = 1.0
_DRAIN_POLL_SECONDS: Final = 0.02


class Listener:
    """One listening socket and its connections, each held to ``limits``. With a ``certificate``, TLS."""

    def __init__(
        self, app: "ASGIApp", sock: socket.socket, limits: Limits, certificate: ServingCertificate | None = None
    ) -> None:
        self._config = Config(
            app,
            http=BoundedProtocol,
            interface="asgi3",
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=limits.idle_seconds,
        )
        self._config.load()
        self._sock = sock
        self._limits = limits
        self._certificate = certificate
        self._tasks: asyncio.TaskGroup | None = None
        self._watching: asyncio.Task[None] | None = None
        self._shared = Shared()

    @property
    def connections(self) -> list[BoundedProtocol]:
        """The connections that are past their handshake."""
        return cast("list[BoundedProtocol]", list(self._shared.connections))

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to listen. ``certificate`` has been loaded; ``tasks`` outlives the listener."""
        self._tasks = tasks
        self._sock.listen(_BACKLOG)
        self._watching = tasks.create_task(self._watch())

    async def drain(self, seconds: float, hurry: asyncio.Event) -> bool:
        """Stop listening, let what has begun finish, and close. True when no request was cut off.

        Answers from now on carry ``Connection: close``. Idle connections are closed last. At most ``seconds``, and no
        longer once ``hurry`` is set.
        """
        if self._tasks is None:
            return True
        # Clients whose connection the kernel has taken already were told that they are connected.
        self._accept()
        self._stop_listening()
        self._shared.draining = True
        for connection in self.connections:
            connection.drain()
        loop = asyncio.get_running_loop()
        start = now = loop.time()
        grace = min(IDLE_GRACE_SECONDS, seconds / 2)
        while self._shared.open and now < start + seconds and not hurry.is_set():
            for connection in self.connections:
                if connection.idle and now - max(start, connection.idle_since) >= grace:
                    connection.transport.close()
            await asyncio.sleep(_DRAIN_POLL_SECONDS)
            now = loop.time()
        return all(connection.idle for connection in self.connections)

    def close(self) -> None:
        """End at once whatever is left."""
        self._stop_listening()
        if self._watching is not None:
            self._watching.cancel()
        for connection in self.connections:
            connection.transport.abort()

    def _stop_listening(self) -> None:
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()

    async def _watch(self) -> None:
        """Do what is due now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        tick = min(_TICK_SECONDS, self._limits.request_seconds / 4)
        while True:
            if self._sock.fileno() >= 0:
                loop.add_reader(self._sock, self._accept)
            self._shared.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
            for connection in self.connections:
                connection.enforce(loop.time())
            await asyncio.sleep(tick)

    def _accept(self) -> None:
        """Take the connections that are there."""
        try:
            while True:
                self._greet(self._sock.accept()[0])
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # The process is out of file descriptors, or the machine of memory. To try again at once would keep the loop
            # from its work, so the next attempt is the next tick's.
            asyncio.get_running_loop().remove_reader(self._sock)

    def _greet(self, sock: socket.socket) -> None:
        if self._tasks is None or len(self._shared.open) >= self._limits.connections:
            sock.close()
            return
        http = BoundedProtocol(self._config, self._shared, self._limits)
        # Counted from here on, before its handshake, which is the cheapest thing for a client to leave half done.
        self._shared.open.add(http)
        self._tasks.create_task(self._connect(sock, http))

    async def _connect(self, sock: socket.socket, http: BoundedProtocol) -> None:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            if self._certificate is None:
                await loop.connect_accepted_socket(lambda: BufferedConnection(http), sock)
            else:
                await loop.connect_accepted_socket(
                    lambda: BufferedConnection(http),
                    sock,
                    ssl=self._certificate.context,
                    ssl_handshake_timeout=self._limits.handshake_seconds,
                    ssl_shutdown_timeout=self._limits.closing_seconds,
                )
        except OSError:
            # The client went away, or spoke no TLS, or not in time: its own affair. (ssl.SSLError is an OSError.)
            return
        finally:
            if http not in self._shared.connections:
                self._shared.open.discard(http)


async def serve(
    front: "ASGIApp",
    certificate: ServingCertificate,
    reviews: socket.socket,
    ops_app: "ASGIApp",
    ops: socket.socket,
    ready: Callable[[bool], None],
    drain_delay: float,
    drain_timeout: float,
    review_limits: Limits = REVIEW_LIMITS,
    ops_limits: Limits = OPS_LIMITS,
) -> bool:
    """Serve until SIGTERM or SIGINT, then drain. True when every review that had begun was answered.

    ``reviews`` and ``ops`` come from ``bind`` and are closed here. The ops port answers from the start to the very end;
    reviews begin once ``certificate`` has been loaded. ``ready`` is called with True then, and with False on the
    signal: for ``drain_delay`` seconds from there new connections are still taken, because the API server's side learns
    only by and by that this process is going. Then ``Listener.drain`` has ``drain_timeout`` seconds. A second signal
    ends both. Runs on the main thread's event loop.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    review_listener = Listener(front, reviews, review_limits, certificate)
    ops_listener = Listener(ops_app, ops, ops_limits)
    async with asyncio.TaskGroup() as tasks:
        try:
            ops_listener.start(tasks)
            if await _first(certificate.loaded(), stop):
                review_listener.start(tasks)
                ready(True)
                await stop.wait()
                ready(False)
                await _first(asyncio.sleep(drain_delay), hurry)
            return await review_listener.drain(drain_timeout, hurry)
        finally:
            review_listener.close()
            ops_listener.close()


async def _first(work: Coroutine[Any, Any, None], event: asyncio.Event) -> bool:
    """Wait for ``work`` or ``event``; True when ``work`` was done."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0] in done
    finally:
        for task in tasks:
            task.cancel()
