"""The packages of requirements.lock as wheels for a platform, by their hashes, whatever this machine is."""

import email
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from localstack.errors import StackError
from node import cache
from release.fetching import sha256
from release.platforms import Platform

LOCK: Final = "requirements.lock"


@dataclass(frozen=True, slots=True)
class Locked:
    """An entry of the lock: ``name==version``, when it is needed, and the SHA-256 of each file that will do."""

    requirement: Requirement
    digests: frozenset[str]

    @property
    def name(self) -> str:
        """Normalised, as PEP 503 says."""
        return canonicalize_name(self.requirement.name)

    @property
    def line(self) -> str:
        """As pip reads it, without its marker, for whoever has judged that."""
        hashes = "".join(f" --hash=sha256:{digest}" for digest in sorted(self.digests))
        return f"{self.requirement.name}{self.requirement.specifier}{hashes}\n"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel, and what its metadata say. ``licence``: an SPDX expression, or empty."""

    path: Path
    name: str
    version: str
    licence: str
    sha256: str


def locked(root: Path) -> list[Locked]:
    """The entries of the lock in the folder ``root``."""
    text = (root / LOCK).read_text().replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
            found.append(Locked(Requirement(requirement), frozenset(hashes)))
    return found


def needed(entries: Collection[Locked], platform: Platform, python: tuple[int, int]) -> list[Locked]:
    """The entries that are installed there."""
    environment = platform.environment(python)
    return [
        each for each in entries if each.requirement.marker is None or each.requirement.marker.evaluate(environment)
    ]


def downloaded(entries: Collection[Locked], platform: Platform, python: tuple[int, int]) -> list[Wheel]:
    """A wheel for each entry, by name: from the cache, or by pip from where it gets everything else.

    Raises ``StackError`` with pip's words, as where an entry has no wheel for that platform.
    """
    wanted = "".join(each.line for each in sorted(entries, key=lambda each: each.name))
    key = hashlib.sha256(f"{platform}\0{platform.tags}\0{python}\0{wanted}".encode()).hexdigest()[:16]
    folder = cache.folder("wheels")
    found = folder / f"{platform}-{python[0]}.{python[1]}-{key}"
    if not found.is_dir():
        scratch = Path(tempfile.mkdtemp(dir=folder, prefix=".part-"))
        try:
            _download(wanted, platform, python, scratch)
            if not found.is_dir():
                scratch.rename(found)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return list(_checked(entries, found))


def _download(wanted: str, platform: Platform, python: tuple[int, int], into: Path) -> None:
    abi = f"cp{python[0]}{python[1]}"
    requirements = into / "requirements.txt"
    requirements.write_text(wanted)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    options += [f"--python-version={python[0]}.{python[1]}", "--implementation=cp"]
    options += [f"--abi={each}" for each in (abi, "abi3", "none")]
    options += [f"--platform={tag}" for tag in platform.tags]
    command = [sys.executable, "-m", "pip", "download", *options, f"--dest={into}", f"--requirement={requirements}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-5:])
        raise StackError(f"not all wheels for {platform}, Python {python[0]}.{python[1]}, can be had:\n{words}")
    requirements.unlink()


def _checked(entries: Collection[Locked], folder: Path) -> Iterator[Wheel]:
    digests = {each.name: each.digests for each in entries}
    for path in sorted(folder.glob("*.whl")):
        wheel = read(path)
        if wheel.sha256 not in digests.pop(wheel.name, frozenset()):
            raise StackError(f"{path} is not what {LOCK} names: remove {folder}")
        yield wheel
    if digests:
        raise StackError(f"{folder} lacks {', '.join(sorted(digests))}: remove it")


def read(path: Path) -> Wheel:
    """What a wheel tells of itself. Source: PEP 427, PEP 639."""
    with zipfile.ZipFile(path) as archive:
        (name,) = [each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)]
        metadata = email.message_from_bytes(archive.read(name))
    licence = metadata.get("License-Expression", "")
    return Wheel(path, canonicalize_name(metadata["Name"]), metadata["Version"], licence, sha256(path))
