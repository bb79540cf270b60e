"""One JSON object a line on standard output, for people's log pipelines."""

import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def line(level: str, message: str, **fields: Any) -> None:
    """Write one line. What is passed in must hold no secrets; a closed pipe loses the line, never the decision."""
    entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": message}
    try:
        os.write(sys.stdout.fileno(), _encode(entry | fields) + b"\n")
    except OSError:
        return


def info(message: str, **fields: Any) -> None:
    """Log what an operator may want to know."""
    line("info", message, **fields)


def failure(message: str, error: BaseException, **fields: Any) -> None:
    """Log an error that nobody foresaw, with its trace."""
    trace = "".join(traceback.format_exception(error))[-8000:]
    line("error", message, error=f"{type(error).__name__}: {error}", trace=trace, **fields)


def trouble(message: str, error: BaseException, **fields: Any) -> None:
    """Log a foreseen failure, such as an API server that does not answer; no trace."""
    line("warning", message, error=str(error), **fields)


class Handler(logging.Handler):
    """Takes what libraries log and writes it as our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        line(record.levelname.lower(), record.getMessage(), logger=record.name)
