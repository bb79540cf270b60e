"""The processes above this one, as psutil reads them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeVar

T = TypeVar("T")

_INTERPRETERS: Final = frozenset(
    {"sh", "bash", "dash", "zsh", "ksh", "fish", "node", "nodejs", "bun", "deno", "python", "pypy", "ruby", "perl"}
)


class Unreadable(Exception):
    """The processes above this one cannot be told; the message says why."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process. ``executable`` is its path, empty when it is somebody else's; ``arguments`` start with argv[0]."""

    pid: int
    executable: str
    arguments: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The base names by which people know it: its executable, argv[0], and the script that an interpreter runs."""
        programs = [_base(self.executable), *map(_base, self.arguments[:1])]
        script = _script(self.arguments) if any(map(_interprets, programs)) else ""
        return tuple(dict.fromkeys(name for name in (*programs, script) if name))


def ancestors(pid: int | None = None) -> list[Process]:
    """The processes above the one of this id (left out: this one), nearest first, as far as they can be read.

    Raises Unreadable when not even the process itself can be read.
    """
    # Most commands do without it, and it is slow to load.
    import psutil

    try:
        process: psutil.Process | None = psutil.Process(pid)
    except psutil.Error as error:
        raise Unreadable(f"this process itself cannot be read ({type(error).__name__})") from None
    above: list[Process] = []
    # What the system hides of other users' processes ends the list: nothing above can be told then.
    with suppress(psutil.Error, OSError):
        while process and (process := process.parent()):
            above.append(Process(process.pid, _readable(process.exe, ""), tuple(_readable(process.cmdline, []))))
    return above


def _readable(read: Callable[[], T], otherwise: T) -> T:
    """What is read of a process, or ``otherwise`` where it is somebody else's or has ended."""
    import psutil

    try:
        return read()
    except (psutil.Error, OSError):
        return otherwise


def _base(path: str) -> str:
    # A login shell's argv[0] begins with a dash (login(1)).
    return PurePosixPath(path).name.removeprefix("-")


def _interprets(name: str) -> bool:
    # python3.12 is python.
    return name.rstrip("0123456789.") in _INTERPRETERS


def _script(arguments: tuple[str, ...]) -> str:
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "-m":
            return next(rest, "").partition(".")[0]
        if argument.startswith("-") and argument.endswith("c") and not argument.startswith("--"):
            # A command, not a script: sh -c, bash -lc, python -c.
            return ""
        if not argument.startswith("-"):
            return _base(argument)
    return ""
