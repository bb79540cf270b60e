"""When a mirrored collection counts as proven: the clock is ours, the API server's lines are scripted."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.support.cluster import eventually

from seconder.client.api import ApiError
from seconder.client.clock import steady
from seconder.client.watch import Watch


class Clock:
    """Seconds, set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Server:
    """An API server of one collection: each watch plays the next script, then hangs silently until released."""

    def __init__(self, *scripts: list[bytes | Callable[[], None]]) -> None:
        self._scripts = list(scripts)
        self.released = threading.Event()
        self.lists = 0
        self.reads = 0
        self.watches = 0
        self.error: ApiError | None = None
        self.cut_off: ApiError | None = None
        """What reads from etcd come to, if it is not there."""

    def on_one_connection(self) -> "Server":
        """Itself."""
        return self

    def page(self, path: str, **_: Any) -> tuple[list[Any], str]:
        """Read one object from etcd."""
        self.reads += 1
        if self.cut_off is not None:
            raise self.cut_off
        return [], ""

    def pages(self, path: str, **_: Any) -> Iterator[tuple[list[Any], str]]:
        """List."""
        self.lists += 1
        yield [_object("one", "1")], "1"

    @contextlib.contextmanager
    def stream(self, path: str, **_: Any) -> Iterator[Iterator[bytes]]:
        """Watch."""
        self.watches += 1
        if self.error is not None:
            raise self.error
        yield self._play(self._scripts.pop(0) if self._scripts else [])

    def _play(self, script: list[bytes | Callable[[], None]]) -> Iterator[bytes]:
        for step in script:
            if isinstance(step, bytes):
                yield step
            else:
                step()
        if not self._scripts:
            self.released.wait(10)


def _object(name: str, version: str, **more: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version} | more}


def _line(kind: str, name: str, version: str) -> bytes:
    return b'{"type":"%s","object":{"metadata":{"name":"%s","resourceVersion":"%s"}}}' % (
        kind.encode(),
        name.encode(),
        version.encode(),
    )


@pytest.fixture
def run() -> Iterator[Callable[..., Watch[str]]]:
    """Start watches that end with the test."""
    started: list[tuple[Watch[str], Server]] = []

    def begin(server: Server, clock: Clock, seen: list[dict[str, str]]) -> Watch[str]:
        def select(document: Mapping[str, Any]) -> str:
            return str(document["metadata"]["resourceVersion"])

        def changed(values: Mapping[str, str]) -> None:
            seen.append(dict(values))

        watch = Watch(server, "/things", select, changed, lambda *_: None, clock=clock)  # type: ignore[arg-type]
        started.append((watch, server))
        watch.start()
        return watch

    yield begin
    for watch, server in started:
        watch.stop()
        server.released.set()


def test_silence_makes_the_copy_older_by_the_second(run: Callable[..., Watch[str]]) -> None:
    """A watch that hangs half-open says nothing, and nothing is what it proves."""
    clock, server = Clock(), Server([])
    watch = run(server, clock, [])
    eventually(lambda: server.watches, 5, "the watch is open")
    assert watch.age() == 0, "the list was proof"
    clock.now += 61
    assert watch.age() == 61


def test_nothing_is_proven_before_the_first_list() -> None:
    """Infinitely old, and not loaded."""
    watch: Watch[str] = Watch(Server(), "/things", str, lambda _: None, lambda *_: None)  # type: ignore[arg-type]
    assert not watch.loaded
    assert watch.age() == float("inf")


def test_nothing_that_a_watch_sends_is_proof(run: Callable[..., Watch[str]]) -> None:
    """Bookmarks come out of the API server's own copy, and a line may have lain in a buffer for an hour."""
    clock, seen = Clock(), list[dict[str, str]]()

    def later() -> None:
        clock.now += 3600

    server = Server([later, _line("BOOKMARK", "", "9"), _line("MODIFIED", "one", "2")])
    watch = run(server, clock, seen)
    eventually(lambda: {"one": "2"} in seen, 5, "the event is applied")
    assert watch.age() == 3600
    assert {"one": "9"} not in seen


def test_a_read_from_etcd_before_each_further_watch_is_proof(run: Callable[..., Watch[str]]) -> None:
    """Of the moment at which it was asked."""
    clock = Clock()

    def later() -> None:
        clock.now += 20

    server = Server([later], [])
    watch = run(server, clock, [])
    eventually(lambda: server.watches == 2, 5, "the next watch is open")
    assert (server.lists, server.reads) == (1, 1)
    assert watch.age() == 0


def test_an_api_server_without_etcd_proves_nothing_and_is_still_followed(run: Callable[..., Watch[str]]) -> None:
    """It opens watches and sends bookmarks all the same. Once etcd is back, the next read is proof."""
    clock, seen = Clock(), list[dict[str, str]]()

    def later() -> None:
        clock.now += 20

    def back() -> None:
        later()
        server.cut_off = None

    server = Server([later], [later, _line("BOOKMARK", "", "8")], [_line("MODIFIED", "one", "9"), back], [])
    server.cut_off = ApiError(0, "no answer in time")
    watch = run(server, clock, seen)
    eventually(lambda: {"one": "9"} in seen, 5, "what it tells is taken")
    eventually(lambda: server.watches == 4, 5, "the last watch is open")
    assert (server.lists, server.reads) == (1, 3)
    assert watch.age() == 0


def test_the_copy_grows_old_while_etcd_is_away(run: Callable[..., Watch[str]]) -> None:
    """For as long as that is, however often a watch was opened."""
    clock = Clock()

    def later() -> None:
        clock.now += 20

    server = Server([later], [later], [later], [])
    server.cut_off = ApiError(504, "etcdserver: request timed out")
    watch = run(server, clock, [])
    eventually(lambda: server.watches == 4, 5, "the fourth watch is open")
    assert watch.age() == 60


def test_changes_are_applied_one_by_one(run: Callable[..., Watch[str]]) -> None:
    """Added, modified, deleted."""
    seen: list[dict[str, str]] = []
    server = Server([_line("ADDED", "two", "2"), _line("MODIFIED", "one", "3"), _line("DELETED", "two", "4")])
    run(server, Clock(), seen)
    eventually(lambda: len(seen) == 4, 5, "all changes are seen")
    assert seen == [{"one": "1"}, {"one": "1", "two": "2"}, {"one": "3", "two": "2"}, {"one": "3"}]


def test_a_version_that_is_gone_is_listed_anew(run: Callable[..., Watch[str]]) -> None:
    """410 Gone, as an event or as an answer, costs a new list and no data."""
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}'
    server = Server([gone], [])
    run(server, Clock(), [])
    eventually(lambda: server.lists == 2, 5, "the collection is listed again")


def test_an_api_server_that_answers_with_errors_is_no_sign_of_life(run: Callable[..., Watch[str]]) -> None:
    """The copy ages while opening a watch fails."""
    clock, server = Clock(), Server()
    server.error = ApiError(0, "connection refused")
    watch = run(server, clock, [])
    eventually(lambda: server.watches >= 2, 5, "it is tried again")
    clock.now += 70
    eventually(lambda: server.watches >= 4, 5, "and again")
    assert watch.age() >= 70


@pytest.mark.long
def test_a_value_that_cannot_be_read_ends_nothing(run: Callable[..., Watch[str]]) -> None:
    """The watch starts over, and goes on once the value is mended."""
    seen: list[dict[str, str]] = []
    broken = b'{"type":"MODIFIED","object":{"metadata":{"name":"one"}}}'
    server = Server([broken], [_line("MODIFIED", "one", "7")])
    run(server, Clock(), seen)
    eventually(lambda: {"one": "7"} in seen, 10, "the watch goes on")


def test_a_copy_grows_old_while_the_machine_is_suspended() -> None:
    """CLOCK_MONOTONIC stands still meanwhile, and to suspend this machine is not for a test."""
    watch: Watch[str] = Watch(Server(), "/things", str, lambda _: None, lambda *_: None)  # type: ignore[arg-type]
    assert watch._clock is steady
    assert steady.func is time.clock_gettime
    assert steady.args == (time.CLOCK_BOOTTIME,)
