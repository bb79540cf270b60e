"""The table: what was measured, beside what, and whether the goal is met."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MET, MISSED, NOT_MEASURED = "met", "MISSED", "not measured here"


@dataclass(frozen=True, slots=True)
class Row:
    """One line. Cells are texts, ready to print; ``verdict`` is empty where no goal is set."""

    what: str
    yardstick: str
    ours: str
    ratio: str = ""
    goal: str = ""
    verdict: str = ""


def compared(what: str, yardstick: Sequence[float], ours: Sequence[float], goal: float, places: int = 0) -> Row:
    """Give medians, and the median of the ratios taken pair by pair, since both of a pair ran in the same moment."""
    ratio = median_ratio(ours, yardstick)
    if math.isnan(ratio):
        return Row(what, "", "", "", f"<= {goal}", NOT_MEASURED)
    return Row(
        what,
        f"{statistics.median(yardstick):,.{places}f}",
        f"{statistics.median(ours):,.{places}f}",
        f"{ratio:.2f}",
        f"<= {goal}",
        verdict(ratio <= goal),
    )


def median_ratio(ours: Sequence[float], yardstick: Sequence[float]) -> float:
    """Give the median of the ratios of each pair."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, yardstick, strict=True))


def verdict(met: bool) -> str:
    """Give the word for the last column."""
    return MET if met else MISSED


def line(row: Row) -> str:
    """Lay a row out in columns, the first to the left, figures to the right. Each is printed as it is measured."""
    figures = zip((row.yardstick, row.ours, row.ratio, row.goal), _WIDTHS, strict=True)
    cells = [row.what.ljust(_WHAT), *(figure.rjust(width) for figure, width in figures), row.verdict]
    return "  ".join(cells).rstrip()


HEAD: Final = Row("", "yardstick", "Seconder", "ratio", "goal")
_WHAT: Final = 75
_WIDTHS: Final = (9, 11, 5, 11)
