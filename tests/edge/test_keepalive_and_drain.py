"""Connections outlive the pauses between reviews, and a webhook that goes away takes no review with it."""

import asyncio
import http.client
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.edge.conftest import Start
from tests.support.http import DEADLINE, REVIEW, WHOLE, Served, head, post, read_all, read_one, status

from seconder.http.address import bind
from seconder.http.handler import Handler
from seconder.http.limits import Limits
from seconder.http.listener import Listener
from seconder.http.protocol import Shared

GO_IDLE_SECONDS = 90
"""``IdleConnTimeout`` of the API server's transport: for so long it may send into a connection that it left idle."""


# Keep-alive


def asking(path: str) -> bytes:
    """Give a whole request to the listener of ``on_a_listener``."""
    return head(2, target=path) + b"{}"


ASK = asking("/")


def on_a_listener(limits: Limits, use: Any) -> Any:
    """Run ``use(listener, reader, writer)`` with a client that has had one answer from a plain listener."""

    def fail(error: Exception) -> None:
        raise error

    async def run() -> Any:
        sock = bind("127.0.0.1", 0)
        address = sock.getsockname()
        routes: dict[str, Handler] = {"/": lambda _: b"ok", "/large": lambda _: bytes(8 * 1024 * 1024)}
        listener = Listener(sock, Shared(routes, fail, limits))
        async with asyncio.TaskGroup() as tasks:
            listener.start(tasks)
            reader, writer = await asyncio.open_connection(*address)
            writer.write(ASK)
            await reader.readuntil(b"ok")
            try:
                return await use(listener, reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()
                listener.close()

    return uvloop.run(run())


def test_an_idle_connection_is_kept_longer_than_the_api_server_keeps_it() -> None:
    """A server that closes after 5 s fails every request that comes at the wrong moment; what is in use is read off."""

    async def use(listener: Listener, *_: Any) -> float:
        [connection] = listener.connections
        return connection.deadline - asyncio.get_running_loop().time()

    configured, left = Limits().idle_seconds, on_a_listener(Limits(), use)
    assert GO_IDLE_SECONDS < configured - 5 < left < configured + 1


def test_segments_are_not_held_back_to_fill_them() -> None:
    """TCP_NODELAY is set on accepted connections; without it a call can cost 40 ms."""

    async def use(listener: Listener, *_: Any) -> int:
        [connection] = listener.connections
        sock = connection.transport.get_extra_info("socket")
        return int(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    assert on_a_listener(Limits(), use) != 0


def test_an_idle_connection_is_closed_at_its_limit_and_not_before() -> None:
    """Each answer begins the time anew."""

    async def use(_: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        await asyncio.sleep(0.4)
        # The server's second begins before the answer is read here.
        begun = time.monotonic()
        writer.write(ASK)
        await reader.readuntil(b"ok")
        assert await reader.read() == b""
        return time.monotonic() - begun

    assert 1 <= on_a_listener(Limits(idle_seconds=1, request_seconds=0.2), use) < 1.5


def test_one_connection_serves_many_reviews(start: Start) -> None:
    """No handshake per review."""
    server = start()
    client = server.client()
    assert post(client, {"uid": "0"})[0] == 200
    port = client.sock.getsockname()
    for turn in range(100):
        assert post(client, {"uid": str(turn)}) == (
            200,
            {"uid": str(turn), "size": len('{"uid": ""}') + len(str(turn))},
        )
    assert client.sock.getsockname() == port
    client.close()


def test_an_answer_that_nobody_takes_does_not_hold_the_connection() -> None:
    """It waits in memory for the client as long as an idle connection would, and no longer."""

    async def use(listener: Listener, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport can
        writer.write(asking("/large"))
        begun = time.monotonic()
        while listener.connections and time.monotonic() < begun + DEADLINE:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        return time.monotonic() - begun

    assert 1 <= on_a_listener(Limits(idle_seconds=1, request_seconds=0.2, closing_seconds=0.2), use) < 2


# Going away


class Load(threading.Thread):
    """Sends reviews without a pause as Go's client would: keeps its connection until told that it is the last answer.

    Connects to ``first`` while that one is said to be an endpoint, then to ``second``.
    """

    def __init__(
        self, first: Served, second: Served, gone: threading.Event, done: threading.Event, pause: float
    ) -> None:
        super().__init__()
        self.servers = (first, second)
        self.gone, self.done, self.pause = gone, done, pause
        self.answered = [0, 0]
        self.failures: list[BaseException] = []

    def run(self) -> None:
        """See ``threading.Thread``."""
        while not self.done.is_set() and not self.failures:
            which = 1 if self.gone.is_set() else 0
            client = self.servers[which].client()
            try:
                self._ask(client, which)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed review
                self.failures.append(error)
            client.close()

    def _ask(self, client: http.client.HTTPSConnection, which: int) -> None:
        while not self.done.is_set():
            client.request("POST", "/validate?timeout=10s", REVIEW, {"Content-Type": "application/json"})
            response = client.getresponse()
            assert response.status == 200
            assert response.read() == b'{"uid": "6f0c", "size": 15}'
            self.answered[which] += 1
            if response.getheader("connection") == "close":
                return
            self.done.wait(self.pause)


def test_no_review_fails_while_a_replica_goes_away_under_load(start: Start) -> None:
    """Busy clients and clients with pauses, on connections that stay open: all move over without one failure."""
    leaving, staying = start(drain_delay=0.5, drain_timeout=5), start()
    gone, done = threading.Event(), threading.Event()
    loads = [Load(leaving, staying, gone, done, pause) for pause in (0, 0, 0, 0.001, 0.02, 0.15)]
    for load in loads:
        load.start()
    time.sleep(0.2)  # every client is on its connection
    leaving.tell(signal.SIGTERM)
    leaving.wait_for("unready")
    time.sleep(0.25)  # within the delay, as the endpoint is taken out at the other side
    gone.set()
    assert leaving.wait() == (0, "drained", "")
    time.sleep(0.1)
    done.set()
    for load in loads:
        load.join()
    assert [load.failures for load in loads] == [[]] * len(loads)
    assert all(min(load.answered) > 0 for load in loads)


def test_new_connections_are_taken_until_the_delay_is_over(start: Start) -> None:
    """Not ready from the signal on, but still serving whoever has not heard; then refused."""
    server = start(drain_delay=0.4)
    begun = time.monotonic()
    server.tell(signal.SIGTERM)
    server.wait_for("unready")
    assert server.ops("/readyz")[:2] == (503, b"not serving reviews\n")
    assert server.ops("/healthz")[0] == 200
    client = server.client()
    assert post(client, {"uid": "1"})[0] == 200
    client.close()
    # Reset: the kernel had taken it in the moment between the last look and the close.
    with suppress(ConnectionRefusedError, ConnectionResetError):
        while time.monotonic() < begun + DEADLINE:
            server.connect().close()
    assert 0.4 <= time.monotonic() - begun < DEADLINE
    assert server.wait() == (0, "drained", "")


def test_a_review_under_way_is_answered_and_its_connection_then_closed(start: Start) -> None:
    """It had begun before the listener closed and ends after it, with Connection: close."""
    server = start()
    slow = b'{"uid": "1", "sleep": 0.5}'
    with server.connect() as sock:
        sock.sendall(head(len(slow)) + slow)
        half = server.connect()
        half.sendall(WHOLE[:-1])
        time.sleep(0.1)  # both are being read
        server.tell(signal.SIGTERM)
        server.wait_for("unready")
        time.sleep(0.1)  # the listener is closed
        half.sendall(WHOLE[-1:])
        for said in (read_all(half), read_all(sock)):
            assert status(said) == 200
            assert b"connection: close" in said
        half.close()
    assert server.wait() == (0, "drained", "")


def test_a_connection_that_the_kernel_took_is_served_before_the_listener_closes() -> None:
    """The client was told that it is connected, so it may have sent its review already."""

    async def use(listener: Listener, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        # Blocking calls: the event loop gets no chance to accept before draining begins.
        with socket.create_connection(writer.get_extra_info("peername"), timeout=DEADLINE) as sock:
            sock.sendall(ASK)
            assert await listener.drain(1, asyncio.Event())
            return sock.recv(1000)

    said = on_a_listener(Limits(), use)
    assert status(said) == 200
    assert b"connection: close" in said


def test_idle_connections_are_closed_last_and_may_be_used_till_then(start: Start) -> None:
    """A request that was on its way into one is answered instead of lost."""
    server = start(drain_timeout=1.2)
    with server.connect() as used, server.connect() as unused:
        for sock in (used, unused):
            sock.sendall(WHOLE)
            assert read_one(sock).read() == b'{"uid": "6f0c", "size": 15}'
        server.tell(signal.SIGTERM)
        server.wait_for("unready")
        begun = time.monotonic()
        time.sleep(0.3)
        used.sendall(WHOLE)
        said = read_all(used)
        assert status(said) == 200
        assert b"connection: close" in said
        assert read_all(unused) == b""
        assert 0.5 <= time.monotonic() - begun < 1.1  # half of drain_timeout: not at once, and well before its end
    assert server.wait() == (0, "drained", "")


def test_a_review_that_takes_too_long_is_cut_and_said_so(start: Start) -> None:
    """Draining ends with its time; that not all was answered is told."""
    server = start(drain_timeout=0.3)
    slow = b'{"uid": "1", "sleep": 60}'
    with server.connect() as sock:
        sock.sendall(head(len(slow)) + slow)
        time.sleep(0.1)
        begun = time.monotonic()
        server.tell(signal.SIGTERM)
        assert read_all(sock) == b""
        assert server.wait()[:2] == (0, "cut")
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("phase", ["delay", "drain"])
def test_a_second_signal_ends_at_once(start: Start, phase: str) -> None:
    """For the developer's second Ctrl-C, in either phase, whatever is open."""
    server = start(drain_delay=60 if phase == "delay" else 0, drain_timeout=60)
    slow = b'{"uid": "1", "sleep": 60}'
    with server.connect() as sock:
        sock.sendall(head(len(slow)) + slow)
        time.sleep(0.1)
        server.tell(signal.SIGINT)
        server.wait_for("unready")
        begun = time.monotonic()
        server.tell(signal.SIGINT)
        assert server.wait()[:2] == (0, "cut")
        assert time.monotonic() - begun < 2


def test_it_can_be_stopped_while_it_waits_for_its_certificate(start: Start, tmp_path: Path) -> None:
    """Nothing has been served, so nothing needs draining."""
    server = start(tmp_path, drain_delay=60, drain_timeout=60)
    assert server.stop() == (0, "drained", "")


def test_an_address_that_is_taken_is_an_error_before_anything_is_served() -> None:
    """``bind`` raises, and takes no port that another process listens on."""
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", taken.getsockname()[1])


def test_the_ipv6_wildcard_takes_ipv4_clients_too() -> None:
    """One address for clusters of either kind, or both."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with bind("::", 0) as sock:
        sock.listen()
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, sock.getsockname()[1]), timeout=DEADLINE).close()
