"""Writes the files that are made from code, or checks that they are as they would be written."""

import re
import sys
from pathlib import Path

import yaml

import documents
import static_admission
import versions
from chart import files as chart
from observability import files as observability
from seconder.api import crds

ROOT = Path(__file__).resolve().parents[2]
_HEADER = "# Generated from the types in controller/seconder/api: change those, then run make generate.\n"


class _Dumper(yaml.SafeDumper):
    """Quotes ``y`` and ``n``: Kubernetes' YAML, like YAML 1.1, takes them for true and false, PyYAML does not."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"), list("yYnN"))


def generated() -> dict[Path, str]:
    """Each generated file's path and content."""
    definitions = crds.all_of_them()
    # Helm installs what stands in the folder crds before all else, and never removes it.
    places = (ROOT / "manifests" / "crds", chart.CHART / "crds")
    crds_written = {
        place / f"{name}.yaml": _HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
        for place in places
        for name, document in definitions.items()
    }
    chart_written = {chart.CHART / "files" / name: content for name, content in observability.written().items()}
    return crds_written | chart_written | documents.written() | static_admission.written() | versions.written()


def from_chart() -> dict[Path, str]:
    """What is made from the chart, which must hold what the others give. Raises ``StackError``."""
    return chart.written()


def main() -> int:
    """Write all generated files."""
    for make in (generated, chart.within, from_chart):
        for path, content in make().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)
    return 0
