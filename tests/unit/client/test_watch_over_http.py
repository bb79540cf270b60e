"""A watch against a real HTTP server: disconnects, expired versions, and what cannot be read."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.cluster import eventually

from seconder.client.api import Api, ApiError
from seconder.client.credentials import Credentials
from seconder.client.watch import Watch

Query = Mapping[str, str]
Answer = Callable[["Handler", Query], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the test's script says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Find the path's script and play it."""
        # What came with it would be taken for the next request.
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        server = cast(_Http, self.server)
        server.asked.append((parts.path, query, dict(self.headers)))
        server.connections.append(self.client_address[1])
        server.answers[parts.path](self, query)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class names them so

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def whole(self, document: Any, status: int = 200) -> None:
        """Answer with one document."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self) -> None:
        """Open a chunked answer."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Send a piece; an empty one ends the answer."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[tuple[str, Query, dict[str, str]]] = []
        self.connections: list[int] = []
        """By which each request came: the client's port."""
        self.answers: dict[str, Answer] = {}


class Server:
    """An API server on loopback. ``answers`` maps a path to its script."""

    def __init__(self) -> None:
        self.http = _Http(("127.0.0.1", 0), Handler)
        self.ending = threading.Event()
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        token = lambda: "secret-token"  # noqa: E731 - a value, not a function of ours
        url = f"http://127.0.0.1:{self.http.server_port}"
        self._credentials = Credentials(url, b"", token=token)
        self.api = self.api_with()

    def api_with(self, *, fence: Callable[[], float] | None = None) -> Api:
        """A client of it."""
        return Api(self._credentials, user_agent="seconder-test", fence=fence)

    def serve(self, path: str, answer: Answer) -> None:
        """Set what is answered at this path."""
        self.http.answers[path] = answer

    def asked(self, **query: str) -> list[Query]:
        """Give the queries so far that hold these."""
        return [asked for _, asked, _ in self.http.asked if query.items() <= asked.items()]

    def close(self) -> None:
        """Stop answering."""
        self.ending.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve until the test is over."""
    made = Server()
    yield made
    made.close()


def _object(name: str, version: int = 1, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)} | metadata}


def _list(*items: Any, version: int = 1, more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)}


def _event(kind: str, document: Any) -> bytes:
    return json.dumps({"type": kind, "object": document}).encode() + b"\n"


class Mirror:
    """A watch with all that it reported."""

    def __init__(self, server: Server, script: Callable[[Handler, int], None], **objects: dict[str, Any]) -> None:
        self.clock = 1000.0
        self.errors: list[Exception] = []
        self.values: dict[str, str] = {}
        self.watches = 0
        self.objects = objects
        self._script = script
        server.serve("/things", self._answer)
        self.watch = Watch(server.api, "/things", self._select, self._take, self._failed, clock=lambda: self.clock)
        self.watch.start()

    def _answer(self, handler: Handler, query: Query) -> None:
        if "watch" not in query:
            handler.whole(_list(*self.objects.values()))
            return
        self.watches += 1
        self._script(handler, self.watches)

    def _select(self, document: Mapping[str, Any]) -> str | None:
        colour = document.get("colour", "none")
        if colour == "broken":
            raise ValueError("cannot be read")
        return None if colour == "ignored" else str(colour)

    def _take(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    def _failed(self, what: str, error: Exception) -> None:
        self.errors.append(error)


@pytest.fixture
def mirror(server: Server) -> Iterator[Callable[..., Mirror]]:
    """Start mirrors that end with the test."""
    made: list[Mirror] = []

    def begin(script: Callable[[Handler, int], None], **objects: dict[str, Any]) -> Mirror:
        made.append(Mirror(server, script, **objects))
        return made[-1]

    yield begin
    for each in made:
        each.watch.stop()


def _hang(server: Server) -> Callable[[Handler, int], None]:
    def script(handler: Handler, _: int) -> None:
        handler.begin()
        server.ending.wait(20)

    return script


def test_events_are_applied_however_they_are_cut_into_chunks(server: Server, mirror: Callable[..., Mirror]) -> None:
    """A line may come in pieces, and several in one."""

    def script(handler: Handler, _: int) -> None:
        events = _event("ADDED", _object("b", 2, namespace="x") | {"colour": "red"})
        events += _event("MODIFIED", _object("a", 3) | {"colour": "blue"}) + _event("BOOKMARK", _object("", 4))
        handler.begin()
        for at in range(0, len(events), 7):
            handler.chunk(events[at : at + 7])
        server.ending.wait(20)

    seen = mirror(script, a=_object("a"))
    eventually(lambda: seen.values == {"a": "blue", "x/b": "red"}, 5, "both are known")
    assert seen.errors == []


def test_a_value_that_is_no_longer_kept_is_dropped(server: Server, mirror: Callable[..., Mirror]) -> None:
    """Whether the object is gone or only its value."""

    def script(handler: Handler, _: int) -> None:
        handler.begin()
        handler.chunk(_event("MODIFIED", _object("a", 2) | {"colour": "ignored"}))
        handler.chunk(_event("DELETED", _object("b", 3)) + _event("DELETED", _object("never-seen", 4)))
        server.ending.wait(20)

    seen = mirror(script, a=_object("a"), b=_object("b"), c=_object("c"))
    eventually(lambda: seen.values == {"c": "none"}, 5, "one is left")


def test_a_watch_that_ends_goes_on_from_where_it_was(server: Server, mirror: Callable[..., Mirror]) -> None:
    """Without listing anew; a bookmark's version counts."""

    def script(handler: Handler, number: int) -> None:
        handler.begin()
        if number == 1:
            handler.chunk(_event("BOOKMARK", _object("", 77)))
            handler.chunk(b"")
            return
        server.ending.wait(20)

    mirror(script, a=_object("a"))
    eventually(lambda: server.asked(watch="true", resourceVersion="77"), 5, "it went on")
    assert len(server.asked(limit="500")) == 1


def test_a_connection_that_breaks_is_taken_up_again(server: Server, mirror: Callable[..., Mirror]) -> None:
    """In the middle of a line."""

    def script(handler: Handler, number: int) -> None:
        handler.begin()
        if number == 1:
            handler.wfile.write(b"ff\r\n" + _event("ADDED", _object("b", 2))[:20])
            handler.wfile.flush()
            handler.close_connection = True
            return
        handler.chunk(_event("ADDED", _object("b", 2)))
        server.ending.wait(20)

    seen = mirror(script, a=_object("a"))
    eventually(lambda: "b" in seen.values, 5, "the rest came")
    assert [error.status for error in seen.errors if isinstance(error, ApiError)] == [0]


@pytest.mark.parametrize("as_event", [True, False])
def test_a_version_that_is_gone_is_listed_anew(server: Server, mirror: Callable[..., Mirror], as_event: bool) -> None:
    """410 Gone, and what was deleted meanwhile is gone here too."""
    gone = {"kind": "Status", "code": 410, "message": "too old resource version"}

    def script(handler: Handler, number: int) -> None:
        if number == 1:
            del seen.objects["a"]
            if not as_event:
                handler.whole(gone, 410)
                return
        handler.begin()
        if number == 1:
            handler.chunk(_event("ERROR", gone))
            handler.chunk(b"")
            return
        server.ending.wait(20)

    ready = threading.Event()

    def late(handler: Handler, number: int) -> None:
        ready.wait(5)
        script(handler, number)

    seen = mirror(late, a=_object("a"), b=_object("b"))
    eventually(lambda: "a" in seen.values, 5, "it was listed")
    ready.set()
    eventually(lambda: seen.values == {"b": "none"}, 5, "it was listed anew")
    assert seen.errors == []


def test_a_silent_server_makes_the_copy_older(server: Server, mirror: Callable[..., Mirror]) -> None:
    """The connection is open, and nothing comes: approvals stop counting when that has lasted."""
    seen = mirror(_hang(server), a=_object("a"))
    eventually(lambda: seen.watches, 5, "the watch is open")
    seen.clock += 61
    assert seen.watch.age() == 61


def test_what_proves_a_copy_comes_from_the_api_server_that_is_watched(
    server: Server, mirror: Callable[..., Mirror]
) -> None:
    """On one connection, which a balancer gives to one API server; others use other connections meanwhile."""

    def script(handler: Handler, number: int) -> None:
        handler.begin()
        if number < 3:
            handler.chunk(b"")
            return
        server.ending.wait(20)

    seen = mirror(script, a=_object("a"))
    for _ in range(3):
        server.api.get("/things")
    eventually(lambda: seen.watches == 3, 5, "two more watches are open")
    asked = zip(server.http.asked, server.http.connections, strict=True)
    followed = [(connection, "watch" in query) for (_, query, _), connection in asked if query]
    assert [watch for _, watch in followed] == [False, True, False, True, False, True]
    pairs = [(followed[at][0], followed[at + 1][0]) for at in (0, 2, 4)]
    assert all(proof == watch for proof, watch in pairs)
    assert [query for query in server.asked(limit="1") if "resourceVersion" in query] == []
    assert len(server.asked(limit="1")) == 2


def test_a_collection_that_cannot_be_read_is_not_loaded(server: Server, mirror: Callable[..., Mirror]) -> None:
    """It is reported, and proves nothing."""
    seen = mirror(_hang(server), a=_object("a") | {"colour": "broken"})
    eventually(lambda: seen.errors, 5, "it is reported")
    assert not seen.watch.loaded
    assert seen.watch.age() == float("inf")


def test_a_list_comes_page_by_page(server: Server) -> None:
    """All of it, and the last page's version."""

    def answer(handler: Handler, query: Query) -> None:
        page = int(query.get("continue", "0"))
        handler.whole(_list(_object(f"o{page}"), version=page, more=str(page + 1) if page < 3 else ""))

    server.serve("/things", answer)
    items, version = server.api.items("/things")
    assert [item["metadata"]["name"] for item in items] == ["o0", "o1", "o2", "o3"]
    assert version == "3"


@pytest.mark.parametrize(
    ("status", "body"), [(403, b'{"message":"no","reason":"Forbidden"}'), (500, b"<html>"), (302, b"[]")]
)
def test_an_error_has_its_status_and_no_credentials(server: Server, status: int, body: bytes) -> None:
    """Whatever the body is; redirects are not followed."""
    server.serve("/things", lambda handler, _: handler.whole(body, status))
    with pytest.raises(ApiError) as caught:
        server.api.get("/things")
    assert caught.value.status == status
    assert "secret-token" not in str(caught.value)


def test_an_answer_that_is_no_json_is_an_error(server: Server) -> None:
    """Not a crash somewhere else."""
    server.serve("/things", lambda handler, _: handler.whole(b"OK"))
    with pytest.raises(ApiError, match="not JSON"):
        server.api.get("/things")


def test_the_token_is_sent_with_each_request(server: Server) -> None:
    """Asked for anew each time, since it is renewed on disk."""
    server.serve("/things", lambda handler, _: handler.whole({}))
    server.api.get("/things")
    assert server.http.asked[0][2]["Authorization"] == "Bearer secret-token"
