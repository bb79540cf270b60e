"""Which Python runs the webhook: the one that runs the benchmark, or another with the locked packages beside it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import seconder
from localstack.binaries import cache_folder
from localstack.locking import locked

_LOCK: Final = Path(__file__).parents[1] / "requirements.lock"
_READY: Final = ".ready"
_ASKED: Final = """
import json, platform, sys, sysconfig
flags = " ".join(str(sysconfig.get_config_var(name)) for name in ("CONFIG_ARGS", "PY_CFLAGS", "PY_CORE_CFLAGS"))
print(json.dumps([platform.python_version(), sys.base_prefix, flags]))
"""


def environment() -> dict[str, str]:
    """What makes any Python find this checkout's controller."""
    return {"PYTHONPATH": str(Path(seconder.__file__).parents[1])}


def described(python: Path) -> str:
    """Name the version and the build: without profile-guided optimization (PGO) it is a fifth to a quarter slower."""
    version, prefix, flags = _told(python)
    return f"Python {version} in {prefix}, {_build(prefix, flags)}"


def with_packages(python: Path) -> Path:
    """Give a Python like this one that has the locked packages; made once, and kept in the cache.

    Raises CalledProcessError where they cannot be installed.
    """
    version, prefix, _ = _told(python)
    key = hashlib.sha256(b"\0".join([_LOCK.read_bytes(), prefix.encode()])).hexdigest()[:12]
    folder = cache_folder(os.environ).parent / "python" / f"{version}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "bin" / "python"
    with locked(folder.parent, lambda: print("Another benchmark installs packages; waiting for it ...", flush=True)):
        if not (folder / _READY).exists():
            shutil.rmtree(folder)
            # Debian's has no pip of its own: this one's installs for it.
            subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
            pip = (sys.executable, "-m", "pip", "--python", made, "install", "--quiet", "--disable-pip-version-check")
            subprocess.run([*pip, "--require-hashes", "--requirement", _LOCK], check=True)
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
