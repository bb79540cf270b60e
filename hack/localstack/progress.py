"""One line that says how far a build is: rewritten on a terminal, repeated now and then elsewhere."""

from typing import Final, TextIO

_SECONDS_BETWEEN_LINES: Final = 15.0


def duration_text(seconds: float) -> str:
    """``42 s`` or ``1 min 05 s``; fractions are cut off."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def progress_text(label: str, done: int, total: int, seconds: float) -> str:
    """``kube-apiserver 412/1,203 packages, 1 min 05 s``; other words when only linking is left."""
    linking = " linking," if done >= total else ""
    return f"{label} {min(done, total):,}/{total:,} packages,{linking} {duration_text(seconds)}"


class ProgressLine:
    """Shows the latest of a series of texts on ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: Final = stream
        self._terminal: Final = stream.isatty()
        self._next_line_at = _SECONDS_BETWEEN_LINES
        self._shown = False

    def update(self, text: str, seconds: float) -> None:
        """Show ``text``, ``seconds`` after the start; elsewhere than on a terminal at most every 15 s."""
        if self._terminal:
            self._write(f"\r{text}\x1b[K")
        elif seconds >= self._next_line_at:
            self._next_line_at = seconds + _SECONDS_BETWEEN_LINES
            self._write(f"{text}\n")

    def finish(self, text: str) -> None:
        """Leave ``text`` as the last word."""
        self._write(f"\r{text}\x1b[K\n" if self._terminal else f"{text}\n")

    def abandon(self) -> None:
        """End the line as it stands, so that what is printed next starts on its own."""
        if self._terminal and self._shown:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._shown = True
        self._stream.write(text)
        self._stream.flush()
