"""The commit that is released: its files, its hash and its time. What is not committed has no part in a release."""

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from localstack.errors import StackError

EPOCH: Final = "SOURCE_DATE_EPOCH"
"""Seconds since 1970, instead of the commit's time. Source: https://reproducible-builds.org/specs/source-date-epoch/"""


@dataclass(frozen=True, slots=True)
class Commit:
    """``epoch``: the time that everything is given, in seconds since 1970. ``uncommitted``: files that have no part."""

    revision: str
    epoch: int
    uncommitted: tuple[str, ...]

    @property
    def created(self) -> str:
        """The time as RFC 3339 has it."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def commit(root: Path) -> Commit:
    """What is checked out in ``root``. Raises ``StackError`` where that is no checkout, or the variable no number."""
    revision, time = _git(root, "log", "--max-count=1", "--format=%H %ct").decode().split()
    given = os.environ.get(EPOCH, time)
    if not given.isascii() or not given.isdigit():
        raise StackError(f"{EPOCH} is no number of seconds: {given}")
    changed = _git(root, "status", "--porcelain", "-z").decode(errors="replace").split("\0")
    return Commit(revision, int(given), tuple(line[3:] for line in changed if line))


def export(root: Path, revision: str, into: Path) -> None:
    """Write the files of a commit into the folder ``into``."""
    into.mkdir(exist_ok=True)
    # Not by tarfile: its filters are younger than the oldest Python that we run under.
    packed = _git(root, "archive", "--format=tar", revision)
    done = subprocess.run(["tar", "--extract", f"--directory={into}"], input=packed, capture_output=True, check=False)
    if done.returncode != 0:
        raise StackError(f"tar cannot unpack what git packed: {done.stderr.decode(errors='replace').strip()}")


def _git(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise StackError("there is no git on this machine") from error
    if done.returncode != 0:
        raise StackError(f"this is no checkout to release from: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
