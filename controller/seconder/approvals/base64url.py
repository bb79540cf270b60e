"""Base64url without padding (RFC 7515 section 2), read strictly."""

import base64
import binascii


def decode(text: bytes) -> bytes:
    """The bytes of a text without padding or spaces, its trailing bits zero. Raises ``ValueError``."""
    try:
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    # The decoder skips what it does not know; only the text that an encoder writes is taken.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:
        raise ValueError("not canonical base64url")
    return data
