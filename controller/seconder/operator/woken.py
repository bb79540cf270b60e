"""A thread that waits until it is woken, and ends when it is told to."""

import threading
from typing import Final

RETRY_SECONDS: Final = (0.2, 2.0)
"""The least and the most until what failed is tried again."""


class Woken:
    """What such threads have in common. ``name`` is the thread's; what it does is ``_run``."""

    def __init__(self, name: str) -> None:
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def stop(self) -> None:
        """End after what is under way, if anything."""
        self._stopping.set()
        self._wake.set()

    def wake(self) -> None:
        """Say that there is something to do. Many calls before it begins are one."""
        self._wake.set()

    def _waited(self, seconds: float | None) -> bool:
        """Wait to be woken, or for so long. Returns whether to go on."""
        self._wake.wait(seconds)
        self._wake.clear()
        return not self._stopping.is_set()

    def _run(self) -> None:
        raise NotImplementedError
