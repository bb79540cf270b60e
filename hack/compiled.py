"""Seconder as the image has it, what reviews run through compiled; ``python -m compiled`` prints the folder.

Pure Python is what a checkout runs. The benchmark and ``make test-compiled`` put the folder before it in PYTHONPATH.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from localstack.errors import StackError
from localstack.locking import locked
from node import cache, prerequisites

ROOT: Final = Path(__file__).parents[1]
_SOURCE: Final = ("README.md", "pyproject.toml", "requirements-build.lock", "setup.py")
_KEPT: Final = 4
_ASKED: Final = """
import shutil, sys, sysconfig
from pathlib import Path
print(shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) or "")
print(Path(sysconfig.get_path("include"), "Python.h").is_file())
print(sys.version, sysconfig.get_config_var("EXT_SUFFIX"))
"""


def lacking(python: Path) -> list[str]:
    """The Debian packages of what this Python needs to compile, and the machine does not have."""
    compiler, headers, _ = _told(python)
    return ([] if compiler else ["gcc", "libc6-dev"]) + ([] if headers == "True" else ["python3-dev"])


def package(python: Path) -> Path:
    """A folder with the package for this Python, which has ``requirements-build.lock`` installed.

    From the cache, or built (about a minute). Raises ``StackError`` where it cannot be.
    """
    version = _told(python)[2]
    folder = cache.folder("compiled")
    with locked(folder, lambda: print("Another build of the package runs; waiting for it ...", file=sys.stderr)):
        found = folder / _digest(version)
        if not found.is_dir():
            print("Compiling what reviews run through (about a minute) ...", file=sys.stderr, flush=True)
            _build(python, folder, found)
            for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
                shutil.rmtree(old)
        return found


def _build(python: Path, folder: Path, found: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
        source, target = Path(scratch, "source"), Path(scratch, "package")
        for path in _files():
            (source / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, source / path.relative_to(ROOT))
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        done = subprocess.run(
            [*pip, "--no-deps", "--no-build-isolation", "--no-compile", "--target", str(target), str(source)],
            env={**os.environ, "SECONDER_COMPILED": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"the package cannot be compiled:\n{done.stderr[-4000:]}")
        target.rename(found)


def _files() -> Iterator[Path]:
    yield from (ROOT / name for name in _SOURCE)
    for path in sorted((ROOT / "controller" / "seconder").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _digest(version: str) -> str:
    digest = hashlib.sha256(version.encode())
    for path in _files():
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _told(python: Path) -> list[str]:
    return subprocess.run([python, "-c", _ASKED], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def main() -> int:
    """Print the folder; under ``CI=true`` install what compiling needs. Gives the exit code."""
    python = Path(sys.executable)
    try:
        prerequisites.install(lacking(python), "compiling Seconder")
        print(package(python))
    except StackError as error:
        print(f"compiled: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
