"""What the front callable makes of requests, ASGI message by ASGI message."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from seconder.webhook.front import MAX_BODY_BYTES, BadReview, Front

JSON = ("content-type", "application/json")


class Client:
    """Plays the server's part of ASGI against a ``Front`` and keeps what comes back."""

    def __init__(self, max_body: int = MAX_BODY_BYTES) -> None:
        self.bodies: list[bytes] = []
        self.reported: list[Exception] = []
        self.fallen_back: list[str] = []
        self.taken = 0
        self.sent: list[Any] = []
        self.front = Front(
            {"/validate": self._review, "/validate/audit": self._audit}, self._fallback, self.reported.append, max_body
        )

    async def _review(self, body: bytes) -> bytes:
        self.bodies.append(body)
        if body == b"no uid":
            raise BadReview("the review has no uid")
        if body == b"crash":
            raise RuntimeError("the password is hunter2")
        return b'{"answer": 1}'

    async def _audit(self, body: bytes) -> bytes:
        return b'{"audit": 1}'

    async def _fallback(self, scope: Any, receive: Any, send: Any) -> None:
        self.fallen_back.append(scope.get("path", scope["type"]))

    def request(
        self,
        path: str = "/validate",
        method: str = "POST",
        headers: Iterable[tuple[str, str]] = (JSON,),
        chunks: Iterable[bytes | None] = (b"{}",),
        query: bytes = b"",
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request, None for a client that goes away; give status (0: no answer), headers and body."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
        pieces = list(chunks)
        self.sent = []
        self.taken = 0

        async def receive() -> Any:
            piece = pieces[self.taken]
            self.taken += 1
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": self.taken < len(pieces)}

        async def send(message: Any) -> None:
            self.sent.append(message)

        asyncio.run(self.front(scope, receive, send))
        if not self.sent:
            return 0, {}, b""
        opening, body = self.sent
        return opening["status"], {n.decode(): v.decode() for n, v in opening["headers"]}, body["body"]


def test_a_review_is_answered_with_the_handlers_bytes_and_their_length() -> None:
    """200, JSON and content-length, complete after two messages."""
    status, headers, body = Client().request()
    assert (status, body) == (200, b'{"answer": 1}')
    assert headers == {"content-type": "application/json", "content-length": "13"}


def test_the_query_string_is_ignored() -> None:
    """The API server appends its timeout to the URL."""
    assert Client().request(query=b"timeout=10s")[0] == 200


def test_each_path_has_its_own_handler() -> None:
    """Reviews for policies in audit mode come in on a path of their own."""
    assert Client().request("/validate/audit")[2] == b'{"audit": 1}'


@pytest.mark.parametrize("path", ["/", "/validate/", "/validate/x", "/Validate", "//validate", "/validatex"])
def test_only_exact_paths_are_reviews(path: str) -> None:
    """Anything else is the fallback's, and no handler is asked."""
    client = Client()
    client.request(path)
    assert client.fallen_back == [path]
    assert client.bodies == []


def test_what_is_not_http_goes_to_the_fallback() -> None:
    """ASGI has other scopes, which carry no method."""
    client = Client()
    asyncio.run(client.front({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert client.fallen_back == ["lifespan"]


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "DELETE"])
def test_other_methods_are_told_that_only_post_is_served(method: str) -> None:
    """405 with Allow, and the body is not read."""
    client = Client()
    status, headers, _ = client.request(method=method)
    assert (status, headers["allow"], client.taken) == (405, "POST", 0)


@pytest.mark.parametrize("value", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"])
def test_parameters_and_case_of_the_content_type_do_not_matter(value: str) -> None:
    """RFC 9110, section 8.3.1: type and subtype are case-insensitive, parameters may follow."""
    assert Client().request(headers=[("content-type", value)])[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("content-type", "")],
        [("content-type", "text/json")],
        [("content-type", "application/jsonx")],
        [("content-type", "text/plain; application/json")],
        [("accept", "application/json")],
    ],
)
def test_another_content_type_is_refused_unread(headers: list[tuple[str, str]]) -> None:
    """415 for what does not say that it is JSON."""
    client = Client()
    assert client.request(headers=headers)[0] == 415
    assert (client.taken, client.bodies) == (0, [])


def test_a_body_in_pieces_reaches_the_handler_whole() -> None:
    """The pieces are joined in order."""
    client = Client()
    assert client.request(chunks=[b"ab", b"", b"cd", b"e"])[0] == 200
    assert client.bodies == [b"abcde"]


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    """The limit itself is allowed, in one piece or in several."""
    client = Client(max_body=10)
    assert client.request(chunks=[b"x" * 10])[0] == 200
    assert client.request(chunks=[b"x" * 4, b"x" * 6])[0] == 200


@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"x" * 11, b"x" * 100, b"x"]])
def test_a_larger_body_is_refused_and_the_connection_ends(chunks: list[bytes]) -> None:
    """413, and no handler sees it."""
    client = Client(max_body=10)
    status, headers, _ = client.request(chunks=chunks)
    assert (status, headers["connection"], client.bodies) == (413, "close", [])


def test_nothing_is_read_beyond_the_limit() -> None:
    """Reading stops with the piece that crosses it."""
    client = Client(max_body=10)
    client.request(chunks=[b"x" * 6, b"x" * 6, b"x" * 6, b"x" * 6])
    assert client.taken == 2


def test_the_default_limit_is_seven_mebibytes() -> None:
    """An object of the API server's largest request twice, and room for the rest."""
    assert MAX_BODY_BYTES == 7 * 1024 * 1024
    client = Client()
    assert client.request(chunks=[b"x" * MAX_BODY_BYTES])[0] == 200
    assert client.request(chunks=[b"x" * MAX_BODY_BYTES, b"x"])[0] == 413


@pytest.mark.parametrize("chunks", [[None], [b"{", None], [b"{", b"x", None]])
def test_nothing_is_decided_for_a_client_that_went_away(chunks: list[bytes | None]) -> None:
    """Half a review is no review, and nobody is there to answer."""
    client = Client()
    assert client.request(chunks=chunks)[0] == 0
    assert client.bodies == []


def test_a_review_without_a_uid_gets_400_and_the_reason() -> None:
    """The one case in which there is no review to answer with."""
    client = Client()
    status, headers, body = client.request(chunks=[b"no uid"])
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(body) == {"message": "the review has no uid"}
    assert client.reported == []


def test_a_crash_is_reported_with_its_trace_and_not_shown_to_the_client() -> None:
    """500 with a fixed text; the exception goes where it is logged."""
    client = Client()
    status, _, body = client.request(chunks=[b"crash"])
    assert (status, json.loads(body)) == (500, {"message": "internal error"})
    [error] = client.reported
    assert str(error) == "the password is hunter2"
    assert error.__traceback__ is not None
