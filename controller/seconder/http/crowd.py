"""Who gives way where a port has as many connections as it may: of whoever has most, the one that did least."""

import math
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Guest = TypeVar("Guest")

NEVER: Final = 0.0
"""When a connection last had a request that has not sent one whole request."""

_LOOKS: Final = 8
"""Connections that are compared, at the most, to find one that has long had no request."""


class _Share(Generic[Guest]):
    """The connections of one address, by what they have done; the oldest of each first.

    ``used``: with when it was last known to have had a request.
    """

    __slots__ = ("heard", "silent", "used")

    def __init__(self) -> None:
        self.silent: Final[dict[Guest, None]] = {}
        self.heard: Final[dict[Guest, None]] = {}
        self.used: Final[dict[Guest, float]] = {}

    def __len__(self) -> int:
        return len(self.silent) + len(self.heard) + len(self.used)


class Crowd(Generic[Guest]):
    """The connections of one port, ``most`` at the most.

    A newcomer too many is paid for by the address that has most connections, so that nobody who has few is kept out or
    ended by somebody who has many. Of that address the one goes first that has longest sent nothing at all, then one
    without a whole request, then one that has long had none. Where all come from one address, as behind an address
    translation, this is all that tells them apart. A caller that is proven to be one is in nobody's way, and is not
    counted as anybody's.

    ``used`` tells when a connection last had a request: ``NEVER``, or infinity while it is being answered. It is asked
    only when somebody has to go: to take part costs a request nothing. ``said`` tells whether one that nobody has heard
    yet has sent something, and is asked only then, too. Each step here takes as long with many connections as with few.
    """

    def __init__(self, most: int, used: Callable[[Guest], float], said: Callable[[Guest], bool]) -> None:
        self._most = most
        self._used = used
        self._said = said
        self._address: dict[Guest, str] = {}
        self._proven: set[Guest] = set()
        self._shares: dict[str, _Share[Guest]] = {}
        self._by_size: dict[int, dict[str, None]] = {}
        self._largest = 0

    def __len__(self) -> int:
        return len(self._address) + len(self._proven)

    def take(self, newcomer: Guest, address: str) -> Guest | None:
        """Let a connection in. Gives the one that is to be ended for it, which may be itself; it is in no more."""
        share = self._shares.setdefault(address, _Share[Guest]())
        share.silent[newcomer] = None
        self._address[newcomer] = address
        self._resize(address, len(share) - 1)
        if len(self) <= self._most:
            return None
        leaves = self._least(newcomer, address)
        self.discard(leaves)
        return leaves

    def heard(self, guest: Guest, known_as: Guest) -> None:
        """Note that a connection has sent something, and by what it is known from now on."""
        address = self._address.pop(guest)
        self._address[known_as] = address
        share = self._shares[address]
        share.silent.pop(guest, None)
        share.heard.pop(guest, None)
        share.heard[known_as] = None

    def prove(self, guest: Guest) -> None:
        """Count a connection as that of a proven caller from now on."""
        if guest in self._address:
            self.discard(guest)
            self._proven.add(guest)

    def discard(self, guest: Guest) -> None:
        """Forget a connection that has ended; nothing where it is none of these."""
        self._proven.discard(guest)
        address = self._address.pop(guest, None)
        if address is None:
            return
        share = self._shares[address]
        before = len(share)
        for same in (share.silent, share.heard, share.used):
            same.pop(guest, None)
        self._resize(address, before)

    def many(self, guest: Guest) -> int:
        """The connections of the same address."""
        address = self._address.get(guest)
        return 0 if address is None else len(self._shares[address])

    def _resize(self, address: str, before: int) -> None:
        """Put an address where those of its size are; it had one connection more, or less."""
        size = len(self._shares[address])
        if before:
            same = self._by_size[before]
            del same[address]
            if not same:
                del self._by_size[before]
        if size:
            self._by_size.setdefault(size, {})[address] = None
        else:
            del self._shares[address]
        if size > self._largest or self._largest not in self._by_size:
            # Where it was the only one of the largest, it is now smaller by one, and nobody is larger.
            self._largest = size

    def _least(self, newcomer: Guest, address: str) -> Guest:
        largest = self._by_size[self._largest]
        # Of several it pays itself, so that two that have many do not end each other's.
        pays = address if address in largest and self._largest > 1 else next(iter(largest))
        return self._least_used(self._shares[pays], newcomer)

    def _least_used(self, share: _Share[Guest], newcomer: Guest) -> Guest:
        silent, heard, used = share.silent, share.heard, share.used
        while silent and (guest := next(iter(silent))) is not newcomer:
            if not self._said(guest):
                return guest
            # It waits to be heard.
            del silent[guest]
            heard[guest] = None
        while heard:
            guest = next(iter(heard))
            if self._used(guest) == NEVER:
                return guest
            # Found out only now. How long ago that was is compared below, with what it has done since then.
            del heard[guest]
            used[guest] = NEVER
        idle, since = newcomer, math.inf
        for _ in range(min(_LOOKS, len(used))):
            guest = next(iter(used))
            known, last = used.pop(guest), self._used(guest)
            if last <= known:
                used[guest] = last
                return guest
            used[guest] = last if last < math.inf else NEVER
            if idle is newcomer or last < since:
                idle, since = guest, last
        # Its own are all being answered: then it is itself the one that did least.
        return newcomer if since == math.inf and newcomer in share.silent else idle
