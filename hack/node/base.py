"""A Debian base image made on this machine, the like of the official slim one: no registry of images is needed."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from localstack.locking import locked
from node import cache, steps

RELEASE: Final = "trixie"

_SLIM: Final = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""
"""What later packages leave out: manuals and translations, but for licences."""

_SCRIPT: Final = """\
set -eu
scratch=$1 release=$2 archive=$3
debootstrap --variant=minbase "$release" "$scratch/root"
cd "$scratch/root"
find usr/share/doc ! -type d ! -name copyright -delete
rm -rf usr/share/info/* usr/share/locale/* usr/share/man/* var/cache/* var/lib/apt/lists/* var/log/*
# debootstrap knows the mirror of the release; the updates for security are beside it.
sed -i -E "s|^deb (\\S+) .*|&\\ndeb \\1-security $release-security main|" etc/apt/sources.list
cp "$scratch/slim" etc/dpkg/dpkg.cfg.d/slim
tar --create --gzip --one-file-system --exclude=./dev/* --file "$archive" .
"""


def archive() -> Path:
    """The root file system as a tar.gz, from the cache or made now (half a minute).

    Raises ``StackError`` with the end of the log when it cannot be made.
    """
    folder = cache.folder("base")
    digest = hashlib.sha256(f"{_SCRIPT}{_SLIM}".encode()).hexdigest()[:12]
    found = folder / f"debian-{RELEASE}-{digest}.tar.gz"
    with locked(folder, lambda: None):
        if not found.exists():
            _make(found)
    return found


def _make(target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=".base-"))
    try:
        (scratch / "slim").write_text(_SLIM)
        partial = scratch / target.name
        steps.run(
            f"Making a Debian {RELEASE} base",
            ["sh", "-c", _SCRIPT, "base", scratch, RELEASE, partial],
            target.parent / "debootstrap.log",
            environment={**os.environ, "LC_ALL": "C"},
        )
        partial.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
