"""Programs that come as wheels: each installed into a folder of its own, with its pinned hashes."""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_SHOWN_LINES: Final = 5


class NotInstalled(Exception):
    """What pip said."""


def folder_of(lock: Path, cache: Path, name: str) -> Path:
    """Where in the cache what a lock file names is installed."""
    return cache / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"


def version_in(lock: Path) -> str:
    """The version, as in ``1.37.1``, of the only package that a lock file names."""
    (found,) = re.findall(r"(?m)^[a-z-]+==(\S+)", lock.read_text())
    return str(found)


def install(lock: Path, folder: Path, options: Sequence[str] = (), seconds: float | None = None) -> None:
    """Install what a lock file names into ``folder``, which appears whole or not at all.

    ``options`` are pip's. Raises NotInstalled when pip fails, or takes longer than ``seconds``.
    """
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".wheel-"))
    try:
        fixed = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile"]
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *fixed, *options]
        answer = subprocess.run(
            [*pip, "--requirement", lock, "--target", temporary],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if answer.returncode != 0:
            raise NotInstalled("\n".join(f"  {line}" for line in answer.stderr.splitlines()[-_SHOWN_LINES:]))
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"  pip took longer than {seconds:.0f} s") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
