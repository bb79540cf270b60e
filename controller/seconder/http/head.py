"""What a request's head says, and what is refused by it alone, whatever it asks for."""

from collections.abc import Iterable, Mapping
from typing import Final

import httptools

from seconder.http import reply
from seconder.http.reply import Refusal

Fields = Mapping[bytes, bytes]
"""Header fields by their name in lower case."""

_SINGLE: Final = frozenset((b"host", b"content-type", b"content-length", b"transfer-encoding", b"expect"))
"""Fields that mean something here. Whoever repeats one may want two servers to read two things."""

_JSON: Final = b"application/json"
_LONGEST_NUMBER: Final = 19
"""Digits; what is longer is no size that anybody could send."""


def fields_of(headers: Iterable[tuple[bytes, bytes]]) -> Fields | None:
    """The fields; None when one of those that mean something is repeated."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        name = name.lower()
        if name in fields and name in _SINGLE:
            return None
        fields[name] = value
    return fields


def unsound(version: str, fields: Fields) -> Refusal | None:
    """The reason why a request is refused for its framing or its version.

    The parser has seen to it already that there is one length at most, that it is a number, and that it does not stand
    beside a transfer coding (RFC 9112, section 6.3). It lets other codings pass before ``chunked``, which nobody here
    could decode, and any coding in HTTP/1.0, which has none (section 6.1).
    """
    if version == "1.1":
        # RFC 9112, section 3.2. Which one it is does not matter: one host is served.
        if b"host" not in fields:
            return reply.NO_HOST
    elif version != "1.0":
        return reply.OTHER_VERSION
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0":
            return reply.MALFORMED
        if coding.strip().lower() != b"chunked":
            return reply.NO_CODING
    return None


def fits(length: bytes, body_bytes: int) -> bool:
    """Whether a body of this length, or one that is not announced, may be sent.

    The parser has seen to it that it is a number. One of very many digits is no ``int`` to Python.
    """
    return not length or (len(length) <= _LONGEST_NUMBER and int(length) <= body_bytes)


def path_of(target: bytes) -> bytes | None:
    """The path of a request target as it is written, without the query; None when it is no URL.

    Clients may send a whole URL (RFC 9112, section 3.2.2). Nothing is decoded: what is served has no such name.
    """
    if target.startswith(b"/"):
        return target.partition(b"?")[0]
    try:
        return httptools.parse_url(target).path or b""
    except httptools.HttpParserInvalidURLError:
        return None


def is_json(fields: Fields) -> bool:
    """Whether the body is declared to be JSON: parameters and case do not matter (RFC 9110, section 8.3.1)."""
    value = fields.get(b"content-type", b"")
    return value == _JSON or value.partition(b";")[0].strip().lower() == _JSON


def expects_continue(version: str, fields: Fields) -> bool:
    """Whether the client waits for a 100 before it sends the body (RFC 9110, section 10.1.1)."""
    return b"expect" in fields and version == "1.1" and fields[b"expect"].strip().lower() == b"100-continue"


def size_of(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The number of bytes that a head's target and headers are."""
    return len(target) + sum(len(name) + len(value) + 4 for name, value in headers)
