"""Tables and times."""

import pytest

from seconder.plugin.terminal import output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (95, "1m"),
        (900, "15m"),
        (3600, "60m"),
        (7200, "2h"),
        (7260, "2h1m"),
        (86399, "23h"),
        (86400, "24h"),
        (172800, "2d"),
        (180000, "2d2h"),
        (1728000, "20d"),
    ],
)
def test_times_are_short(seconds: float, text: str) -> None:
    """To two units at most, rounded down."""
    assert output.short(seconds) == text


def test_columns_line_up() -> None:
    """Three spaces apart, at least as wide as asked, nothing at the ends of lines."""
    assert output.table([("A", "B"), ("long", "x")]) == ["A      B", "long   x"]
    assert output.table([("A", "B")], widths=(6,)) == ["A        B"]
    assert output.table([]) == []
