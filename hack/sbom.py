"""Writes the image's software bill of materials: CycloneDX 1.6, JSON. The standard library is all it needs.

Called by the Dockerfile: sbom.py PYPROJECT PIP-REPORT DPKG-STATUS
"""

import json
import platform
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

Component = dict[str, Any]

_ROOT: Final = "seconder"


def bill(product: Component, libraries: list[Component]) -> dict[str, Any]:
    """Give the document: ``product`` is what the image is for, ``libraries`` all else in it.

    Alike for alike input: its serial number follows from the content, and it has no time.
    """
    libraries = sorted(libraries, key=lambda each: each["bom-ref"])
    content = {
        "metadata": {"component": product},
        "components": libraries,
        "dependencies": [
            {"ref": product["bom-ref"], "dependsOn": [library["bom-ref"] for library in libraries]},
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": serial.urn, "version": 1}
    return head | content


def product(pyproject: str) -> Component:
    """Give Seconder itself, from the text of its pyproject.toml."""
    project = tomllib.loads(pyproject)["project"]
    about = {key: project[key] for key in ("name", "version", "description")}
    return {"type": "application", "bom-ref": _ROOT, **about}


def python_packages(report: dict[str, Any]) -> Iterator[Component]:
    """Give what pip installed, from its report, each with the digest of the very wheel.

    Source: https://pip.pypa.io/en/stable/reference/installation-report/
    """
    for item in report["install"]:
        metadata, archive = item["metadata"], item["download_info"]["archive_info"]
        # Names in purls are normalised. Source: the purl specification, type "pypi".
        name = metadata["name"].lower().replace("_", "-").replace(".", "-")
        component = _library(f"pkg:pypi/{name}", metadata["name"], metadata["version"])
        component["hashes"] = [{"alg": "SHA-256", "content": archive["hashes"]["sha256"]}]
        if expression := metadata.get("license_expression"):
            component["licenses"] = [{"expression": expression}]
        yield component


def debian_packages(status: str, distribution: str) -> Iterator[Component]:
    """Give the installed packages of dpkg's status file. ``distribution`` is as in ``debian-13``."""
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            qualifiers = f"?arch={fields['Architecture']}&distro={distribution}"
            yield _library(f"pkg:deb/debian/{fields['Package']}", fields["Package"], fields["Version"], qualifiers)


def _library(purl: str, name: str, version: str, qualifiers: str = "") -> Component:
    # A colon, as in an epoch, stands for itself in a purl; a plus, as in libstdc++6, does not.
    reference = f"{quote(purl, safe=':/')}@{quote(version, safe=':')}{qualifiers}"
    return {"type": "library", "bom-ref": reference, "name": name, "version": version, "purl": reference}


def main() -> int:
    """Write the document to standard output."""
    pyproject, report, status = (Path(argument).read_text() for argument in sys.argv[1:])
    system = platform.freedesktop_os_release()
    distribution = f"{system['ID']}-{system['VERSION_ID']}"
    libraries = [*python_packages(json.loads(report)), *debian_packages(status, distribution)]
    json.dump(bill(product(pyproject), libraries), sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
