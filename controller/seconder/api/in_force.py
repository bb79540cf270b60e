"""What a ProtectionPolicy's status says of its being in force, and whether that is recent enough to be believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET

from seconder.api import constants, moments, policy_documents
from seconder.api.conditions import IN_FORCE
from seconder.api.text import clean

STALE_SECONDS: Final = constants.FRESH_SECONDS
"""After which what was seen says nothing of the present: the operator looks at least every half of it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a policy is in force as far as is known, and why not. ``seen``: how many seconds ago; None for never."""

    name: str
    in_force: bool
    reason: str
    message: str
    seen: float | None


def standing(document: Mapping[str, Any], now: float) -> Standing:
    """Read a ProtectionPolicy's document. ``now`` is in seconds since 1970."""
    metadata = document["metadata"]
    name, generation = str(metadata.get("name", "")), metadata.get("generation", 0)
    status = policy_documents.status_of(document)
    seen = _seen(status.observed_at if status.observed_at is not UNSET else "", now)
    condition = next((found for found in status.conditions if found.type == IN_FORCE), None)
    if condition is None or seen is None:
        return Standing(name, False, "NeverSeen", "no operator has looked at this policy yet", seen)
    if condition.status != "True":
        return Standing(name, False, condition.reason, clean(condition.message), seen)
    if condition.observed_generation != generation:
        return Standing(name, False, "Changed", "it was changed, and the operator has not put it in force", seen)
    if seen > STALE_SECONDS:
        words = f"it was last seen in force {seen:.0f} s ago; no operator has looked since"
        return Standing(name, False, "NotSeenLately", words, seen)
    return Standing(name, True, condition.reason, clean(condition.message), seen)


def _seen(text: str, now: float) -> float | None:
    at = moments.seconds(text)
    return None if at is None else max(0.0, now - at)
