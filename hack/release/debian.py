"""Debian's packages in the image: those of debian.lock, unpacked without running anything of theirs.

So an image for one architecture is made on a machine of another, by anybody, and is the same each time. What
maintainer scripts and dpkg would write is written here: users, and which packages there are.
"""

import functools
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from localstack.errors import StackError
from node import cache
from release.fetching import fetched

LOCK: Final = "debian.lock"
MIRROR: Final = "DEBIAN_MIRROR"
"""A variable: the address above ``debian`` and ``debian-security``, instead of what this machine's apt goes by."""

DISTRIBUTION: Final = "debian-13"

_LEFT_OUT: Final = ("usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bug/")
_DOC: Final = "usr/share/doc/"
_USERS: Final = """\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
seconder:x:65532:65532::/nonexistent:/usr/sbin/nologin
"""
_GROUPS: Final = "root:x:0:\nnogroup:x:65534:\nseconder:x:65532:\n"


@dataclass(frozen=True, slots=True)
class Package:
    """A line of the lock. ``path`` begins with the archive's name, ``debian`` or ``debian-security``."""

    architecture: str
    name: str
    version: str
    sha256: str
    path: str

    def __str__(self) -> str:
        return f"{self.architecture} {self.name} {self.version} {self.sha256} {self.path}"


def locked(root: Path) -> list[Package]:
    """The packages of the lock in the folder ``root``. Raises ``StackError`` for a line that is none."""
    found = []
    for line in (root / LOCK).read_text().splitlines():
        if line and not line.startswith("#"):
            fields = line.split(" ")
            if len(fields) != 5:
                raise StackError(f"{LOCK}: no package: {line}")
            found.append(Package(*fields))
    return found


def mirrors() -> dict[str, list[str]]:
    """The addresses of the archives ``debian`` and ``debian-security``, as this machine gets its own packages.

    Raises ``StackError`` that says what to set where it has none.
    """
    if base := os.environ.get(MIRROR):
        return {name: [f"{base.rstrip('/')}/{name}"] for name in ("debian", "debian-security")}
    found: dict[str, list[str]] = {"debian": [], "debian-security": []}
    if shutil.which("apt-get"):
        # It asks nobody for this, and needs no list that was fetched before.
        command = ["apt-get", "update", "--print-uris"]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        for address in dict.fromkeys(re.findall(r"^'(https?://\S+)/dists/", listed, re.MULTILINE)):
            if (name := address.rpartition("/")[2]) in found:
                found[name].append(address)
    if not all(found.values()):
        raise StackError(
            f"apt knows no mirror of Debian here: set {MIRROR} to the address above debian and debian-security"
        )
    return found


def downloaded(packages: Sequence[Package], say: Callable[[str], None]) -> dict[Package, Path]:
    """The file of each package, from the cache or a mirror. ``say`` is told how far it is.

    Raises ``StackError``, also for a package that mirrors have replaced by a newer one.
    """
    folder, found = cache.folder("debian"), {}
    # Whoever has them all needs none.
    known = functools.cache(mirrors)
    for number, package in enumerate(packages, 1):
        say(f"{number}/{len(packages)} {package.name}")
        archive, _, path = package.path.partition("/")
        try:
            found[package] = fetched(lambda archive=archive: known().get(archive, []), path, package.sha256, folder)  # type: ignore[misc]
        except StackError as error:
            raise StackError(
                f"{error}\nDebian replaces packages when it mends them. Take the new ones with: make lock-debian\n"
                f"Or set {MIRROR} to an archive that keeps old ones."
            ) from error
    return found


def unpack(files: dict[Package, Path], root: Path) -> None:
    """Unpack packages of one architecture into the new folder ``root``, and write what there is where dpkg looks.

    Raises ``StackError`` when dpkg-deb is missing or refuses one.
    """
    if shutil.which("dpkg-deb") is None:
        raise StackError("there is no dpkg-deb on this machine: install dpkg")
    listing = root / "var/lib/dpkg/info"
    listing.mkdir(parents=True)
    status = []
    for package in sorted(files, key=lambda each: each.name):
        names = _unpack_one(files[package], root)
        control = _dpkg_deb("--field", files[package]).decode()
        first, _, rest = control.partition("\n")
        status.append(f"{first}\nStatus: install ok installed\n{rest}")
        same = "Multi-Arch: same" in control
        listing.joinpath(f"{package.name}{f':{package.architecture}' if same else ''}.list").write_text(
            "".join(f"/{name}\n" for name in names)
        )
    (root / "var/lib/dpkg/status").write_text("\n".join(status))
    (root / "etc/passwd").write_text(_USERS)
    (root / "etc/group").write_text(_GROUPS)


def _unpack_one(file: Path, root: Path) -> list[str]:
    """Unpack a package but for manuals; give the names of what was unpacked."""
    names = []
    with tarfile.open(fileobj=io.BytesIO(_dpkg_deb("--fsys-tarfile", file))) as packed:
        for member in packed:
            name = member.name.removeprefix("./").rstrip("/")
            if name in {"", "."} or _left_out(name, member):
                continue
            _take(packed, member, root / _usr_merged(name, root), root)
            names.append(name)
    return names


def _left_out(name: str, member: tarfile.TarInfo) -> bool:
    if f"{name}/".startswith(_LEFT_OUT):
        return True
    return name.startswith(_DOC) and member.isfile() and not name.endswith("/copyright")


def _usr_merged(name: str, root: Path) -> str:
    """The name below ``usr`` for what is in a folder that is a link there, as ``lib``."""
    first, slash, rest = name.partition("/")
    return f"usr/{name}" if slash and rest and (root / first).is_symlink() else name


def _take(packed: tarfile.TarFile, member: tarfile.TarInfo, target: Path, root: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name that leads out of the root, by dots or by a link, is no package's of Debian's.
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise StackError(f"{member.name} leads out of the image")
    if member.isdir():
        if not target.is_symlink():
            target.mkdir(exist_ok=True)
            target.chmod(0o1777 if member.mode & 0o1000 else 0o755)
    elif member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        shutil.copy2(root / _usr_merged(member.linkname.removeprefix("./"), root), target)
    elif member.isfile():
        # Never None for a file.
        target.write_bytes(cast("IO[bytes]", packed.extractfile(member)).read())
        target.chmod(0o755 if member.mode & 0o111 else 0o644)
    else:
        raise StackError(f"{member.name} is neither file, folder nor link")


def _dpkg_deb(option: str, file: Path) -> bytes:
    done = subprocess.run(["dpkg-deb", option, file], capture_output=True, check=False)
    if done.returncode != 0:
        raise StackError(f"dpkg-deb cannot read {file.name}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
