"""The software bill of materials: what names a package there is read by programs that know packages by it."""

import sbom


def test_a_packages_url_is_spelt_as_its_specification_has_it() -> None:
    """A plus is escaped, in names and versions; an epoch's colon stands for itself."""
    status = "Package: libstdc++6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:14.2.0-19+b1\n"
    (found,) = sbom.debian_packages(status, "debian-13")
    assert found["name"] == "libstdc++6"
    assert found["purl"] == "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=amd64&distro=debian-13"
