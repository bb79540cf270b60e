"""Command lines of verbs: a mistake in one is told in one line, like every other problem."""

import argparse
import re
import textwrap
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from seconder.plugin.terminal.problem import Problem

_KEPT: Final = "\N{NO-BREAK SPACE}"


class _Formatter(argparse.HelpFormatter):
    """argparse's, with paragraphs as they are written, and with no line wider than the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        return "\n\n".join(
            textwrap.fill(each, width, initial_indent=indent, subsequent_indent=indent) for each in paragraphs
        )

    def _format_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Iterable[Any], prefix: str | None
    ) -> str:
        # argparse begins each line below the first flag, where there may be no room.
        whole = " ".join(super()._format_usage(usage, actions, groups, prefix).split())
        kept = re.sub(r"\[[^][]*]", lambda flag: flag[0].replace(" ", _KEPT), whole)
        filled = textwrap.fill(kept, self._width, subsequent_indent="  ", break_on_hyphens=False)
        return filled.replace(_KEPT, " ") + "\n\n"


class Parser(argparse.ArgumentParser):
    """argparse, but for its several lines and its exit code 2, and without the colours that Python 3.14 adds."""

    color = False

    def __init__(self, verb: str, description: str, *, epilog: str = "") -> None:
        super().__init__(
            prog=f"kubectl seconder {verb}",
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_Formatter,
        )
        self.color = False

    def error(self, message: str) -> NoReturn:
        """Raise Problem with what argparse found."""
        raise Problem(f"{message}; see {self.prog} --help")
