"""Puts the webhook configuration back in a thread of its own: the gate does not wait until a pass is over."""

from collections.abc import Callable

from seconder.client.api import Fenced
from seconder.operator.configuration_keeper import Kept
from seconder.operator.woken import RETRY_SECONDS, Woken


class Restorer(Woken):
    """Calls ``restore``, which puts back what was last wanted, after each change and when that says so.

    ``wake`` says that the stored configuration is another, or is gone. ``repaired`` is told of each time when something
    was put back, and ``failed`` of what went wrong; it is tried again.
    """

    def __init__(
        self, restore: Callable[[], Kept], repaired: Callable[[], None], failed: Callable[[str, Exception], None]
    ) -> None:
        super().__init__("restore")
        self._restore = restore
        self._repaired = repaired
        self._failed = failed

    def _run(self) -> None:
        again, pause = 0.0, RETRY_SECONDS[0]
        while self._waited(again or None):
            try:
                kept = self._restore()
                if kept.repaired:
                    self._repaired()
                again, pause = kept.again, RETRY_SECONDS[0]
            except Fenced:
                return
            except Exception as error:  # noqa: BLE001 - a thread that died in silence would leave the gate open
                self._failed("the webhook configuration", error)
                again, pause = pause, min(pause * 2, RETRY_SECONDS[1])
