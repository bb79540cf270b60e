"""Makes archives whose bytes follow from what is in them: names in order, one time, one owner, two modes.

It is run by the image's own Python (``release.pinned``), so that neither Python nor zlib of the machine that builds
has a part in the bytes. It therefore imports the standard library alone. Its input is a JSON document.
"""

import gzip
import hashlib
import json
import py_compile
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_LEVEL: Final = 6
_CHUNK: Final = 1 << 20
_OLDEST_ZIP: Final = 315532800
"""1980 began then, and a zip knows no time before."""


def compiled(jobs: list[tuple[str, str, str]]) -> dict[str, Any]:
    """Compile each of ``jobs``: source, target, and the path by which tracebacks name it.

    Compiled modules are never checked against their sources: nothing in an image changes. Source: PEP 552.
    """
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for source, target, path in jobs:
        py_compile.compile(source, target, path, doraise=True, invalidation_mode=mode)
    return {"compiled": len(jobs)}


def tarred(folder: str, target: str, epoch: int, *, compress: bool) -> dict[str, Any]:
    """Pack what is in ``folder``; give the SHA-256 of the tar, and of the file with its size."""
    plain = Path(f"{target}.plain") if compress else Path(target)
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in _within(Path(folder)):
            _add(tar, path, path.relative_to(folder).as_posix(), epoch)
    digest = _sha256(plain)
    if compress:
        with (
            plain.open("rb") as content,
            open(target, "wb") as file,
            gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        ):
            shutil.copyfileobj(content, packed, _CHUNK)
        plain.unlink()
    return {"plain": digest, "digest": _sha256(Path(target)), "size": Path(target).stat().st_size}


def zipped(folder: str, target: str, epoch: int, first_line: str = "") -> dict[str, Any]:
    """Pack the files of ``folder``; with a first line, for a program to be called by, it may be executed."""
    moment = datetime.fromtimestamp(max(epoch, _OLDEST_ZIP), UTC).timetuple()[:6]
    with open(target, "wb") as file:
        file.write(first_line.encode())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            for path in _within(Path(folder)):
                if path.is_file():
                    entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), moment)
                    entry.create_system = 3  # Unix, whatever this is
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.external_attr = (stat.S_IFREG | _mode(path)) << 16
                    archive.writestr(entry, path.read_bytes(), compresslevel=_LEVEL)
    Path(target).chmod(0o755 if first_line else 0o644)
    return {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _within(folder: Path) -> Iterator[Path]:
    """All that is below a folder, in an order that no locale and no file system has a say in."""
    yield from sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix().encode())


def _mode(path: Path) -> int:
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        return 0o1777
    return 0o755 if stat.S_ISDIR(mode) or mode & 0o111 else 0o644


def _add(tar: tarfile.TarFile, path: Path, name: str, epoch: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mtime = epoch
    entry.mode = _mode(path)
    if path.is_symlink():
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, path.readlink().as_posix(), 0o777
        tar.addfile(entry)
    elif path.is_dir():
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    else:
        entry.size = path.stat().st_size
        with path.open("rb") as content:
            tar.addfile(entry, content)


def main() -> int:
    """Do what the document on standard input says, and write what comes of it to standard output."""
    document = json.load(sys.stdin)
    known: dict[str, Callable[..., dict[str, Any]]] = {"compiled": compiled, "tarred": tarred, "zipped": zipped}
    work = known[document.pop("do")]
    json.dump(work(**document), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
