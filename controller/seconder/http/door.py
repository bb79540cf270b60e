"""A listening socket that gives out only who has said something, and lets no one keep the others out."""

import selectors
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from seconder.http.crowd import NEVER, Crowd

_AT_ONCE: Final = 256
"""Connections that are let in before others are served again."""

_ALL: Final = 4096
"""More than a kernel has taken ahead."""


class Visitor(socket.socket):
    """A connection that was let in. ``last_used``: see ``Crowd``."""

    last_used: float = NEVER
    address: tuple[str, int]


def said(visitor: Any) -> bool:
    """Whether a connection that was not given out yet has sent something, and has not left."""
    try:
        return bool(visitor.recv(1, socket.MSG_PEEK))
    except OSError:
        # Nothing yet (BlockingIOError), or it has left, and not in order.
        return False


class Door(socket.socket):
    """A listening socket for an event loop, which waits for its ``fileno`` and calls ``accept`` until there is none.

    Who connects to these ports speaks first. Until then a connection is none of the event loop's: to let it in and to
    end it for another costs a tenth of what a transport does, so that whoever opens them in a loop does not keep the
    process from its work. ``see_off`` ends a connection that was given out. ``at_once``: how many are given out before
    others are served again; those of an address with few come first.
    """

    def __init__(
        self, listening: socket.socket, crowd: Crowd[Any], see_off: Callable[[Any], None], at_once: int
    ) -> None:
        super().__init__(fileno=listening.detach())
        self.setblocking(False)
        self._crowd = crowd
        self._see_off = see_off
        self._at_once = at_once
        self._selector = selectors.DefaultSelector()
        self._selector.register(super().fileno(), selectors.EVENT_READ)
        self._waiting: dict[Visitor, float] = {}
        self._turn: list[Visitor] | None = None

    def fileno(self) -> int:
        """What is readable when somebody comes, or says something."""
        return -1 if super().fileno() < 0 else self._selector.fileno()

    def accept(self) -> tuple[Visitor, Any]:
        """See ``socket.socket``: the next connection that has said something."""
        if self._turn is None:
            failed = self._let_in()
            said = [key.fileobj for key, _ in self._selector.select(0) if isinstance(key.fileobj, Visitor)]
            said.sort(key=self._crowd.many)
            self._turn = said[: self._at_once][::-1]
            if failed is not None and not self._turn:
                self._turn = None
                raise failed
        while self._turn:
            visitor = self._turn.pop()
            if self._speaks(visitor):
                return self._give(visitor)
        self._turn = None
        raise BlockingIOError

    def rest(self) -> list[Visitor]:
        """Give out whoever is there, whether or not they have said anything."""
        self._let_in(_ALL)
        return [self._give(visitor)[0] for visitor in list(self._waiting)]

    def weary(self, seconds: float) -> None:
        """End those that have said nothing for so long."""
        until = time.monotonic() - seconds
        for visitor in [visitor for visitor, since in self._waiting.items() if since < until]:
            self._end(visitor)

    def close(self) -> None:
        """See ``socket.socket``. Who has said nothing is told no more."""
        super().close()
        for visitor in list(self._waiting):
            self._end(visitor)
        self._selector.close()

    def _let_in(self, most: int = _AT_ONCE) -> OSError | None:
        """Take who is there; gives why no more could be."""
        now = time.monotonic()
        for _ in range(most):
            try:
                sock, address = super().accept()
            except BlockingIOError:
                return None
            except ConnectionAbortedError:
                continue
            except OSError as error:
                return error
            visitor = Visitor(self.family, self.type, self.proto, fileno=sock.detach())
            visitor.setblocking(False)
            visitor.address = address
            leaves = self._crowd.take(visitor, address[0])
            if leaves is visitor:
                visitor.close()
                continue
            self._waiting[visitor] = now
            self._selector.register(visitor, selectors.EVENT_READ)
            if leaves in self._waiting:
                self._end(leaves)
            elif leaves is not None:
                self._see_off(leaves)
        return None

    def _speaks(self, visitor: Visitor) -> bool:
        """Whether there is something to read; who has left instead is ended."""
        if visitor not in self._waiting:
            return False
        if said(visitor):
            return True
        self._end(visitor)
        return False

    def _give(self, visitor: Visitor) -> tuple[Visitor, Any]:
        del self._waiting[visitor]
        self._selector.unregister(visitor)
        return visitor, visitor.address

    def _end(self, visitor: Visitor) -> None:
        self._give(visitor)
        self._crowd.discard(visitor)
        visitor.close()
