"""Writes the image's software bill of materials: CycloneDX 1.6, JSON.

Called by the Dockerfile, where the packages of requirements-build.lock are: sbom.py PYPROJECT PIP-REPORT DPKG-STATUS
"""

import json
import platform
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_ROOT: Final = "seconder"


def bill(product: Component, libraries: Iterable[Component]) -> dict[str, Any]:
    """The document: ``product`` is what the image is for, ``libraries`` all else in it.

    Alike for alike input: its serial number follows from the content, and it has no time.
    """
    content = Bom(metadata=BomMetaData(component=product), components=libraries)
    content.register_dependency(product, content.components)
    document: dict[str, Any] = json.loads(JsonV1Dot6(content).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return document | {"serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True)).urn}


def product(pyproject: str) -> Component:
    """Seconder itself, from the text of its pyproject.toml."""
    project = tomllib.loads(pyproject)["project"]
    about = {key: project[key] for key in ("name", "version", "description")}
    return Component(type=ComponentType.APPLICATION, bom_ref=_ROOT, **about)


def python_packages(report: dict[str, Any], files: Sequence[str] = ()) -> Iterator[Component]:
    """What pip installed, from its report, by normalised names (PEP 503), each with the digest of the very wheel.

    ``files``: the wheels' names, for where several of one version are. They tell their components apart.
    Source: https://pip.pypa.io/en/stable/reference/installation-report/
    """
    for number, item in enumerate(report["install"]):
        metadata, archive = item["metadata"], item["download_info"]["archive_info"]
        name = re.sub(r"[-_.]+", "-", metadata["name"]).lower()
        which = {"file_name": files[number]} if files else None
        component = _library(PackageURL("pypi", None, name, metadata["version"], which), name)
        component.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=archive["hashes"]["sha256"]))
        if expression := metadata.get("license_expression"):
            component.licenses.add(LicenseExpression(expression))
        yield component


def debian_packages(status: str, distribution: str) -> Iterator[Component]:
    """The installed packages of dpkg's status file. ``distribution`` is as in ``debian-13``."""
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            qualifiers = {"arch": fields["Architecture"], "distro": distribution}
            purl = PackageURL("deb", "debian", fields["Package"], fields["Version"], qualifiers)
            yield _library(purl, fields["Package"])


def _library(purl: PackageURL, name: str) -> Component:
    return Component(type=ComponentType.LIBRARY, bom_ref=str(purl), name=name, version=purl.version, purl=purl)


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
