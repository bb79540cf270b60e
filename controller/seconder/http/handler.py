"""What is served: a handler takes the body of a request, a reader takes none; each gives what to answer with."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

Handler = Callable[[bytes], bytes | Awaitable[bytes]]
"""Takes a request's body, gives the JSON to answer with: at once, or later where something has to be waited for.

Raises ``BadReview``. What is given at once costs no task and no turn of the event loop.
"""


class Page(NamedTuple):
    """What a reader answers with. ``content_type`` is the value of that header (RFC 9110, section 8.3)."""

    body: bytes
    content_type: bytes
    status: HTTPStatus = HTTPStatus.OK


Reader = Callable[[bytes], Page | Awaitable[Page]]
"""Takes what the client accepts (RFC 9110, section 12.5.1), empty where it does not say, and gives a page: at once, or
later where something has to be waited for."""

Report = Callable[[Exception], None]
"""Logs and counts an exception that nobody should have raised."""


class BadReview(Exception):
    """The body is no AdmissionReview that could be answered: it has no uid to echo.

    ``detail`` goes to the client, so it holds no text that a client supplied.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
