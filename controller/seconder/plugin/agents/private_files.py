"""Files that hold credentials: readable by their owner alone, and never half written."""

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from seconder.plugin.terminal.problem import Problem

_MAX_BYTES: Final = 1024 * 1024


def read(path: Path) -> bytes:
    """Read what only this user can have read or written. Raises Problem and OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise Problem(f"{path} holds a token, and must be a file of yours that nobody else can read: chmod 600")
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise Problem(f"{path} is larger than {_MAX_BYTES // 1024 // 1024} MiB")
    return content


def write(path: Path, content: bytes) -> None:
    """Write this content in the place of what is there. Raises OSError."""
    # A file of its own (mkstemp: 0600), then one rename: whoever reads meanwhile finds a whole one.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}-")
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def check_writable(path: Path) -> None:
    """Find out whether ``write`` can work, leaving nothing. Raises Problem and OSError."""
    if path.is_dir():
        raise Problem(f"{path} is a folder: name a file")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}-")
    os.close(handle)
    os.unlink(temporary)
