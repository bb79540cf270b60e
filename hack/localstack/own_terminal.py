"""Commands that run below nobody, as at a terminal of a person's own, whoever plays the story."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from seconder.plugin.agents import assistants

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
"""Its parent ends at once, so that init takes what it runs."""


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run it and give what came of it. An assistant's marks are left out of the environment.

    The story's approver is played, and an assistant that plays the whole story is not the one who approves in it.
    """
    known = assistants.read(Path(assistants.__file__).with_name("assistants.yaml"))
    marks = {variable.name for assistant in known for variable in assistant.environment}
    with tempfile.TemporaryDirectory(prefix="seconder-terminal-") as folder:
        kept = {key: value for key, value in environment.items() if key not in marks}
        return run_orphaned(command, kept, Path(folder), seconds=seconds)


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
