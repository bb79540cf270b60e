"""Processes that were started by an earlier run, told from others that got the same process id since."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localstack.errors import StackError

_POLL_SECONDS: Final = 0.02
_KILL_SECONDS: Final = 5.0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id with the moment the process started, in whatever notation this system has."""

    name: str
    pid: int
    started: str

    @classmethod
    def of(cls, name: str, pid: int) -> "ProcessIdentity":
        """Take down a running process; one that has ended already is never found alive."""
        return cls(name, pid, start_of(pid) or "ended")

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_of(self.pid) == self.started


def start_of(pid: int) -> str | None:
    """The start time of the process with this id; None when there is none or only a zombie of it."""
    return _start_by_proc(pid) if sys.platform == "linux" else _start_by_ps(pid)


def stop_all(processes: Sequence[ProcessIdentity], grace: float) -> None:
    """Stop those that still run, each with its group: SIGTERM to all, SIGKILL for what runs ``grace`` seconds later.

    Raises ``StackError`` when one of them survives even that.
    """
    survivors = _signal_and_wait(processes, signal.SIGTERM, grace)
    if stuck := _signal_and_wait(survivors, signal.SIGKILL, _KILL_SECONDS):
        names = ", ".join(f"{process.name} (process {process.pid})" for process in stuck)
        raise StackError(f"{names} cannot be ended")


def _signal_and_wait(
    processes: Sequence[ProcessIdentity], number: signal.Signals, seconds: float
) -> list[ProcessIdentity]:
    """The processes that still run at the end of the wait."""
    alive = [process for process in processes if process.alive()]
    for process in alive:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    deadline = time.monotonic() + seconds
    while (alive := [process for process in alive if process.alive()]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return alive


def _start_by_proc(pid: int) -> str | None:
    try:
        # Field 2 is the command in parentheses and may hold anything; 3 is the state, 22 the start in ticks since boot.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{_BOOT_ID.read_text().strip()} {fields[19]}"


def _start_by_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
