"""The processes above this one: from /proc on Linux, from ps elsewhere."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

_PROC: Final = Path("/proc")
_DELETED: Final = " (deleted)"
_MAX_DEPTH: Final = 512
_MAX_ARGUMENTS_BYTES: Final = 16 * 1024
_MAX_ARGUMENTS: Final = 64
_PS_SECONDS: Final = 5.0
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
    """Give the processes above the one of this id (left out: this one), nearest first, as far as they can be read.

    Raises Unreadable when not even the parent can be told, or when there are over 512.
    """
    start = os.getpid() if pid is None else pid
    if _PROC.joinpath("self", "stat").exists():
        return _climb(start, _parent_in_proc, _process_in_proc)
    return from_ps(start)


def from_ps(pid: int) -> list[Process]:
    """Give the same by ps alone, as on macOS. A name or argument with a space in it may be cut there."""
    table: dict[int, tuple[int, str]] = {}
    for line in _ps("-ax", "-o", "pid=,ppid=,comm="):
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[0].isdecimal() and fields[1].isdecimal():
            table[int(fields[0])] = (int(fields[1]), fields[2].strip())
    found = _climb(pid, lambda each: table[each][0] if each in table else None, lambda each: _process_in(table, each))
    if not found:
        return found
    arguments: dict[int, tuple[str, ...]] = {}
    for line in _ps("-ww", "-o", "pid=,args=", "-p", ",".join(str(each.pid) for each in found)):
        number, _, rest = line.strip().partition(" ")
        if number.isdecimal():
            arguments[int(number)] = tuple(rest[:_MAX_ARGUMENTS_BYTES].split()[:_MAX_ARGUMENTS])
    return [Process(each.pid, each.executable, arguments.get(each.pid, ())) for each in found]


def _climb(pid: int, parent: Callable[[int], int | None], process: Callable[[int], Process]) -> list[Process]:
    found: list[Process] = []
    above = parent(pid)
    if above is None:
        raise Unreadable("this process itself cannot be read")
    while above:
        if len(found) == _MAX_DEPTH:
            raise Unreadable(f"it runs below more than {_MAX_DEPTH} other processes")
        found.append(process(above))
        above = parent(above)
    return found


def _parent_in_proc(pid: int) -> int | None:
    try:
        content = _PROC.joinpath(str(pid), "stat").read_bytes()
    except OSError:
        # It has ended, or the system hides other users' processes; what is above it cannot be told then.
        return None
    # Field 2 is the command's name in parentheses, and may hold anything; field 4 is the parent (proc(5)).
    return int(content[content.rindex(b")") + 2 :].split()[1])


def _process_in_proc(pid: int) -> Process:
    folder = _PROC / str(pid)
    try:
        executable = os.readlink(folder / "exe").removesuffix(_DELETED)
    except OSError:
        executable = ""
    try:
        with folder.joinpath("cmdline").open("rb") as file:
            content = file.read(_MAX_ARGUMENTS_BYTES)
    except OSError:
        content = b""
    arguments = content.rstrip(b"\0").split(b"\0")[:_MAX_ARGUMENTS] if content else []
    return Process(pid, executable, tuple(each.decode(errors="replace") for each in arguments))


def _process_in(table: Mapping[int, tuple[int, str]], pid: int) -> Process:
    return Process(pid, table[pid][1] if pid in table else "", ())


def _ps(*arguments: str) -> list[str]:
    # Not by the caller's PATH: what is found there need not be ps.
    environment = {"PATH": "/bin:/usr/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
            ["ps", *arguments],  # noqa: S607 - the system's own
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PS_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreadable(f"there is no /proc, and ps fails ({type(error).__name__})") from None
    return done.stdout.decode(errors="replace").splitlines()


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
