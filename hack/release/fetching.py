"""Downloads that are known by their digest, kept in the cache."""

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from localstack.errors import StackError

_SECONDS: Final = 60.0
_MOST_BYTES: Final = 64 << 20
_CHUNK: Final = 1 << 20


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetched(bases: Callable[[], Sequence[str]], path: str, digest: str, folder: Path) -> Path:
    """The file with this SHA-256: from ``folder``, else from the first address that ``bases`` gives and has ``path``.

    Raises ``StackError`` that names what each address said.
    """
    found = folder / f"{digest}-{Path(path).name}"
    if found.exists() and sha256(found) == digest:
        return found
    said = []
    for base in bases():
        url = f"{base.rstrip('/')}/{path}"
        try:
            _download(url, digest, found)
        except (OSError, ValueError) as error:
            said.append(f"{url}: {error}")
        else:
            return found
    raise StackError("\n  ".join([f"{Path(path).name} cannot be had:", *said]))


def _download(url: str, digest: str, target: Path) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError("no address that begins with http:// or https://")
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".part-")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file, urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310
            taken, seen = hashlib.sha256(), 0
            while chunk := answer.read(_CHUNK):
                seen += len(chunk)
                if seen > _MOST_BYTES:
                    raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
                taken.update(chunk)
                file.write(chunk)
        if taken.hexdigest() != digest:
            raise ValueError(f"its SHA-256 is {taken.hexdigest()}, and {digest} is wanted")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
