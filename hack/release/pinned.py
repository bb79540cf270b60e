"""The Python of the image, run on the machine that builds: what it makes is the same whatever that machine has."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from localstack.errors import StackError
from release import packing
from release.platforms import Platform

PYTHON: Final = (3, 13)
"""What Debian 13 has."""

_LOADERS: Final = {
    "amd64": ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
    "arm64": ("usr/lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu"),
}
"""The dynamic loader, and the folder of the libraries that it loads. Source: the ABIs' psABI supplements, and Debian's
multiarch."""


class PinnedPython:
    """``root``: Debian's packages, unpacked, of the architecture that this machine has. No root is needed to run it."""

    def __init__(self, root: Path, platform: Platform) -> None:
        loader, libraries = _LOADERS[platform.architecture]
        version = f"{PYTHON[0]}.{PYTHON[1]}"
        self._command: Final[list[str | Path]] = [
            root / loader,
            "--library-path",
            root / libraries,
            root / f"usr/bin/python{version}",
            "-B",
            "-S",
            packing.__file__,
        ]
        # Sets are compiled in the order of their hashes.
        self._environment: Final = {"PYTHONHOME": str(root / "usr"), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Call a function of ``release.packing`` in it. Raises ``StackError`` with its last words when it fails."""
        done = subprocess.run(
            self._command,
            input=json.dumps({"do": what, **arguments}, default=str),
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
        )
        if done.returncode != 0:
            raise StackError(f"{what} failed: {done.stderr.strip()[-2000:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
