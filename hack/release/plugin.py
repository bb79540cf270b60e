"""The plugin: as a wheel, and packed with all that it needs into one file for a platform, which needs Python alone."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from localstack.errors import StackError
from release import unpacked, wheels
from release.pinned import PinnedPython
from release.platforms import PYTHONS, Platform
from release.wheels import Locked, Wheel

PACKAGES: Final = frozenset(
    {
        "backports-zstd",
        "cffi",
        "cryptography",
        "filelock",
        "jinja2",
        "markupsafe",
        "msgspec",
        "psutil",
        "pycparser",
        "pynacl",
        "pysocks",
        "pyyaml",
        "urllib3",
    }
)
"""What the plugin imports, and what that needs; a test follows the imports. What operator and webhook need is not."""

_MAIN: Final = """\
import sys

if sys.version_info < (3, 11):
    found = (sys.executable, sys.version_info[0], sys.version_info[1])
    sys.exit("error: kubectl seconder needs Python 3.11 or newer; %s is %d.%d" % found)

import unpacked

sys.exit(unpacked.main())
"""
"""What runs first. Pythons that are too old must be able to read it, to be told so."""

_FIRST_LINE: Final = "#!/usr/bin/env -S python3 -I\n"
"""Isolated: no variable of the environment and no package of the user's has a say in what approves."""


def wheel(source: Path, into: Path, epoch: int, python: PinnedPython) -> Wheel:
    """Build the wheel of the tree ``source``, once more packed so that its bytes follow from its content.

    Raises ``StackError`` with pip's words.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a copy: setuptools leaves folders behind.
        tree = folder / "tree"
        shutil.copytree(source, tree, symlinks=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "wheel", *options, f"--wheel-dir={folder}", str(tree)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        )
        if done.returncode != 0:
            raise StackError(f"the wheel cannot be built: {done.stderr.strip()[-2000:]}")
        (built,) = folder.glob("*.whl")
        shutil.unpack_archive(built, folder / "content", "zip")
        target = into / built.name
        python.do("zipped", folder=folder / "content", target=target, epoch=epoch)
        return wheels.read(target)


def needed(entries: Sequence[Locked], platform: Platform) -> list[Wheel]:
    """The wheels of what the plugin needs on a platform, under each of ``PYTHONS``. Raises ``StackError``."""
    found: dict[str, Wheel] = {}
    for python in PYTHONS:
        wanted = [each for each in wheels.needed(entries, platform, python) if each.name in PACKAGES]
        for each in wheels.downloaded(wanted, platform, python):
            found.setdefault(each.path.name, each)
    return list(found.values())


def packed(
    own: Wheel, others: Iterable[Wheel], platform: Platform, target: Path, epoch: int, python: PinnedPython
) -> None:
    """Write the plugin for a platform into the file ``target``. Raises ``StackError`` where wheels differ in a file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "__main__.py").write_text(_MAIN)
        shutil.copyfile(unpacked.__file__, folder / "unpacked.py")
        site = folder / "site"
        for each in (own, *others):
            _merge(each, site)
        about = {
            "system": platform.system,
            "architecture": platform.architecture,
            "machines": sorted({platform.machine, platform.architecture}),
            "pythons": PYTHONS,
            "digest": _digest(site),
        }
        (folder / "packed.json").write_text(json.dumps(about, sort_keys=True))
        python.do("zipped", folder=folder, target=target, epoch=epoch, first_line=_FIRST_LINE)


def _merge(wheel: Wheel, site: Path) -> None:
    """Add a wheel's modules. Compiled parts for several Pythons have names that tell them apart."""
    with tempfile.TemporaryDirectory() as name:
        shutil.unpack_archive(wheel.path, name, "zip")
        for path in sorted(Path(name).rglob("*")):
            relative = path.relative_to(name)
            if relative.parts[0].endswith(".data"):
                raise StackError(f"{wheel.path.name} has {relative}, which belongs into no folder of modules")
            if path.is_dir() or path.suffix in {".pyi", ".pyx", ".pxd", ".c", ".h"} or relative.name == "RECORD":
                continue
            target = site / relative
            described = relative.parts[0].endswith(".dist-info")
            if target.exists() and not described and target.read_bytes() != path.read_bytes():
                raise StackError(f"{wheel.path.name} has another {relative} than the wheel for another Python")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
