"""What ServiceAccounts were said to have and not to have, one right at a time, for a short while."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from threading import Lock
from typing import Final

from seconder.admission.lookups import Account, Right
from seconder.client.clock import steady

SECONDS: Final = 60.0
"""How long an answer counts, from when it was asked for. A right that is given meanwhile is not seen for so long."""

_MOST: Final = 65_536
"""Answers that are remembered: some 10 MB."""


class _Known:
    """Of one ServiceAccount: each right that was asked about, and until when the answer counts."""

    __slots__ = ("denied", "had")

    def __init__(self) -> None:
        self.denied: dict[Right, float] = {}
        self.had: dict[Right, float] = {}


class Rights:
    """Remembers single answers, so that a question of many rights goes on where the last one had to end.

    Safe to use from several threads. ``life`` is in seconds, ``most`` a number of answers; the ServiceAccounts that
    were least recently asked about are forgotten first.
    """

    def __init__(self, *, life: float = SECONDS, most: int = _MOST, clock: Callable[[], float] = steady) -> None:
        self._life = life
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._count = 0
        self._accounts: OrderedDict[Account, _Known] = OrderedDict()
        self._asked: dict[tuple[Account, Right], Future[bool]] = {}

    def __len__(self) -> int:
        """The number of answers that are remembered."""
        return self._count

    def open(self, account: Account, rights: Iterable[Right]) -> tuple[Right | None, list[Right]]:
        """The first of these rights that it is known to have, if any; else those of which nothing is known."""
        with self._lock:
            known = self._accounts.get(account)
            if known is None:
                return None, list(rights)
            self._accounts.move_to_end(account)
            now, unknown = self._clock(), []
            for right in rights:
                if known.denied.get(right, 0.0) > now:
                    continue
                if known.had.get(right, 0.0) > now:
                    return right, []
                unknown.append(right)
            return None, unknown

    def asked(self, account: Account, right: Right, ask: Callable[[], Future[bool]]) -> tuple[Future[bool], bool]:
        """The answer to come, and whether it is ``ask`` that was called for it: nobody asks what is being asked."""
        key = account, right
        with self._lock:
            coming = self._asked.get(key)
            if coming is not None:
                return coming, False
            known, now = self._accounts.get(account), self._clock()
            for answers, answer in () if known is None else ((known.denied, False), (known.had, True)):
                if answers.get(right, 0.0) > now:
                    there: Future[bool] = Future()
                    there.set_result(answer)
                    return there, True
            coming = self._asked[key] = ask()
            return coming, True

    def answering(self, account: Account, right: Right, ask: Callable[[], bool]) -> bool:
        """What ``ask`` says, remembered from now on. Raises what it raises, and remembers nothing of that."""
        until = self._clock() + self._life
        try:
            has = ask()
        except BaseException:
            with self._lock:
                self._asked.pop((account, right), None)
            raise
        with self._lock:
            self._asked.pop((account, right), None)
            self._remember(account, right, until, has=has)
        return has

    def _remember(self, account: Account, right: Right, until: float, *, has: bool) -> None:
        known = self._accounts.setdefault(account, _Known())
        before = len(known.denied) + len(known.had)
        now, other = (known.had, known.denied) if has else (known.denied, known.had)
        now[right] = until
        other.pop(right, None)
        self._count += len(known.denied) + len(known.had) - before
        while self._count > self._most and len(self._accounts) > 1:
            _, forgotten = self._accounts.popitem(last=False)
            self._count -= len(forgotten.denied) + len(forgotten.had)
