"""How much of something one caller may have in a while: a bounded table of token buckets."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_MOST: Final = 4096
"""Callers that are told apart. The one that has been quiet for longest is forgotten first, and starts anew."""


class Pace:
    """At most ``burst`` at once and ``rate`` a second, for each caller. For several threads."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, caller: str) -> bool:
        """Whether this caller may have one more now; it then counts."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(caller, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._rate)
            allowed = left >= 1
            self._buckets[caller] = (left - 1 if allowed else left, now)
            if len(self._buckets) > _MOST:
                self._buckets.popitem(last=False)
        return allowed
