"""Helm, and the release of the chart that the tests install."""

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.documents import REPOSITORY

CHART: Final = REPOSITORY / "charts/seconder"
NAME: Final = "seconder"
NAMESPACE: Final = "seconder-system"
_SECONDS: Final = 300


class Release:
    """The release ``seconder`` in ``seconder-system``. ``values`` hold for every install and upgrade."""

    def __init__(self, helm: Path, kubeconfig: Path, values: Mapping[str, Any]) -> None:
        self._helm: Final = helm
        self._kubeconfig: Final = kubeconfig
        self._values: Final = values

    def install(self, chart: Path = CHART) -> str:
        """Install the chart as its README says, and wait until it serves; give what Helm prints."""
        return self._run("install", NAME, str(chart), "--create-namespace", "--wait", stdin=json.dumps(self._values))

    def upgrade(self, chart: Path = CHART, **changes: Any) -> str:
        """Upgrade to a chart, with changed top-level values."""
        return self._run("upgrade", NAME, str(chart), "--wait", stdin=json.dumps({**self._values, **changes}))

    def rollback(self) -> str:
        """Go back to the revision before."""
        return self._run("rollback", NAME, "--wait")

    def uninstall(self) -> str:
        """Remove the release."""
        return self._run("uninstall", NAME, "--wait")

    def _run(self, *arguments: str, stdin: str = "") -> str:
        values = ("--values=-",) if stdin else ()
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [self._helm, *arguments, *values, f"--namespace={NAMESPACE}", f"--timeout={_SECONDS - 30}s"],
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
                env={"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": str(self._kubeconfig)},
            )
        assert done.returncode == 0, f"helm {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout


def chart_before(folder: Path) -> Path | None:
    """Unpack the chart as it was before its last change into ``folder``; None where history holds no other."""
    paths = ["--", "charts/seconder"]
    revisions = _git("log", "--format=%H", "--max-count=2", *paths).split()
    if len(revisions) < 2:
        return None
    archive = folder / "chart.tar"
    _git("archive", f"--output={archive}", revisions[1], "charts/seconder")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "charts/seconder"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
