"""Which wheels go where: judged for the platform that is built for, not for the one that builds."""

import sys
from importlib.metadata import requires

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import versions
from release import plugin, wheels
from release.pinned import PYTHON
from release.platforms import IMAGES, PLUGINS, PYTHONS, Platform

LOCKED = wheels.locked(versions.ROOT)
_IMPORTED_AS = {"backports": "backports-zstd", "nacl": "pynacl", "socks": "pysocks", "yaml": "pyyaml"}


def _names(platform: Platform, python: tuple[int, int]) -> set[str]:
    return {each.name for each in wheels.needed(LOCKED, platform, python)}


@pytest.mark.parametrize("platform", PLUGINS, ids=str)
def test_markers_are_those_of_the_platform_that_is_built_for(platform: Platform) -> None:
    """The module that 3.14 has itself is not installed there, whatever Python builds."""
    older, newer = _names(platform, (3, 13)), _names(platform, (3, 14))
    assert older - newer == {"backports-zstd"}
    assert newer <= older


def test_an_entry_is_given_to_pip_with_its_hashes_and_without_its_marker() -> None:
    """Markers would be judged by pip for the machine that it runs on."""
    (entry,) = [each for each in LOCKED if each.name == "backports-zstd"]
    assert entry.requirement.marker is not None
    assert ";" not in entry.line
    assert entry.line.count("--hash=sha256:") == len(entry.digests) > 1


def test_no_wheel_is_taken_that_needs_a_newer_system_than_promised() -> None:
    """What the documents say: glibc 2.28 and macOS 11."""
    tags = {str(platform): platform.tags for platform in PLUGINS}
    assert tags["linux-amd64"][0] == "manylinux_2_28_x86_64"
    assert tags["linux-arm64"][0] == "manylinux_2_28_aarch64"
    assert "manylinux2014_aarch64" in tags["linux-arm64"]
    assert tags["darwin-arm64"][0] == "macosx_11_0_arm64"
    assert not [tag for listed in tags.values() for tag in listed if "musl" in tag or tag == "any"]


def test_whatever_the_plugin_imports_is_packed_and_nothing_that_it_does_not() -> None:
    """By its imports, those within functions too, and by what these packages need themselves."""
    graph = grimp.build_graph("seconder", include_external_packages=True)
    imported = {each.partition(".")[0] for each in graph.find_upstream_modules("seconder.plugin", as_package=True)}
    # Python 3.14 has ``compression``, which older ones do not know.
    others = imported - sys.stdlib_module_names - {"seconder", "compression"}
    names = {canonicalize_name(_IMPORTED_AS.get(each, each)) for each in others}
    assert names <= {each.name for each in LOCKED}
    # urllib3 imports it for a kubeconfig's socks5 proxy.
    direct = names | {"pysocks"}
    found, waiting = set[str](), direct
    while waiting:
        name = waiting.pop()
        found.add(name)
        for text in requires(name) or ():
            needed = Requirement(text)
            if any(
                needed.marker is None or needed.marker.evaluate({**platform.environment(python), "extra": ""})
                for platform in PLUGINS
                for python in PYTHONS
            ):
                waiting |= {canonicalize_name(needed.name)} - found
    assert found == plugin.PACKAGES


def test_the_image_has_all_that_is_locked_for_its_python() -> None:
    """On both platforms the same."""
    amd64, arm64 = (_names(platform, PYTHON) for platform in IMAGES)
    assert amd64 == arm64
    assert {"kopf", "uvloop", "cryptography"} <= amd64
