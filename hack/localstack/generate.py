"""Writes the files that are made from code, or checks that they are as they would be written."""

import sys
from pathlib import Path

import yaml

from seconder.wire import crd

ROOT = Path(__file__).resolve().parents[2]
_HEADER = (
    "# Generated from the models in controller/seconder/wire/resources.py: change those, then run make generate.\n"
)


def generated() -> dict[Path, str]:
    """Give each generated file's path and content."""
    crds = {"protectionpolicies": crd.protection_policy(), "approvers": crd.approver()}
    return {
        ROOT / "manifests" / "crds" / f"{name}.yaml": _HEADER + yaml.safe_dump(document, sort_keys=False, width=120)
        for name, document in crds.items()
    }


def main() -> int:
    """Write all generated files."""
    for path, content in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)
    return 0
