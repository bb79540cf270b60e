"""Bills of materials, CycloneDX 1.6: of the image for a platform, and of a packed plugin."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sbom
from release import debian
from release.wheels import Wheel


def of_image(project: str, wheels: Sequence[Wheel], root: Path) -> str:
    """What is in an image: ``wheels``, and the packages of Debian that dpkg would tell of in ``root``."""
    status = (root / "var/lib/dpkg/status").read_text()
    libraries = [*sbom.python_packages(_report(wheels)), *sbom.debian_packages(status, debian.DISTRIBUTION)]
    return _text(sbom.bill(sbom.product(project), libraries))


def of_plugin(project: str, wheels: Sequence[Wheel]) -> str:
    """What is in a packed plugin: each wheel by the name of its file, since some are there for several Pythons."""
    libraries = sbom.python_packages(_report(wheels), files=[each.path.name for each in wheels])
    return _text(sbom.bill(sbom.product(project), libraries))


def _report(wheels: Sequence[Wheel]) -> dict[str, Any]:
    """What pip would report had it installed them."""
    return {
        "install": [
            {
                "metadata": {"name": each.name, "version": each.version, "license_expression": each.licence},
                "download_info": {"archive_info": {"hashes": {"sha256": each.sha256}}},
            }
            for each in wheels
        ]
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"
