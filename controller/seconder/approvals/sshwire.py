"""SSH's wire format, read strictly: RFC 4251 section 5 and the base64 around it."""

import binascii
from collections.abc import Sequence


class WireError(ValueError):
    """The bytes are not the one canonical encoding of anything."""


def decode_base64(text: bytes) -> bytes:
    """Decode RFC 4648 section 4 base64: full padding, no spaces, zero trailing bits. Raises ``WireError``."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise WireError("not base64") from None
    # The decoder lets several texts through for the same bytes; only the one that an encoder writes is taken.
    if binascii.b2a_base64(data, newline=False) != text:
        raise WireError("not canonical base64")
    return data


def string(data: bytes) -> bytes:
    """Encode a ``string``: its length as ``uint32``, then the bytes."""
    return len(data).to_bytes(4) + data


class Reader:
    """Takes one value after another from ``data``. Every method raises ``WireError`` where the bytes do not fit."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        start = self._at
        end = start + length
        if end > len(self._data):
            raise WireError("truncated")
        self._at = end
        return self._data[start:end]

    def uint32(self) -> int:
        """The next ``uint32``."""
        return int.from_bytes(self.take(4))

    def uint64(self) -> int:
        """The next ``uint64``."""
        return int.from_bytes(self.take(8))

    def string(self) -> bytes:
        """The next ``string``."""
        return self.strings(1)[0]

    def strings(self, count: int) -> Sequence[bytes]:
        """The next so many of type ``string``."""
        # As take(uint32()) for each, in one call: an approval has ten of them.
        data, end = self._data, self._at
        found = []
        for _ in range(count):
            start = end + 4
            end = start + int.from_bytes(data[end:start])
            if end > len(data):
                raise WireError("truncated")
            found.append(data[start:end])
        self._at = end
        return found

    def positive_mpint(self) -> int:
        """The next ``mpint``, above zero; a sign bit or a needless leading zero byte is refused."""
        data = self.string()
        if not data or data[0] & 0x80:
            raise WireError("not a positive number")
        if data[0] == 0 and (len(data) == 1 or not data[1] & 0x80):
            raise WireError("not a canonical number")
        return int.from_bytes(data)

    @property
    def more(self) -> bool:
        """Whether something is left."""
        return self._at < len(self._data)

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._data):
            raise WireError("trailing bytes")
