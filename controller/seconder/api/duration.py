"""Lengths of time as documents write them."""

import re
from typing import Final

_DURATION: Final = re.compile(r"([0-9]+)([hms])")
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}


class Duration(int):
    """Seconds; ``15m`` or ``1h30m`` in a document."""

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read ``15m`` or ``1h30m``. Raises ValueError for anything that the CRD's pattern refuses."""
        if not re.fullmatch(r"([0-9]+[hms])+", text):
            raise ValueError(f"not a duration: {text!r}")
        return cls(sum(int(count) * _SECONDS[unit] for count, unit in _DURATION.findall(text)))

    def __str__(self) -> str:
        """The shortest notation."""
        parts = [(self // 3600, "h"), (self % 3600 // 60, "m"), (self % 60, "s")]
        return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def decoded(kind: type, value: object) -> object:
    """Convert what msgspec does not know (``dec_hook``). Raises ValueError and NotImplementedError."""
    if kind is not Duration:
        raise NotImplementedError
    if not isinstance(value, str):
        raise ValueError("not a duration: give a text such as 15m")
    return Duration.parse(value)
