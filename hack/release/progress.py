"""A step of the release: its title, how long it takes, and what it is at."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from localstack.progress import ProgressLine, duration_text

_TICK_SECONDS: Final = 0.5


class Step:
    """What a step is at; told by the step, and shown beside its title."""

    def __init__(self) -> None:
        self.detail = ""

    def say(self, detail: str) -> None:
        """Tell what it is at."""
        self.detail = detail


@contextmanager
def step(title: str, stream: TextIO = sys.stderr) -> Iterator[Step]:
    """Show a step while it lasts, and how long it took."""
    line, started, over, told = ProgressLine(stream), time.monotonic(), threading.Event(), Step()

    def show() -> None:
        while True:
            seconds = time.monotonic() - started
            line.update(f"{title}: {duration_text(seconds)}  {told.detail}", seconds)
            if over.wait(_TICK_SECONDS):
                return

    shown = threading.Thread(target=show, daemon=True)
    shown.start()
    try:
        yield told
    except BaseException:
        over.set()
        shown.join()
        line.abandon()
        raise
    over.set()
    shown.join()
    line.finish(f"{title}: {duration_text(time.monotonic() - started)}")
