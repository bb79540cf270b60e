"""One process at a time in a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor


@contextmanager
def locked(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold ``folder`` for this process alone; call ``on_wait`` once if another one holds it, then wait.

    The folder itself is locked, so that no lock file is left behind. The system lets go when the process ends, however
    it ends; child processes do not inherit the lock.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if not lock_descriptor(descriptor, blocking=False):
            on_wait()
            lock_descriptor(descriptor)
        yield
    finally:
        os.close(descriptor)
