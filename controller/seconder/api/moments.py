"""Times as documents and headers write them. Every such text is read here: see the test of this module."""

import re
from datetime import UTC, datetime
from typing import Final

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


def read(text: str) -> datetime | None:
    """A time of RFC 3339, in UTC; None for anything else, and for what lies outside of the years 1 to 9999."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        # Python tells no years but these, of no time zone.
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def seconds(text: str) -> float | None:
    """The same in seconds since 1970."""
    found = read(text)
    return None if found is None else found.timestamp()


def http_seconds(text: str) -> float | None:
    """Seconds since 1970 of a ``Date`` (RFC 9110 section 5.6.7); None for anything else."""
    # Few read one, and it is slow to load.
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
