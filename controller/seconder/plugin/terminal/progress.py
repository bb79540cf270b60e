"""How far a long reading is, on standard error: a bar at a terminal, otherwise a line now and then."""

import os
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from seconder.plugin.terminal import output

_BAR: Final = 24
_AT_A_TERMINAL: Final = 0.2
_OTHERWISE: Final = 15.0
"""Seconds from one word to the next."""

_COLUMNS: Final = 80
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Tells of bytes, their rate and, where the size is known, the time that is left."""

    def __init__(self, what: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        # A dumb one cannot clear a line.
        self._terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._every = _AT_A_TERMINAL if self._terminal else _OTHERWISE
        self._clock = clock
        self._started = clock()
        self._told = self._started
        self._shown = False

    def at(self, position: int, total: int | None) -> None:
        """Tell, unless that was just done."""
        now = self._clock()
        if now - self._told < self._every:
            return
        self._told = now
        text = self._text(position, total, now - self._started)
        if self._terminal:
            # Of a line that wraps only the last part could be cleared.
            text = text[: _columns(self._stream) - 1]
        print(f"{_CLEAR}{text}" if self._terminal else text, end="" if self._terminal else "\n", file=self._stream)
        self._stream.flush()
        self._shown = True

    def done(self) -> None:
        """Clear the bar."""
        if self._shown and self._terminal:
            print(_CLEAR, end="", file=self._stream, flush=True)

    def _text(self, position: int, total: int | None, seconds: float) -> str:
        rate = position / seconds if seconds > 0 else 0.0
        if not total:
            return f"{self._what}: {size(position)}, {size(rate)}/s"
        share = min(1.0, position / total)
        left = output.short((total - position) / rate) if rate and position < total else "0s"
        bar = f"[{'#' * int(share * _BAR):{_BAR}}] " if self._terminal else ""
        return f"{self._what}: {bar}{share:4.0%} of {size(total)}, {size(rate)}/s, {left} left"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


def size(count: float) -> str:
    """``1.5 GB``, ``12 MB`` or ``3 kB``: powers of ten, as disks are sold."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}" if count < 10 * scale else f"{count / scale:.0f} {unit}"
    return f"{count:.0f} B"
