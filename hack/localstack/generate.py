"""Writes the files that are made from code, or checks that they are as they would be written."""

import re
import sys
from pathlib import Path

import yaml

from seconder.wire import crd

ROOT = Path(__file__).resolve().parents[2]
_HEADER = "# Generated from the models in controller/seconder/wire: change those, then run make generate.\n"


class _Dumper(yaml.SafeDumper):
    """Quotes ``y`` and ``n``: Kubernetes' YAML, like YAML 1.1, takes them for true and false, PyYAML does not."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"), list("yYnN"))


def generated() -> dict[Path, str]:
    """Give each generated file's path and content."""
    crds = {
        "protectionpolicies": crd.protection_policy(),
        "approvers": crd.approver(),
        "changerequests": crd.change_request(),
    }
    return {
        ROOT / "manifests" / "crds" / f"{name}.yaml": _HEADER
        + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
        for name, document in crds.items()
    }


def main() -> int:
    """Write all generated files."""
    for path, content in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)
    return 0
