"""Runs the plugin that is packed in this very file: unpacked into the user's cache once, for compiled parts need files.

The folder is the user's own, and is named after the digest of what is in it. It appears whole or not at all, so any
number of commands may begin at once. Where no such folder is to be had, it is a temporary one that goes at the end.
"""

import json
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_PACKED: Final = "packed.json"
_SITE: Final = "site/"
_COMPLETION: Final = "kubectl_complete-seconder"
"""The name by which kubectl asks a plugin for completion: a link to this file does."""

_OTHERS: Final = 0o022
"""Permissions by which others could change what this user runs."""

_ABANDONED_SECONDS: Final = 3600.0


def main() -> int:
    """Run the program that the plugin is called as; give its exit code."""
    archive = Path(__file__).parent
    try:
        with zipfile.ZipFile(archive) as file:
            packed: dict[str, Any] = json.loads(file.read(_PACKED))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        return _fail(f"{archive} is damaged ({error}): get it anew")
    if why := unfit(packed, sys.platform, os.uname().machine):
        return _fail(why)
    name = Path(sys.argv[0]).name
    temporary: Path | None = None
    try:
        try:
            site = _from_cache(archive, packed["digest"])
        except OSError:
            if name == _COMPLETION:
                # Nobody waits for a second at each press of a key.
                print(":4")
                return 0
            temporary = site = Path(tempfile.mkdtemp(prefix="kubectl-seconder-"))
            _extract(archive, site)
        sys.path.insert(0, str(site))
        return _run(name)
    except OSError as error:
        return _fail(f"the plugin cannot be unpacked: {error}")
    except KeyboardInterrupt:
        return 130
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def unfit(packed: dict[str, Any], system: str, machine: str) -> str:
    """Why this file is none for this Python, empty when it is one."""
    version = [sys.version_info.major, sys.version_info.minor]
    pythons = packed["pythons"]
    fits = (
        system == packed["system"]
        and machine in packed["machines"]
        and version in pythons
        and sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and "musl" not in str(sysconfig.get_config_var("HOST_GNU_TYPE"))
    )
    if fits:
        return ""
    oldest, newest = (".".join(map(str, each)) for each in (pythons[0], pythons[-1]))
    libc = " with glibc" if packed["system"] == "linux" else ""
    return (
        f"this file is for CPython {oldest} to {newest} on {packed['system']}-{packed['architecture']}{libc}, "
        f"and this is {sys.implementation.name} {version[0]}.{version[1]} on {system}-{machine}: "
        "take the one for this system, or install the wheel with pip"
    )


def _from_cache(archive: Path, digest: str) -> Path:
    """The folder with what is packed, unpacked now if need be. Raises OSError where there is no safe place for it."""
    base = _cache() / "seconder" / "plugin"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check(base)
    found = base / digest
    if found.is_dir():
        _check(found)
        return found
    _clear(base)
    scratch = Path(tempfile.mkdtemp(dir=base, prefix=".new-"))
    try:
        _extract(archive, scratch)
        try:
            scratch.rename(found)
        except OSError:
            # Another command was faster.
            if not found.is_dir():
                raise
            _check(found)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return found


def _cache() -> Path:
    """Where caches of this user's go. Source: the XDG Base Directory Specification, and macOS' own convention."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named
    home = Path.home()
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"


def _check(folder: Path) -> None:
    """Raise OSError for a folder that others could have put something into."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
        raise PermissionError(f"{folder} is not this user's alone")


def _clear(base: Path) -> None:
    """Remove what a command that was killed left behind."""
    for left in base.glob(".new-*"):
        # Another command may be done with its own since it was listed.
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            if entry.filename.startswith(_SITE):
                entry.filename = entry.filename.removeprefix(_SITE)
                file.extract(entry, folder)


def _run(name: str) -> int:
    if name == _COMPLETION:
        from seconder.plugin.complete import main
    else:
        from seconder.plugin.main import main
    return main()


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1
