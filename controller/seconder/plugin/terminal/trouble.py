"""What a command that follows the cluster says when the API server does not answer."""

from typing import Final

from seconder.client.api import ApiError

_HOPELESS: Final = frozenset({401, 403, 404})
_HOPELESS_AFTER_SECONDS: Final = 20.0
"""An API server that has just started answers so for a moment, before it has read its roles."""

_CALM_SECONDS: Final = 10.0


class Trouble:
    """Errors of a watch that tries again by itself: worth a word when they begin, and an end when they go on."""

    def __init__(self) -> None:
        self._since = self._last = float("-inf")

    def begins(self, error: Exception, now: float) -> bool:
        """Take note of an error; say whether it is the first. ``now``: monotonic seconds.

        Raises it where it is an answer that has not changed for a while.
        """
        first = now - self._last > _CALM_SECONDS
        self._last = now
        if first:
            self._since = now
        if isinstance(error, ApiError) and error.status in _HOPELESS and now - self._since > _HOPELESS_AFTER_SECONDS:
            raise error
        return first
