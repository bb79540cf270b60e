"""Requests to the API server: JSON in, JSON out, every wait bounded."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import urllib3

from seconder.client.credentials import Credentials

_CONNECT_SECONDS: Final = 5.0
_JSON: Final = "application/json"
_MERGE: Final = "application/merge-patch+json"
_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE: Final = 500
_MAX_PAGES: Final = 200


class ApiError(Exception):
    """The API server answered with an error, or not at all (``status`` 0). The message holds no credentials."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Api:
    """A client of one API server, safe to use from several threads."""

    def __init__(self, credentials: Credentials, *, user_agent: str, connections: int = 8) -> None:
        self.server_date = ""
        """The ``Date`` of the last answer (RFC 9110 section 6.6.1); empty before the first."""
        self._server = credentials.server
        self._token = credentials.token
        self._headers = {"User-Agent": user_agent}
        self._pool = urllib3.PoolManager(
            maxsize=connections, ssl_context=_context(credentials), retries=False, timeout=_CONNECT_SECONDS
        )

    def get(self, path: str, *, timeout: float = 10.0, accept: str = _JSON, **query: Any) -> Any:
        """GET a document. Raises ApiError."""
        return self._call("GET", path, timeout=timeout, accept=accept, query=query)

    def metadata(self, path: str, *, timeout: float = 10.0) -> Any:
        """GET an object's metadata alone. Raises ApiError."""
        return self.get(path, timeout=timeout, accept=_METADATA)

    def create(self, path: str, document: Any, *, timeout: float = 10.0, **query: Any) -> Any:
        """POST a document to a collection. Raises ApiError."""
        return self._call("POST", path, document, timeout=timeout, query=query)

    def replace(self, path: str, document: Any, *, timeout: float = 10.0, **query: Any) -> Any:
        """PUT a document in the place of another. Raises ApiError (409 when it was changed meanwhile)."""
        return self._call("PUT", path, document, timeout=timeout, query=query)

    def merge(self, path: str, changes: Any, *, timeout: float = 10.0, **query: Any) -> Any:
        """PATCH with a JSON Merge Patch (RFC 7386). Raises ApiError.

        ``metadata.uid`` among the changes makes it fail (422, the field is immutable) on any other object of the name.
        """
        return self._call("PATCH", path, changes, timeout=timeout, query=query, content_type=_MERGE)

    def delete(self, path: str, *, uid: str, timeout: float = 10.0) -> None:
        """DELETE the object if it is the one of this uid. Raises ApiError (409 when it is another)."""
        self._call("DELETE", path, {"preconditions": {"uid": uid}}, timeout=timeout, query={})

    def items(
        self, path: str, *, metadata_only: bool = False, timeout: float = 10.0, **query: Any
    ) -> tuple[list[Any], str]:
        """List a collection page by page.

        Returns the items and the list's resourceVersion. Raises ApiError, also for a list of over 100,000 items.
        """
        found: list[Any] = []
        version = ""
        for items, listed in self.pages(path, metadata_only=metadata_only, timeout=timeout, **query):
            found += items
            version = listed
        return found, version

    def pages(
        self, path: str, *, metadata_only: bool = False, timeout: float = 10.0, **query: Any
    ) -> Iterator[tuple[list[Any], str]]:
        """List a collection, giving one page after the other, so that no more than that is held at once.

        Each comes with a resourceVersion, the last one's being that of the whole list. Raises ApiError as ``items``.
        """
        for _ in range(_MAX_PAGES):
            accept = _METADATA_LIST if metadata_only else _JSON
            page = self.get(path, timeout=timeout, accept=accept, **({"limit": _PAGE} | query))
            # A list that is made up on the spot (ComponentStatus) has no version.
            yield page.get("items") or [], page["metadata"].get("resourceVersion", "")
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token
        raise ApiError(0, f"{path} has too many items to list")

    def page(self, path: str, *, timeout: float, **query: Any) -> tuple[list[Any], str]:
        """List one page of a collection, metadata only. Returns the items and the token of the next page."""
        page = self.get(path, timeout=timeout, accept=_METADATA_LIST, **query)
        return page.get("items") or [], page["metadata"].get("continue") or ""

    @contextlib.contextmanager
    def stream(
        self, path: str, *, read_timeout: float, metadata_only: bool = False, **query: Any
    ) -> Iterator[Iterator[bytes]]:
        """Open a watch and give its lines as they come. Raises ApiError, also after ``read_timeout`` s of silence."""
        accept = _METADATA if metadata_only else _JSON
        response = self._open("GET", path, timeout=read_timeout, accept=accept, query=query)
        try:
            if response.status != 200:
                raise _error(response.status, response.read(), path)
            yield _lines(response, path)
        finally:
            # Closing, not returning to the pool: a watch is never read to its end.
            response.close()

    def _call(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        timeout: float,
        accept: str = _JSON,
        query: Mapping[str, Any],
        content_type: str = _JSON,
    ) -> Any:
        body = None if document is None else msgspec.json.encode(document)
        response = self._open(
            method, path, body, timeout=timeout, accept=accept, query=query, content_type=content_type
        )
        try:
            content = response.read()
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {path}: {type(error).__name__}") from None
        finally:
            response.release_conn()
        if response.status >= 300:
            raise _error(response.status, content, path)
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError:
            raise ApiError(0, f"{method} {path}: the answer is not JSON") from None

    def _open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float,
        accept: str = _JSON,
        query: Mapping[str, Any],
        content_type: str = _JSON,
    ) -> urllib3.BaseHTTPResponse:
        headers = self._headers | {"Accept": accept}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        if body is not None:
            headers["Content-Type"] = content_type
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                preload_content=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, timeout), read=timeout),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, f"{method} {path}: {type(error).__name__}") from None
        self.server_date = response.headers.get("Date", "")
        return response


def _lines(response: urllib3.BaseHTTPResponse, path: str) -> Iterator[bytes]:
    pending = b""
    try:
        for chunk in response.read_chunked():
            *whole, pending = (pending + chunk).split(b"\n")
            yield from whole
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ApiError(0, f"watch {path}: {type(error).__name__}") from None


def _error(status: int, content: bytes, path: str) -> ApiError:
    try:
        document = msgspec.json.decode(content)
        return ApiError(status, str(document.get("message", "")), str(document.get("reason", "")))
    except (msgspec.DecodeError, AttributeError):
        return ApiError(status, f"{path}: HTTP {status}")


def _context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=credentials.ca.decode() or None)
    # Kubernetes' own CAs often lack what VERIFY_X509_STRICT (Python 3.13) asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if credentials.certificate:
        with _private_file(credentials.certificate) as certificate, _private_file(credentials.key) as key:
            context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    # The ssl module reads keys from files only; mkstemp makes them readable by this user alone.
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)
