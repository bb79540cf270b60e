"""Runs kubectl so that nothing of the user's own settings has a say in it."""

import os
import subprocess
from pathlib import Path
from typing import Final

from localstack.errors import StackError

_TIMEOUT_SECONDS: Final = 60.0


class Kubectl:
    """A kubectl that acts by a given kubeconfig and keeps its discovery cache in ``cache``.

    ``environment`` is added to this program's.
    """

    def __init__(self, binary: Path, cache: Path, **environment: str) -> None:
        self.binary: Final = binary
        self._environment: Final = {
            **{key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
            "KUBECACHEDIR": str(cache),
            "KUBERC": "off",
            **environment,
        }

    def run(
        self, kubeconfig: Path, *arguments: str | Path, stdin: str = "", seconds: float = _TIMEOUT_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run it and give what came of it, success or not; raises ``StackError`` when it takes too long."""
        # Not by a flag: kubectl takes none before a plugin's name.
        environment = {**self._environment, "KUBECONFIG": str(kubeconfig)}
        command = [self.binary, *arguments]
        try:
            return subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{_shown(arguments)} took longer than {seconds:.0f} s") from error

    def must(self, kubeconfig: Path, *arguments: str | Path, stdin: str = "", seconds: float = _TIMEOUT_SECONDS) -> str:
        """Run it and give its output; raises ``StackError`` with kubectl's own words when it fails."""
        result = self.run(kubeconfig, *arguments, stdin=stdin, seconds=seconds)
        if result.returncode != 0:
            raise StackError(f"{_shown(arguments)} failed: {result.stderr.strip()}")
        return result.stdout


def _shown(arguments: tuple[str | Path, ...]) -> str:
    return f"kubectl {' '.join(map(str, arguments))}"
