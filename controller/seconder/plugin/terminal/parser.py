"""Command lines of verbs: a mistake in one is told in one line, like every other problem."""

import argparse
from typing import NoReturn

from seconder.plugin.terminal.problem import Problem


class Parser(argparse.ArgumentParser):
    """argparse, but for its several lines and its exit code 2."""

    def __init__(self, verb: str, description: str, *, epilog: str = "") -> None:
        super().__init__(
            prog=f"kubectl seconder {verb}",
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise Problem with what argparse found."""
        raise Problem(f"{message}; see {self.prog} --help")
