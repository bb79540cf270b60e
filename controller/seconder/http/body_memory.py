"""Memory for the bodies of requests that wait for something."""

from typing import Protocol


class Holder(Protocol):
    """A connection whose request is coming in."""

    def give_room(self) -> None:
        """Give the request up, and all that it holds back."""


class BodyMemory:
    """A number of bytes that all requests share. Slow ones give way to quick ones.

    When there is too little, the oldest request that waits for the rest of its body is given up. An ordinary one is
    whole before that could get to it, however many others are on their way.
    """

    def __init__(self, size: int) -> None:
        self.left = size
        self._unfinished: dict[Holder, None] = {}

    def take(self, holder: Holder, more: int) -> None:
        """Give room for more of the unfinished body of ``holder``, who may lose it to others, or at once."""
        self.left -= more
        self._unfinished[holder] = None
        while self.left < 0 and self._unfinished:
            oldest = next(iter(self._unfinished))
            del self._unfinished[oldest]
            oldest.give_room()

    def finish(self, holder: Holder) -> None:
        """Note that the body of ``holder`` is whole; it is kept as long as the answer takes."""
        self._unfinished.pop(holder, None)

    def take_back(self, holder: Holder, held: int) -> None:
        """Take back all that ``holder`` held."""
        self.left += held
        self._unfinished.pop(holder, None)
