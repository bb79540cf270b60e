"""Which Python runs the webhook, and which build of Seconder: compiled as the image has it, or pure Python."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import compiled
import seconder
from localstack.binaries import cache_folder
from localstack.locking import locked

_LOCKS: Final = tuple(Path(__file__).parents[1] / f"requirements{name}.lock" for name in ("", "-build"))
_READY: Final = ".ready"
_ASKED: Final = """
import json, platform, sys, sysconfig
flags = " ".join(str(sysconfig.get_config_var(name)) for name in ("CONFIG_ARGS", "PY_CFLAGS", "PY_CORE_CFLAGS"))
print(json.dumps([platform.python_version(), sys.base_prefix, flags]))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python with the locked packages, and the folder that it imports Seconder from."""

    program: Path
    folder: Path
    description: str

    @property
    def environment(self) -> dict[str, str]:
        """What makes it find that folder first."""
        return {"PYTHONPATH": str(self.folder)}


def interpreter(python: Path | None, *, pure: bool) -> Interpreter:
    """Give this Python with its packages, or the running one; Seconder is compiled unless that cannot be, or ``pure``.

    Raises CalledProcessError and StackError.
    """
    program = _with_packages(python) if python else Path(sys.executable)
    described = _described(program)
    lacking = compiled.lacking(program)
    if pure or lacking:
        why = f"; to compile takes {', '.join(lacking)}" if lacking and not pure else ""
        return Interpreter(program, Path(seconder.__file__).parents[1], f"{described}; Seconder is pure Python{why}")
    return Interpreter(program, compiled.package(program), f"{described}; Seconder is compiled, as in its image")


def _described(python: Path) -> str:
    """Name the version and the build: without profile-guided optimization (PGO) it is a fifth to a quarter slower."""
    version, prefix, flags = _told(python)
    return f"Python {version} in {prefix}, {_build(prefix, flags)}"


def _with_packages(python: Path) -> Path:
    """Give a Python like this one that has the locked packages; made once, and kept in the cache.

    Raises CalledProcessError where they cannot be installed.
    """
    version, prefix, _ = _told(python)
    key = hashlib.sha256(b"\0".join([*(lock.read_bytes() for lock in _LOCKS), prefix.encode()])).hexdigest()[:12]
    folder = cache_folder(os.environ).parent / "python" / f"{version}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "bin" / "python"
    with locked(folder.parent, lambda: print("Another benchmark installs packages; waiting for it ...", flush=True)):
        if not (folder / _READY).exists():
            shutil.rmtree(folder)
            # Debian's has no pip of its own: this one's installs for it.
            subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
            pip = (sys.executable, "-m", "pip", "--python", made, "install", "--quiet", "--disable-pip-version-check")
            for lock in _LOCKS:
                subprocess.run([*pip, "--require-hashes", "--requirement", lock], check=True)
            (folder / _READY).touch()
    return made


def _told(python: Path) -> tuple[str, str, str]:
    told = subprocess.run([python, "-c", _ASKED], check=True, stdout=subprocess.PIPE).stdout
    version, prefix, flags = json.loads(told)
    return version, prefix, flags


def _build(prefix: str, flags: str) -> str:
    if "--enable-optimizations" in flags or "-fprofile-use" in flags:
        return "built with PGO"
    # Distributions optimize by rules of their own, which Python's configuration does not hold.
    return "a distribution's build, which does not tell about PGO" if prefix == "/usr" else "built without PGO"
