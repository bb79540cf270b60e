"""``python -m pythons NAME...``: the unit tests of core and plugin under each of these Pythons that is here.

Each has a virtual environment of its own below ``.venv/pythons``, with the packages of the development lock.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_LOCK: Final = ROOT / "requirements-dev.lock"
_TESTS: Final = tuple(f"tests/unit/{room}" for room in ("admission", "api", "approvals", "client", "plugin"))


def main(names: Sequence[str]) -> int:
    """Say of each Python how it went; 1 where tests failed under one, or none was here."""
    told: dict[str, str] = {}
    for name in names:
        program = shutil.which(name)
        if program is None:
            told[name] = "not here"
            continue
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"{name}: {version} ({program})", flush=True)
        told[name] = f"{version}: {'passed' if _passes(program) else 'FAILED'}"
    print("\n".join(f"{name}: {how}" for name, how in told.items()))
    return 0 if all(not how.endswith("FAILED") for how in told.values()) and set(told.values()) != {"not here"} else 1


def _passes(program: str) -> bool:
    environment = ROOT / ".venv" / "pythons" / Path(program).name
    python = environment / "bin" / "python"
    ready = environment / f"ready-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"
    if not ready.exists():
        shutil.rmtree(environment, ignore_errors=True)
        pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        commands: tuple[list[str | Path], ...] = (
            [program, "-m", "venv", environment],
            [*pip, "--require-hashes", "--requirement", _LOCK],
            [*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT],
        )
        for command in commands:
            if subprocess.run(command, check=False).returncode != 0:
                return False
        ready.touch()
    tests: list[str | Path] = [
        python,
        "-m",
        "pytest",
        "-q",
        "--numprocesses=2",
        "--dist=loadfile",
        "-p",
        "no:cacheprovider",
        *_TESTS,
    ]
    # Its modules are compiled apart from those of others.
    compiled = os.environ | {"PYTHONPYCACHEPREFIX": str(environment / "pycache")}
    return subprocess.run(tests, cwd=ROOT, env=compiled, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
