"""What a connection makes of the bytes that come in, however they are cut, and of handlers that fail or take time."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.http import head, status

from seconder.http import head as head_module
from seconder.http import reply
from seconder.http.body_memory import BodyMemory
from seconder.http.handler import BadReview, Handler, Page
from seconder.http.limits import FRAMING_BYTES, MAX_BODY_BYTES, Limits
from seconder.http.protocol import ReviewProtocol, Shared

LIMITS = Limits(body_bytes=256 * 1024, small_bodies=256 * 1024, large_bodies=512 * 1024)
CHUNKED = head() + b"5\r\nabcde\r\n1;x=y\r\nf\r\n0\r\nX: y\r\n\r\n"
PLAIN = head(6) + b"abcdef"
EXPECTANT = head(6, "Expect: 100-continue") + b"abcdef"
BARE = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
"""A head without its end, and without a body's length."""


class Wire(asyncio.Transport):
    """Keeps what is written. Tells of its end as event loops do, in a turn of its own, once the test asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False
        self.aborted = False
        self.certificate: dict[str, str] | None = None
        self.too_late: list[bytes] = []

    def write(self, data: Any) -> None:
        """See ``asyncio.Transport``; the protocol promises to write to no closed one."""
        (self.too_late if self.closed else self.pieces).append(data)

    @property
    def said(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)

    def is_closing(self) -> bool:
        """See ``asyncio.Transport``."""
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See ``asyncio.Transport``."""
        return self.certificate if name == "peercert" else default

    def close(self) -> None:
        """See ``asyncio.Transport``."""
        self.closed = True

    def abort(self) -> None:
        """See ``asyncio.Transport``."""
        self.closed = self.aborted = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See ``asyncio.Transport``."""


class Connection:
    """One connection to handlers that do what the body says; make it where an event loop runs."""

    def __init__(self, limits: Limits = LIMITS, shared: Shared | None = None) -> None:
        self.bodies: list[bytes] = []
        self.reported: list[Exception] = []
        self.finished = 0
        self.shared = shared or Shared(
            {"/validate": self.review, "/validate/audit": lambda _: b'{"audit": 1}', "/late": self.late},
            self.reported.append,
            limits,
            pages={"/page": self.page, "/page/late": self.late_page},
        )
        self.wire = Wire()
        self.protocol = ReviewProtocol(self.shared)
        self.shared.open.add(self.protocol)
        self.protocol.connection_made(self.wire)

    def review(self, body: bytes) -> bytes:
        """Answer at once."""
        self.bodies.append(body)
        if body == b"no uid":
            raise BadReview("the review has no uid")
        if body == b"crash":
            raise RuntimeError("the password is hunter2")
        return b'{"answer": 1}'

    async def late(self, body: bytes) -> bytes:
        """Answer after some turns of the event loop."""
        self.bodies.append(body)
        if body == b"forever":
            await asyncio.Event().wait()
        for _ in range(5):
            await asyncio.sleep(0)
        self.finished += 1
        if body == b"no uid":
            raise BadReview("the review has no uid")
        if body == b"crash":
            raise RuntimeError("the password is hunter2")
        return b'{"late": 1}'

    def page(self, accept: bytes) -> Page:
        """Say what the client accepts."""
        if accept == b"crash":
            raise RuntimeError("the password is hunter2")
        return Page(b"for " + accept, b"text/plain", HTTPStatus.SERVICE_UNAVAILABLE)

    async def late_page(self, accept: bytes) -> Page:
        """Say the same after a while."""
        await asyncio.sleep(0)
        return self.page(accept)

    def feed(self, *pieces: bytes) -> bytes:
        """Let bytes come in, one piece a turn of the event loop; give all that was said so far."""
        for piece in pieces:
            for start in range(0, len(piece), 65536):
                self.receive(piece[start : start + 65536])
                self.shared.answer_whole()
        assert self.wire.too_late == []
        return self.wire.said

    def receive(self, piece: bytes) -> None:
        """Let one piece come in, in a turn of the event loop that goes on."""
        self.protocol.get_buffer(-1)[: len(piece)] = piece
        self.protocol.buffer_updated(len(piece))

    async def settle(self) -> bytes:
        """Let handlers finish; give all that was said so far."""
        for _ in range(20):
            await asyncio.sleep(0)
        assert self.wire.too_late == []
        return self.wire.said

    def lose(self) -> None:
        """Let the client go away."""
        self.wire.closed = True
        self.protocol.connection_lost(None)


def on_a_loop(use: Callable[[], Any]) -> Any:
    """Run ``use``, or await what it gives, where an event loop runs."""

    async def run() -> Any:
        made = use()
        return await made if isinstance(made, Awaitable) else made

    return asyncio.run(run())


def ask(*pieces: bytes, limits: Limits = LIMITS) -> Connection:
    """Let these pieces come in on a connection of their own."""

    async def run() -> Connection:
        connection = Connection(limits)
        connection.feed(*pieces)
        await connection.settle()
        return connection

    return asyncio.run(run())


def statuses(said: bytes) -> list[int]:
    """Give the status code of each answer."""
    return [int(answer[:3]) for answer in said.split(b"HTTP/1.1 ")[1:]]


# Routing


def test_a_review_is_answered_with_the_handlers_bytes_and_their_length() -> None:
    """200, a date, JSON and its length, in this order and nothing else."""
    said = ask(PLAIN).wire.said
    lines = said.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert lines[1].startswith(b"date: ")
    assert lines[1].endswith(b" GMT")
    assert lines[2:] == [b"content-type: application/json", b"content-length: 13", b"", b'{"answer": 1}']


@pytest.mark.parametrize("target", ["/validate?timeout=10s", "http://x/validate?timeout=10s", "/validate?"])
def test_the_query_string_is_ignored(target: str) -> None:
    """The API server appends its timeout to the URL, and a client may send a whole one."""
    assert status(ask(head(6, target=target) + b"abcdef").wire.said) == 200


def test_each_path_has_its_own_handler() -> None:
    """Reviews for policies in audit mode come in on a path of their own."""
    assert ask(head(2, target="/validate/audit") + b"{}").wire.said.endswith(b'{"audit": 1}')


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/validate/",
        "/validate/x",
        "/Validate",
        "//validate",
        "/validatex",
        "/valid%61te",
        "/validate#x",
        "/x/../validate",
        "*",
    ],
)
def test_only_exact_paths_are_served(path: str) -> None:
    """404 for anything else, no handler is asked, and the connection stays."""
    connection = ask(head(6, target=path) + b"abcdef", PLAIN)
    assert statuses(connection.wire.said) == [404, 200]
    assert connection.bodies == [b"abcdef"]


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH"])
def test_other_methods_are_told_that_only_post_is_served(method: bytes) -> None:
    """405 with Allow, without a body for HEAD, and the connection stays."""
    connection = ask(PLAIN.replace(b"POST", method), PLAIN)
    first, second = connection.wire.said.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"405 Method Not Allowed\r\n")
    assert b"\r\nallow: POST\r\n" in first
    assert first.endswith(b"\r\n\r\n") == (method == b"HEAD")
    assert second.startswith(b"200 ")
    assert connection.bodies == [b"abcdef"]


PATHS_OF_PAGES = ("/page", "/page/late")


def to_read(path: str, method: str = "GET", *fields: str) -> bytes:
    """Ask for a page."""
    lines = "".join(f"{field}\r\n" for field in ("Host: x", *fields))
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


@pytest.mark.parametrize("path", PATHS_OF_PAGES)
def test_a_page_is_read_with_its_status_and_type_as_often_as_one_likes(path: str) -> None:
    """The reader is told what the client accepts each time, also where heads are alike but for that."""
    for accept in ("text/plain", "text/html"):
        answer = f"content-type: text/plain\r\ncontent-length: {4 + len(accept)}\r\n\r\nfor {accept}".encode()

        async def twice(accept: str = accept) -> bytes:
            connection = Connection()
            connection.feed(to_read(path, "GET", "accept: x/y"))
            await connection.settle()
            for _ in range(2):
                connection.feed(to_read(path, "GET", f"Accept: {accept}"))
                await connection.settle()
            return connection.wire.said

        said = on_a_loop(twice)
        assert statuses(said) == [503, 503, 503]
        assert said.count(answer) == 2


@pytest.mark.parametrize("path", PATHS_OF_PAGES)
def test_whoever_asks_for_a_head_gets_the_head_of_the_page(path: str) -> None:
    """With the length that the page has (RFC 9110, section 9.3.2)."""
    said = ask(to_read(path, "HEAD")).wire.said
    assert b"\r\ncontent-length: 4\r\n" in said
    assert said.endswith(b"\r\n\r\n")


def test_a_page_is_only_read_and_a_review_only_sent() -> None:
    """Whatever was asked before on the connection."""
    page, review = to_read("/page"), to_read("/validate")
    posted = PLAIN.replace(b"/validate", b"/page")
    assert statuses(ask(page, PLAIN, page, PLAIN, page).wire.said) == [503, 200, 503, 200, 503]
    said = ask(page, posted, page, review, PLAIN, review).wire.said
    assert statuses(said) == [503, 405, 503, 405, 200, 405]
    assert said.count(b"\r\nallow: GET, HEAD\r\n") == 1
    assert statuses(ask(to_read("/page", "DELETE")).wire.said) == [405]


@pytest.mark.parametrize("path", PATHS_OF_PAGES)
def test_a_page_that_fails_is_reported_and_not_shown(path: str) -> None:
    """And the connection goes on."""
    connection = ask(to_read(path, "GET", "Accept: crash"), to_read("/page"))
    assert statuses(connection.wire.said)[0] == 500
    assert [str(error) for error in connection.reported] == ["the password is hunter2"]
    assert b"hunter2" not in connection.wire.said


def test_no_body_comes_along_where_none_is_wanted() -> None:
    """Announced or in chunks; none and an empty one are the same."""
    none = Limits(body_bytes=0)
    for fields in (("Content-Length: 1",), ("Transfer-Encoding: chunked",)):
        connection = ask(to_read("/page", "GET", *fields) + b"1\r\nx\r\n0\r\n\r\n", limits=none)
        assert statuses(connection.wire.said) == [413]
        assert connection.wire.closed
    assert statuses(ask(to_read("/page", "GET", "Content-Length: 0"), to_read("/page"), limits=none).wire.said) == [
        503,
        503,
    ]


@pytest.mark.parametrize("value", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"])
def test_parameters_and_case_of_the_content_type_do_not_matter(value: str) -> None:
    """RFC 9110, section 8.3.1: type and subtype are case-insensitive, parameters may follow."""
    assert status(ask(PLAIN.replace(b"application/json", value.encode())).wire.said) == 200


@pytest.mark.parametrize(
    "line",
    [
        "X: y",
        "Content-Type:",
        "Content-Type: text/json",
        "Content-Type: application/jsonx",
        "Content-Type: text/plain; application/json",
        "Accept: application/json",
    ],
)
def test_another_content_type_is_refused_unread(line: str) -> None:
    """415 for what does not say that it is JSON."""
    connection = ask(PLAIN.replace(b"Content-Type: application/json", line.encode()))
    assert (status(connection.wire.said), connection.bodies) == (415, [])


def test_names_of_headers_are_read_in_any_case() -> None:
    """RFC 9110, section 5.1."""
    assert status(ask(PLAIN.replace(b"Content-Type", b"cONTENT-tYPE").replace(b"Host", b"HOST")).wire.said) == 200


# Pieces


@pytest.mark.parametrize("request_bytes", [PLAIN, CHUNKED, EXPECTANT], ids=["plain", "chunked", "expectant"])
def test_wherever_a_request_is_cut_in_two_the_answer_is_the_same(request_bytes: bytes) -> None:
    """At each byte, and the next request on the connection is read from its beginning."""

    def run() -> None:
        for cut in range(1, len(request_bytes)):
            connection = Connection()
            said = connection.feed(request_bytes[:cut], request_bytes[cut:], PLAIN)
            assert statuses(said.replace(reply.CONTINUE, b"")) == [200, 200], cut
            assert connection.bodies == [b"abcdef", b"abcdef"], cut

    on_a_loop(run)


@pytest.mark.parametrize("request_bytes", [PLAIN, CHUNKED], ids=["plain", "chunked"])
def test_a_request_may_come_byte_by_byte(request_bytes: bytes) -> None:
    """As long as it is in time."""
    connection = ask(*(request_bytes[at : at + 1] for at in range(len(request_bytes))))
    assert (status(connection.wire.said), connection.bodies) == (200, [b"abcdef"])


def test_bodies_of_requests_one_after_the_other_do_not_mix() -> None:
    """Large, small, none, refused, small again."""
    large = b"x" * 200_000
    connection = ask(head(len(large)) + large, PLAIN, head(0), PLAIN.replace(b"json", b"yaml"), PLAIN)
    assert statuses(connection.wire.said) == [200, 200, 200, 415, 200]
    assert connection.bodies == [large, b"abcdef", b"", b"abcdef"]
    assert all(type(body) is bytes for body in connection.bodies)


def test_many_tiny_chunks_are_one_body() -> None:
    """And are kept as such: a list of them would take fifty times the memory."""
    connection = ask(head() + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
    assert connection.bodies == [b"x" * 10_000]


# Sizes


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    """The limit itself is allowed, announced or not."""
    body = b"x" * LIMITS.body_bytes
    connection = ask(head(len(body)) + body, head() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert connection.bodies == [body, body]


def test_a_larger_body_is_refused_and_the_connection_ends() -> None:
    """413 as soon as that is known, and no handler sees it."""
    size = LIMITS.body_bytes + 1
    for opening in (head(size), head() + b"%x\r\n%b" % (size, b"x" * size), head() + b"1\r\nx\r\n" * size):
        connection = ask(opening)
        assert (statuses(connection.wire.said), connection.bodies) == ([413], [])
        assert connection.wire.closed
        assert connection.shared.large_bodies.left == LIMITS.large_bodies


def test_the_default_limit_is_twenty_eight_mebibytes() -> None:
    """The API server's largest request and the largest stored object, six bytes a character, and room for the rest."""
    assert MAX_BODY_BYTES == Limits().body_bytes == 28 * 1024 * 1024


@pytest.mark.parametrize("digits", [b"9" * 19, b"0" * 5000 + b"6", b"262145"])
def test_lengths_that_are_no_lengths_are_refused_without_harm(digits: bytes) -> None:
    """However many digits they have: Python makes no number of very many."""
    connection = ask(BARE + b"Content-Length: " + digits + b"\r\n\r\n")
    assert (statuses(connection.wire.said), connection.reported) == ([413], [])


def test_the_parts_of_a_head_are_bounded_on_the_way() -> None:
    """Not only at its end, which need not come: 65 headers, 16 KiB in one, 16 KiB of target."""
    for unfinished in (b"a:\r\n" * 65, b"X: " + b"y" * 16384):
        connection = ask(BARE + unfinished)
        assert (statuses(connection.wire.said), connection.wire.closed) == ([431], True)
    assert statuses(ask(b"POST /" + b"x" * 16384).wire.said) == [431]


def test_trailers_and_chunk_extensions_are_bounded() -> None:
    """They are not body, but they are bytes that somebody has to take."""
    for endless, expected in ((b"0\r\n" + b"a:\r\n" * 65, 431), (b"1;" + b"x" * 1000 + b"\r\nx\r\n", 413)):
        connection = ask(head() + endless, *[endless] * ((LIMITS.body_bytes + 2 * FRAMING_BYTES) // len(endless)))
        assert statuses(connection.wire.said) == [expected]
        assert connection.bodies == []


def test_a_dropped_body_is_bounded_like_any_other() -> None:
    """A request that was refused by its head may not go on for ever; the answer was given already."""
    connection = ask(head(target="/other"), b"1\r\nx\r\n" * LIMITS.body_bytes)
    assert (statuses(connection.wire.said), connection.wire.closed) == ([404], True)


def test_what_bodies_hold_together_is_bounded_and_the_oldest_makes_room() -> None:
    """Large ones for large ones, small ones for small ones; and all is given back, however a request ends."""

    def run() -> None:
        for size, part, most, room in (
            (250_000, b"x" * 200_000, 2, "large_bodies"),
            (60_000, b"x" * 40_000, 6, "small_bodies"),
        ):
            shared = Connection().shared
            full = {"small_bodies": LIMITS.small_bodies, "large_bodies": LIMITS.large_bodies}
            others = [Connection(shared=shared) for _ in range(most + 3)]
            for other in others:
                other.feed(head(size), part)
            assert [statuses(other.wire.said) for other in others] == [[503]] * 3 + [[]] * most
            assert b"\r\nretry-after: 1\r\n" in others[0].wire.said
            rooms: dict[str, BodyMemory] = {name: getattr(shared, name) for name in ("small_bodies", "large_bodies")}
            assert rooms[room].left == full[room] - most * len(part)
            others[-1].feed(b"x" * (size - len(part)))
            others[-2].lose()
            for other in others[3:-2]:
                other.protocol.enforce(other.protocol.deadline)
            assert statuses(others[-1].wire.said) == [200]
            assert {name: each.left for name, each in rooms.items()} == full

    on_a_loop(run)


def test_a_small_body_gets_room_whatever_large_ones_hold() -> None:
    """Those that are being looked at make no room for anybody; whoever wants more than there is gets none."""

    async def run() -> None:
        shared = Connection().shared
        large = b"x" * 250_000
        for _ in range(2):
            Connection(shared=shared).feed(head(len(large), target="/late") + large)
        third = Connection(shared=shared)
        assert statuses(third.feed(head(len(large)), large)) == [503]
        small = Connection(shared=shared)
        assert statuses(small.feed(head(60_000), b"x" * 59_000, b"x" * 1000)) == [200]

    on_a_loop(run)


# Framing, in which two servers might disagree


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"\x00\x01\x02\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        (b"BREW /validate HTTP/1.1\r\n\r\n", 400),
        (BARE + b"Content-Length: 6\r\nContent-Length: 6\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length: 6, 6\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length: +6\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length: 0x6\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length: 6_0\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length: -6\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length:\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length : 6\r\n\r\nabcdef", 400),
        (BARE + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
        (BARE + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (BARE + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n", 400),
        (BARE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (BARE + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (BARE + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
        (BARE + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
        (BARE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (BARE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (BARE + b"Transfer-Encoding: identity\r\n\r\n", 501),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (BARE + b"X: y\r\n z\r\n\r\n", 400),
        (BARE + b"X: y\nZ: z\r\n\r\n", 400),
        (BARE + b"X: y\rZ: z\r\n\r\n", 400),
        (BARE + b"X: y\x00z\r\n\r\n", 400),
        (BARE + b"X\r\n\r\n", 400),
        (BARE + b"Host: y\r\n\r\n", 400),
        (BARE + b"Content-Type: application/json\r\n\r\n", 400),
        (PLAIN.replace(b"Host: localhost\r\n", b""), 400),
        (head() + b"fffffffffffffffff\r\n", 400),
        (head() + b"5 \r\nabcde\r\n0\r\n\r\n", 400),
        (head() + b"-5\r\nabcde\r\n0\r\n\r\n", 400),
        (head() + b"0x5\r\nabcde\r\n0\r\n\r\n", 400),
        (head() + b"5\nabcde\r\n0\r\n\r\n", 400),
        (head() + b"3\r\nabcde\r\n0\r\n\r\n", 400),
        (head() + b"0\r\nContent-Length: 5\r\n\r\n", 400),
        (b"POST /validate\r\n\r\n", 505),
        (PLAIN.replace(b"HTTP/1.1", b"HTTP/0.9"), 505),
        (PLAIN.replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
        (PLAIN.replace(b"HTTP/1.1", b"HTTP/1.2"), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT localhost:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (PLAIN.replace(b"/validate", b"http://"), 400),
        (PLAIN.replace(b"/validate", b"/vali\xffdate"), 400),
        (PLAIN.replace(b"/validate", b"/validate /x"), 400),
    ],
)
def test_what_two_servers_might_read_differently_is_refused_and_nothing_after_it_is_read(
    request_bytes: bytes, expected: int
) -> None:
    """The framing in doubt, there is no telling where the next request would begin."""
    for pieces in ([request_bytes + PLAIN], [request_bytes, PLAIN], [request_bytes[:-1], request_bytes[-1:] + PLAIN]):
        connection = ask(*pieces)
        assert statuses(connection.wire.said) == [expected]
        assert b"connection: close\r\n" in connection.wire.said
        assert (connection.bodies, connection.reported, connection.wire.closed) == ([], [], True)
    assert statuses(ask(PLAIN, request_bytes + PLAIN).wire.said) == [200, expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"POST", b"PUT", 405),
        (b"/validate", b"/other", 404),
        (b"/json", b"/yaml", 415),
        (b"Host: localhost\r\n", b"", 400),
        (b"Content-Type: ", b"Host: localhost\r\nContent-Type: ", 400),
        (b"Content-Length: 6", b"Content-Length: 999999", 413),
        (b"Content-Length: 6", b"content-length: 999999", 413),
        (b"HTTP/1.1", b"HTTP/2.0", 505),
    ],
)
def test_a_head_is_judged_anew_when_anything_in_it_differs(old: bytes, new: bytes, expected: int) -> None:
    """One that is like the last good one is not; whoever sent that."""

    def run() -> None:
        first = Connection()
        assert statuses(first.feed(PLAIN, PLAIN)) == [200, 200]
        assert statuses(first.feed(PLAIN.replace(old, new)))[2:] == [expected]
        assert statuses(Connection(shared=first.shared).feed(PLAIN)) == [200]

    on_a_loop(run)


def test_a_trailer_is_never_taken_for_part_of_a_head() -> None:
    """Neither of its own request's nor of the one that a later head is compared with."""

    def run() -> None:
        for line, expected in (("Host: x", b"400 "), ("Connection: close", b"connection: close")):
            first = Connection()
            said = first.feed(head() + b"0\r\n" + line.encode() + b"\r\n\r\n")
            assert statuses(said) == [200]
            assert not first.wire.closed
            second = Connection(shared=first.shared)
            assert expected in second.feed(head(None, line) + b"0\r\n\r\n")
            assert second.wire.closed

    on_a_loop(run)


def test_an_upgrade_is_not_served() -> None:
    """The parser takes what follows for another protocol's, so that no body can be believed."""
    upgrade = "Connection: upgrade\r\nUpgrade: h2c"
    connection = ask(head(6, upgrade) + b"abcdef")
    assert (statuses(connection.wire.said), connection.bodies, connection.wire.closed) == ([400], [], True)
    assert statuses(ask(head(6, "Upgrade: h2c") + b"abcdef").wire.said) == [200]  # not asked for this connection


def test_nothing_that_a_client_sent_is_in_a_refusal() -> None:
    """Neither in its head, where it could end a line, nor in its body."""
    for target, line in (("/secret-word", "X: y"), ("/validate", "X-Secret-Word: secret-word")):
        said = ask(head(6, line, target=target).replace(b"json", b"secret-word") + b"abcdef").wire.said
        assert statuses(said)[0] in (404, 415)
        assert b"secret" not in said.lower()


# Keeping and closing


@pytest.mark.parametrize("at", [1, 20, len(PLAIN), len(PLAIN) + 1])
@pytest.mark.parametrize("path", ["/validate", "/late", "/other"])
def test_pipelining_is_not_served(path: str, at: int) -> None:
    """One answer, which ends the connection, wherever the second request begins to come before it."""
    first = PLAIN.replace(b"/validate", path.encode())
    connection = ask(first + PLAIN[:at])
    assert statuses(connection.wire.said) == [404 if path == "/other" else 200]
    assert b"connection: close\r\n" in connection.wire.said
    assert connection.wire.closed
    assert len(connection.bodies) == (0 if path == "/other" else 1)


def test_what_comes_while_an_answer_is_awaited_ends_the_connection_after_it() -> None:
    """Whether it is a request or nonsense; and it is not even parsed from then on."""
    for more in (PLAIN, b"\x00\x01", b"POST"):
        connection = ask(PLAIN.replace(b"/validate", b"/late"), more, b"x" * 100_000)
        assert statuses(connection.wire.said) == [200]
        assert b"connection: close\r\n" in connection.wire.said
        assert connection.wire.closed


def test_empty_lines_between_requests_are_no_request() -> None:
    """RFC 9112, section 2.2: older clients send one after a body."""
    connection = ask(PLAIN + b"\r\n", b"\r\n" + PLAIN, b"\r\n")
    assert statuses(connection.wire.said) == [200, 200]
    assert not connection.wire.closed


@pytest.mark.parametrize(
    "request_bytes",
    [
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host", b"Connection: keep-alive\r\nHost"),
        PLAIN.replace(b"Host", b"Connection: close\r\nHost"),
        PLAIN.replace(b"Host", b"Connection: Close, x\r\nHost"),
        PLAIN.replace(b"Host", b"Connection: close\r\nHost").replace(b"/validate", b"/other"),
        PLAIN.replace(b"Host", b"Connection: close\r\nHost").replace(b"/validate", b"/late"),
    ],
)
def test_a_client_that_asks_to_close_is_closed_on(request_bytes: bytes) -> None:
    """HTTP/1.0, which is not asked to stay, and Connection: close."""

    async def run() -> None:
        first = Connection()
        for _ in range(2):  # the second time, the head is known
            connection = Connection(shared=first.shared)
            connection.feed(request_bytes)
            assert b"\r\nconnection: close\r\n" in await connection.settle()
            assert connection.wire.closed

    on_a_loop(run)


def test_http_1_0_needs_no_host() -> None:
    """RFC 9112, section 3.2, asks for it in HTTP/1.1 alone."""
    request_bytes = PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: localhost\r\n", b"")
    assert status(ask(request_bytes).wire.said) == 200


def test_an_expectation_is_met_once_and_only_where_the_body_is_wanted() -> None:
    """RFC 9110, section 10.1.1. Whose request is refused instead may send its body or not, so nothing after is read."""
    expectant = head(6, "Expect: 100-Continue")
    assert ask(expectant).wire.said == reply.CONTINUE
    again = ask(expectant + b"abcdef", expectant, b"abcdef").wire.said
    assert (statuses(again), again.count(reply.CONTINUE)) == ([200, 100, 200], 1)
    chunked = ask(head(None, "Expect: 100-continue"), b"6", b"\r\n", b"abc", b"def\r\n0\r\n\r\n").wire.said
    assert statuses(chunked) == [100, 200]
    said = ask(expectant, b"abc", b"def").wire.said
    assert said.startswith(reply.CONTINUE + b"HTTP/1.1 200 ")
    assert reply.CONTINUE not in ask(expectant + b"abc", b"def").wire.said
    assert reply.CONTINUE not in ask(expectant.replace(b"HTTP/1.1", b"HTTP/1.0")).wire.said
    refused = ask(expectant.replace(b"json", b"yaml"))
    assert (statuses(refused.wire.said), refused.wire.closed) == ([415], True)


def test_while_draining_each_answer_is_the_last() -> None:
    """Given at once, later, or a refusal."""

    async def run() -> None:
        for path in ("/validate", "/late", "/other"):
            connection = Connection()
            connection.shared.draining = True
            connection.feed(PLAIN.replace(b"/validate", path.encode()))
            assert b"\r\nconnection: close\r\n" in await connection.settle()
            assert connection.wire.closed

    on_a_loop(run)


def test_a_client_that_takes_no_answers_is_not_asked_for_more() -> None:
    """What waits for it in memory does not grow: its next request is pipelining."""

    def run() -> None:
        connection = Connection()
        connection.feed(PLAIN)
        connection.protocol.pause_writing()
        assert statuses(connection.feed(PLAIN)) == [200, 400]
        assert connection.wire.closed
        patient = Connection()
        patient.protocol.pause_writing()
        patient.protocol.resume_writing()
        assert statuses(patient.feed(PLAIN)) == [200]

    on_a_loop(run)


# Handlers


@pytest.mark.parametrize("path", ["/validate", "/late"])
def test_a_review_without_a_uid_gets_400_and_the_reason(path: str) -> None:
    """The one case in which there is no review to answer with."""
    connection = ask(head(6, target=path) + b"no uid", PLAIN)
    opening, body = connection.wire.said.split(b"\r\n\r\n")[:2]
    assert (status(opening), b"content-type: application/json" in opening) == (400, True)
    assert json.loads(body.partition(b"HTTP/1.1")[0]) == {"message": "the review has no uid"}
    assert connection.reported == []


@pytest.mark.parametrize("path", ["/validate", "/late"])
def test_a_crash_is_reported_with_its_trace_and_not_shown_to_the_client(path: str) -> None:
    """500 with a fixed text; the exception goes where it is logged."""
    connection = ask(head(5, target=path) + b"crash")
    assert (status(connection.wire.said), b"hunter2" in connection.wire.said) == (500, False)
    assert json.loads(connection.wire.said.partition(b"\r\n\r\n")[2]) == {"message": "internal error"}
    [error] = connection.reported
    assert str(error) == "the password is hunter2"
    assert error.__traceback__ is not None


def test_a_handler_that_gives_nonsense_is_a_crash() -> None:
    """500, and reported."""

    def run() -> None:
        connection = Connection()
        connection.shared.routes[b"/validate"] = lambda _: None  # type: ignore[assignment, return-value]
        assert statuses(connection.feed(PLAIN)) == [500]
        assert len(connection.reported) == 1

    on_a_loop(run)


def test_an_answer_that_is_there_takes_no_turn_of_the_event_loop() -> None:
    """It is written before the callback is through, in one piece."""

    def run() -> None:
        connection = Connection()
        connection.feed(PLAIN)
        [piece] = connection.wire.pieces
        assert piece.endswith(b'{"answer": 1}')
        assert not connection.protocol.busy

    on_a_loop(run)


def test_a_client_that_goes_away_stops_no_handler_and_its_place_is_kept_till_then() -> None:
    """What is to be recorded is recorded, and nobody gets round the limits by leaving."""

    async def run() -> None:
        connection = Connection()
        large = b"x" * 200_000
        connection.feed(head(len(large), target="/late") + large)
        connection.lose()
        assert connection.protocol in connection.shared.open
        assert connection.protocol.busy
        assert connection.shared.large_bodies.left < LIMITS.large_bodies - 100_000
        assert await connection.settle() == b""
        assert connection.finished == 1
        assert connection.shared.open == set()
        assert connection.shared.large_bodies.left == LIMITS.large_bodies

    on_a_loop(run)


def test_nothing_is_written_once_the_client_has_begun_to_close() -> None:
    """The transport closes by itself on the end of what comes in; the handler goes on."""

    async def run() -> None:
        connection = Connection()
        connection.feed(PLAIN.replace(b"/validate", b"/late"))
        connection.protocol.eof_received()
        connection.wire.close()
        assert await connection.settle() == b""
        assert connection.finished == 1
        connection.lose()
        assert connection.shared.open == set()

    on_a_loop(run)


@pytest.mark.parametrize("pieces", [[PLAIN[:-1]], [PLAIN[:30]], [head()], [CHUNKED[:-1]], []])
def test_nothing_is_decided_for_a_client_that_went_away(pieces: Iterable[bytes]) -> None:
    """Half a review is no review, and nobody is there to answer."""

    def run() -> None:
        connection = Connection()
        connection.feed(*pieces)
        connection.lose()
        assert (connection.wire.said, connection.bodies, connection.shared.open) == (b"", [], set())

    on_a_loop(run)


# Time


def test_a_request_has_its_time_from_its_first_byte_to_its_last() -> None:
    """Further bytes do not lengthen it. 408, unless it was refused already."""

    async def run() -> None:
        for request_bytes, expected in ((PLAIN, [408]), (CHUNKED, [408]), (PLAIN.replace(b"json", b"yaml"), [415])):
            connection = Connection()
            begun = asyncio.get_running_loop().time()
            for at in range(len(request_bytes) - 1):
                connection.feed(request_bytes[at : at + 1])
                await asyncio.sleep(0)
            due = connection.protocol.deadline
            assert due == pytest.approx(begun + LIMITS.request_seconds, abs=0.5)
            connection.protocol.enforce(due - 0.01)
            assert not connection.wire.closed
            connection.protocol.enforce(due)
            assert (statuses(connection.wire.said), connection.wire.closed) == (expected, True)
            assert not connection.wire.aborted
            connection.protocol.enforce(due + LIMITS.closing_seconds)
            assert connection.wire.aborted

    on_a_loop(run)


def test_an_idle_connection_is_closed_without_a_word() -> None:
    """At its limit, and aborted when the client does not notice."""

    def run() -> None:
        connection = Connection()
        connection.feed(PLAIN)
        said, due = connection.wire.said, connection.protocol.deadline
        connection.protocol.enforce(due - 0.01)
        assert not connection.wire.closed
        connection.protocol.enforce(due)
        assert (connection.wire.said, connection.wire.closed, connection.wire.aborted) == (said, True, False)
        connection.protocol.enforce(connection.protocol.deadline)
        assert connection.wire.aborted

    on_a_loop(run)


@pytest.mark.parametrize("lost", [False, True])
def test_a_handler_that_does_not_end_is_ended_and_reported(lost: bool) -> None:
    """Long after the API server has given up: or its place, and what it holds, would be lost for ever."""

    async def run() -> None:
        connection = Connection()
        connection.feed(head(7, target="/late") + b"forever")
        await connection.settle()
        if lost:
            connection.lose()
        due = connection.protocol.deadline
        assert due - asyncio.get_running_loop().time() == pytest.approx(LIMITS.response_seconds, abs=1)
        connection.protocol.enforce(due - 0.01)
        assert connection.reported == []
        connection.protocol.enforce(due)
        await connection.settle()
        if not lost:
            assert connection.wire.aborted
            connection.lose()
        assert (connection.wire.said, connection.shared.open) == (b"", set())
        [error] = connection.reported
        assert isinstance(error, TimeoutError)

    on_a_loop(run)


# Anything


REQUESTS = st.sampled_from([PLAIN, CHUNKED, EXPECTANT, PLAIN.replace(b"/validate", b"/late"), BARE, head(0)])


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Give requests in a row, some bytes of which were changed, doubled or left out."""
    data = bytearray(b"".join(draw(st.lists(REQUESTS, min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 2)):
            case 0:
                del data[at : at + draw(st.integers(1, 8))]
            case 1:
                data[at:at] = draw(st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b":", b"\x00", b"0", b"\xff"]))
            case _:
                data[at:at] = data[max(0, at - draw(st.integers(1, 30))) : at]
    return bytes(data)


@given(st.one_of(st.binary(max_size=300), broken()), st.lists(st.integers(1, 60), max_size=20))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_in_however_it_is_cut_harms_nobody(data: bytes, cuts: list[int]) -> None:
    """No exception, nothing for the log, each answer whole, nothing after a close, and nothing held at the end."""

    async def run() -> None:
        connection = Connection()
        rest = data
        for cut in cuts:
            connection.feed(rest[:cut])
            rest = rest[cut:]
            await asyncio.sleep(0)
        connection.feed(rest)
        await connection.settle()
        if not connection.wire.closed:
            connection.protocol.enforce(connection.protocol.deadline)
            assert connection.wire.closed
        for answer in connection.wire.said.replace(reply.CONTINUE, b"").split(b"HTTP/1.1 ")[1:]:
            opening, _, body = answer.partition(b"\r\n\r\n")
            assert b"\r\ncontent-length: %d" % len(body) in opening
        assert connection.wire.said.count(b"connection: close") <= 1
        connection.lose()
        assert connection.reported == []
        assert connection.shared.open == set()
        assert connection.shared.small_bodies.left == LIMITS.small_bodies

    asyncio.run(run())


def test_an_error_of_our_own_in_the_parsers_callbacks_is_reported_and_no_400(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client cannot tell its mistakes from ours otherwise, and nobody would ever hear of ours."""

    def fail(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(head_module, "fields_of", fail)
    connection = ask(PLAIN)
    assert (statuses(connection.wire.said), connection.wire.closed) == ([500], True)
    assert len(connection.reported) == 1


def test_strangers_are_served_by_other_handlers_whatever_was_asked_before() -> None:
    """Heads are remembered from one connection to the next; who is at the other end is not."""

    def known(_: bytes) -> bytes:
        return b'{"to": "the API server"}'

    def unknown(_: bytes) -> bytes:
        return b'{"to": "anybody"}'

    async def ask(shared: Shared, certificate: dict[str, str] | None) -> bytes:
        wire = Wire()
        wire.certificate = certificate
        protocol = ReviewProtocol(shared)
        shared.open.add(protocol)
        protocol.connection_made(wire)
        for _ in range(3):
            protocol.get_buffer(-1)[: len(PLAIN)] = PLAIN
            protocol.buffer_updated(len(PLAIN))
            shared.answer_whole()
        return wire.said

    async def both(strangers: dict[Handler, Handler]) -> tuple[int, int, int]:
        shared = Shared({"/validate": known}, lambda _: None, LIMITS, strangers)
        said = [await ask(shared, who) for who in ({"subject": "x"}, None, {"subject": "x"})]
        return tuple(each.count(b"anybody") for each in said)  # type: ignore[return-value]  # three of them

    assert asyncio.run(both({known: unknown})) == (0, 3, 0)
    assert asyncio.run(both({})) == (0, 0, 0), "nobody is asked to prove anything"
