"""Heads that the parser has found good, and their handlers: the API server's are all alike, but for the body's length.

A request that comes in one piece, and whose head is byte for byte one of these but for the digits of its
``Content-Length``, needs no parser: it would find what it found before. All else goes the long way, this included
where anything at all is different.
"""

from typing import Final

from seconder.http.handler import Handler

_MOST: Final = 4
"""Heads. One for each path and client that asks all the time."""

_LENGTH: Final = b"\r\nContent-Length: "
_END: Final = b"\r\n\r\n"
_MOST_DIGITS: Final = 9


class KnownHeads:
    """The last few, of requests whose bodies have no more than ``body_bytes``.

    ``buffer`` is where requests come in. What lies behind a request there is another's, and does not count.
    """

    def __init__(self, buffer: bytearray, body_bytes: int) -> None:
        self._buffer: Final = buffer
        self._body_bytes: Final = body_bytes
        self._heads: list[tuple[bytes, bytes, Handler]] = []

    def find(self, size: int) -> tuple[Handler, bytes] | None:
        """The handler and the body of the request in the buffer's first ``size`` bytes, if its head is known."""
        buffer = self._buffer
        for before, after, handler in self._heads:
            if not buffer.startswith(before):
                continue
            digits_end = buffer.find(b"\r", len(before), len(before) + _MOST_DIGITS + 1)
            if digits_end < 0 or not buffer.startswith(after, digits_end):
                continue
            digits = buffer[len(before) : digits_end]
            if not digits.isdigit():
                return None
            begin = digits_end + len(after)
            length = int(digits)
            # All of it is here, and nothing else; so the head is, too.
            if 0 < length == size - begin and length <= self._body_bytes:
                return handler, bytes(memoryview(buffer)[begin:size])
            return None
        return None

    def learn(self, size: int, length: bytes, handler: Handler) -> None:
        """Take note of the head of a request that the parser found good, and that is all of the buffer's first bytes.

        ``length``: the value of its ``Content-Length``. The head says nothing about the connection's end, nor asks for
        an answer before the body.
        """
        piece = bytes(memoryview(self._buffer)[:size])
        head_end = piece.find(_END) + len(_END)
        before, name, after = piece[:head_end].partition(_LENGTH + length)
        whole = size - head_end == int(length)
        if not (whole and name and after.startswith(b"\r\n")) or piece.count(_LENGTH, 0, head_end) != 1:
            return
        known = (before + _LENGTH, after, handler)
        if known not in self._heads:
            self._heads = [known, *self._heads[: _MOST - 1]]
