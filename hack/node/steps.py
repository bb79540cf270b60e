"""A long step: one program, its log, and a line that says how far it is."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from localstack.errors import StackError
from localstack.process import Child, tail_of
from localstack.progress import ProgressLine, duration_text

_TICK_SECONDS: Final = 0.5
_SHOWN_CHARACTERS: Final = 60
_TAIL_BYTES: Final = 2048


def run(
    title: str,
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Run a program to its end while ``stream`` (standard error) shows the title and the last line of its log.

    Raises ``StackError`` with the end of the log when it fails.
    """
    line = ProgressLine(stream or sys.stderr)
    started = time.monotonic()
    child = Child(str(command[0]), command, log, dies_with_parent=True, environment=environment)

    def show() -> None:
        seconds = time.monotonic() - started
        line.update(f"{title}: {duration_text(seconds)}  {last_line(log)}", seconds)

    try:
        code = child.wait(show, _TICK_SECONDS)
    except BaseException:
        line.abandon()
        raise
    finally:
        child.stop()
    taken = duration_text(time.monotonic() - started)
    line.finish(f"{title}: {taken}" if code == 0 else f"{title}: failed after {taken}")
    if code != 0:
        raise StackError(f"{title} failed ({command[0]}: exit code {code})\n{tail_of(log)}")


def last_line(log: Path) -> str:
    """The last line of a log that says something, cut to what a terminal's line has room for."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")[:_SHOWN_CHARACTERS]
