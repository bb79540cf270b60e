"""Under which user names a person makes requests: exact ones, patterns, and what a caller's ``extra`` says.

Where names change with each login, such as those of an assumed role's session, a pattern or the ``extra`` that stays
the same tells who it is. Whether somebody is their own peer is asked here alone.

Names are compared as ``folded`` gives them. Kubernetes tells ``Amy@example.com`` and ``amy@example.com`` apart, and
people and identity providers write either: whoever were taken for another one here would be their own peer.
"""

import string
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from unicodedata import normalize

ANY: Final = "*"
"""Stands for any characters within a name, none included."""

_ACCOUNTS: Final = "system:serviceaccount:"
_IN_ACCOUNTS: Final = frozenset(string.ascii_lowercase + string.digits + ".:-")
"""What the rest of a ServiceAccount's user name is made of."""


class Identity(NamedTuple):
    """A value in ``userInfo.extra`` that tells a person. ``value`` may hold ``*``.

    Keys are compared in lower case: the API server lower-cases those that come with impersonation, and no others.
    """

    key: str
    value: str


def folded(name: str) -> str:
    """A name or pattern as it is compared: without white space around it, whichever the case of its letters.

    A caseless match of canonically equivalent text (Unicode, D145).
    """
    name = name.strip(string.whitespace)
    return name.lower() if name.isascii() else normalize("NFD", normalize("NFD", name).casefold())


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
        listed = frozenset(map(folded, names))
        self._patterns: Final = tuple(sorted(name for name in listed if ANY in name))
        self._exact: Final = listed.difference(self._patterns).union(map(folded, principals))

    def __contains__(self, name: str) -> bool:
        """Whether this is one of them."""
        return self.meets((name,))

    def meets(self, names: Iterable[str]) -> bool:
        """Whether one of these is one of them."""
        given = list(map(folded, names))
        if not self._exact.isdisjoint(given):
            return True
        # Most people have none, and each approval asks.
        return bool(self._patterns) and any(matches(pattern, name) for pattern in self._patterns for name in given)

    def share(self, other: "UserNames") -> bool:
        """Whether some user name is one of both."""
        if self.meets(other._exact) or other.meets(self._exact):
            return True
        return any(meet(pattern, another) for pattern in self._patterns for another in other._patterns)


def meet(pattern: str, other: str) -> bool:
    """Whether some user name is what both patterns say. Exact names are patterns, too."""
    pattern, other = folded(pattern), folded(other)
    if ANY not in pattern:
        return matches(other, pattern)
    if ANY not in other:
        return matches(pattern, other)
    beginnings = pattern.partition(ANY)[0], other.partition(ANY)[0]
    ends = _end(pattern), _end(other)
    shorter, longer = sorted(beginnings, key=len)
    tail, whole = sorted(ends, key=len)
    return longer.startswith(shorter) and whole.endswith(tail)


def may_be_an_account(pattern: str) -> bool:
    """Whether a pattern may fit ServiceAccounts, as agents are, by its beginning and its end. An exact name may not."""
    beginning, star, _ = folded(pattern).partition(ANY)
    fits = beginning.startswith(_ACCOUNTS) or _ACCOUNTS.startswith(beginning)
    return bool(star) and fits and _IN_ACCOUNTS.issuperset(_end(folded(pattern)))


def by_extra(identities: Iterable[Identity], extra: Mapping[str, Sequence[str]]) -> bool:
    """Whether a caller's ``extra`` tells one of these identities."""
    return any(
        matches(folded(identity.value), folded(value))
        for identity in identities
        for key, values in extra.items()
        if key.lower() == identity.key.lower()
        for value in values
    )


def share_identity(identities: Sequence[Identity], others: Sequence[Identity]) -> bool:
    """Whether some caller's ``extra`` tells one of each."""
    return any(
        identity.key.lower() == other.key.lower() and meet(identity.value, other.value)
        for identity in identities
        for other in others
    )


def shared(names: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Whose names may stand for somebody else, too: by owner, one such name and who the other is.

    ``names`` are pairs of an owner and a user name. Two patterns meet in some name exactly where the beginning of one
    goes on from that of the other, and so do their ends: what is between can always be laid out one behind the other.
    """
    written = {(owner, folded(name)): name for owner, name in names}
    found: dict[str, tuple[str, str]] = {}
    for first, second in _meeting(sorted(written)):
        found.setdefault(first[0], (written[first], second[0]))
        found.setdefault(second[0], (written[second], first[0]))
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
