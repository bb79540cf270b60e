"""Where this package keeps what it makes: beside the cache of the local stack's binaries."""

import os
from pathlib import Path
from typing import Final

from localstack.binaries import cache_folder

_FOLDER_MODE: Final = 0o700


def folder(name: str) -> Path:
    """The cache's folder of this name, made if need be and readable by its owner alone."""
    path = cache_folder(os.environ).parent / name
    path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    return path
