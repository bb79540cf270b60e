"""Files as they are stored, given as UTF-8.

They may be packed with gzip (RFC 1952) or Zstandard (RFC 8878), once or more, or be written in UTF-16.

What is unpacked is given piece by piece and bounded, so that no file takes more memory than another.
"""

import codecs
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

from seconder.api.text import clean
from seconder.plugin.terminal.problem import Problem

STDIN: Final = "-"
_PIECE: Final = 256 * 1024
"""Bytes that are read, or unpacked, at once."""

_WINDOW_LOG: Final = 23
"""Of Zstandard: 8 MiB, which every reader has to take (RFC 8878, section 3.1.1.1.2); zstd takes more when told to."""

_WIDE: Final = "packed with Zstandard in a window of more than 8 MiB: unpack it first (zstd -dc --long=31)"
_DEEPEST: Final = 3
"""CloudWatch's subscriptions pack what Firehose packs once more."""

_MOST_TIMES: Final = 1_000
_ALWAYS: Final = 64 * 1024 * 1024
"""Bytes that anything may unpack to, whatever its size. Logs are packed to a hundredth at the very best."""

_HEAD: Final = 512
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS: Final = (
    (0, b"PK\x03\x04", "a zip archive: unpack it first"),
    (0, b"\xfd7zXZ\0", "packed with xz: unpack it first"),
    (0, b"BZh", "packed with bzip2: unpack it first"),
    (0, b"PAR1", "a Parquet file, which is no audit log: export JSON"),
    (0, b"Obj\x01", "an Avro file, such as of Event Hubs Capture: export JSON"),
    (257, b"ustar", "a tar archive: unpack it first"),
)
"""Where what stands, and what that is."""


class Broken(Exception):
    """What is packed ends in the middle, or is damaged. What came before it was given."""


class Unreadable(Exception):
    """The file is something else. Says what, as in "it is ..."."""


@contextmanager
def opened(path: str) -> Iterator[tuple[Iterator[bytes], Callable[[], int]]]:
    """Open a file; ``-`` is standard input. Give its text in pieces, and how many of its bytes have been taken.

    Raises Problem when it cannot be read, or unpacks to too much. The pieces raise Broken and Unreadable.
    """
    if path == STDIN and sys.stdin is None:
        raise Problem("cannot read standard input: it is closed")
    try:
        raw = os.fdopen(os.dup(sys.stdin.fileno()), "rb", 0) if path == STDIN else open(path, "rb", 0)  # noqa: SIM115
    except (OSError, ValueError) as error:
        raise Problem(f"cannot read {clean(path)}: {getattr(error, 'strerror', None) or error}") from None
    taken = 0

    def stored() -> Iterator[bytes]:
        nonlocal taken
        while piece := raw.read(_PIECE):
            taken += len(piece)
            yield piece

    with raw:
        try:
            yield _bounded(path, _text(stored()), lambda: taken), lambda: taken
        except OSError as error:
            raise Problem(f"cannot read {clean(path)}: {error.strerror or error}") from None


def _bounded(path: str, pieces: Iterator[bytes], taken: Callable[[], int]) -> Iterator[bytes]:
    given = 0
    for piece in pieces:
        given += len(piece)
        if given > max(_ALWAYS, _MOST_TIMES * taken()):
            raise Problem(f"cannot read {clean(path)}: it unpacks to more than {_MOST_TIMES:,} times its size")
        yield piece


def _text(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces unpacked, as UTF-8 without a byte order mark."""
    for _ in range(_DEEPEST):
        head, pieces = _peeked(pieces)
        if head.startswith(_GZIP):
            pieces = _gunzipped(pieces)
        elif head.startswith(_ZSTD) or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
            pieces = _zstd_unpacked(pieces)
        else:
            break
    head, pieces = _peeked(pieces)
    if head.startswith((_GZIP, _ZSTD)):
        raise Unreadable(f"packed more than {_DEEPEST} times")
    for at, magic, what in _OTHERS:
        if head[at:].startswith(magic):
            raise Unreadable(what)
    encoding = _encoding(head)
    if encoding == "utf-8":
        yield from _without(codecs.BOM_UTF8, pieces)
    else:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        for piece in pieces:
            if text := decoder.decode(piece).removeprefix("\ufeff"):
                yield text.encode(errors="replace")


def _encoding(head: bytes) -> str:
    """What the text is written in. JSON begins with two ASCII characters, which tell it without a mark (RFC 4627)."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if len(head) >= 2 and (head[0] == 0) != (head[1] == 0):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8"


def _without(mark: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    head, pieces = _peeked(pieces)
    if head.startswith(mark):
        first = next(pieces)[len(mark) :]
        pieces = chain((first,) if first else (), pieces)
    yield from pieces


def _peeked(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and the pieces with them."""
    head = b""
    while len(head) < _HEAD and (piece := next(pieces, b"")):
        head += piece
    return head[:_HEAD], chain((head,) if head else (), pieces)


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All members, one after another; a member's sum is checked at its end."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            left = piece
            while left:
                if unpacker.eof:
                    # gzip takes padding between members.
                    left = left.lstrip(b"\0")
                    unpacker = zlib.decompressobj(wbits=31) if left else unpacker
                    continue
                if out := unpacker.decompress(left, _PIECE):
                    yield out
                left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if out := unpacker.flush():
            yield out
    except zlib.error:
        raise Broken from None
    if not unpacker.eof:
        raise Broken


def _zstd() -> Any:
    """The standard library's module from Python 3.14 on, else its backport."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise Unreadable("packed with Zstandard, which this Python cannot read: unpack it first (zstd -dc)") from None
    return zstd


def _zstd_unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All frames, one after another."""
    zstd = _zstd()
    options = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    unpacker = zstd.ZstdDecompressor(options=options)
    for piece in pieces:
        left = piece
        while left or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:
                unpacker = zstd.ZstdDecompressor(options=options)
            try:
                if out := unpacker.decompress(left, max_length=_PIECE):
                    yield out
            except zstd.ZstdError as error:
                if "too much memory" in str(error):
                    raise Unreadable(_WIDE) from None
                raise Broken from None
            left = unpacker.unused_data if unpacker.eof else b""
    if not unpacker.eof:
        raise Broken
