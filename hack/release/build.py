"""Builds a release from the files of a commit into a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import versions
from release import bills, chart, debian, image, krew, oci, plugin, wheels
from release.fetching import sha256
from release.pinned import PYTHON, PinnedPython
from release.platforms import IMAGES, PLUGINS, Platform
from release.progress import step
from release.wheels import Wheel

SUMS: Final = "SHA256SUMS"
_LAYERS: Final = {
    "debian": "Debian's packages of debian.lock",
    "packages": "wheels of requirements.lock",
    "seconder": "the wheel of seconder, and the bill of materials",
}


@dataclass(frozen=True, slots=True)
class Release:
    """What is being built: ``source`` has a commit's files; ``into`` and ``scratch`` are empty folders.

    ``downloads``: the address below which people will find the files of ``into``.
    """

    source: Path
    into: Path
    scratch: Path
    revision: str
    created: str
    epoch: int
    downloads: str

    @property
    def version(self) -> str:
        """The version of the source."""
        return versions.version(self.source)

    @property
    def project(self) -> str:
        """The text of its pyproject.toml."""
        return (self.source / "pyproject.toml").read_text()

    def file(self, name: str) -> Path:
        """The path of a file of the release."""
        return self.into / name


def build(release: Release, here: Platform) -> None:
    """Write everything, and the sums of it. ``here`` is what this machine is. Raises ``StackError``."""
    locked = wheels.locked(release.source)
    bases = _bases(release)
    python = PinnedPython(bases[here], here)
    with step("Building the wheel"):
        own = plugin.wheel(release.source, release.into, release.epoch, python)
    with step("Getting the image's wheels") as now:
        others = {}
        for platform in IMAGES:
            now.say(str(platform))
            others[platform] = wheels.downloaded(wheels.needed(locked, platform, PYTHON), platform, PYTHON)
    digest = _image(release, bases, others, own, python)
    with step("Packaging the chart"):
        chart.packaged(release.source, release.into, digest, release.epoch)
    with step("Packing the plugin") as now:
        _plugins(release, locked, own, python, now.say)
    found = sorted(each for each in release.into.iterdir())
    release.file(SUMS).write_text("".join(f"{sha256(each)}  {each.name}\n" for each in found))


def _bases(release: Release) -> dict[Platform, Path]:
    """Debian's packages for each image, unpacked."""
    packages = debian.locked(release.source)
    with step("Getting Debian's packages") as now:
        files = debian.downloaded(packages, now.say)
    bases = {}
    with step("Unpacking them") as now:
        for platform in IMAGES:
            now.say(str(platform))
            bases[platform] = release.scratch / str(platform) / "debian"
            bases[platform].mkdir(parents=True)
            debian.unpack(
                {key: file for key, file in files.items() if key.architecture == platform.architecture}, bases[platform]
            )
    return bases


def _image(
    release: Release, bases: dict[Platform, Path], others: dict[Platform, list[Wheel]], own: Wheel, python: PinnedPython
) -> str:
    """Write the image's archive and its bills; give the digest of its index."""
    trees = {platform: {name: base.parent / name for name in _LAYERS} for platform, base in bases.items()}
    with step("Putting the image together"):
        for platform, layers in trees.items():
            image.environment(layers["packages"])
            image.installed(others[platform], layers["packages"])
            image.installed([own], layers["seconder"], programs=True)
            bill = bills.of_image(release.project, others[platform], bases[platform])
            release.file(f"seconder-{release.version}-image-{platform.architecture}.cdx.json").write_text(bill)
            (layers["seconder"] / image.BILL).parent.mkdir(parents=True)
            (layers["seconder"] / image.BILL).write_text(bill)
    with step("Compiling its modules"):
        image.compile_all([tree for layers in trees.values() for tree in layers.values()], python)
    layout = oci.Layout(release.scratch / "layout", release.created)
    with step("Packing its layers") as now:
        images = []
        for platform, layers in trees.items():
            written = []
            for name, tree in layers.items():
                now.say(f"{platform}: {name}")
                file = release.scratch / "layer"
                packed = python.do("tarred", folder=tree, target=file, epoch=release.epoch, compress=True)
                written.append(layout.layer(_LAYERS[name], file, packed))
            images.append(layout.image(platform, image.config(release.version, release.revision), written))
        digest = layout.index(images, release.version, image.labels(release.version, release.revision))
        archive = release.file(f"seconder-{release.version}-image.oci.tar")
        python.do("tarred", folder=layout.folder, target=archive, epoch=release.epoch, compress=False)
    return digest


def _plugins(
    release: Release, locked: list[wheels.Locked], own: Wheel, python: PinnedPython, say: Callable[[str], None]
) -> None:
    """Write the packed plugin for each platform, its bill, the archive that krew takes, and krew's manifest."""
    archives = {}
    for platform in PLUGINS:
        say(str(platform))
        name = f"{krew.PROGRAM}-{release.version}-{platform}"
        needed = plugin.needed(locked, platform)
        folder = release.scratch / name
        folder.mkdir()
        packed = folder / krew.PROGRAM
        plugin.packed(own, needed, platform, packed, release.epoch, python)
        archives[platform] = release.file(f"{name}.tar.gz")
        python.do("tarred", folder=folder, target=archives[platform], epoch=release.epoch, compress=True)
        packed.rename(release.file(f"{name}.pyz"))
        release.file(f"{name}.cdx.json").write_text(bills.of_plugin(release.project, needed))
    release.file(f"{krew.NAME}.yaml").write_text(krew.manifest(release.version, release.downloads, archives))
