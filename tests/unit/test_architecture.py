"""The layering is a test: who may import whom stands in .importlinter."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_import_keeps_to_the_layers() -> None:
    """Rooms import those below them alone, and what decides stays pure."""
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_keeps_to_its_style() -> None:
    """Ruff finds nothing to say."""
    _run("ruff", "check", ".")


def test_the_code_is_formatted() -> None:
    """Ruff's formatter would change nothing."""
    _run("ruff", "format", "--check", ".")


def test_types_are_checked_strictly() -> None:
    """Mypy in strict mode finds nothing to say."""
    _run("mypy")
