"""Puts the webhook configuration back in a thread of its own: the gate does not wait until a pass is over."""

import threading
from collections.abc import Callable
from typing import Final

from seconder.client.api import Fenced
from seconder.operator.configuration_keeper import Kept

_RETRY_SECONDS: Final = (0.2, 2.0)


class Restorer:
    """Calls ``restore``, which puts back what was last wanted, after each change and when that says so.

    ``repaired`` is told of each time when something was put back, and ``failed`` of what went wrong; it is tried again.
    """

    def __init__(
        self, restore: Callable[[], Kept], repaired: Callable[[], None], failed: Callable[[str, Exception], None]
    ) -> None:
        self._restore = restore
        self._repaired = repaired
        self._failed = failed
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="restore", daemon=True)

    def start(self) -> None:
        """Begin to wait for a change."""
        self.thread.start()

    def stop(self) -> None:
        """End after what is under way, if anything."""
        self._stopping.set()
        self._wake.set()

    def wake(self) -> None:
        """Say that the stored configuration is another, or is gone."""
        self._wake.set()

    def _run(self) -> None:
        again, pause = 0.0, _RETRY_SECONDS[0]
        while True:
            self._wake.wait(again or None)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                kept = self._restore()
                if kept.repaired:
                    self._repaired()
                again, pause = kept.again, _RETRY_SECONDS[0]
            except Fenced:
                return
            except Exception as error:  # noqa: BLE001 - a thread that died in silence would leave the gate open
                self._failed("the webhook configuration", error)
                again, pause = pause, min(pause * 2, _RETRY_SECONDS[1])
