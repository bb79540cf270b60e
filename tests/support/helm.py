"""Helm in everybody's hands, and charts that are made for one test."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.cluster import Result

_SECONDS: Final = 60


class Helm:
    """A Helm that acts by a given kubeconfig, with charts and settings of its own in ``folder``."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._binary: Final = binary
        self._folder: Final = folder
        homes = {f"HELM_{each}_HOME": str(folder / f"helm-{each.lower()}") for each in ("CACHE", "CONFIG", "DATA")}
        # HELM_NAMESPACE, HELM_DRIVER and the like would have a say in it.
        others = {key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))}
        self._environment: Final = others | homes

    def run(self, kubeconfig: Path, namespace: str, *arguments: str | Path) -> Result:
        """Run Helm with this kubeconfig in this namespace."""
        command = [self._binary, "--kubeconfig", kubeconfig, "--namespace", namespace, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=self._environment
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def chart(self, name: str, *documents: Mapping[str, Any]) -> Path:
        """Write a chart with these templates and nothing to set; give its folder."""
        folder = self._folder / name
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "shop", "version": "1.0.0"}))
        for number, document in enumerate(documents):
            (folder / "templates" / f"{number}.yaml").write_text(json.dumps(document))
        return folder
