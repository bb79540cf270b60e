"""The report's facts as a drawing, for its template: a lane for each object, a shape for each kind of fact."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from seconder.plugin.auditing.facts import Entry

_WIDTH: Final = 1160
_LABELS: Final = 330
_LANE: Final = 44
_TOP: Final = 30
_MOST_LANES: Final = 14
_APART: Final = 9
"""Units between two marks of one kind; closer ones are drawn as one."""

_STEPS: Final = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400)
_TICKS: Final = 7
_LETTERS: Final = 44


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of fact is drawn: a shape, told by its path around 0,0, and a tone, one of the classes in the page."""

    tone: str
    path: str
    full: bool = False


_CROSS: Final = "M-5,-5L5,5M-5,5L5,-5"
_RING: Final = "M-5.5,0a5.5,5.5 0 1,0 11,0a5.5,5.5 0 1,0 -11,0Z"
_ARROW: Final = "M-5,-5.5L6,0L-5,5.5Z"
_SQUARE: Final = "M-5,-5H5V5H-5Z"
_DIAMOND: Final = "M0,-7L7,0L0,7L-7,0Z"
_OTHER: Final = Style("ended", _SQUARE)

_STYLES: Final = {
    "Refused": Style("refused", _CROSS),
    "Would be refused": Style("warning", _CROSS),
    "Not decided": Style("warning", _DIAMOND),
    "Signed": Style("signed", _RING, full=True),
    "Signed, unproven": Style("warning", _RING),
    "Approval seen": Style("signed", _RING),
    "Approved": Style("signed", _RING),
    "Allowed": Style("allowed", _ARROW, full=True),
    "Used": Style("allowed", _SQUARE, full=True),
    "Emergency": Style("warning", _DIAMOND, full=True),
}


def style_of(what: str) -> Style:
    """The style in which this kind of fact is drawn."""
    return _STYLES.get(what, _OTHER)


@dataclass(frozen=True, slots=True)
class Lane:
    """An object and the strip that its facts are on. ``top`` is the strip's upper edge."""

    name: str
    short: str
    top: int
    shaded: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A time on the scale."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One fact, or several of a kind that are too close to be told apart. ``title`` tells them.

    ``count`` is written beside it, 0 where nothing is.
    """

    x: float
    y: float
    style: Style
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class Figure:
    """All of the drawing, in units of its own. ``kinds`` of facts are what its key explains."""

    facts: int
    height: int
    lanes: Sequence[Lane]
    ticks: Sequence[Tick]
    marks: Sequence[Mark]
    kinds: Sequence[str]
    width: int = _WIDTH
    lane_height: int = _LANE
    top: int = _TOP


def figure(entries: Sequence[Entry]) -> Figure:
    """The drawing of these facts, which must not be none."""
    scale = _Scale(entries)
    lanes: list[Lane] = []
    marks: list[Mark] = []
    for number, (name, members) in enumerate(_lanes(entries).items()):
        top = _TOP + _LANE * number
        lanes.append(Lane(name, _short(name), top, shaded=number % 2 == 0))
        marks += _marks(members, top + _LANE / 2, scale)
    return Figure(
        facts=len(entries),
        height=_TOP + _LANE * len(lanes) + 8,
        lanes=lanes,
        ticks=[Tick(scale.x(at), label) for at, label in scale.ticks()],
        marks=marks,
        kinds=list(dict.fromkeys(entry.what for entry in entries)),
    )


class _Scale:
    """From times to places from left to right."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        times = [entry.seconds for entry in entries]
        first, last = min(times), max(times)
        margin = max(2.0, (last - first) * 0.03)
        self.first, self.last = first - margin, last + margin

    def x(self, at: float) -> float:
        return _LABELS + 20 + (at - self.first) / (self.last - self.first) * (_WIDTH - _LABELS - 60)

    def ticks(self) -> Iterator[tuple[float, str]]:
        wanted = (self.last - self.first) / _TICKS
        step = next((seconds for seconds in _STEPS if seconds >= wanted), math.ceil(wanted / 86400) * 86400)
        form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 12 * 3600 else "%b %d"
        at, day = math.ceil(self.first / step) * step, ""
        while at <= self.last:
            then = datetime.fromtimestamp(at, UTC)
            date = then.strftime("%b %d")
            label = then.strftime(form)
            yield at, label if date in {day, label} else f"{date} {label}"
            at, day = at + step, date


def _lanes(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The objects with the most facts, in the order in which they first appear; the rest share a lane."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.object] = counts.get(entry.object, 0) + 1
    chosen = set(sorted(counts, key=lambda name: -counts[name])[:_MOST_LANES])
    lanes: dict[str, list[Entry]] = {}
    rest = f"{len(counts) - len(chosen):,} other objects"
    for entry in entries:
        lanes.setdefault(entry.object if entry.object in chosen else rest, []).append(entry)
    if rest in lanes:
        lanes[rest] = lanes.pop(rest)
    return lanes


def _marks(entries: Sequence[Entry], middle: float, scale: _Scale) -> Iterator[Mark]:
    drawn: dict[str, list[tuple[float, list[Entry]]]] = {}
    for entry in entries:
        x = scale.x(entry.seconds)
        kinds = drawn.setdefault(entry.what, [])
        if kinds and x - kinds[-1][0] < _APART:
            kinds[-1][1].append(entry)
        else:
            kinds.append((x, [entry]))
    taken: list[tuple[float, int]] = []
    places = [(aside, row) for aside in (0, 16, 32) for row in (0, -1, 1)]
    for x, what, members in sorted((x, what, members) for what, marks in drawn.items() for x, members in marks):
        free = (
            (x + aside, row)
            for aside, row in places
            if not any(row == other and abs(x + aside - at) < 15 for at, other in taken)
        )
        x, row = next(free, (x, 0))
        taken.append((x, row))
        first = members[0]
        more = f" ({len(members)} times, the last at {members[-1].at})" if len(members) > 1 else ""
        title = f"{first.at} {what}{more}: {first.object}, {first.who or 'nobody named'}. {first.detail}"
        count = len(members) if len(members) > 1 and row == 0 else 0
        yield Mark(x, middle + row * 14, style_of(what), title, count)


def _short(name: str) -> str:
    """Keep the end of a long name, where objects differ."""
    return name if len(name) <= _LETTERS else f"…{name[-_LETTERS + 1 :]}"
