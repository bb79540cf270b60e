"""What is written from the chart, and what is copied into it."""

import json
import subprocess
from pathlib import Path
from typing import Final

from chart import values
from localstack.binaries import provide
from localstack.errors import StackError
from localstack.pins import Binary

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "charts" / "seconder"
_MANIFESTS: Final = ROOT / "manifests"
_NAMESPACE: Final = "seconder-system"
_HEADER: Final = "# Generated from charts/seconder: change that, then run make generate.\n"
_SECONDS: Final = 60
_NOTIFICATIONS: Final = "notifications.secretName=seconder-targets"
_PORTAL: Final = ("portal.enabled=true", "portal.origin=https://approve.example.com", "operator.copyApprovals=true")


def within() -> dict[Path, str]:
    """The path and content of each file that is part of the chart: Helm reads these when it renders it."""
    copied = {CHART / "files" / name: (_MANIFESTS / name).read_text() for name in _copied()}
    return copied | about(CHART)


def about(folder: Path) -> dict[Path, str]:
    """What is made from the values of the chart in ``folder``: their schema, and their table in its README."""
    read = values.read((folder / "values.yaml").read_text())
    return {
        folder / "values.schema.json": json.dumps(values.schema(read), indent=2) + "\n",
        folder / "README.md": _readme(values.table(read)),
    }


def written() -> dict[Path, str]:
    """The path and content of each file that Helm renders. Raises ``StackError`` with its words when it cannot."""
    return {
        _MANIFESTS / "rbac.yaml": _HEADER + rendered("--show-only=templates/rbac.yaml"),
        _MANIFESTS / "portal-rbac.yaml": _HEADER
        + rendered("--show-only=templates/portal-rbac.yaml", *(f"--set={value}" for value in _PORTAL)),
        _MANIFESTS / "notifications-rbac.yaml": _HEADER
        + rendered("--show-only=templates/notifications-rbac.yaml", f"--set={_NOTIFICATIONS}"),
        _MANIFESTS / "flow-control.yaml": _HEADER + rendered("--show-only=templates/flow-control.yaml"),
        _MANIFESTS / "install.yaml": f"{_HEADER}apiVersion: v1\nkind: Namespace\nmetadata: {{name: {_NAMESPACE}}}\n"
        + rendered("--include-crds"),
    }


def rendered(*flags: str) -> str:
    """What Helm makes of the chart. Raises ``StackError`` with its own words when it cannot."""
    helm = provide((Binary.HELM,), any_kubectl=False)[Binary.HELM]
    command: list[str | Path] = [helm, "template", "seconder", CHART, f"--namespace={_NAMESPACE}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode != 0:
        raise StackError(f"helm template failed: {done.stderr.strip()}")
    return str(done.stdout)


def _copied() -> list[str]:
    roles = sorted(path.name for path in (_MANIFESTS / "roles").glob("*.yaml"))
    return ["admission-policy.yaml", *(f"roles/{name}" for name in roles)]


def _readme(table: str) -> str:
    return (Path(__file__).parent / "README.head.md").read_text() + table + "\n"
