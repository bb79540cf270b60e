"""Interleaved rounds: every server gets the same reviews in the same minute, first one first, then the other."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import approvals, reviews, world
from bench.load import CONNECTIONS, Load, Measured, write_bodies
from bench.servers import Server
from bench.table import median_ratio

WARM_UP: Final = 1000
_FIRST_SEEN: Final = 3000
_REPEATED: Final = 8000
_DISTINCT: Final = 64


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of review: what must come of it, and how many are measured in a round."""

    title: str
    allowed: bool
    requests: int
    goal: float
    connections: int = CONNECTIONS


REFUSED: Final = Kind("refused", False, _REPEATED, 0.5)
MANY_CONNECTIONS: Final = Kind("refused, on 64 connections", False, _REPEATED, 0.5, connections=64)
SEEN_AGAIN: Final = Kind("approval seen again", True, _REPEATED, 0.5)
SEEN_FIRST: Final = Kind("approval seen first", True, _FIRST_SEEN, 0.8)
FREE: Final = Kind("an agent's free update", True, _REPEATED, 0.5)


class Bodies:
    """Makes the reviews of each kind, with signatures that ssh-keygen makes for them."""

    def __init__(self, folder: Path, key: Path, audience: str) -> None:
        self._folder, self._key, self._audience = folder, key, audience

    def make(self, kind: Kind) -> Path:
        """Write fresh reviews of this kind: for ``SEEN_FIRST`` no approval stands in two of them."""
        path = self._folder / f"{kind.title.replace(' ', '-').replace(',', '')}.ndjson"
        if kind is FREE:
            return write_bodies(path, (reviews.update() for _ in range(_DISTINCT)))
        if not kind.allowed:
            return write_bodies(path, (reviews.review() for _ in range(_DISTINCT)))
        count = 1 if kind is SEEN_AGAIN else WARM_UP + kind.requests
        statements = [approvals.statement(self._audience, world.PRINCIPAL) for _ in range(count)]
        values = approvals.sign(self._key, statements)
        if kind is SEEN_AGAIN:
            values *= _DISTINCT
        return write_bodies(path, (reviews.review({approvals.ANNOTATION: value}) for value in values))


@dataclass(frozen=True, slots=True)
class Series:
    """What one server showed, round by round."""

    server: Server
    measured: Sequence[Measured]

    @property
    def cpu(self) -> list[float]:
        """Microseconds of CPU per review, one for each round."""
        return [each.cpu for each in self.measured]

    def spent(self) -> str:
        """Say where the CPU time goes, by the median of each part. What decides is measured by the clock."""
        cpu, kernel, handler = (
            statistics.median(part)
            for part in zip(*((each.cpu, each.kernel, each.handler) for each in self.measured), strict=True)
        )
        rest = max(0.0, cpu - kernel - handler)
        return f"{cpu:.0f} us = {handler:.0f} deciding + {kernel:.0f} kernel + {rest:.0f} TLS, HTTP and event loop"

    @property
    def p99(self) -> list[float]:
        """Microseconds that 99 of 100 reviews stayed within, one for each round."""
        return [each.p99 for each in self.measured]


def run(
    load: Load,
    kind: Kind,
    bodies: Bodies,
    servers: Sequence[Server],
    count: int,
    tell: Callable[[Sequence[Series]], None],
) -> None:
    """Measure the servers in so many rounds; the order turns round after each. Raises WrongAnswers.

    ``tell`` is given all whole rounds in the end, also where the rest is interrupted; but only where there is one.
    """
    measured: list[list[Measured]] = [[] for _ in servers]
    try:
        for turn in range(count):
            path = bodies.make(kind)
            places = range(len(servers))
            for place in places if turn % 2 == 0 else reversed(places):
                result = load.measure(
                    servers[place],
                    path,
                    kind.requests,
                    allowed=kind.allowed,
                    warm_up=WARM_UP,
                    connections=kind.connections,
                )
                measured[place].append(result)
    finally:
        whole = min(len(results) for results in measured)
        if whole:
            tell([Series(server, results[:whole]) for server, results in zip(servers, measured, strict=True)])


def hardest(ours: Sequence[float], variants: Iterable[Sequence[float]]) -> Sequence[float]:
    """Give the variant of the yardstick that makes our ratio worst."""
    return max(variants, key=lambda theirs: median_ratio(ours, theirs))
