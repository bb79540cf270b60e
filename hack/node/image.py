"""Seconder's image, and the one that holds a pod's namespaces: built with buildah, kept as OCI archives."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import versions
from localstack.locking import locked
from node import base, cache
from node.buildah import Buildah
from node.pip_settings import secrets
from node.prerequisites import required

REPOSITORY: Final = Path(__file__).parents[2]
PAUSE: Final = "localhost/pause:e2e"

_CONTEXT: Final = (
    ".dockerignore",
    "Dockerfile",
    "README.md",
    "controller",
    "hack/sbom.py",
    "pyproject.toml",
    "requirements-build.lock",
    "requirements.lock",
    "setup.py",
)
"""What .dockerignore lets through, and the two files that say what is done with it."""

_BASE: Final = "localhost/debian:base"
_BASE_DOCKERFILE: Final = "FROM scratch\nADD base.tar.gz /\n"
_PAUSE_DOCKERFILE: Final = 'FROM scratch\nCOPY busybox /busybox\nENTRYPOINT ["/busybox", "sleep", "2147483647"]\n'


def version() -> str:
    """The version in pyproject.toml, which is the image's tag."""
    return versions.version()


def name() -> str:
    """The image's name on the node: in no registry."""
    return f"localhost/seconder:{version()}"


def seconder() -> Path:
    """The archive of Seconder's image as the working tree is now: from the cache, or built (about a minute).

    Raises ``StackError`` with the end of the log when the build fails.
    """
    root = base.archive()
    return _cached("seconder", _digest([root.name]), lambda scratch, archive: _build_seconder(root, scratch, archive))


def pause() -> Path:
    """The archive of an image that does nothing at all, ``PAUSE``: from the cache, or built (seconds)."""
    digest = hashlib.sha256(_PAUSE_DOCKERFILE.encode()).hexdigest()[:12]
    return _cached("pause", digest, _build_pause)


def _cached(title: str, digest: str, build: Callable[[Path, Path], None]) -> Path:
    """The archive with this digest; ``build(scratch, archive)`` makes it, and its predecessors go then."""
    folder = cache.folder("image")
    found = folder / f"{title}-{digest}.tar"
    with locked(folder, lambda: print("Another build of the image runs; waiting for it ...", file=sys.stderr)):
        if not found.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
                partial = Path(scratch) / found.name
                build(Path(scratch), partial)
                for old in folder.glob(f"{title}-*.tar"):
                    old.unlink()
                partial.rename(found)
    return found


def _build_seconder(root: Path, scratch: Path, archive: Path) -> None:
    buildah = Buildah(scratch, cache.folder("image"))
    buildah.build("Importing the base image", _BASE, _BASE_DOCKERFILE, {"base.tar.gz": root})
    buildah.build_folder(
        f"Building the image {name()}",
        name(),
        REPOSITORY,
        arguments={"BASE": _BASE, "VERSION": version(), "REVISION": _revision()},
        secrets=secrets(scratch),
    )
    buildah.push("Writing the image's archive", name(), archive)


def _build_pause(scratch: Path, archive: Path) -> None:
    buildah = Buildah(scratch, cache.folder("image"))
    buildah.build("Building the pause image", PAUSE, _PAUSE_DOCKERFILE, {"busybox": required("busybox")})
    buildah.push("Writing the pause image's archive", PAUSE, archive)


def _digest(more: list[str]) -> str:
    digest = hashlib.sha256()
    for part in [*more, _revision()]:
        digest.update(part.encode() + b"\0")
    for path in sorted(file for entry in _CONTEXT for file in _files(REPOSITORY / entry)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(REPOSITORY)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [
        file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc" and ".egg-info" not in str(file)
    ]


def _revision() -> str:
    """The commit that is checked out; nothing where there is no git or no checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
