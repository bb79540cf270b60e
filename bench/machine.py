"""What the operating system knows: cores, CPU time, memory; and processes pinned to a core."""

import contextlib
import ctypes
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from localstack.errors import StackError
from localstack.process import Child, tail_of

SERVER_CORE: Final = 0
OTHER_CORE: Final = 1
"""The load generator, the API server and everything else run here, away from the server that is measured."""


_AT_HAND: Final = os.sched_getaffinity(0) if sys.platform == "linux" else set[int]()
"""The cores at the start. A process that has stepped aside has one alone."""


def can_pin() -> bool:
    """Say whether the server can have a core of its own (Linux, taskset, both cores at hand)."""
    return sys.platform == "linux" and shutil.which("taskset") is not None and {SERVER_CORE, OTHER_CORE} <= _AT_HAND


def step_aside() -> None:
    """Move this process, and with it all that it starts from now on, off the measured server's core."""
    if sys.platform == "linux" and can_pin():
        os.sched_setaffinity(0, {OTHER_CORE})


@contextlib.contextmanager
def everywhere() -> Iterator[None]:
    """Let what is started meanwhile run on every core, as it does for people."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _AT_HAND)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Process:
    """A server under measurement on a core of its own. As a context manager it is stopped in the end.

    Raises StackError when it cannot be started.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        # taskset replaces itself by the server, so that the child's id is the server's.
        pinned = ["taskset", "--cpu-list", str(SERVER_CORE)] if can_pin() else []
        self._child: Final = Child(
            name, [*pinned, *command], log, dies_with_parent=True, environment={**os.environ, **environment}
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    def check_alive(self) -> None:
        """Raise StackError with the end of its log when the server has ended."""
        if self._child.exit_code is not None:
            raise StackError(f"{self._child.name} ended with {self._child.exit_code}\n{tail_of(self._child.log)}")

    def cpu_seconds(self) -> float:
        """Give user and system time used so far; not a number outside Linux."""
        return cpu_seconds(self._child.pid)

    def kernel_seconds(self) -> float:
        """Give the time spent in the kernel so far, in steps of a clock tick; not a number outside Linux."""
        if sys.platform != "linux":
            return math.nan
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[12]) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        """Give resident memory in MiB; not a number outside Linux."""
        if sys.platform != "linux":
            return math.nan
        lines = Path(f"/proc/{self._child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

    def log(self) -> str:
        """Give what the server has written so far."""
        return self._child.log.read_text(errors="replace")


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of another process to the nanosecond, where /proc counts in hundredths of a second.

    Not a number outside Linux. Source: clock_getcpuclockid(3).
    """
    if sys.platform != "linux":
        return math.nan
    clock = ctypes.c_int()
    error = ctypes.CDLL(None).clock_getcpuclockid(ctypes.c_int(pid), ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)
