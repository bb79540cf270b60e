"""The plugin in processes of its own that need not be loaded anew: each is a fork of one that has done so.

As a program, it reads one order in JSON a line, and answers with the exit code and what was said.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_LOADED = ("seconder.plugin.commands.pending", "seconder.client.api", "seconder.client.client_config")
_REPOSITORY = Path(__file__).parents[2]


class Plugin:
    """``kubectl-seconder``, one call at a time. Warnings are errors."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.support.forked"],
            cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY / "controller")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], folder: str, stdin: str) -> tuple[int, str]:
        """Call it in this folder, with the file at this path as standard input; give its exit code and what it said."""
        order = {"arguments": arguments, "environment": dict(environment), "folder": folder, "stdin": stdin}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code, said = json.loads(self._process.stdout.readline())
        return code, said


def _call(order: dict[str, Any]) -> tuple[int, str]:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            _be_the_plugin(order, said.fileno())
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode()


def _be_the_plugin(order: dict[str, Any], said: int) -> None:
    code = 70
    try:
        os.dup2(os.open(order["stdin"], os.O_RDONLY | os.O_NOCTTY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv = ["kubectl-seconder", *order["arguments"]]
        code = importlib.import_module("seconder.plugin.main").main()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Whatever happened: the other process is the one that goes on.
        os._exit(code)


if __name__ == "__main__":
    for module in _LOADED:
        importlib.import_module(module)
    # What answers is not what the plugin says.
    with contextlib.closing(os.fdopen(os.dup(1), "w")) as answers:
        for line in sys.stdin:
            answers.write(json.dumps(_call(json.loads(line))) + "\n")
            answers.flush()
