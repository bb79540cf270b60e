"""One JSON object a line on standard output, for people's log pipelines.

A line never waits for whoever reads it. What cannot be written at once is queued, up to a number of bytes; beyond that
lines are lost, never a decision: they are counted, and the next line that finds room tells how many in ``lines_lost``.

The event loop writes by itself, once a turn, where that cannot wait: to a file, and to a pipe through an open file
description of its own with ``O_NONBLOCK``. On standard output itself that flag would change the description that every
process has which shares the pipe. To ask ``poll()`` before each write would be one system call more, and could wait all
the same: another process may fill the pipe in between, and a terminal may take less than is offered. All else (a full
pipe, a terminal, a socket, systems without /proc) is left to a thread, which may wait as long as it has to. It
does not take each line, because to wake a thread costs several times what the write does.

Source: pipe(7): a write of at most ``PIPE_BUF`` bytes is done as a whole or not at all. So lines are never torn, not
even where the process is killed; one that is longer than that, such as an error's trace, goes by itself.
"""

import asyncio
import atexit
import functools
import logging
import os
import queue
import select
import stat
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

MOST_BYTES: Final = 1024 * 1024
"""Of lines that wait to be written: over a thousand decisions."""

_LAST_SECONDS: Final = 1.0
"""For what is queued when the process ends."""

_POLL_SECONDS: Final = 0.005

_encode = msgspec.json.Encoder().encode


now: Final = functools.partial(datetime.now, UTC)
"""The time that a line tells: in UTC, which is encoded as RFC 3339."""


class Line(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """What every line begins with. A kind of line that is written often is a struct of its own, with its fields."""

    time: datetime = msgspec.field(default_factory=now)
    level: str = "info"
    message: str = ""


class Output:
    """Lines on their way to a file descriptor, put there by any thread and written in their order.

    One thread writes at a time, and takes what others put meanwhile.
    """

    def __init__(self, descriptor: int, most_bytes: int = MOST_BYTES) -> None:
        self._descriptor = descriptor
        self._at_once = _never_waiting(descriptor)
        self._most = most_bytes
        # Reentrant: the garbage collector may run what logs, wherever we are.
        self._lock = threading.RLock()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._writing = False
        self._turn: asyncio.AbstractEventLoop | None = None
        self._lost = 0
        self._untold = 0
        self._work: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._started = False
        self._writer = threading.Thread(target=self._wait_and_write, name="log", daemon=True)

    @property
    def lost(self) -> int:
        """How many lines were lost so far."""
        return self._lost

    def put(self, line: bytes) -> None:
        """Write a JSON object at the end of the event loop's turn, or at once where no loop runs; never waits."""
        with self._lock:
            if self._untold:
                line = b'%b,"lines_lost":%d}' % (line[:-1], self._untold)
            if self._bytes + len(line) >= self._most:
                self._lose(1)
                return
            self._untold = 0
            self._lines.append(line + b"\n")
            self._bytes += len(line) + 1
            if not self._started:
                # Before it is needed, because Python starts no thread any more while it ends. Where there is no room
                # for one more, the next line tries again.
                with suppress(RuntimeError):
                    self._writer.start()
                    self._started = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._flush()
            return
        if self._turn is not loop:
            self._turn = loop
            loop.call_soon(self._flush)

    def close(self, seconds: float) -> None:
        """Wait until all that was put is written, but no longer than this."""
        deadline = time.monotonic() + seconds
        self._flush()
        while self._writing and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _flush(self) -> None:
        """Write all there is, or have it written; never waits."""
        self._turn = None
        with self._lock:
            if self._writing or not self._lines:
                return
            self._writing = True
        if self._at_once is None or not self._write(self._at_once):
            self._work.put(None)

    def _wait_and_write(self) -> None:
        while True:
            self._work.get()
            while not self._write(self._descriptor):
                # Whoever gave us this descriptor has set O_NONBLOCK on it.
                select.select([], [self._descriptor], [])

    def _write(self, descriptor: int) -> bool:
        """Write until nothing is left. False, with the rest queued, as soon as that would have to wait."""
        while chunk := self._next():
            written = 0
            try:
                written = os.write(descriptor, chunk)
            except BlockingIOError:
                pass
            except OSError:
                # Nobody reads any more, say, or the disk is full.
                with self._lock:
                    self._lose(chunk.count(b"\n"))
                continue
            if written < len(chunk):
                with self._lock:
                    self._lines.appendleft(chunk[written:])
                    self._bytes += len(chunk) - written
            if not written:
                return False
        return True

    def _next(self) -> bytes:
        """Take as many whole lines as go in one write; nothing when there are none, and then nobody writes any more."""
        with self._lock:
            chunk: list[bytes] = []
            size = 0
            while self._lines and (not chunk or size + len(self._lines[0]) <= select.PIPE_BUF):
                chunk.append(self._lines.popleft())
                size += len(chunk[-1])
            self._bytes -= size
            self._writing = bool(chunk)
        return b"".join(chunk)

    def _lose(self, lines: int) -> None:
        self._lost += lines
        self._untold += lines


def _never_waiting(descriptor: int) -> int | None:
    """A descriptor of the same file at which no write waits for a reader; None where there is none."""
    # A pipe may be another user's, and /proc is Linux'.
    with suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return descriptor
        if stat.S_ISFIFO(mode):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    return None


_OUTPUT: Final = Output(sys.__stdout__.fileno() if sys.__stdout__ else -1)


def close() -> None:
    """Write what is queued, for a second at most: before the process ends."""
    _OUTPUT.close(_LAST_SECONDS)


# For whoever ends as Python does.
atexit.register(close)


def line(level: str, message: str, **fields: Any) -> None:
    """Write one line. What is passed in must hold no secrets."""
    _OUTPUT.put(_encode({"time": now(), "level": level, "message": message} | fields))


def decision(entry: Line) -> None:
    """Write one decision, whose fields are all in ``entry``: encoded at once, with no dictionary in between."""
    _OUTPUT.put(_encode(entry))


def lost() -> int:
    """How many lines were lost since the process started."""
    return _OUTPUT.lost


def info(message: str, **fields: Any) -> None:
    """Log what an operator may want to know."""
    line("info", message, **fields)


def failure(message: str, error: BaseException, **fields: Any) -> None:
    """Log an error that nobody foresaw, with its trace."""
    line("error", message, **_traced(error), **fields)


def _traced(error: BaseException) -> dict[str, str]:
    """The error and its trace, as fields of a line."""
    trace = "".join(traceback.format_exception(error))[-8000:]
    return {"error": f"{type(error).__name__}: {error}", "trace": trace}


def trouble(message: str, error: BaseException, **fields: Any) -> None:
    """Log a foreseen failure, such as an API server that does not answer; no trace."""
    line("warning", message, error=str(error), **fields)


class _LeftOut:
    """How many lines of libraries were not written; any thread counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.lines = 0

    def count(self) -> None:
        with self._lock:
            self.lines += 1


_LEFT_OUT: Final = _LeftOut()
_QUIET_SECONDS: Final = 1.0
_BYTES_A_SECOND: Final = 256
_LONGEST: Final = 1000
"""Characters of what a library says; a trace may be longer."""


class Handler(logging.Handler):
    """Takes what libraries log and writes it as our own lines.

    Strangers may have a library log, for ports are open to whoever reaches them. So no logger is heard more often than
    once a second, nor with more than ``_BYTES_A_SECOND`` in the long run. What is left out is counted, and the logger's
    next line tells how many in ``left_out``. Loggers have the names that libraries gave them, and so they are few.
    """

    def __init__(self, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._quiet_until: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, or count it."""
        name, at = record.name, time.monotonic()
        if at < self._quiet_until.get(name, at):
            self._untold[name] = self._untold.get(name, 0) + 1
            leave_out()
            return
        fields: dict[str, Any] = {"time": now(), "level": record.levelname.lower(), "message": _message(record)}
        if record.exc_info and record.exc_info[1]:
            fields |= {key: _encodable(text) for key, text in _traced(record.exc_info[1]).items()}
        fields["logger"] = name
        if untold := self._untold.pop(name, 0):
            fields["left_out"] = untold
        text = _encode(fields)
        self._quiet_until[name] = at + max(_QUIET_SECONDS, len(text) / _BYTES_A_SECOND)
        _OUTPUT.put(text)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - whatever a library does wrong while it complains must not end what it does
        text = str(record.msg)
    return _encodable(text.strip()[:_LONGEST])


def _encodable(text: str) -> str:
    """The text without what UTF-8 does not have: a client's bytes may be in it as surrogates."""
    return text.encode(errors="replace").decode()


def for_libraries() -> None:
    """Have in this log whatever libraries warn of and nobody else handles. Python would write it to standard error."""
    logging.getLogger().addHandler(Handler())


def leave_out() -> None:
    """Count a line of a library that is not written."""
    _LEFT_OUT.count()


def left_out() -> int:
    """How many lines of libraries were left out since the process started."""
    return _LEFT_OUT.lines
