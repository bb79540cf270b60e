"""The ASGI callable that answers AdmissionReviews before any framework sees them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY_BYTES: Final = (2 * 3 + 1) * 1024 * 1024
"""7 MiB. The API server takes requests of up to 3 MiB (``MaxRequestBodyBytes`` in k8s.io/apiserver), a review carries
such an object twice, new and stored, and 1 MiB is room for the caller, the options and the envelope."""

Handler = Callable[[bytes], Awaitable[bytes]]
"""Takes the body of a review, gives the JSON to answer with. Raises ``BadReview``."""

Report = Callable[[Exception], None]
"""Logs and counts an exception that a handler should not have raised."""

_JSON: Final = b"application/json"


class BadReview(Exception):
    """The body is no AdmissionReview that could be answered: it has no uid to echo.

    ``detail`` goes to the client, so it holds no text that a client supplied.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Front:
    """Routes POST on exact paths to handlers, whatever the query string, and everything else to ``fallback``.

    ``report`` is called with each exception other than ``BadReview``; the client is told a fixed text only.
    """

    def __init__(
        self,
        routes: Mapping[str, Handler],
        fallback: "ASGIApp",
        report: Report,
        max_body: int = MAX_BODY_BYTES,
    ) -> None:
        self._routes = dict(routes)
        self._fallback = fallback
        self._report = report
        self._max_body = max_body

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request (ASGI 3)."""
        handler = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if handler is None:
            await self._fallback(scope, receive, send)
        elif scope["method"] != "POST":
            await _refuse(send, 405, "only POST is served here", (b"allow", b"POST"))
        elif not _is_json(scope):
            await _refuse(send, 415, "the content type must be application/json")
        else:
            await self._answer(handler, receive, send)

    async def _answer(self, handler: Handler, receive: "Receive", send: "Send") -> None:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = message.get("body", b"")
        if message.get("more_body"):
            rest = await self._rest(len(body), receive)
            if rest is None:
                return
            body = b"".join((body, *rest))
        if len(body) > self._max_body:
            # What is still to come is not read: the connection ends with this answer.
            await _refuse(send, 413, "the review is too large", (b"connection", b"close"))
            return
        try:
            answer = await handler(body)
        except BadReview as bad:
            await _refuse(send, 400, bad.detail)
        except Exception as error:  # noqa: BLE001 - the last resort: reported with its trace, not shown to the client
            self._report(error)
            await _refuse(send, 500, "internal error")
        else:
            await _send(send, 200, answer)

    async def _rest(self, size: int, receive: "Receive") -> list[bytes] | None:
        """Read on until the body ends or is too large; None when the client went away."""
        chunks: list[bytes] = []
        more = True
        while more and size <= self._max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            more = message.get("more_body", False)
        return chunks


def _is_json(scope: "Scope") -> bool:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bool(value == _JSON or value.partition(b";")[0].strip().lower() == _JSON)
    return False


async def _refuse(send: "Send", status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    await _send(send, status, json.dumps({"message": detail}).encode(), *headers)


async def _send(send: "Send", status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", _JSON), length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})
