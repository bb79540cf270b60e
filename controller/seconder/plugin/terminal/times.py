"""Times as people give them and as documents hold them: RFC 3339, or a while ago."""

import time
from typing import Final

from seconder.api import moments
from seconder.api.duration import Duration
from seconder.api.text import clean
from seconder.plugin.terminal.problem import Problem

_DAY: Final = 86400


def moment(text: str, flag: str) -> float:
    """Seconds since 1970 for RFC 3339. Raises Problem that names the flag."""
    read = moments.seconds(text)
    if read is None:
        raise Problem(f"{flag} {clean(text)} is not a time such as 2026-11-22T14:30:00Z")
    return read


def moment_or_ago(text: str, flag: str, now: float) -> float:
    """Seconds since 1970 for RFC 3339, or for ``90m``, ``24h`` or ``7d`` before now. Raises Problem."""
    try:
        if text.endswith("d") and text[:-1].isascii() and text[:-1].isdigit():
            return now - int(text[:-1]) * _DAY
        return now - Duration.parse(text)
    except (ValueError, OverflowError):
        pass
    try:
        return moment(text, flag)
    except Problem:
        raise Problem(
            f"{flag} {clean(text)} is neither a while such as 24h or 7d nor a time such as 2026-11-22T14:30:00Z"
        ) from None


def rfc3339(seconds: float) -> str:
    """A time in UTC, to the second; the number itself where there is no such year."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(int(seconds))
