"""Whose turn it is where one thread looks after what many have asked for: nobody is served first who shouts."""

from collections.abc import Collection
from typing import Final


class Turns:
    """Names in turns by their owner; of one owner's, the one that waits longest comes first.

    Times are in seconds of one clock. ``rest``: between two looks at one name, however often it changes. Not safe to
    use from several threads.
    """

    def __init__(self, rest: float) -> None:
        self._rest: Final = rest
        self._owners: dict[str, str] = {}
        self._due: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self._pressing: set[str] = set()
        self._touched: set[str] = set()
        """Since the last look."""
        self._served: dict[str, float] = {}
        """When each owner had its last turn."""

    def touch(self, name: str, owner: str, now: float, *, presses: bool = False) -> None:
        """Note that it has changed: its turn comes once it has rested. ``presses``: before the others of its owner."""
        when = now
        if name in self._looked and not presses:
            when = max(now, self._looked[name] + self._rest)
        # What waits already keeps its place: neither the first nor the last one to be touched gains or loses any.
        self._due[name] = min(when, self._due.get(name, when))
        self._owners[name] = owner
        self._touched.add(name)
        if presses:
            self._pressing.add(name)

    def next(self, now: float) -> str | None:
        """The name whose turn it is; None where none is due."""
        due = [name for name, when in self._due.items() if when <= now]
        if not due:
            return None
        never = float("-inf")
        owner = min(map(self._owners.__getitem__, due), key=lambda each: self._served.get(each, never))
        own = (name for name in due if self._owners[name] == owner)
        return min(own, key=lambda name: (name not in self._pressing, self._due[name]))

    def pause(self, now: float) -> float | None:
        """The seconds until some name is due; None where there is none."""
        return max(0.0, min(self._due.values()) - now) if self._due else None

    def taken(self, name: str, now: float, again: float) -> None:
        """Note that it is looked at now, and is due again after so many seconds unless it changes."""
        self._looked[name] = now
        self._due[name] = now + again
        self._served[self._owners[name]] = now
        self._pressing.discard(name)
        self._touched.discard(name)

    def put_off(self, name: str, now: float, again: float) -> None:
        """Have what could not be looked at wait for so many seconds from now, unless it has changed meanwhile."""
        if name in self._due and name not in self._touched:
            self._due[name] = now + again

    def keep(self, names: Collection[str]) -> None:
        """Forget all others, and owners of none of these."""
        for of_names in (self._owners, self._due, self._looked):
            for gone in of_names.keys() - names:
                del of_names[gone]
        self._pressing.intersection_update(names)
        self._touched.intersection_update(names)
        for gone in self._served.keys() - set(self._owners.values()):
            del self._served[gone]
