"""The table must not flatter: verdicts, ratios, and the choice of the yardstick."""

import math
from pathlib import Path
from typing import cast

import pytest
from bench import rounds, table
from bench.load import Load, Measured
from bench.servers import Server


def test_a_ratio_above_its_goal_is_missed() -> None:
    """A figure that is worse than its goal by a hundredth is called MISSED, one that just reaches it is met."""
    assert table.compared("x", [100.0], [41.0], 0.4).verdict == table.MISSED
    assert table.compared("x", [100.0], [40.0], 0.4).verdict == table.MET


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the whole machine was slow changes no ratio."""
    assert table.median_ratio([40.0, 400.0, 40.0], [100.0, 1000.0, 100.0]) == 0.4


def test_the_yardstick_is_the_variant_that_is_hardest_to_beat() -> None:
    """Of two variants of the Go handler the one that makes our ratio worst is compared with."""
    assert rounds.hardest([40.0], [[100.0], [80.0], [90.0]]) == [80.0]


def test_what_could_not_be_measured_is_never_met() -> None:
    """Where this system gives no CPU time, the row says so instead of passing."""
    row = table.compared("x", [math.nan], [math.nan], 0.4)
    assert row.verdict == table.NOT_MEASURED
    assert "nan" not in row.ours + row.yardstick + row.ratio


def test_columns_line_up() -> None:
    """Figures of different length stand under each other, and every cell is there."""
    rows = (table.HEAD, table.compared("long name", [1234.0], [5.0], 1), table.Row("s", "", "9"))
    head, first, second = map(table.line, rows)
    assert first.split() == ["long", "name", "1,234", "5", "0.00", "<=", "1", "met"]
    end = head.index("Seconder") + len("Seconder") - 1
    assert end == first.index(" 5 ") + 1 == second.index("9")


class _Interrupted(Load):
    """Measures seven times, until somebody has had enough."""

    def __init__(self) -> None:
        self._left = 7

    def measure(
        self,
        server: Server,
        bodies: Path,
        requests: int,
        *,
        allowed: bool,
        warm_up: int = 0,
        connections: int = 0,
    ) -> Measured:
        """See Load."""
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return Measured(1.0, 0.0, 1.0, float(self._left))


def test_whole_rounds_are_told_where_the_rest_is_interrupted(tmp_path: Path) -> None:
    """Of the last round a server may lack its figure, and would be compared with another moment's."""
    told: list[list[list[float]]] = []
    bodies = rounds.Bodies(tmp_path, tmp_path, "")
    servers = [cast(Server, None)] * 3
    with pytest.raises(KeyboardInterrupt):
        rounds.run(
            _Interrupted(), rounds.REFUSED, bodies, servers, 5, lambda found: told.append([each.p99 for each in found])
        )
    assert told == [[[6.0, 1.0], [5.0, 2.0], [4.0, 3.0]]]
