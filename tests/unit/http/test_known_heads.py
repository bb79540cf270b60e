"""Requests whose heads were found good before: answered sooner, and never otherwise."""

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.http import head
from tests.unit.http.test_protocol import BARE, CHUNKED, EXPECTANT, PLAIN, Connection

from seconder.http.known_heads import KnownHeads
from seconder.http.protocol import ReviewProtocol

_LONGER = head(11) + b"hello world"
_AUDIT = PLAIN.replace(b"/validate", b"/validate/audit")
_WHOLE = (
    PLAIN,
    _LONGER,
    _AUDIT,
    CHUNKED,
    EXPECTANT,
    BARE + b"\r\n",
    head(0),
    head(6) + b"crash!",
    PLAIN.replace(b"/validate", b"/late"),
    PLAIN.replace(b"Host", b"Connection: close\r\nHost"),
    PLAIN.replace(b"Host", b"X: \r\nHost"),
)


class _Ignorant(KnownHeads):
    def learn(self, size: int, length: bytes, handler: object) -> None:
        """Take note of nothing."""


async def _talk(pieces: list[bytes], *, ignorant: bool) -> tuple[bytes, list[bytes], bool]:
    """What is answered on two connections, what handlers got, and whether the last ended; one request came before."""
    first = Connection()
    if ignorant:
        known = first.shared.known_heads
        first.shared.known_heads = _Ignorant(known._buffer, known._body_bytes)  # type: ignore[misc]
    first.feed(PLAIN)
    said, closed = b"", False
    for _ in range(2):
        connection = Connection(shared=first.shared)
        for piece in pieces:
            connection.feed(piece)
            await connection.settle()
        said, closed = said + connection.wire.said, connection.wire.closed
    return re.sub(rb"date: [^\r]*", b"", said), first.bodies, closed


@st.composite
def _pieces(draw: st.DrawFn) -> list[bytes]:
    """Requests one after the other, some with a byte changed, put in or left out, cut here and there."""
    pieces: list[bytes] = []
    for _ in range(draw(st.integers(1, 4))):
        request = bytearray(draw(st.sampled_from(_WHOLE)))
        place = draw(st.integers(0, len(request) - 1))
        change = draw(st.sampled_from((b"", b"\x00", b"0", b"7", b"\r", b"\n", b" ", b"a")))
        match draw(st.sampled_from(("leave", "leave", "change", "put in"))):
            case "change":
                request[place : place + 1] = change
            case "put in":
                request[place:place] = change
        cut = draw(st.one_of(st.none(), st.integers(1, len(request))))
        pieces += [bytes(request)] if cut is None else [bytes(request[:cut]), bytes(request[cut:])]
    if draw(st.booleans()):
        pieces = [b"".join(pieces)]
    return [piece for piece in pieces if piece]


@settings(max_examples=300, deadline=None)
@given(_pieces())
def test_a_known_head_changes_no_answer(pieces: list[bytes]) -> None:
    """Nor what handlers are given: with the parser for all of them it comes to the same."""
    assert asyncio.run(_talk(pieces, ignorant=False)) == asyncio.run(_talk(pieces, ignorant=True))


def _of_length(text: bytes) -> bytes:
    return PLAIN.replace(b"Content-Length: 6", b"Content-Length: " + text)


_CLOSING = PLAIN.replace(b"Host", b"Connection: close\r\nHost")
_OLD = PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0")


@pytest.mark.parametrize(
    "pieces",
    [
        *([_of_length(text)] for text in (b"+6", b" 6", b"6 ", b"06", b"0x6", b"-6", b"", b"6" * 30, b"5", b"7")),
        *([_of_length(b"6\r\n" + line)] for line in (b"X: y", b"Content-Length: 6", b"Transfer-Encoding: chunked")),
        [_of_length(b"6\r\nExpect: 100-continue")],
        [PLAIN.replace(b"Content-Length", b"content-length")],
        [_CLOSING, _CLOSING],
        [_of_length(b"6\r\nConnexion: close"), _of_length(b"6\r\nConnection:close")],
        [_OLD, _OLD],
        [EXPECTANT, EXPECTANT],
        [PLAIN + PLAIN],
        # What lies behind these in the buffer would make them whole.
        [PLAIN[:-3], PLAIN[-3:]],
        [PLAIN[:-8], PLAIN[-8:]],
    ],
)
def test_what_differs_from_a_known_head_goes_the_long_way(pieces: list[bytes]) -> None:
    """By a sign in the length, by a line more, by what it says of the connection's end."""
    assert asyncio.run(_talk(pieces, ignorant=False)) == asyncio.run(_talk(pieces, ignorant=True))


def _parsed(monkeypatch: pytest.MonkeyPatch, *requests: bytes) -> int:
    """How many of these requests went through the parser."""
    parsed = []
    judge = ReviewProtocol.on_headers_complete

    def take_note(connection: ReviewProtocol) -> None:
        parsed.append(connection)
        judge(connection)

    monkeypatch.setattr(ReviewProtocol, "on_headers_complete", take_note)

    async def run() -> None:
        shared = Connection().shared
        for request in requests:
            connection = Connection(shared=shared)
            connection.feed(request)
            await connection.settle()
            assert connection.wire.said.startswith(b"HTTP/1.1 200 ")

    asyncio.run(run())
    return len(parsed)


def test_a_request_like_the_one_before_needs_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another length, and by turns with one to another path."""
    assert _parsed(monkeypatch, PLAIN, _LONGER, _AUDIT, _LONGER, PLAIN, _AUDIT) == 2


def test_only_a_few_heads_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has a new one each time takes no memory, and its own heads are forgotten first."""
    many = [PLAIN.replace(b"Host", b"X: %d\r\nHost" % number) for number in range(9)]
    assert _parsed(monkeypatch, *many, many[-1], many[-4], many[0]) == 10
