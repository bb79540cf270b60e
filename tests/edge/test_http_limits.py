"""What slow, greedy and broken clients get: an end, in bounded time and memory, while everybody else is served."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.edge.conftest import Start
from tests.support.http import (
    DEADLINE,
    REVIEW,
    WHOLE,
    Served,
    context,
    head,
    opened_in_a_loop,
    post,
    read_all,
    read_one,
    send_until_answered,
    status,
)

from seconder.http.limits import MAX_BODY_BYTES, Limits

MIB = 1024 * 1024
REQUEST_SECONDS = 0.4
LIMITS = {
    "request_seconds": REQUEST_SECONDS,
    "response_seconds": 0.6,
    "handshake_seconds": 0.5,
    "closing_seconds": 0.3,
    "idle_seconds": 2,
}


@pytest.fixture(scope="module")
def server(pair_folder: Path) -> Iterator[Served]:
    """One server for all of them, which must be unharmed and silent at the end."""
    with Served(pair_folder, limits=LIMITS) as served:
        served.wait_for("ready")
        yield served
        client = served.client()
        assert post(client, {"uid": "still here"})[0] == 200
        client.close()
        assert served.stop() == (0, "drained", "")


@pytest.fixture(scope="module")
def roomy(pair_folder: Path) -> Iterator[Served]:
    """A server with the limits that it has in use, for clients that are fast and greedy."""
    with Served(pair_folder) as served:
        served.wait_for("ready")
        yield served
        assert served.stop() == (0, "drained", "")


def closed_after(sock: socket.socket, begun: float) -> tuple[float, bytes]:
    """Wait for the server to close; give the seconds since ``begun`` and what it said."""
    said = read_all(sock)
    return time.monotonic() - begun, said


def test_the_limits_in_use_are_those_that_the_api_server_needs() -> None:
    """Ten seconds for a request, more than the API server's 30 for an answer, 28 MiB of body, 1,000 connections."""
    limits = Limits()
    assert (limits.request_seconds, limits.handshake_seconds, limits.connections) == (10, 10, 1000)
    assert (limits.header_count, limits.header_bytes, limits.body_bytes) == (64, 16384, MAX_BODY_BYTES)
    assert limits.response_seconds > 30


# Slow clients


def test_a_head_that_trickles_in_is_cut_off(server: Served) -> None:
    """Slowloris: a header now and then does not keep a request alive."""
    with server.connect() as sock:
        sock.settimeout(0.05)
        begun, said = time.monotonic(), b""
        sock.sendall(b"POST /validate HTTP/1.1\r\nHost: x\r\n")
        while not said and time.monotonic() < begun + DEADLINE:
            try:
                said = sock.recv(1000)
            except TimeoutError:
                sock.sendall(b"X-A: b\r\n")
        assert REQUEST_SECONDS <= time.monotonic() - begun < 4 * REQUEST_SECONDS
        assert status(said) == 408


def test_a_body_that_trickles_in_is_cut_off(server: Served) -> None:
    """A byte now and then does not keep a request alive, and the review is not decided."""
    with server.connect() as sock:
        sock.settimeout(0.05)
        begun, said = time.monotonic(), b""
        sock.sendall(head(1000))
        while not said and time.monotonic() < begun + DEADLINE:
            try:
                said = sock.recv(1000)
            except TimeoutError:
                sock.sendall(b" ")
        assert REQUEST_SECONDS <= time.monotonic() - begun < 4 * REQUEST_SECONDS
        assert status(said) == 408


def test_a_request_that_is_left_half_sent_is_cut_off(server: Served) -> None:
    """From the first byte on there is a limit, wherever the request stops."""
    halves = [b"P", b"POST /validate HTTP/1.1\r\nHo", head(100), head(100) + b"{", head() + b"5\r\n12"]
    with ExitStack() as stack:
        socks = [stack.enter_context(server.connect()) for _ in halves]
        begun = time.monotonic()
        for sock, half in zip(socks, halves, strict=True):
            sock.sendall(half)
        for sock in socks:
            took, said = closed_after(sock, begun)
            assert REQUEST_SECONDS <= took < 4 * REQUEST_SECONDS
            assert status(said) == 408


def test_a_second_request_is_limited_like_the_first(server: Served) -> None:
    """An answered request does not change what the connection may do."""
    with server.connect() as sock:
        sock.sendall(WHOLE)
        assert read_one(sock).read() == b'{"uid": "6f0c", "size": 15}'
        begun = time.monotonic()
        sock.sendall(WHOLE[:-1])
        took, said = closed_after(sock, begun)
    assert REQUEST_SECONDS <= took < 4 * REQUEST_SECONDS
    assert status(said) == 408


def test_a_client_that_never_shakes_hands_is_cut_off(server: Served) -> None:
    """A TCP connection on which nothing, or half a hello, comes."""
    begun = time.monotonic()
    with ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE))
            for _ in range(2)
        ]
        socks[1].sendall(b"\x16\x03\x01\x02\x00\x01")
        for sock in socks:
            took, said = closed_after(sock, begun)
            assert 0.4 <= took < 1.5
            assert said == b""


def test_silent_connections_are_idle_ones_and_empty_lines_are_silence(server: Served) -> None:
    """The API server's side may connect ahead of need, so silence is no offence before the idle limit.

    A parser skips empty lines before a request, so they are not its beginning and keep nothing alive.
    """
    # The server's clock of a connection begins with its hello, so ours may not begin later.
    begun, closed = time.monotonic(), False
    with server.connect() as silent, server.connect() as empty:
        empty.settimeout(0.05)
        while not closed and time.monotonic() < begun + DEADLINE:
            try:
                closed = empty.recv(1000) == b""
            except TimeoutError:
                empty.sendall(b"\r\n")
            except (ConnectionError, ssl.SSLError):
                closed = True
        for sock in (silent, empty):
            took, said = closed_after(sock, begun)
            assert 2 <= took < 3
            assert said == b""


def test_an_answer_that_does_not_come_ends_the_connection(server: Served) -> None:
    """The client has given up long before; what it held is given back."""
    slow = b'{"uid": "1", "sleep": 5}'
    with server.connect() as sock:
        begun = time.monotonic()
        sock.sendall(head(len(slow)) + slow)
        took, said = closed_after(sock, begun)
    assert 0.6 <= took < 2
    assert said == b""


def test_a_client_that_leaves_stops_no_handler(start: Start) -> None:
    """What it has begun it ends, such as a record of what was let through; nobody is there to answer."""
    server = start()
    slow = b'{"uid": "gone", "sleep": 0.3}'
    with server.connect() as sock:
        sock.sendall(head(len(slow)) + slow)
        time.sleep(0.1)
    assert server.wait_for("slept") == "slept gone"
    assert server.stop() == (0, "drained", "")


def test_a_client_that_only_closes_its_side_gets_a_whole_answer_or_none(server: Served) -> None:
    """Without a close_notify that is no end to TLS, but a cut (RFC 8446, section 6.1)."""
    for pause in (0.0, 0.2):
        with server.connect() as sock:
            sock.sendall(WHOLE)
            time.sleep(pause)
            socket.socket.shutdown(sock, socket.SHUT_WR)  # SSLSocket's own forgets the keys
            said = read_all(sock)
            assert status(said) == 200 or (not said and not pause)


def test_a_closing_connection_does_not_linger(server: Served) -> None:
    """A client that ignores the close is gone after the time for closing."""
    with server.connect() as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert status(sock.recv(1000)) == 400
        begun = time.monotonic()
        with suppress(ConnectionError, ssl.SSLError):
            while time.monotonic() < begun + DEADLINE:
                sock.sendall(b"x" * 1000)
                time.sleep(0.01)
        assert time.monotonic() - begun < 2


# Greedy clients


def test_5000_headers_are_refused(server: Served) -> None:
    """431, whatever their size."""
    with server.connect() as sock:
        sock.sendall(head(len(REVIEW), *["a:"] * 5000) + REVIEW)
        assert status(read_all(sock)) == 431


def test_64_headers_are_taken_and_65_refused(server: Served) -> None:
    """The limit itself is allowed."""
    with server.connect() as sock:
        sock.sendall(head(len(REVIEW), *[f"X-{n}: y" for n in range(61)]) + REVIEW)
        assert read_one(sock).status == 200
    with server.connect() as sock:
        sock.sendall(head(len(REVIEW), *[f"X-{n}: y" for n in range(62)]) + REVIEW)
        assert status(read_all(sock)) == 431


def test_16_kib_of_headers_are_taken_and_more_refused(server: Served) -> None:
    """In one header or several, the sum counts; a large body in the same piece does not."""
    body = b'{"uid": "1"}' + b" " * 30000
    with server.connect() as sock:
        sock.sendall(head(len(body), "X: " + "y" * 16000) + body)
        assert read_one(sock).status == 200
    for large in (["X: " + "y" * 16400], [f"X-{n}: " + "y" * 4100 for n in range(4)]):
        with server.connect() as sock:
            sock.sendall(head(len(REVIEW), *large) + REVIEW)
            assert status(read_all(sock)) == 431


def test_a_header_of_20_mb_is_refused_early_and_not_kept(roomy: Served) -> None:
    """431 long before the end, without the memory."""
    before = roomy.peak()
    with roomy.connect() as sock:
        sock.sendall(b"POST /validate HTTP/1.1\r\nX: ")
        sent, answer = send_until_answered(sock, b"y" * 16384, 20 * MIB)
    assert status(answer) in (431, 0)  # 0: the close overtook the answer, the client being busy sending
    assert sent < 10 * MIB
    assert roomy.peak() - before < 8 * MIB


def test_a_long_target_is_refused(server: Served) -> None:
    """414; what the API server asks for is 20 characters."""
    with server.connect() as sock:
        sock.sendall(head(len(REVIEW), target="/validate?timeout=10s&x=" + "y" * 2000) + REVIEW)
        assert read_one(sock).status == 200
    with server.connect() as sock:
        sock.sendall(head(len(REVIEW), target="/validate?" + "y" * 2050) + REVIEW)
        assert status(read_all(sock)) == 414


def test_a_body_of_28_mib_is_taken(roomy: Served) -> None:
    """With and without a length, to the last byte."""
    body = REVIEW + b" " * (MAX_BODY_BYTES - len(REVIEW))
    with roomy.connect() as sock:
        sock.sendall(head(len(body)) + body)
        assert read_one(sock).read() == b'{"uid": "6f0c", "size": 29360128}'
        sock.sendall(head() + b"1c00000\r\n" + body + b"\r\n0\r\n\r\n")
        assert read_one(sock).read() == b'{"uid": "6f0c", "size": 29360128}'


def test_a_body_that_announces_more_is_refused_before_it_is_sent(server: Served) -> None:
    """413 on the head alone."""
    for size in (MAX_BODY_BYTES + 1, 100 * MIB, 2**62):
        with server.connect() as sock:
            sock.sendall(head(size))
            assert status(read_all(sock)) == 413


def test_a_body_of_100_mb_is_refused_early_and_not_kept(roomy: Served) -> None:
    """Announced or not: 413, and the peak of memory shows no more than a few bodies."""
    before = roomy.peak()
    for opening, piece in ((head(100 * MIB), b" " * 65536), (head(), b"10000\r\n" + b" " * 65536 + b"\r\n")):
        with roomy.connect() as sock:
            sock.sendall(opening)
            sent, answer = send_until_answered(sock, piece, 100 * MIB)
        assert status(answer) in (413, 0)
        assert sent < 60 * MIB
    assert roomy.peak() - before < 96 * MIB


@pytest.mark.parametrize(
    "piece", [b"1;" + b"x" * 8000 + b"\r\nx\r\n", b"0\r\nX: " + b"y" * 65536, b"0\r\n" + b"X:\r\n" * 8000]
)
def test_chunk_extensions_and_trailers_are_no_way_round(roomy: Served, piece: bytes) -> None:
    """They are not body, but they are bytes that somebody has to take."""
    before = roomy.peak()
    opening, tail = (piece[:3], piece[3:]) if piece.startswith(b"0") else (b"", piece)
    with roomy.connect() as sock:
        sock.sendall(head() + opening)
        sent, answer = send_until_answered(sock, tail, 100 * MIB)
    assert status(answer) in (413, 431, 0)
    assert sent < 60 * MIB
    assert roomy.peak() - before < 24 * MIB


def test_many_large_bodies_at_once_do_not_add_up_and_small_ones_pass(start: Start) -> None:
    """Beyond what all may hold together the API server is told to come again; an ordinary review never is."""
    server = start(limits={"large_bodies": 16 * MIB})
    part = b" " * (6 * MIB)
    with ExitStack() as stack:
        before = server.peak()
        socks = [stack.enter_context(server.connect()) for _ in range(12)]
        answers = []
        for sock in socks:
            try:
                sock.sendall(head(7 * MIB) + part)
            except (ConnectionError, ssl.SSLError):
                answers.append(0)
        client = server.client()
        assert post(client, {"uid": "1"})[0] == 200
        client.close()
        for sock in socks:
            sock.settimeout(0.2)
            try:
                answers.append(status(sock.recv(1000)))
            except TimeoutError:
                answers.append(-1)
            except (ConnectionError, ssl.SSLError):
                answers.append(0)
        assert answers.count(-1) == 2  # 16 MiB hold two of 6
        assert answers.count(503) > 0
        assert server.peak() - before < 40 * MIB
    # What they held is given back.
    body = REVIEW + b" " * (6 * MIB)
    with server.connect() as sock:
        for _ in range(4):
            sock.sendall(head(len(body)) + body)
            assert read_one(sock).read().startswith(b'{"uid"')


def test_many_unfinished_bodies_do_not_add_up_and_the_oldest_make_room(start: Start) -> None:
    """Each of them ordinary in size: who leaves them unfinished gives way to who does not."""
    server = start(limits={"small_bodies": 2 * MIB})
    part = b" " * 60_000
    before = server.peak()

    def leave_unfinished(count: int) -> list[ssl.SSLSocket]:
        socks = [stack.enter_context(server.connect()) for _ in range(count)]
        for sock in socks:
            sock.sendall(head(len(part) + 1) + part)
        for _ in range(10):  # by then all of it has come in, too
            client = server.client()
            assert post(client, {"uid": "1", "pad": "x" * 50_000})[0] == 200
            client.close()
        return socks

    with ExitStack() as stack:
        oldest, newest = leave_unfinished(180), leave_unfinished(20)
        answers = []
        for sock in oldest + newest:
            said = b""
            with suppress(ConnectionError, ssl.SSLError):
                sock.sendall(b" ")
                said = sock.recv(1000)
            answers.append(status(said))
        assert answers[:180].count(500) < 20  # the others got 503, if they still looked
        assert answers[180:] == [500] * 20  # they are there as a whole, and no JSON
        assert server.peak() - before < 24 * MIB


def test_answers_that_nobody_takes_do_not_add_up(start: Start) -> None:
    """A client that only asks, and large answers at that, is ended; memory does not follow what it asked for."""
    server = start(limits={"closing_seconds": 0.3})
    order = b'{"uid": "1", "more": 30000}'
    before = server.peak()
    with ExitStack() as stack:
        for _ in range(5):
            sock = stack.enter_context(server.connect())
            begun = time.monotonic()
            with suppress(OSError):
                while time.monotonic() < begun + DEADLINE:
                    sock.sendall(head(len(order)) + order)
            assert time.monotonic() < begun + DEADLINE
        client = server.client()
        assert post(client, {"uid": "1"})[0] == 200
        client.close()
        assert server.peak() - before < 10 * MIB


def _elsewhere(server: Served, source: str) -> socket.socket:
    """Give a plain connection from another address."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE, source_address=(source, 0))


@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.1"])
@pytest.mark.parametrize("shakes", [False, True], ids=["silent", "idle"])
def test_whoever_has_most_connections_pays_for_one_too_many(start: Start, source: str, *, shakes: bool) -> None:
    """Everybody else is let in and stays, and so does who has sent a whole request, from the same address too."""
    server = start(limits={"connections": 10})
    kept = server.client()
    assert post(kept, {"uid": "1"})[0] == 200
    with ExitStack() as stack:
        held: list[socket.socket] = []
        for turn in range(40):
            sock: socket.socket = stack.enter_context(_elsewhere(server, source))
            with suppress(OSError):
                sock = stack.enter_context(context().wrap_socket(sock)) if shakes else sock
            held.append(sock)
            if turn >= 10:
                client = server.client()
                assert post(client, {"uid": "2"})[0] == 200
                client.close()
        assert post(kept, {"uid": "3"})[0] == 200
        assert read_all(held[0]) == b"", "the oldest had to go"
        kept.close()
    assert server.stop() == (0, "drained", "")


def test_whoever_opens_connections_in_a_loop_keeps_no_review_out(start: Start) -> None:
    """From the address that reviews come from, as behind an address translation, and from another."""
    server = start(limits={"connections": 50})
    for source in ("127.0.0.2", "127.0.0.1"):
        with opened_in_a_loop(server.port, source):
            for _ in range(10):
                client = server.client()
                assert post(client, {"uid": "1"})[0] == 200
                client.close()
    assert server.stop() == (0, "drained", "")


def test_a_silent_connection_is_ended_as_an_unfinished_handshake_is(start: Start) -> None:
    """Before its first byte too."""
    server = start(limits={"handshake_seconds": 1})
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as sock:
        assert read_all(sock) == b""


def test_a_process_without_file_descriptors_serves_on_and_recovers(start: Start) -> None:
    """Open connections are answered meanwhile, without the loop spinning, and new ones once there is room again."""
    server = start(files=40)
    server.wait_for_ops()
    client = server.client()
    assert post(client, {"uid": "1"})[0] == 200
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE))
        spent = post(client, {}, "/spent")[1]
        begun = time.monotonic()
        while time.monotonic() < begun + 0.5:
            assert post(client, {"uid": "2"})[0] == 200
            time.sleep(0.05)
        assert post(client, {}, "/spent")[1] - spent < 0.25
    with server.connect() as sock:
        sock.sendall(WHOLE)
        assert read_one(sock).status == 200
    client.close()
    assert server.stop() == (0, "drained", "")


def test_connections_that_end_give_their_place_back(start: Start) -> None:
    """However they end, any number of them can come one after the other."""
    server = start(limits={"connections": 5})
    for turn in range(30):
        with server.connect() as sock:
            if turn % 3:
                sock.sendall(WHOLE if turn % 2 else b"nonsense\r\n\r\n")
                assert read_one(sock).status == (200 if turn % 2 else 400)
        time.sleep(0.005)  # the server hears of the close
    assert server.stop() == (0, "drained", "")


def test_handshakes_that_fail_give_their_place_back(start: Start) -> None:
    """Whether the client hangs up, resets or speaks something else."""
    server = start(limits={"connections": 5})
    for end in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as sock:
                sock.sendall(end)
                if end.startswith(b"GET"):
                    read_all(sock)
    client = server.client()
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            assert post(client, {"uid": "1"})[0] == 200
            break
        except OSError:
            client.close()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    client.close()
    assert server.stop() == (0, "drained", "")


# Broken clients


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"BREW /validate HTTP/1.1\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        head() + b"zz\r\n",
        b"CONNECT localhost:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST http:// HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_request_gets_400_and_a_close(server: Served, request_bytes: bytes) -> None:
    """The framing in doubt, nothing after it is believed."""
    with server.connect() as sock:
        sock.sendall(request_bytes)
        assert status(read_all(sock)) == 400


def test_another_content_type_method_or_path_is_refused_and_the_connection_stays(server: Served) -> None:
    """415, 405 with Allow, 404: each an answer of its own, one after the other on one connection."""
    with server.connect() as sock:
        sock.sendall(WHOLE.replace(b"application/json", b"application/yaml"))
        answer = read_one(sock)
        assert answer.status == 415
        answer.read()
        sock.sendall(b"GET /validate HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_one(sock)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        answer.read()
        sock.sendall(WHOLE.replace(b"/validate", b"/mutateit"))
        answer = read_one(sock)
        assert answer.status == 404
        answer.read()
        sock.sendall(WHOLE.replace(b"/validate", b"/validate?timeout=10s"))
        assert read_one(sock).status == 200


def test_a_refused_method_with_a_body_leaves_the_next_request_readable(server: Served) -> None:
    """The body of a request that was answered unread is dropped, and bounded like any other."""
    with server.connect() as sock:
        sock.sendall(WHOLE.replace(b"application/json", b"application/yaml").replace(b"15", b"300000") + b" " * 299985)
        answer = read_one(sock)
        assert answer.status == 415
        answer.read()
        sock.sendall(WHOLE)
        assert read_one(sock).status == 200


def test_the_body_of_an_answered_request_may_not_trickle_either(server: Served) -> None:
    """An early answer does not lift the limit."""
    with server.connect() as sock:
        begun = time.monotonic()
        sock.sendall(head(1000).replace(b"application/json", b"application/yaml"))
        took, said = closed_after(sock, begun)
    assert status(said) == 415
    assert REQUEST_SECONDS <= took < 4 * REQUEST_SECONDS


def test_pipelining_is_not_served(server: Served) -> None:
    """The first request is answered and the connection ends: nobody makes the server keep a queue."""
    with server.connect() as sock:
        sock.sendall(WHOLE * 3)
        said = read_all(sock)
    assert said.count(b"HTTP/1.1 ") == 1
    assert status(said) == 200
    assert b"connection: close" in said


def test_an_upgrade_is_not_served(server: Served) -> None:
    """The request is answered as the plain one that it also is, and the connection ends."""
    with server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        said = read_all(sock)
    assert status(said) == 404
    assert b"connection: close" in said


def test_a_client_that_asks_to_close_is_closed_on(server: Served) -> None:
    """HTTP/1.0 and Connection: close."""
    for ask in (WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"), WHOLE.replace(b"Host:", b"Connection: close\r\nHost:")):
        with server.connect() as sock:
            sock.sendall(ask)
            said = read_all(sock)
        assert status(said) == 200
        assert b"connection: close" in said


def test_an_expectation_is_met_before_the_body_is_sent(server: Served) -> None:
    """100 Continue, on which clients with large bodies wait."""
    with server.connect() as sock:
        sock.sendall(head(len(REVIEW), "Expect: 100-continue"))
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(REVIEW)
        assert read_one(sock).status == 200


def test_an_answer_leaves_in_one_piece_and_at_once(server: Served) -> None:
    """Head and body in one TLS record: in two segments they cost 40 ms a call where TCP waits to fill one."""
    with server.connect() as sock:
        took = []
        for _ in range(20):
            begun = time.monotonic()
            sock.sendall(WHOLE)
            said = sock.recv(65536)
            took.append(time.monotonic() - begun)
            assert said.endswith(b'{"uid": "6f0c", "size": 15}')
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert sorted(took)[10] < 0.02


def test_the_server_does_not_say_what_it_is_made_of(server: Served) -> None:
    """A date, a type and a length."""
    client = server.client()
    client.request("POST", "/validate", REVIEW, {"Content-Type": "application/json"})
    response = client.getresponse()
    assert {name.lower() for name in response.headers} == {"date", "content-type", "content-length"}
    client.close()


def test_reviews_go_on_while_clients_misbehave(server: Served) -> None:
    """Silent, half-sent and refused connections do not slow a review noticeably."""
    with ExitStack() as stack:
        for half in (b"", b"P", head(100), head(10**9), b"\r\n") * 5:
            stack.enter_context(server.connect()).sendall(half)
        client = server.client()
        slowest = 0.0
        for _ in range(50):
            begun = time.monotonic()
            assert post(client, {"uid": "1"})[0] == 200
            slowest = max(slowest, time.monotonic() - begun)
        client.close()
    assert slowest < 0.3
