"""How far a build is, in one line."""

import io

import pytest

from localstack.progress import ProgressLine, duration_text, progress_text


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (65, "1 min 05 s"), (3_725, "62 min 05 s")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    """Seconds below a minute, then minutes with two digits of seconds."""
    assert duration_text(seconds) == text


def test_progress_counts_packages_with_thousands_separated() -> None:
    """The line gives label, packages done, packages in all, and the time."""
    assert progress_text("Kubernetes", 412, 1203, 65) == "Kubernetes 412/1,203 packages, 1 min 05 s"


def test_linking_is_named_when_every_package_is_compiled() -> None:
    """The long silence at the end has a name."""
    assert progress_text("etcd", 564, 564, 30) == "etcd 564/564 packages, linking, 30 s"


def test_a_terminal_sees_one_line_rewritten() -> None:
    """Each update returns to the start of the line and clears what is left of it."""
    stream = Terminal()
    line = ProgressLine(stream)
    line.update("a", 0.5)
    line.update("b", 1)
    line.finish("done")
    assert stream.getvalue() == "\ra\x1b[K\rb\x1b[K\rdone\x1b[K\n"


def test_a_file_sees_a_line_every_15_seconds_without_control_characters() -> None:
    """A CI log is not flooded, and not silent either."""
    stream = io.StringIO()
    line = ProgressLine(stream)
    for second in range(31):
        line.update(f"after {second}", second)
    line.finish("done")
    assert stream.getvalue() == "after 15\nafter 30\ndone\n"


def test_an_abandoned_line_is_ended_on_a_terminal() -> None:
    """What is printed after an interruption starts on a line of its own."""
    stream = Terminal()
    line = ProgressLine(stream)
    line.update("a", 1)
    line.abandon()
    assert stream.getvalue().endswith("a\x1b[K\n")
