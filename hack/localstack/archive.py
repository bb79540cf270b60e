"""Kubernetes' binaries out of envtest's published archive, where it can be had quickly.

Address and SHA-512 stand in ``envtest.json``, as its makers list them (``envtest-releases.yaml`` of
kubernetes-sigs/controller-tools). It holds etcd, kube-apiserver and kubectl. What it is worth is a minute in place of a
build of many; so a machine that cannot reach it loses a few seconds, and no more for a day. By hand:
setup-envtest does the same, and is a Go program that a newcomer would have to build first.
"""

import hashlib
import http.client
import json
import shutil
import tarfile
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TextIO

from localstack.pins import Binary, system
from localstack.progress import ProgressLine, duration_text

ADDRESS: Final = "SECONDER_ENVTEST"
"""The environment variable that names another address of the same archive, such as a mirror's; ``none``: do not ask."""

_DATA: Final = Path(__file__).with_name("envtest.json")
HOLDS: Final = (Binary.ETCD, Binary.APISERVER, Binary.KUBECTL)
"""The programs in it."""

_NONE: Final = "none"
_WINDOW_SECONDS: Final = 4.0
_LEAST_IN_WINDOW: Final = 1024 * 1024
"""Bytes that have to come in each window: with less of them the build is as fast. The first one has all the waiting for
names, connections and redirections in it, which has no bound of its own everywhere."""

_TICK_SECONDS: Final = 0.1
_PIECE: Final = 256 * 1024
_MOST_BYTES: Final = 512 * 1024 * 1024
"""Of the archive, and of each file in it."""

_REMEMBERED_SECONDS: Final = 24 * 3600.0
_SCRATCH: Final = ".envtest-"


class NotHad(Exception):
    """The archive is not to be had. Says why, as in "envtest's archive is not used: ..."."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A published archive for this system. ``version``: of Kubernetes, as in ``v1.36.2``."""

    version: str
    address: str
    sha512: str

    @property
    def key(self) -> str:
        """The cache's key for what is in it."""
        return f"envtest-{self.version}-{system()}-{self.sha512[:12]}"

    @property
    def title(self) -> str:
        """What to call it."""
        return f"envtest's archive of Kubernetes {self.version}"


def archive(environment: Mapping[str, str]) -> Archive | None:
    """The pinned archive; None where none is published for this system, or nobody wants it."""
    pinned = json.loads(_DATA.read_text())
    address, sha512 = environment.get(ADDRESS) or pinned["address"], pinned["sha512"].get(system())
    if address == _NONE or sha512 is None:
        return None
    version = pinned["kubernetes"]
    return Archive(version, address.replace("{version}", version).replace("{system}", system()), sha512)


def obtain(wanted: Archive, cache: Path, stream: TextIO) -> bool:
    """Whether the archive's programs are in the cache now, each as a whole. The caller holds the cache's lock.

    Never raises for what a network does: what is said on ``stream`` is remembered, and another try is made a day later.
    """
    remembered = cache / f"{wanted.key}.not-had"
    if _is_recent(remembered):
        return False
    for abandoned in cache.glob(f"{_SCRATCH}*"):  # by a process that was killed: we hold the lock
        shutil.rmtree(abandoned, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(dir=cache, prefix=_SCRATCH))
    try:
        file = scratch / "archive.tar.gz"
        _download(wanted, file, stream)
        programs = scratch / "programs"
        programs.mkdir()
        _unpack(file, programs)
        shutil.rmtree(cache / wanted.key, ignore_errors=True)
        programs.rename(cache / wanted.key)
    except NotHad as error:
        print(f"{wanted.title} is not used: {error}", file=stream, flush=True)
        remembered.write_text(f"{error}\n")
        return False
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    remembered.unlink(missing_ok=True)
    return True


def _is_recent(file: Path) -> bool:
    try:
        return abs(time.time() - file.stat().st_mtime) < _REMEMBERED_SECONDS
    except FileNotFoundError:
        return False


class _Transfer(threading.Thread):
    """Writes what an address gives into a file. A thread, since no library bounds how long a name's look-up takes."""

    def __init__(self, address: str, file: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._address: Final = address
        self._file: Final = file
        self.received = 0
        self.expected: int | None = None
        self.sha512 = hashlib.sha512()
        self.failure = ""
        self.abandoned = False

    def run(self) -> None:
        try:
            # A file: address would read what somebody else may have put there.
            opener = urllib.request.OpenerDirector()
            for handler in (
                urllib.request.ProxyHandler(),
                urllib.request.HTTPHandler(),
                urllib.request.HTTPSHandler(),
                urllib.request.HTTPRedirectHandler(),
                urllib.request.HTTPDefaultErrorHandler(),
                urllib.request.HTTPErrorProcessor(),
                urllib.request.UnknownHandler(),
            ):
                opener.add_handler(handler)
            with opener.open(self._address, timeout=2 * _WINDOW_SECONDS) as answer:
                length = answer.headers.get("Content-Length")
                self.expected = int(length) if length and length.isdigit() else None
                while (piece := answer.read(_PIECE)) and not self.abandoned and self.received <= _MOST_BYTES:
                    self._file.write(piece)
                    self.sha512.update(piece)
                    self.received += len(piece)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            self.failure = str(reason) or type(error).__name__


def _download(wanted: Archive, into: Path, stream: TextIO) -> None:
    """Write the archive into a file. Raises NotHad unless it is the one that is pinned."""
    line, started = ProgressLine(stream), time.monotonic()
    with into.open("wb") as file:
        transfer = _Transfer(wanted.address, file)
        transfer.start()
        window, before = started + _WINDOW_SECONDS, 0
        while transfer.is_alive():
            transfer.join(_TICK_SECONDS)
            now = time.monotonic()
            if now >= window and transfer.is_alive():
                if transfer.received - before < _LEAST_IN_WINDOW:
                    transfer.abandoned = True
                    line.abandon()
                    raise NotHad(f"less than 1 MiB came in {_WINDOW_SECONDS:.0f} s")
                window, before = now + _WINDOW_SECONDS, transfer.received
            if transfer.received:
                line.update(f"{wanted.title} {_progress(transfer)}, {duration_text(now - started)}", now - started)
    if not transfer.received:
        raise NotHad(transfer.failure or "nothing came")
    line.finish(f"{wanted.title} downloaded in {duration_text(time.monotonic() - started)}")
    if transfer.failure or (transfer.expected is not None and transfer.received < transfer.expected):
        raise NotHad(f"it ended early{f' ({transfer.failure})' if transfer.failure else ''}")
    if transfer.received > _MOST_BYTES:
        raise NotHad("it is larger than any such archive")
    if transfer.sha512.hexdigest() != wanted.sha512:
        raise NotHad("its SHA-512 is not the one that is pinned: somebody may have changed it")


def _progress(transfer: _Transfer) -> str:
    whole = f"/{transfer.expected / 1e6:,.0f}" if transfer.expected else ""
    return f"{transfer.received / 1e6:,.0f}{whole} MB"


def _unpack(file: Path, into: Path) -> None:
    """Write the archive's programs under their own names, and nothing else of it. Raises NotHad where one lacks."""
    try:
        with tarfile.open(file) as members:
            for member in members:
                name = member.name.rpartition("/")[2]
                content = members.extractfile(member) if name in HOLDS and member.isreg() else None
                if content is None or (into / name).exists():
                    continue
                if member.size > _MOST_BYTES:
                    raise NotHad(f"{name} in it is larger than any such program")
                with content, (into / name).open("xb") as program:
                    shutil.copyfileobj(content, program, _PIECE)
                (into / name).chmod(0o755)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise NotHad(f"it cannot be unpacked ({error})") from None
    if lacking := [name for name in HOLDS if not (into / name).exists()]:
        raise NotHad(f"it holds no {', '.join(lacking)}")
