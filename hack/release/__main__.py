"""``python -m release``: what ``make release`` calls."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import versions
from localstack.errors import StackError
from release import changelog, source
from release.build import SUMS, Release, build
from release.platforms import IMAGES, PLUGINS, Platform, here

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOWN: Final = 5
"""So many uncommitted files are named."""


def main() -> int:
    """Build the release of what is checked out; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="release", description="Build what is published, from the commit checked out."
    )
    parser.add_argument("--source", type=Path, default=versions.ROOT, metavar="CHECKOUT", help="default: this one")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="written anew (default: dist in the checkout)")
    parser.add_argument(
        "--downloads",
        default="https://DOWNLOADS",
        metavar="URL",
        help="where krew will find the files; told in its manifest",
    )
    arguments = parser.parse_args()
    for number in _STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    os.umask(0o022)
    try:
        _release(
            arguments.source.resolve(), (arguments.into or arguments.source / "dist").resolve(), arguments.downloads
        )
    except (StackError, OSError, ValueError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


def _release(root: Path, into: Path, downloads: str) -> None:
    machine = here()
    if machine is None:
        raise StackError("a release is built on Linux, on amd64 or arm64: the image's own Python takes part in it")
    if not _replaceable(into):
        raise StackError(f"{into} holds something else than a release: remove it, or name another folder with --into")
    commit = source.commit(root)
    if commit.uncommitted:
        more = len(commit.uncommitted) - _SHOWN
        named = ", ".join(commit.uncommitted[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        print(f"not committed, and so not in the release: {named}", file=sys.stderr)
    into.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that it appears there whole or not at all.
    scratch = Path(tempfile.mkdtemp(dir=into.parent, prefix=".release-"))
    try:
        tree, done, work = (scratch / name for name in ("source", "done", "work"))
        for folder in (tree, done, work):
            folder.mkdir()
        source.export(root, commit.revision, tree)
        release = Release(tree, done, work, commit.revision, commit.created, commit.epoch, downloads)
        print(f"Building {release.version} from {commit.revision[:12]}", file=sys.stderr)
        build(release, machine)
        shutil.rmtree(into, ignore_errors=True)
        done.rename(into)
        _tell(into, release, machine)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replaceable(into: Path) -> bool:
    """Whether the folder is not there, or empty, or a release: what is in it goes."""
    return not into.exists() or (into.is_dir() and ((into / SUMS).is_file() or not any(into.iterdir())))


def _tell(into: Path, release: Release, machine: Platform) -> None:
    """Print what there is, and what nobody has tried."""
    for path in sorted(into.iterdir()):
        print(f"{path.stat().st_size:>12,}  {path.name}")
    foreign = [str(each) for each in dict.fromkeys((*IMAGES, *PLUGINS)) if each != machine]
    print(f"Built and not run: what is for {', '.join(foreign)}, as this machine is {machine}.")
    if lack := changelog.lacks((release.source / "CHANGELOG.md").read_text(), release.version):
        print(f"Before it is published: {lack}.")
    print(f"Neither signed nor published: docs/releasing.md says how. The digests stand in {SUMS}.")


def _stop(number: int, _: FrameType | None) -> NoReturn:
    """End by way of every clean-up on the stack, which a second Ctrl-C does not interrupt."""
    for stopping in _STOPPING:
        signal.signal(stopping, signal.SIG_IGN)
    os.write(sys.stderr.fileno(), b"\nStopping ...\n")
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
