"""Two runs at once do not get into each other's way."""

import os
import subprocess
import sys
from pathlib import Path

from localstack.locking import locked

HOLDER = """
import sys
from pathlib import Path
from localstack.locking import locked
with locked(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    sys.stdin.readline()
    (Path(sys.argv[1]) / "first").touch()
"""


def holder(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that holds the folder until it is told to let go."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLDER, str(folder)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_second_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    """It goes on when the first is done, not before, and no lock file stays."""
    waited: list[bool] = []
    with holder(tmp_path) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdout.readline()

        def let_go() -> None:
            assert first.stdin is not None
            waited.append(not (tmp_path / "first").exists())
            first.stdin.write(b"\n")
            first.stdin.flush()

        with locked(tmp_path, let_go):
            assert (tmp_path / "first").exists()
    assert waited == [True]
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_killed_holder_holds_no_longer(tmp_path: Path) -> None:
    """No stale lock keeps anybody out."""
    with holder(tmp_path) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
        first.wait()
        waited: list[bool] = []
        with locked(tmp_path, lambda: waited.append(True)):
            assert waited == []
