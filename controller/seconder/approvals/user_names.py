"""Under which user names a person makes requests: exact ones, patterns, and what a caller's ``extra`` says.

Where names change with each login, such as those of an assumed role's session, a pattern or the ``extra`` that stays
the same tells who it is. Whether somebody is their own peer is asked here alone.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

ANY: Final = "*"
"""Stands for any characters within a name, none included."""


class Identity(NamedTuple):
    """A value in ``userInfo.extra`` that tells a person. ``value`` may hold ``*``.

    Keys are compared in lower case: the API server lower-cases those that come with impersonation, and no others.
    """

    key: str
    value: str


def matches(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern says, exactly where that holds no ``*``. Takes time linear in both, and no more.

    A piece between two stars is taken at its first place: no later one leaves more room for those that follow.
    """
    first, *pieces = pattern.split(ANY)
    if not pieces:
        return pattern == text
    *between, last = pieces
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or end < len(first):
        return False
    place = len(first)
    for piece in between:
        found = text.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True


class UserNames:
    """Some user names, exact ones and patterns. A ``principal`` is exact, whatever it holds."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, names: Iterable[str], principals: Iterable[str] = ()) -> None:
        listed = frozenset(names)
        self._patterns: Final = tuple(sorted(name for name in listed if ANY in name))
        self._exact: Final = listed.difference(self._patterns).union(principals)

    def __contains__(self, name: object) -> bool:
        """Whether this is one of them."""
        return name in self._exact or (
            isinstance(name, str) and any(matches(pattern, name) for pattern in self._patterns)
        )

    def meets(self, names: Iterable[str]) -> bool:
        """Whether one of these is one of them."""
        return any(name in self for name in names)


class FoldedNames(UserNames):
    """The same, whether letters are small or capital: a certificate may write a name otherwise than a login does."""

    __slots__ = ()

    def __init__(self, names: Iterable[str], principals: Iterable[str] = ()) -> None:
        super().__init__((name.casefold() for name in names), (name.casefold() for name in principals))

    def __contains__(self, name: object) -> bool:
        """Whether this is one of them."""
        return isinstance(name, str) and super().__contains__(name.casefold())


def meet(pattern: str, other: str) -> bool:
    """Whether some user name is what both patterns say. Exact names are patterns, too."""
    if ANY not in pattern:
        return matches(other, pattern)
    if ANY not in other:
        return matches(pattern, other)
    beginnings = pattern.partition(ANY)[0], other.partition(ANY)[0]
    ends = _end(pattern), _end(other)
    shorter, longer = sorted(beginnings, key=len)
    tail, whole = sorted(ends, key=len)
    return longer.startswith(shorter) and whole.endswith(tail)


def by_extra(identities: Iterable[Identity], extra: Mapping[str, Sequence[str]]) -> bool:
    """Whether a caller's ``extra`` tells one of these identities."""
    return any(
        matches(identity.value, value)
        for identity in identities
        for key, values in extra.items()
        if key.lower() == identity.key.lower()
        for value in values
    )


def shared(names: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Whose names may stand for somebody else, too: by owner, one such name and who the other is.

    ``names`` are pairs of an owner and a user name. Two patterns meet in some name exactly where the beginning of one
    goes on from that of the other, and so do their ends: what is between can always be laid out one behind the other.
    """
    found: dict[str, tuple[str, str]] = {}
    for (owner, name), (other, its) in _meeting(sorted(set(names))):
        found.setdefault(owner, (name, other))
        found.setdefault(other, (its, owner))
    return found


_Pair = tuple[str, str]


def _meeting(names: Sequence[_Pair]) -> Iterator[tuple[_Pair, _Pair]]:
    """Pairs of names of different owners that meet, at least one for each that does."""
    exact: dict[str, _Pair] = {}
    for pair in names:
        if ANY in pair[1]:
            continue
        first = exact.setdefault(pair[1], pair)
        if first[0] != pair[0]:
            yield first, pair
    # By their ends, written backwards: whatever ends alike stands together, and few are looked at.
    by_end = sorted((name[::-1], pair) for name, pair in exact.items())
    unlike: dict[str, _Pair] = {}
    for pair in names:
        if ANY in pair[1] and unlike.setdefault(pair[1], pair)[0] != pair[0]:
            yield unlike[pair[1]], pair
    patterns = list(unlike.values())
    backwards = sorted((_end(pair[1])[::-1], pair) for pair in patterns)
    for pair in patterns:
        end = _end(pair[1])[::-1]
        for candidate in _beginning(by_end, end):
            if candidate[0] != pair[0] and matches(pair[1], candidate[1]):
                yield pair, candidate
        beginning = pair[1].partition(ANY)[0]
        for candidate in _beginning(backwards, end):
            other = candidate[1].partition(ANY)[0]
            alike = beginning.startswith(other) or other.startswith(beginning)
            if candidate[0] != pair[0] and alike:
                yield pair, candidate


def _end(pattern: str) -> str:
    return pattern.rpartition(ANY)[2]


def _beginning(listed: Sequence[tuple[str, _Pair]], start: str) -> Iterator[_Pair]:
    """Those of some sorted texts that begin so."""
    for place in range(bisect_left(listed, (start,)), len(listed)):
        text, pair = listed[place]
        if not text.startswith(start):
            return
        yield pair
