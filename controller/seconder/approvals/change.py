"""A refused request that approvals would let through: what a change request records of it."""

import functools
import hashlib
from typing import Final

from msgspec import Struct
from msgspec.structs import force_setattr

from seconder.api.policy import Policy
from seconder.api.resources import Action, Target
from seconder.approvals.difference import Difference

PREFIX: Final = "chg-"
_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: no letter that reads like a digit, since people read these names to each other."""

_PAIRS: Final = [high + low for high in _CROCKFORD for low in _CROCKFORD]
"""Two digits by ten bits. The library's base32 is Python, and takes five times as long."""

_SHIFTS: Final = range(120, -1, -10)
"""Of 128 bits with two more behind them: thirteen times ten."""


_MOST_REMEMBERED: Final = 1024
"""Names. Who was refused once asks again, and so does whoever is let through."""


class By(Struct, frozen=True, gc=False):
    """A request on another object, or one that ends its own by another way: what an action was asked for by.

    ``reason`` says in a few words of ours why it counts as the action. The others are cut to what is recorded of them.
    """

    operation: str
    group: str
    resource: str
    namespace: str
    name: str
    subresource: str
    reason: str


class Change(Struct, frozen=True, gc=False):
    """Who wanted to do what to which object, and what that takes. ``version`` is the API version it was asked in.

    ``by_agent``: the requester is an agent; one tagged by its group or user name has no name in ``agent``.
    ``principals``: of approvers who are the requester, by what tells them beside user names.
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
    difference: Difference | None = None
    """What is changed, for ``Change`` and for nothing else."""
    principals: frozenset[str] = frozenset()
    by: By | None = None
    """By which request, where that was none for the action on the object itself."""
    states: tuple[str, ...] = ()
    """The digests of the object as it is stored and as it is wanted, where something is changed."""
    name: str = ""
    """The change request's name: the same for the same requester, agent, object, uid, action, and both states of it.

    And by the same request, where ``by`` tells that: who is shown a deletion is not asked for a diversion by it.
    """

    def __post_init__(self) -> None:
        """Make these once: a refusal asks for them several times."""
        if self.difference is not None:
            force_setattr(self, "states", (self.difference.before, self.difference.after))
        name = name_of(self.requester, self.agent or "", self.target, self.action, self.states, self.by)
        force_setattr(self, "name", name)


@functools.lru_cache(_MOST_REMEMBERED)
def name_of(
    requester: str, agent: str, target: Target, action: Action, states: tuple[str, ...] = (), by: By | None = None
) -> str:
    """``chg-`` and 26 digits of a 128-bit hash. ``agent`` is empty for a requester without an agent's name.

    ``states``: as of a Change; what leads to one state from two others is two changes. ``by``: as of a Change, but for
    its words.
    """
    group, resource = target.resource
    parts = [requester, agent, group, resource, target.namespace, target.name, target.uid, action, *states]
    if by is not None:
        # So many that they are not taken for digests.
        parts += ("by", by.operation, by.group, by.resource, by.namespace, by.name, by.subresource)
    framed: list[bytes] = []
    for part in parts:
        data = part.encode()
        # Each with its length, so that no two different lists make the same bytes.
        framed += (len(data).to_bytes(4, "big"), data)
    bits = int.from_bytes(hashlib.sha256(b"".join(framed)).digest()[:16], "big") << 2
    return PREFIX + "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])
