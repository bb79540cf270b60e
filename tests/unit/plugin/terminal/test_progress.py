"""How far a long reading is: a bar for people, a line now and then for logs, nothing for what is quick."""

import io

import pytest

from seconder.plugin.terminal.progress import Progress, size


class _Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def _told(terminal: bool, *, total: int | None, seconds: float) -> str:
    now = [0.0]
    stream = _Stream(terminal)
    progress = Progress("replay", stream, lambda: now[0])
    for step in range(1, 101):
        now[0] = step * seconds / 100
        progress.at(step * 10_000_000, total)
    progress.done()
    return stream.getvalue()


def test_a_terminal_sees_a_bar_that_goes_away() -> None:
    """Bytes, rate and the time that is left; then an empty line."""
    text = _told(terminal=True, total=1_000_000_000, seconds=30)
    assert "replay: [############            ]  50% of 1.0 GB, 33 MB/s, 15s left" in text
    assert text.endswith("\r\x1b[K")
    assert "\n" not in text


def test_a_log_sees_a_line_now_and_then() -> None:
    """No control characters, and few lines."""
    lines = _told(terminal=False, total=1_000_000_000, seconds=60).splitlines()
    assert 3 <= len(lines) <= 4
    assert lines[0] == "replay:  25% of 1.0 GB, 17 MB/s, 45s left"
    assert not any(each in line for line in lines for each in ("\r", "\x1b", "["))


def test_what_is_quick_says_nothing() -> None:
    """Nor does it leave traces."""
    assert _told(terminal=False, total=1_000_000_000, seconds=2) == ""
    assert _told(terminal=True, total=1_000_000_000, seconds=0.1) == ""


def test_where_the_size_is_not_known_no_share_is_made_up() -> None:
    """As of a pipe."""
    assert "replay: 500 MB, 33 MB/s" in _told(terminal=True, total=None, seconds=30)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (12e6, "12 MB"), (3e9, "3.0 GB")]
)
def test_sizes_are_short(count: float, text: str) -> None:
    """In powers of ten."""
    assert size(count) == text
