"""Commands that run below nobody, so that whoever runs the tests has no say in what they are taken for."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_LAUNCHER = """
import os, subprocess, sys, time
launcher = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == launcher:
    time.sleep(0.001)
code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(code))
"""


def run_orphaned(
    command: Sequence[str | Path], environment: Mapping[str, str], folder: Path, *, seconds: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run a command whose ancestors are init's alone; give what came of it. ``folder`` takes its exit code."""
    result = folder / "exit-code"
    done = subprocess.run(
        [sys.executable, "-I", "-c", _LAUNCHER, result, *command],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds,
    )
    return subprocess.CompletedProcess(list(command), int(result.read_text()), done.stdout, done.stderr)
