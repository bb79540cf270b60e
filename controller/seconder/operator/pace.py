"""When what somebody else has changed is put right: at once at first, then ever later, but never given up."""

from typing import Final

_DELAYS: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
"""Seconds from one repair of the same change to the next. The last one holds for all that follow: whoever changes it
often enough would have won otherwise."""

_FORGOTTEN: Final = 300.0
"""Seconds after which a change that comes again counts as a first one."""

_MANY: Final = 30
_MANY_SECONDS: Final = 60.0
_MANY_DELAY: Final = 1.0
"""Whoever changes something else each time: after so many in a minute, one a second."""

_DISPUTED: Final = 3
_QUIET: Final = 10.0
_MOST: Final = 64

DELETED: Final = b""
"""The change that leaves nothing, after which nobody is asked: put right at once each time, within ``_MANY``."""


class Pace:
    """Remembers repairs. A change is named by any bytes that are the same for the same change. Times are in seconds."""

    def __init__(self) -> None:
        self._repairs: dict[bytes, tuple[int, float]] = {}
        self._recent: list[float] = []
        self._disputed: list[float] = []

    def wait(self, change: bytes, now: float) -> float:
        """The seconds until this change is to be put right; 0 for at once."""
        waits = [0.0]
        count, last = self._repairs.get(change, (0, now - _FORGOTTEN))
        if change != DELETED and now - last < _FORGOTTEN:
            waits.append(last + _DELAYS[min(count, len(_DELAYS) - 1)] - now)
        if self._recent and len(_within(self._recent, now)) >= _MANY:
            waits.append(self._recent[-1] + _MANY_DELAY - now)
        return max(waits)

    def repaired(self, change: bytes, now: float, *, disputed: bool = True) -> None:
        """Note that this change was put right. ``disputed``: it counts towards a dispute."""
        count, last = self._repairs.pop(change, (0, now))
        self._repairs[change] = (1 if now - last >= _FORGOTTEN else count + 1, now)
        if len(self._repairs) > _MOST:
            del self._repairs[next(iter(self._repairs))]
        self._recent = [*_within(self._recent, now), now]
        if disputed:
            self._disputed = [*_within(self._disputed, now), now]

    def disputed(self, now: float) -> bool:
        """Whether somebody keeps changing it: several repairs within a minute, the last of them just now."""
        recent = _within(self._disputed, now)
        return len(recent) >= _DISPUTED and now - recent[-1] < _QUIET

    def settles(self, now: float) -> float:
        """The seconds until it is disputed no more, if nobody changes it again; 0 where it is not."""
        return self._disputed[-1] + _QUIET - now if self.disputed(now) else 0.0


def _within(moments: list[float], now: float) -> list[float]:
    return [moment for moment in moments if now - moment < _MANY_SECONDS]
