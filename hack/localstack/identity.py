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

_POLL_SECONDS: Final = 0.02
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
        """Say whether this very process still runs."""
        return start_of(self.pid) == self.started


def start_of(pid: int) -> str | None:
    """Give when the process with this id started; None when there is none or only a zombie of it."""
    return _start_by_proc(pid) if sys.platform == "linux" else _start_by_ps(pid)


def stop_all(processes: Sequence[ProcessIdentity], grace: float) -> None:
    """Stop those that still run, each with its group: SIGTERM to all, SIGKILL for what runs ``grace`` seconds later."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(process.alive() for process in processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for process in processes:
        _signal(process, signal.SIGKILL)
    while any(process.alive() for process in processes):
        time.sleep(_POLL_SECONDS)


def _signal(process: ProcessIdentity, number: signal.Signals) -> None:
    if process.alive():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


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
