"""Children are watched until they are ready and end when they are told to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localstack.errors import StackError
from localstack.identity import start_of
from localstack.process import Child


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def child(tmp_path: Path, script: str) -> Iterator[Child]:
    """Run a shell script as a child; end it in any case."""
    running = Child("a child", ["sh", "-c", script], tmp_path / "log", dies_with_parent=False)
    try:
        yield running
    finally:
        running.kill()


def test_waiting_ends_as_soon_as_the_child_is_ready(tmp_path: Path) -> None:
    """Readiness is polled, not slept for."""
    with child(tmp_path, f"touch {tmp_path}/ready; sleep 600") as running:
        running.wait_until((tmp_path / "ready").exists, 20)
        assert running.exit_code is None


def test_a_child_that_ends_early_is_reported_at_once_with_its_last_words(tmp_path: Path) -> None:
    """The user sees the exit code and the end of the log instead of a timeout."""
    started = time.monotonic()
    with child(tmp_path, "echo no such flag; exit 3") as running, pytest.raises(StackError) as raised:
        running.wait_until(lambda: False, 60)
    assert time.monotonic() - started < 30
    assert "a child ended (exit code 3) before it was ready" in str(raised.value)
    assert "  no such flag" in str(raised.value)


def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    """The deadline holds."""
    with child(tmp_path, "sleep 600") as running, pytest.raises(StackError, match="not ready within 0 s"):
        running.wait_until(lambda: False, 0.1)


def test_a_program_that_cannot_be_started_is_said_in_one_line(tmp_path: Path) -> None:
    """No traceback for a binary that is gone."""
    with pytest.raises(StackError, match="a child cannot be started"):
        Child("a child", [tmp_path / "missing"], tmp_path / "log", dies_with_parent=False)


def test_stop_asks_before_it_kills(tmp_path: Path) -> None:
    """SIGTERM comes first, so that a server can finish what it does."""
    script = f"trap 'touch {tmp_path}/asked; exit 0' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    with child(tmp_path, script) as running:
        until((tmp_path / "ready").exists)
        running.stop()
        assert running.exit_code == 0
        assert (tmp_path / "asked").exists()


def test_stop_kills_a_child_that_does_not_listen_and_what_it_started(tmp_path: Path) -> None:
    """Nothing outlives ``stop``, however stubborn."""
    script = f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/pid; touch {tmp_path}/ready; while :; do sleep 1; done"
    with child(tmp_path, script) as running:
        until((tmp_path / "ready").exists)
        running.stop(grace=0.1)
        assert running.exit_code == -signal.SIGKILL
        grandchild = int((tmp_path / "pid").read_text())
        until(lambda: start_of(grandchild) is None)


def test_stop_of_a_child_that_has_ended_does_nothing(tmp_path: Path) -> None:
    """Its process id may belong to somebody else by now."""
    with child(tmp_path, "exit 0") as running:
        until(lambda: running.exit_code == 0)
        running.stop()
        running.kill()


def test_ctrl_c_in_the_terminal_does_not_reach_a_child(tmp_path: Path) -> None:
    """A child has a session of its own, so that we stop things in order."""
    with child(tmp_path, "sleep 600") as running:
        assert os.getsid(running.pid) == running.pid != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child's life to its parent's")
@pytest.mark.parametrize("tied", [True, False])
def test_a_child_dies_with_a_killed_parent_only_when_it_shall(tmp_path: Path, tied: bool) -> None:
    """``kill -9`` of a demo leaves no server behind; what ``make up`` started stays."""
    script = (
        "import sys, time; from pathlib import Path; from localstack.process import Child\n"
        f"child = Child('c', ['sleep', '600'], Path({str(tmp_path / 'log')!r}), dies_with_parent={tied})\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        started = start_of(pid)
        assert started is not None
        parent.kill()
    try:
        if tied:
            until(lambda: start_of(pid) is None)
        else:
            with pytest.raises(AssertionError):
                until(lambda: start_of(pid) != started, seconds=0.5)
    finally:
        if start_of(pid) == started:
            os.kill(pid, signal.SIGKILL)
