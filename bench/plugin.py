"""How long a person waits for the plugin: kubectl, Python, all imports, and what is asked of the API server."""

import os
import shlex
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench import machine, reviews
from bench.python import Interpreter
from localstack.controlplane import ControlPlane
from localstack.kubectl import Kubectl

_TURNS: Final = 9
_FIRST: Final = 2
"""Turns that are not counted: they write what Python keeps of compiled modules, as an installation does."""


class Plugin:
    """The plugin as kubectl finds it on PATH, used as the administrator. ``folder`` gets its files."""

    def __init__(self, plane: ControlPlane, folder: Path, interpreter: Interpreter) -> None:
        folder.mkdir()
        program = folder / "kubectl-seconder"
        environment = interpreter.environment | {"PYTHONPYCACHEPREFIX": str(folder / "pycache")}
        set_up = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        started = f"env --unset=PYTHONDONTWRITEBYTECODE {set_up} {shlex.quote(str(interpreter.program))}"
        program.write_text(f'#!/bin/sh\nexec {started} -m seconder.plugin.main "$@"\n')
        program.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        self._kubectl: Final = Kubectl(plane.kubectl.binary, folder / "kubectl-cache", PATH=path)
        self._kubeconfig: Final = plane.admin_kubeconfig

    def seconds(self, *arguments: str | Path) -> float:
        """Give the median of the times from starting kubectl to its end, on all cores. Raises StackError."""
        times = []
        with machine.everywhere():
            for _ in range(_FIRST + _TURNS):
                began = time.perf_counter()
                self._kubectl.must(self._kubeconfig, "seconder", *arguments)
                times.append(time.perf_counter() - began)
        return statistics.median(times[_FIRST:])


def verbs(key: Path) -> Iterator[tuple[str, Sequence[str | Path], float]]:
    """Give what is timed: a title, kubectl's arguments after its own, and the goal in seconds.

    ``key`` is a registered approver's. What it signs stands on the benchmark's Deployment afterwards.
    """
    yield "--help", ("--help",), 0.1
    yield "pending", ("pending",), 0.3
    wish = ("--namespace", reviews.NAMESPACE, "--requester", reviews.REQUESTER)
    signed = ("--key", key, "--reason", "INC-4821", "--yes")
    yield "approve", ("approve", f"deployment/{reviews.NAME}", *wish, *signed), 0.4
