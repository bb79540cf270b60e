"""Answers as bytes. Nothing that a client sent stands in one, but for what a handler puts into its body."""

import json
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, NamedTuple

from seconder.http.handler import Page

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON: Final = b"application/json"
_CLOSE: Final = b"connection: close\r\n"


class Refusal(NamedTuple):
    """Any answer but a handler's. ``fields`` are whole lines. ``final``: nothing after it on the connection is read."""

    status: HTTPStatus
    detail: str
    fields: bytes = b""
    final: bool = False


MALFORMED: Final = Refusal(HTTPStatus.BAD_REQUEST, "malformed HTTP request", final=True)
NO_HOST: Final = Refusal(HTTPStatus.BAD_REQUEST, "one Host is wanted", final=True)
REPEATED: Final = Refusal(HTTPStatus.BAD_REQUEST, "a header that may stand once is repeated", final=True)
NO_UPGRADES: Final = Refusal(HTTPStatus.BAD_REQUEST, "upgrades are not served", final=True)
NO_PIPELINING: Final = Refusal(HTTPStatus.BAD_REQUEST, "pipelining is not served", final=True)
NOT_FOUND: Final = Refusal(HTTPStatus.NOT_FOUND, "nothing is served here")
ONLY_POST: Final = Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only POST is served here", b"allow: POST\r\n")
ONLY_GET: Final = Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is served here", b"allow: GET, HEAD\r\n")
TOO_SLOW: Final = Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time", final=True)
TOO_LARGE: Final = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large", final=True)
LONG_TARGET: Final = Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "the request target is too long", final=True)
ONLY_JSON: Final = Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json")
_TOO_MUCH: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
MANY_HEADERS: Final = Refusal(_TOO_MUCH, "the request has too many headers", final=True)
LARGE_HEADERS: Final = Refusal(_TOO_MUCH, "the request's headers are too large", final=True)
INTERNAL: Final = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")
NO_CODING: Final = Refusal(HTTPStatus.NOT_IMPLEMENTED, "no transfer coding but chunked is known", final=True)
# The API server asks again on a 503 that says when.
NO_ROOM: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests at once", b"retry-after: 1\r\n", final=True
)
OTHER_VERSION: Final = Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this version of HTTP is not served", final=True)


class Replies:
    """Makes answers that carry the time as of the last ``tick``."""

    def __init__(self) -> None:
        self.tick()

    def tick(self) -> None:
        """Take the present time (RFC 9110, section 6.6.1: an origin server with a clock sends ``Date``)."""
        self._date = b"date: %b\r\n" % formatdate(time.time(), usegmt=True).encode()
        self.opening = b"HTTP/1.1 200 OK\r\n%bcontent-type: %b\r\ncontent-length: " % (self._date, _JSON)
        """A 200 up to the value of its last header."""

    def last(self, body: bytes) -> bytes:
        """The 200 with this body that ends its connection."""
        return b"%b%d\r\n%b\r\n%b" % (self.opening, len(body), _CLOSE, body)

    def refusal(self, refusal: Refusal, *, last: bool, bodiless: bool) -> bytes:
        """A refusal; ``bodiless`` as HEAD wants it."""
        told = Page(json.dumps({"message": refusal.detail}).encode(), _JSON, refusal.status)
        return self.page(told, last=last, bodiless=bodiless, fields=refusal.fields)

    def page(self, page: Page, *, last: bool, bodiless: bool, fields: bytes = b"") -> bytes:
        """A page with further ``fields``, which are whole lines; ``bodiless`` as HEAD wants it."""
        head = b"HTTP/1.1 %d %b\r\n%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n" % (
            page.status,
            page.status.phrase.encode(),
            self._date,
            page.content_type,
            len(page.body),
            fields,
            _CLOSE if last else b"",
        )
        return head if bodiless else head + page.body
