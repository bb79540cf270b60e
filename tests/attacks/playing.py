"""Plays attacks, one after the other, and says of each what held."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.attacks.attack import Attack
from tests.attacks.callers import Caller
from tests.attacks.field import NAMESPACES, Field, GotThrough, Untried

PREFIX: Final = "attack-"
"""Of the names of all namespaces, and of what else is made."""

_GONE: Final = 60.0


class Outcome(StrEnum):
    """What became of an attack."""

    HELD = "held"
    GOT_THROUGH = "GOT THROUGH"
    UNTRIED = "could not be tried"


@dataclass(frozen=True)
class Result:
    """What became of one attack. ``why`` says more where it did not hold; ``layers`` refused its requests."""

    attack: Attack
    outcome: Outcome
    why: str = ""
    layers: Sequence[str] = ()


def play(attack: Attack, admin: Caller, agent: Caller, place: str) -> Result:
    """Play one attack in a namespace of its own. What it made is taken away, whatever happens."""
    with Field(admin, agent, place) as field:
        outcome, why = Outcome.HELD, ""
        try:
            attack.run(field)
        except GotThrough as reason:
            outcome, why = Outcome.GOT_THROUGH, str(reason)
        except Untried as reason:
            outcome, why = Outcome.UNTRIED, str(reason)
        return Result(attack, outcome, why, tuple(dict.fromkeys(field.refused_by)))


def play_all(attacks: Sequence[Attack], admin: Caller, agent: Caller) -> Iterator[Result]:
    """Play them in their order, each result as it comes."""
    run = secrets.token_hex(3)
    for number, attack in enumerate(attacks):
        try:
            yield play(attack, admin, agent, f"{PREFIX}{run}-{number}")
        except Untried as reason:
            yield Result(attack, Outcome.UNTRIED, str(reason))


def left_behind(admin: Caller, seconds: float = _GONE) -> list[str]:
    """The attacks' namespaces that are still there after a while: most go some seconds after they are deleted."""
    end = time.monotonic() + seconds
    while True:
        items = admin("GET", NAMESPACES.path("")).document.get("items", ())
        names = [name for item in items if (name := str(item["metadata"]["name"])).startswith(PREFIX)]
        if not names or time.monotonic() > end:
            return names
        time.sleep(0.5)


def line(result: Result) -> str:
    """One result for people."""
    text = f"  {result.outcome:<18} {result.attack.name:<58} {result.attack.says}"
    if result.layers and result.outcome is Outcome.HELD:
        text += f" [{', '.join(result.layers)}]"
    return text + (f"\n  {'':<18} {result.why}" if result.why else "")


def report(results: Iterator[Result], say: Callable[[str], None]) -> int:
    """Say each result as it comes, and all of them in numbers; give the exit code.

    0: what could be tried was held; 1: something got through; 3: nothing could be tried.
    """
    counts: Counter[Outcome] = Counter()
    kind = ""
    for result in results:
        if result.attack.kind != kind:
            kind = result.attack.kind
            say(kind)
        say(line(result))
        counts[result.outcome] += 1
    say(f"{counts.total()} attacks: " + ", ".join(f"{counts[outcome]} {outcome.lower()}" for outcome in Outcome))
    if counts[Outcome.GOT_THROUGH]:
        return 1
    return 0 if counts[Outcome.HELD] else 3
