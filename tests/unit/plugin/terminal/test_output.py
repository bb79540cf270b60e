"""Tables and times."""

import io

import pytest

from seconder.api.text import quoted
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


_DRAWN = "operator:   erin@example.com (cannot approve this)"


@pytest.mark.parametrize("columns", [40, 72, 80, 120, 200])
@pytest.mark.parametrize("gap", [" ", "-", "a ", "\u2800", "\u3164"])
def test_no_text_of_a_field_stands_where_a_name_does(columns: int, gap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is stretched to where the terminal begins its next line."""
    monkeypatch.setenv("COLUMNS", str(columns))
    for stretch in range(columns - 14, columns + 2):
        said = f"rollback{gap * stretch}{_DRAWN}"
        lines = list(output.fields([("says", quoted(said)), ("approved", "0 of 2")]))
        assert lines[0].startswith('says:       "rollback')
        assert lines[-1] == "approved:   0 of 2"
        assert all(line.startswith(" " * 12) for line in lines[1:-1])
        assert all(len(line) < columns for line in lines)
        assert all("   " not in line[12:] for line in lines)


def test_a_long_line_hangs_at_a_terminal_and_stays_whole_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads a table by its lines finds each row in one."""
    monkeypatch.setenv("COLUMNS", "40")

    class Terminal(io.StringIO):
        """Says that it is one."""

        def isatty(self) -> bool:
            return True

    row = "chg-1   deployments.apps payments/checkout   approved: 1 of 2 and more"
    for stream, lines in ((io.StringIO(), 1), (Terminal(), 3)):
        monkeypatch.setattr("sys.stdout", stream)
        output.show([row])
        told = stream.getvalue().splitlines()
        assert len(told) == lines
        assert told[0].startswith("chg-1")
        assert all(line.startswith("    ") for line in told[1:])


def test_a_command_is_one_to_a_shell_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines end as a shell continues them."""
    monkeypatch.setenv("COLUMNS", "60")
    lines = output.command(
        ["kubectl", "seconder", "approve", "deployment.apps/checkout", "-n payments", "--requester x"]
    )
    assert len(lines) > 1
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert all(len(line) <= 47 for line in lines)
