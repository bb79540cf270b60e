"""What the webhook leaves of an emergency in Seconder's own namespace, for the operator to tell others of.

The Event on the object itself is for whoever looks at that object, and whoever may write there can make one up. In
Seconder's namespace no agent writes anything.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.api import constants
from seconder.api.type_reader import TypeReader

EVENT: Final = "BreakGlassUsed"
"""The reason of these Events (core/v1)."""

_KEY: Final = f"{constants.DOMAIN}/emergency"


class BreakGlassUse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody passed policies by. ``operation`` is the API server's, as in ``DELETE``; ``reason`` is their own."""

    object: str
    operation: str
    requester: str
    reason: str

    @property
    def summary(self) -> str:
        """It in one sentence."""
        return f"{self.operation} of {self.object} by {self.requester} under break-glass: {self.reason}"

    @property
    def annotations(self) -> dict[str, str]:
        """What an Event carries of it."""
        return {_KEY: msgspec.json.encode(self).decode()}


_use: Final = TypeReader(BreakGlassUse)


def read(event: Mapping[str, Any]) -> BreakGlassUse | None:
    """The emergency that an Event tells of; None where it tells of none."""
    text = (event["metadata"].get("annotations") or {}).get(_KEY, "")
    try:
        return _use.decode(text)
    except msgspec.DecodeError:
        return None
