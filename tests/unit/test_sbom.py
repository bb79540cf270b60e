"""The software bill of materials: valid by CycloneDX's schema, alike for alike content, and nothing is left out."""

import json
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import sbom

ROOT = Path(__file__).parents[2]
STATUS = """\
Package: libstdc++6
Status: install ok installed
Architecture: amd64
Version: 1:14.2.0-19+b1
Description: library
 Status: of nothing

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2026a-0+deb13u1
"""
REPORT: dict[str, Any] = {
    "version": "1",
    "install": [
        {
            "download_info": {"url": "", "archive_info": {"hashes": {"sha256": "0a" * 32}}},
            "metadata": {"name": "Foo_.Bar", "version": "1.0", "license_expression": "MIT OR Apache-2.0"},
        },
        {
            "download_info": {"url": "", "archive_info": {"hashes": {"sha256": "0b" * 32}}},
            "metadata": {"name": "httptools", "version": "0.9.0"},
        },
    ],
}


def _bill(status: str = STATUS) -> dict[str, Any]:
    """The document for an image with these Debian packages, in which pip installed two."""
    libraries = [*sbom.python_packages(REPORT), *sbom.debian_packages(status, "debian-13")]
    return sbom.bill(sbom.product((ROOT / "pyproject.toml").read_text()), libraries)


def test_the_bill_is_valid_by_the_schema() -> None:
    """CycloneDX's own for 1.6, which allows no property that it does not know."""
    document = _bill()
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(document)) is None
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    document["components"][0]["made-up"] = True
    assert validator.validate_str(json.dumps(document)) is not None


def test_the_bill_names_the_product_and_all_that_it_depends_on() -> None:
    """What was installed, what it came with, and nothing that was removed."""
    document = _bill()
    product = document["metadata"]["component"]
    assert (product["type"], product["name"], product["bom-ref"]) == ("application", "seconder", "seconder")
    assert product["version"]
    purls = {component["name"]: component["purl"] for component in document["components"]}
    assert purls == {
        "libstdc++6": "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=amd64&distro=debian-13",
        "tzdata": "pkg:deb/debian/tzdata@2026a-0%2Bdeb13u1?arch=all&distro=debian-13",
        "foo-bar": "pkg:pypi/foo-bar@1.0",
        "httptools": "pkg:pypi/httptools@0.9.0",
    }
    (needed,) = (entry["dependsOn"] for entry in document["dependencies"] if entry["ref"] == "seconder")
    assert sorted(needed) == sorted(purls.values())


def test_a_python_package_has_its_wheels_digest_and_its_licence() -> None:
    """As pip tells them."""
    components = {component["name"]: component for component in _bill()["components"]}
    foo, httptools = components["foo-bar"], components["httptools"]
    assert (foo["type"], foo["version"], foo["bom-ref"]) == ("library", "1.0", "pkg:pypi/foo-bar@1.0")
    assert foo["hashes"] == [{"alg": "SHA-256", "content": "0a" * 32}]
    assert foo["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert httptools["hashes"] == [{"alg": "SHA-256", "content": "0b" * 32}]
    assert "licenses" not in httptools


def test_alike_content_makes_an_alike_bill() -> None:
    """To the byte, so that an image can be built again; other content has another serial number."""
    first = _bill()
    again = _bill("\n\n".join(reversed(STATUS.split("\n\n"))))
    assert json.dumps(again) == json.dumps(first)
    assert "timestamp" not in first["metadata"]
    assert _bill(STATUS.replace("2026a", "2026b"))["serialNumber"] != first["serialNumber"]


def test_a_packages_url_is_spelt_as_its_specification_has_it() -> None:
    """A plus is escaped, in names and versions; an epoch's colon stands for itself."""
    found, _ = sbom.debian_packages(STATUS, "debian-13")
    assert found.name == "libstdc++6"
    assert str(found.purl) == "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=amd64&distro=debian-13"
