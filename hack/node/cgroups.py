"""The control groups below which the node's pods are, in version 1's several trees or version 2's one."""

import time
from pathlib import Path
from typing import Final

from localstack.errors import StackError

NAME: Final = "seconder-node"
_MOUNTED: Final = Path("/sys/fs/cgroup")
_GOING_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02


def make() -> None:
    """Make ours in every tree, where kubelet expects it."""
    for tree in _trees():
        (tree / NAME).mkdir(exist_ok=True)


def remove() -> None:
    """Remove ours with all below; what was in them must have been told to end.

    Raises ``StackError`` when something in them still runs after ten seconds.
    """
    deadline = time.monotonic() + _GOING_SECONDS
    while busy := [tree / NAME for tree in _trees() if not _removed(tree / NAME)]:
        if time.monotonic() > deadline:
            raise StackError(f"a process of an earlier node still runs in {busy[0]}")
        time.sleep(_POLL_SECONDS)


def _trees() -> list[Path]:
    if (_MOUNTED / "cgroup.procs").exists():
        return [_MOUNTED]
    return [folder for folder in _MOUNTED.iterdir() if (folder / "cgroup.procs").exists() and not folder.is_symlink()]


def _removed(group: Path) -> bool:
    """Remove a group, children first; say whether it is gone. Its files are the kernel's and go with it."""
    if not group.exists():
        return True
    below = sorted((folder for folder in group.rglob("*") if folder.is_dir()), key=lambda folder: -len(folder.parts))
    try:
        for folder in [*below, group]:
            folder.rmdir()
    except OSError:  # busy: a process has not quite ended
        return False
    return True
