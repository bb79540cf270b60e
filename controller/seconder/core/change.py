"""A refused request that approvals would let through: what a change request records of it."""

import hashlib
from dataclasses import dataclass
from typing import Final

from seconder.core.policy import Policy
from seconder.core.request import Action, Target

PREFIX: Final = "chg-"
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: no letter that reads like a digit, since people read these names to each other."""

_LENGTH: Final = 26
"""Digits of 5 bits each, for 128 bits."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who wanted to do what to which object, and what that takes. ``version`` is the API version it was asked in.

    ``by_agent``: the requester is an agent; one tagged by its group or user name has no name in ``agent``.
    ``claimed`` is the caller's own reason, unproven. ``policies`` are all that ask for approval of it.
    """

    requester: str
    by_agent: bool
    agent: str | None
    operators: frozenset[str]
    target: Target
    version: str
    action: Action
    claimed: str
    policies: tuple[Policy, ...]

    @property
    def name(self) -> str:
        """The change request's name: the same for the same requester, agent, object, uid and action."""
        return name_of(self.requester, self.agent or "", self.target, self.action)


def name_of(requester: str, agent: str, target: Target, action: Action) -> str:
    """Give ``chg-`` and 26 digits of a 128-bit hash. ``agent`` is empty for a requester without an agent's name."""
    group, resource = target.resource
    parts = (requester, agent, group, resource, target.namespace, target.name, target.uid, action.value)
    # Each with its length, so that no two different lists make the same bytes.
    framed = b"".join(len(data).to_bytes(4, "big") + data for data in (part.encode() for part in parts))
    number = int.from_bytes(hashlib.sha256(framed).digest()[:16], "big")
    return PREFIX + "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
