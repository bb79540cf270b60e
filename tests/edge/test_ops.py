"""The port for probes and Prometheus."""

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.edge.conftest import Start
from tests.support.http import DEADLINE, Pair, Served, head, opened_in_a_loop, post, read_all, status

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(pair_folder: Path) -> Iterator[Served]:
    """One server, whose metrics take a while to render."""
    with Served(pair_folder, scrape_seconds=0.3) as served:
        served.wait_for("ready")
        yield served


def test_probes_tell_alive_from_ready(start: Start, tmp_path: Path, pair: Pair) -> None:
    """/healthz is 200 from the start; /readyz is 503 with the reasons until nothing is missing."""
    server = start(tmp_path)
    assert server.ops("/healthz")[:2] == (200, b"ok")
    assert server.ops("/readyz")[:2] == (503, b"not serving reviews\n")
    pair.write(tmp_path)
    server.tell(signal.SIGHUP)
    server.wait_for("ready")
    assert server.ops("/readyz")[:2] == (200, b"ok")


def test_metrics_come_in_the_format_that_prometheus_asks_for(server: Served) -> None:
    """The text format unless OpenMetrics is asked for."""
    status, text, headers = server.ops("/metrics")
    assert (status, headers.get_content_type()) == (200, "text/plain")
    assert b"tests_total 1.0" in text
    _, text, headers = server.ops("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers.get_content_type() == "application/openmetrics-text"
    assert text.endswith(b"# EOF\n")


def test_rendering_metrics_holds_up_no_review(server: Served) -> None:
    """Reviews and probes are answered while a scrape takes its time."""
    client = server.client()
    with ThreadPoolExecutor() as pool:
        scrape = pool.submit(server.ops, "/metrics")
        slowest = 0.0
        for _ in range(20):
            begun = time.monotonic()
            assert post(client, {"uid": "1"})[0] == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert server.ops("/healthz")[0] == 200
        assert not scrape.done()
        assert scrape.result()[0] == 200
    client.close()
    assert slowest < 0.2


def test_they_are_only_read(server: Served) -> None:
    """What is sent changes nothing, and is not taken."""
    with plain(server) as sock:
        sock.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).endswith(b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\n")
    with plain(server) as sock:
        sock.sendall(b"POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert status(read_all(sock)) == 405


def test_a_request_that_takes_its_time_is_given_up(server: Served) -> None:
    """Else each would keep a connection for as long as it likes."""
    with plain(server) as sock:
        sock.settimeout(30)
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        assert status(read_all(sock)) == 408


def test_nothing_else_is_served(server: Served) -> None:
    """No API description, no documentation pages, no reviews."""
    assert {server.ops(path)[0] for path in ("/", "/docs", "/redoc", "/openapi.json", "/validate", "/metrics/")} == {
        404
    }


# What it bounds, and how it fares when reviews do not


def plain(server: Served) -> socket.socket:
    """Give a raw connection to the ops port."""
    return socket.create_connection(("127.0.0.1", server.ops_port), timeout=DEADLINE)


def test_whoever_opens_many_connections_keeps_no_probe_out_and_takes_no_room_from_reviews(start: Start) -> None:
    """Silent and half-sent ones: the oldest is ended for a new one, so that few are open and the newest is served."""
    server = start(ops_connections=8, files=60)
    with ExitStack() as stack:
        socks = []
        for turn in range(100):
            sock = stack.enter_context(plain(server))
            with suppress(ConnectionError):
                sock.sendall((b"", b"G", b"GET /metrics HTTP/1.1\r\nHo")[turn % 3])
            socks.append(sock)
        for _ in range(10):
            assert server.ops("/healthz")[:2] == (200, b"ok")
        client = server.client()
        assert post(client, {"uid": "1"})[0] == 200
        client.close()
        assert read_all(socks[0]) == b""
    assert server.stop() == (0, "drained", "")


@pytest.mark.parametrize(
    ("source", "says"),
    [("127.0.0.1", b""), ("127.0.0.2", b""), ("127.0.0.2", b"G")],
    ids=["silent-and-from-the-same-address", "silent", "half"],
)
def test_whoever_opens_connections_in_a_loop_keeps_no_probe_out(start: Start, source: str, says: bytes) -> None:
    """From the kubelet's address too, as behind an address translation, where what it has sent tells it apart."""
    server = start()
    with opened_in_a_loop(server.ops_port, source, says):
        for path in ("/healthz", "/readyz") * 5:
            assert server.ops(path)[:2] == (200, b"ok")
    assert server.stop() == (0, "drained", "")


def test_a_large_head_is_refused_early(server: Served) -> None:
    """Long before its end, and without a line in the log for each."""
    for opening in (b"GET /metrics HTTP/1.1\r\nX: ", b"GET /"):
        with plain(server) as sock:
            sock.sendall(opening)
            sent, said = 0, b""
            with suppress(ConnectionError):
                while sent < 20 * MIB:
                    sock.sendall(b"y" * 16384)
                    sent += 16384
            said = read_all(sock)
        assert status(said) in (414, 431, 0)  # 0: the close overtook the answer, the client being busy sending
        assert sent < 10 * MIB


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="no-chunk"),
        pytest.param(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 40_000, id="endless"),
    ],
)
def test_bytes_that_are_no_http_leave_no_trace(start: Start, sent: bytes) -> None:
    """Whoever reaches the port would else push decisions out of the log."""
    server = start()
    for _ in range(20):
        with plain(server) as sock, suppress(ConnectionError):
            sock.sendall(sent)
            read_all(sock)
    assert server.stop() == (0, "drained", "")
    assert not server.logged


def test_a_body_is_not_kept(server: Served) -> None:
    """Nobody reads one here."""
    before = server.peak()
    with plain(server) as sock:
        sock.sendall(head(40 * MIB).replace(b"POST /validate", b"GET /healthz"))
        with suppress(ConnectionError):
            for _ in range(40):
                sock.sendall(b" " * MIB)
    assert server.ops("/healthz")[0] == 200
    assert server.peak() - before < 8 * MIB


def test_a_loop_that_is_busy_is_alive_and_one_that_stands_is_not_ready_then_not_alive(start: Start) -> None:
    """A probe never waits for reviews: the kubelet must not end a process because it is in use."""
    server = start(stuck_seconds=0.8)
    client = server.client()
    with ThreadPoolExecutor() as pool:
        held = pool.submit(post, client, {"uid": "1", "hold": 3})
        time.sleep(0.1)
        assert [server.ops(path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
        time.sleep(0.9)
        assert server.ops("/healthz")[0] == 200
        assert server.ops("/readyz")[:2] == (503, b"the event loop has not turned for 0.8 s\n")
        time.sleep(0.9)
        assert server.ops("/healthz")[:2] == (503, b"the event loop has not turned for 1.6 s\n")
        assert held.result()[0] == 200
    client.close()
    time.sleep(0.6)  # it beats twice a second
    assert [server.ops(path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
