"""What ServiceAccounts were said to have and not to have, one right at a time, until that may have changed."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from threading import Lock
from typing import Final

from seconder.admission.lookups import Account, Right
from seconder.client.clock import steady

SECONDS: Final = 60.0
"""How long an answer counts, from when it was asked for. A right that is given meanwhile is not seen for so long."""

FOLLOWED_SECONDS: Final = 600.0
"""How long a no counts while RBAC is followed and nothing has changed in it: other authorizers may come to say yes."""

_SETTLED_SECONDS: Final = 30.0
"""After a change, in which an API server may still answer by what its own authorizer has not seen yet."""

_MOST: Final = 65_536
"""Answers that are remembered: some 10 MB."""

_MOST_NAMESPACES: Final = 4096
"""Of which the last change is remembered."""

_NEVER: Final = float("-inf")


class _Known:
    """Of one ServiceAccount: each right that was asked about, and when."""

    __slots__ = ("denied", "had")

    def __init__(self) -> None:
        self.denied: dict[Right, float] = {}
        self.had: dict[Right, float] = {}


class Rights:
    """Remembers single answers, so that a question of many rights goes on where the last one had to end.

    Safe to use from several threads. ``life`` is in seconds, and so is ``followed_life``, for which a no counts while
    ``followed`` says that ``changed`` would be called, and it was not. ``most`` is a number of answers; the
    ServiceAccounts that were least recently asked about are forgotten first.
    """

    def __init__(
        self,
        *,
        life: float = SECONDS,
        followed_life: float = FOLLOWED_SECONDS,
        followed: Callable[[], bool] = lambda: False,
        most: int = _MOST,
        clock: Callable[[], float] = steady,
    ) -> None:
        self._life = life
        self._followed_life = followed_life
        self._followed = followed
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._count = 0
        self._changed = _NEVER
        """When rights may last have become others anywhere; and, below, in which namespace."""
        self._changed_in: dict[str, float] = {}
        self._accounts: OrderedDict[Account, _Known] = OrderedDict()
        self._asked: dict[tuple[Account, Right], Future[bool]] = {}

    def __len__(self) -> int:
        """The number of answers that are remembered."""
        return self._count

    def changed(self, namespace: str | None = None) -> None:
        """Rights may be others from now on: those in a namespace, or all for None."""
        now = self._clock()
        with self._lock:
            if namespace is None or len(self._changed_in) >= _MOST_NAMESPACES:
                self._changed = now
                self._changed_in.clear()
            else:
                self._changed_in[namespace] = now

    def open(self, account: Account, rights: Iterable[Right]) -> tuple[Right | None, list[Right]]:
        """The first of these rights that it is known to have, if any; else those of which nothing is known."""
        followed = self._followed()
        with self._lock:
            known = self._accounts.get(account)
            if known is None:
                return None, list(rights)
            self._accounts.move_to_end(account)
            now, unknown = self._clock(), []
            for right in rights:
                answer = self._answer(known, right, now, followed=followed)
                if answer:
                    return right, []
                if answer is None:
                    unknown.append(right)
            return None, unknown

    def asked(self, account: Account, right: Right, ask: Callable[[], Future[bool]]) -> tuple[Future[bool], bool]:
        """The answer to come, and whether it is ``ask`` that was called for it: nobody asks what is being asked."""
        key, followed = (account, right), self._followed()
        with self._lock:
            coming = self._asked.get(key)
            if coming is not None:
                return coming, False
            known = self._accounts.get(account)
            answer = None if known is None else self._answer(known, right, self._clock(), followed=followed)
            if answer is not None:
                there: Future[bool] = Future()
                there.set_result(answer)
                return there, True
            coming = self._asked[key] = ask()
            return coming, True

    def answering(self, account: Account, right: Right, ask: Callable[[], bool]) -> bool:
        """What ``ask`` says, remembered from now on. Raises what it raises, and remembers nothing of that."""
        asked = self._clock()
        try:
            has = ask()
        except BaseException:
            with self._lock:
                self._asked.pop((account, right), None)
            raise
        with self._lock:
            self._asked.pop((account, right), None)
            self._remember(account, right, asked, has=has)
        return has

    def _answer(self, known: _Known, right: Right, now: float, *, followed: bool) -> bool | None:
        """What is remembered of a right, if it counts."""
        asked = known.denied.get(right, _NEVER)
        if now - asked < self._life:
            return False
        if followed and now - asked < self._followed_life:
            # A list of RBAC is as a change, so that nothing that was asked before it was followed counts so long.
            changed = max(self._changed, self._changed_in.get(right.namespace, _NEVER))
            if asked > changed + _SETTLED_SECONDS:
                return False
        return True if now - known.had.get(right, _NEVER) < self._life else None

    def _remember(self, account: Account, right: Right, asked: float, *, has: bool) -> None:
        known = self._accounts.setdefault(account, _Known())
        before = len(known.denied) + len(known.had)
        now, other = (known.had, known.denied) if has else (known.denied, known.had)
        now[right] = asked
        other.pop(right, None)
        self._count += len(known.denied) + len(known.had) - before
        while self._count > self._most and len(self._accounts) > 1:
            _, forgotten = self._accounts.popitem(last=False)
            self._count -= len(forgotten.denied) + len(forgotten.had)
