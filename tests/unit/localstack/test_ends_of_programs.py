"""A program of Seconder's that ends by itself is told, so that no test passes over it."""

import sys
from pathlib import Path
from typing import cast

import pytest

from localstack.controlplane import ControlPlane
from localstack.process import Child
from localstack.seconder import Seconder

_NOBODY = cast(ControlPlane, None)
"""Nothing is installed."""


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import os; os.abort()", ["seconder webhook: signal SIGABRT"]),
        ("raise SystemExit(1)", ["seconder webhook: exit code 1"]),
        ("", []),
    ],
)
def test_how_a_program_ended(program: str, told: list[str], tmp_path: Path) -> None:
    """As soon as it has, and after it was stopped."""
    seconder = Seconder(_NOBODY, tmp_path)
    child = Child("seconder webhook", [sys.executable, "-c", program], tmp_path / "log", dies_with_parent=True)
    seconder._children["webhook"] = child
    child.wait(lambda: None, 1.0)
    assert seconder.wrong_ends == told
    seconder.stop()
    assert seconder.wrong_ends == told


def test_a_program_that_was_stopped_ended_well(tmp_path: Path) -> None:
    """By the signal itself, too, as one does that has just been started."""
    seconder = Seconder(_NOBODY, tmp_path)
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    seconder._children["operator"] = Child("seconder operator", sleeps, tmp_path / "log", dies_with_parent=True)
    seconder.stop_operator()
    assert seconder.wrong_ends == []
