"""A child process: started in a group of its own, watched until it is ready, stopped for certain."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Final

from localstack.errors import StackError

GRACE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_TAIL_LINES: Final = 15
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_LIBC: Final = ctypes.CDLL(None)


class Child:
    """A running program; its output goes to ``log``, which is started anew.

    It has a session of its own, so that Ctrl-C in the terminal reaches only us and things are stopped in order.
    ``dies_with_parent``: killed by the system when we die without stopping it (Linux only). The system goes by the
    thread that started it: start such a child from a thread that lives as long as the child should.
    Raises ``StackError`` when the program cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        dies_with_parent: bool,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name: Final = name
        self.log: Final = log
        with log.open("wb") as output:
            try:
                self._process: Final = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=_tie_to(os.getpid()) if dies_with_parent and sys.platform == "linux" else None,
                )
            except OSError as error:
                raise StackError(f"{name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    @property
    def ending(self) -> str:
        """How it ended, for people. It must have ended."""
        code = self._process.returncode
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return as soon as ``ready()`` is true.

        Raises ``StackError``, with the end of the log, when the process ends before or ``seconds`` pass.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.exit_code is not None:
                raise StackError(f"{self.name} ended ({self.ending}) before it was ready\n{tail_of(self.log)}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready within {seconds:.0f} s\n{tail_of(self.log)}")
            time.sleep(_POLL_SECONDS)

    def wait(self, on_tick: Callable[[], None], every: float) -> int:
        """Wait for the end, calling ``on_tick`` every so many seconds; give the exit code."""
        while True:
            try:
                return self._process.wait(timeout=every)
            except subprocess.TimeoutExpired:
                on_tick()

    def ask_to_stop(self) -> None:
        """Send SIGTERM to its group, and do not wait."""
        if self.exit_code is None:
            self._signal_group(signal.SIGTERM)

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End it and what it started: SIGTERM, then SIGKILL when it still runs after ``grace`` seconds."""
        if self.exit_code is not None:
            return
        self._signal_group(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=grace)
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def kill(self) -> None:
        """End it and what it started at once with SIGKILL."""
        if self.exit_code is None:
            self._signal_group(signal.SIGKILL)
            self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        # Gone already; macOS says EPERM when only a zombie is left of the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def tail_of(log: Path, leave_out: Container[str] = ()) -> str:
    """The last lines of a log, but for those in ``leave_out``, indented, below its path."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line not in leave_out]
    return "\n".join([f"the end of {log}:", *(f"  {line}" for line in lines[-_TAIL_LINES:] or ["(empty)"])])


def _tie_to(parent: int) -> Callable[[], None]:
    def in_child() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return in_child
