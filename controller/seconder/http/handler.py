"""What is served: a handler takes the body of a request and gives the body of the answer."""

from collections.abc import Awaitable, Callable

Handler = Callable[[bytes], bytes | Awaitable[bytes]]
"""Takes a request's body, gives the JSON to answer with: at once, or later where something has to be waited for.

Raises ``BadReview``. What is given at once costs no task and no turn of the event loop.
"""

Report = Callable[[Exception], None]
"""Logs and counts an exception that nobody should have raised."""


class BadReview(Exception):
    """The body is no AdmissionReview that could be answered: it has no uid to echo.

    ``detail`` goes to the client, so it holds no text that a client supplied.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
