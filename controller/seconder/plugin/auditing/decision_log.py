"""The webhook's own log: JSON, one object a line, of which one kind tells a decision.

It is kept where people keep what containers print, wrapped as audit logs are. See ``seconder.observability.log``.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec

from seconder.plugin.auditing import log_files
from seconder.plugin.auditing.log_files import Kind, Reading, Watcher
from seconder.plugin.auditing.log_forms import Form

_DECISION: Final = "decision"
_NO_UTC: Final = frozenset({1, 9999})
"""Years in which a time may lie beyond all dates once its offset is taken off."""

_INSTEAD: Final = {
    Form.LACKING: "an API audit log: name it with --audit-log",
    Form.JSON: "JSON that holds no decision of the webhook's",
    Form.TEXT: "text without a decision of the webhook's",
}


class Decision(msgspec.Struct):
    """A line of the log. Only where ``message`` is ``decision`` has it the other fields.

    ``lines_lost``: how many lines before it were lost. ``agent``, ``action``, ``change_request`` and ``break_glass``
    are None where there are none.
    """

    time: Annotated[datetime, msgspec.Meta(tz=True)]
    level: str
    message: str
    review: str = ""
    decision: str = ""
    reason: str = ""
    mode: str = ""
    operation: str = ""
    action: str | None = None
    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    user: str = ""
    agent: str | None = None
    policies: list[str] = []
    approvers: list[str] = []
    change_request: str | None = None
    break_glass: str | None = None
    dry_run: bool = False
    lines_lost: int = 0

    @property
    def identity(self) -> int:
        """Which decision it was, where it stands in several logs. The API server makes a review's ID."""
        return hash((self.review, self.time, self.mode))


_decode: Final = msgspec.json.Decoder(Decision).decode


def decisions(paths: Sequence[str], reading: Reading, watcher: Watcher) -> Iterator[Decision]:
    """Each decision; ``-`` is standard input. ``reading`` is kept up to date.

    Raises Problem when a file cannot be read.
    """

    def decode(text: bytes) -> Decision | None:
        line = _line(text)
        if line is not None:
            reading.lost += max(0, line.lines_lost)
        return line

    kind = Kind(
        name="line of the webhook's log",
        none="holds no decision of the webhook's",
        decode=decode,
        counts=lambda line: line.message == _DECISION,
        moment=lambda line: line.time,
        instead=_INSTEAD,
    )
    return log_files.records(paths, kind, reading, watcher)


def _line(text: bytes) -> Decision | None:
    """The text as a line of the log; None where it is something else."""
    try:
        line = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    # A collector's record may have a time and a level too, and our line as its message.
    if line.time.year in _NO_UTC or line.message.startswith("{"):
        return None
    if line.message == _DECISION and not (line.review and line.decision and line.reason):
        return None
    return line
