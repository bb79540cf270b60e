"""What the operating system knows: cores, CPU time, memory, ports; and processes pinned to a core."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
OTHER_CORE: Final = 1
"""The load generator, the API server and everything else run here, away from the server that is measured."""

_STOP_SECONDS: Final = 15


class Unavailable(Exception):
    """This machine cannot measure it; the text says why."""


def can_pin() -> bool:
    """Say whether the server can have a core of its own (Linux, taskset, both cores at hand)."""
    return (
        sys.platform == "linux"
        and shutil.which("taskset") is not None
        and {SERVER_CORE, OTHER_CORE} <= os.sched_getaffinity(0)
    )


def step_aside() -> None:
    """Move this process, and with it all that it starts from now on, off the measured server's core."""
    if sys.platform == "linux" and can_pin():
        os.sched_setaffinity(0, {OTHER_CORE})


def free_port() -> int:
    """Give a TCP port on loopback that nothing listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Process:
    """A server under measurement, with its output in a log file. Use as a context manager: leaving it stops it."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        prefix = ["taskset", "--cpu-list", str(SERVER_CORE)] if can_pin() else []
        self.log: Final = log
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # A Ctrl-C reaches this process alone, which then stops the server in order.
                start_new_session=True,
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id (taskset replaces itself by the server)."""
        return self._child.pid

    def check_alive(self) -> None:
        """Raise RuntimeError with the end of its log when the server has ended."""
        if self._child.poll() is not None:
            raise RuntimeError(f"the server ended with {self._child.returncode}:\n{self.log.read_text()[-2000:]}")

    def cpu_seconds(self) -> float:
        """Give user and system time used so far. Raises Unavailable where only the process itself could ask."""
        return cpu_seconds(self.pid)

    def rss_mib(self) -> float:
        """Give resident memory in MiB. Raises Unavailable without /proc."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            raise Unavailable("resident memory is read from /proc, which this system lacks")
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def kernel_share(self) -> float:
        """Give the share of CPU time spent in the kernel since the start, 0 to 1. Raises Unavailable without /proc."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            raise Unavailable("kernel time is read from /proc, which this system lacks")
        fields = stat.read_text().rpartition(")")[2].split()
        user, kernel = int(fields[11]), int(fields[12])
        return kernel / max(1, user + kernel)

    def stop(self) -> None:
        """End the server: politely, then not."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of another process to the nanosecond, where /proc counts in hundredths of a second.

    Raises Unavailable outside Linux. Source: clock_getcpuclockid(3).
    """
    if sys.platform != "linux":
        raise Unavailable("CPU time of another process is measured on Linux only")
    clock = ctypes.c_int()
    error = ctypes.CDLL(None).clock_getcpuclockid(ctypes.c_int(pid), ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)
