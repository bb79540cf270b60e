"""Files that only their owner may read."""

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes | str) -> None:
    """Write a file with mode 0600, replacing what was there in one step; its folder must exist."""
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp gives 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink()
        raise
