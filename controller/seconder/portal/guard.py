"""What every request and every answer of the portal keeps to, whichever page it is about."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.responses import PlainTextResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BODY: Final = 16 * 1024
"""Bytes. An approval has at most 8 KiB."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_STRICT_TRANSPORT: Final = {"strict-transport-security": "max-age=31536000"}
_READING: Final = frozenset({"GET", "HEAD"})
_JSON: Final = "application/json"


class Guard:
    """An ASGI application around another: it lets through what this portal's own pages ask, and nothing else.

    ``origin`` is where browsers find the portal. A name that leads here by somebody else's DNS is not it, and another
    page's request is none of ours.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], origin: str) -> None:
        self._app = app
        self._origin = origin
        self._host = origin.partition("://")[2]
        headers = _HEADERS | (_STRICT_TRANSPORT if origin.startswith("https:") else {})
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http":
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                # What is shown is one person's, but for the files that all pages share.
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = [*headers, *self._headers]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to what no page of the portal's asks; None for what one may have asked."""
        given: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if given.get(b"host", "") != self._host:
            return PlainTextResponse(f"This portal is at {self._origin}. Open it there.\n", 421)
        if scope["method"] in _READING:
            return None
        if given.get(b"origin", "") != self._origin or given.get(b"sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse("This was asked from another page.\n", 403)
        if given.get(b"content-type", "") != _JSON:
            return PlainTextResponse(f"What is sent must be {_JSON}.\n", 415)
        return None
