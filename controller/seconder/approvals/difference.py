"""A change of an object: the digests that bind it, and what of it people are shown."""

from typing import Final

from msgspec import Struct

MOST_PATCH: Final = 64 * 1024
"""Bytes that a change request holds of a merge patch, and of what the next apply takes away beside it."""

MOST_PATHS: Final = 64
LONGEST_PATH: Final = 253
_TOLD: Final = 3


class Difference(Struct, frozen=True, gc=False):
    """What an update changes of an object, beside what is free.

    ``before`` and ``after`` are SHA-256 digests, in hex, of the stored and of the wanted object. ``paths`` are the
    changed fields, as ``free_paths`` writes them, and ``patch`` a JSON Merge Patch (RFC 7386) from the one to the
    other, as text; it is empty where it is too long. ``truncated``: either is not all of it. ``next_apply`` is what
    somebody's next apply takes away, by who takes it, as JSON; empty where that is nothing.
    """

    before: str
    after: str
    paths: tuple[str, ...] = ()
    patch: str = ""
    truncated: bool = False
    next_apply: str = ""

    @property
    def summary(self) -> str:
        """The changed fields, the first few of them, in one line that is not cleaned."""
        told = ", ".join(self.paths[:_TOLD])
        more = len(self.paths) - _TOLD
        return f"{told} and {'at least ' if self.truncated else ''}{more} more" if more > 0 else told
