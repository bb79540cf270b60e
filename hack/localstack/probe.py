"""Whether something answers over HTTP on loopback."""

import http.client
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_SECONDS: Final = 2.0


class Probe:
    """Asks one URL again and again.

    ``authority``: the PEM file of the CA for an https URL. ``saying``: what the answer must hold. http.client, because
    urllib would heed a proxy setting.
    """

    def __init__(self, url: str, authority: Path | None = None, saying: str = "") -> None:
        self._url: Final = urlsplit(url)
        self._saying: Final = saying.encode()
        self._tls: Final = None if authority is None else ssl.create_default_context(cafile=str(authority))

    def __call__(self) -> bool:
        """Whether a GET is answered 200, and what is wanted, now; no answer at all is no."""
        host, port = str(self._url.hostname), self._url.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=self._tls)
        )
        try:
            connection.request("GET", self._url.path)
            answer = connection.getresponse()
            return answer.status == http.HTTPStatus.OK and self._saying in answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
