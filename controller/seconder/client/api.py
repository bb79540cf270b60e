"""Requests to the API server: JSON in, JSON out, every wait bounded."""

import contextlib
import copy
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3

from seconder.api.resources import ResolvedResource
from seconder.client import proxies, tls
from seconder.client.credentials import Credentials, Identity, NoCredentials

_CONNECT_SECONDS: Final = 5.0
_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_PATCH: Final = "application/json-patch+json"
_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
AGGREGATED_DISCOVERY: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""What ``/api`` and ``/apis`` answer with all that is served (KEP-3352)."""
_LOOK_AGAIN_SECONDS: Final = 60.0
_PAGE: Final = 500
_MOST_ITEMS: Final = 100_000
_PAGE_BYTES: Final = 2 * 1024 * 1024
"""Of one page of more than one object. Nothing but etcd bounds an object's labels: 500 objects may have 500 MB."""
_SMALLER: Final = 8
_LARGER_AFTER: Final = 8
"""Pages that fitted before a larger one is tried again."""
_MOST_LIMITS: Final = 100


class ApiError(Exception):
    """The API server answered with an error, or not at all (``status`` 0). The message holds no credentials."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class _TooLarge(ApiError):
    """A page of a list is larger than is kept in memory, and was not read to its end."""

    def __init__(self, path: str) -> None:
        super().__init__(0, f"{path}: a page of its list is too large")


class _TooSlow(ApiError):
    """There was no answer in time."""


class NoIdentity(ApiError):
    """What proves who asks cannot be had, so that nothing was sent; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class Fenced(Exception):
    """Whoever asks may do so no more, and nothing was sent. No ApiError: it is not tried again."""


class Api:
    """A client of one API server, safe to use from several threads.

    ``fence`` is asked at the last moment before each request; it gives for how many seconds something may still be
    changed. After that a change is given up here and by the API server. With none left nothing is sent, and ``Fenced``
    is raised, by reads too: who may not write has nothing to read for, and ends the sooner.

    Raises NoCredentials for certificates and keys that cannot be used.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str,
        connections: int = 8,
        fence: Callable[[], float] | None = None,
    ) -> None:
        self.server_date = ""
        """The ``Date`` of the last answer (RFC 9110 section 6.6.1); empty before the first."""
        self._credentials = credentials
        self._server = credentials.server
        self._headers = {"User-Agent": user_agent}
        self._connections = connections
        self._fence = fence
        self._limits: dict[str, int] = {}
        """How many objects of a list to begin with, by its path, where as many as usual did not fit or come in time."""
        self._lock = threading.Lock()
        # A plugin's certificate is not known before the plugin has run.
        self._context: tls.Context | None = None
        self._pool: urllib3.PoolManager | None = None
        self._shown = Identity()
        self._looked = float("-inf")
        if credentials.plugin is None:
            self._pool_for(Identity("", credentials.certificate, credentials.key))

    def on_one_connection(self) -> "Api":
        """A client that asks on one connection: for one thread, whose requests then reach the same API server.

        A balancer in front of several chooses anew for each connection. A new one is made where one was closed.
        """
        alone = copy.copy(self)
        alone._connections = 1
        alone._lock = threading.Lock()
        alone._limits = {}
        alone._pool = None
        return alone

    def get(
        self,
        path: str,
        *,
        timeout: float = 10.0,
        accept: str = _JSON,
        decode: Callable[[bytes], Any] = msgspec.json.decode,
        **query: Any,
    ) -> Any:
        """GET a document. ``decode`` reads its JSON. Raises ApiError."""
        return self._call("GET", path, timeout=timeout, accept=accept, query=query, decode=decode)

    def find(
        self,
        path: str,
        *,
        timeout: float = 10.0,
        metadata: bool = False,
        decode: Callable[[bytes], Any] = msgspec.json.decode,
        **query: Any,
    ) -> Any:
        """GET a document, or its metadata alone; None where there is none. Raises ApiError."""
        try:
            return self.get(path, timeout=timeout, accept=_METADATA if metadata else _JSON, decode=decode, **query)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def metadata(self, path: str, *, timeout: float = 10.0) -> Any:
        """GET an object's metadata alone. Raises ApiError."""
        return self.get(path, timeout=timeout, accept=_METADATA)

    def create(self, path: str, document: Any, *, timeout: float = 10.0, **query: Any) -> Any:
        """POST a document to a collection. Raises ApiError."""
        return self._call("POST", path, document, timeout=timeout, query=query)

    def replace(
        self,
        path: str,
        document: Any,
        *,
        timeout: float = 10.0,
        decode: Callable[[bytes], Any] = msgspec.json.decode,
        **query: Any,
    ) -> Any:
        """PUT a document in the place of another. Raises ApiError (409 when it was changed meanwhile)."""
        return self._call("PUT", path, document, timeout=timeout, query=query, decode=decode)

    def apply(
        self,
        path: str,
        document: Any,
        *,
        timeout: float = 10.0,
        decode: Callable[[bytes], Any] = msgspec.json.decode,
        **query: Any,
    ) -> Any:
        """PATCH by server-side apply, as kubectl's field manager. Raises ApiError."""
        query = {"fieldManager": "kubectl", "force": "true"} | query
        return self._call("PATCH", path, document, timeout=timeout, query=query, content_type=_APPLY, decode=decode)

    def merge(
        self,
        path: str,
        changes: Any,
        *,
        timeout: float = 10.0,
        decode: Callable[[bytes], Any] = msgspec.json.decode,
        **query: Any,
    ) -> Any:
        """PATCH with a JSON Merge Patch (RFC 7386). Raises ApiError.

        ``metadata.uid`` among the changes makes it fail (422, the field is immutable) on any other object of the name.
        """
        return self._call("PATCH", path, changes, timeout=timeout, query=query, content_type=_MERGE, decode=decode)

    def patch(self, path: str, operations: Sequence[Any], *, timeout: float = 10.0, **query: Any) -> Any:
        """PATCH with a JSON Patch (RFC 6902). Raises ApiError (422 where one of its tests fails)."""
        return self._call("PATCH", path, operations, timeout=timeout, query=query, content_type=_PATCH)

    def delete(self, path: str, *, uid: str, timeout: float = 10.0) -> None:
        """DELETE the object if it is the one of this uid. Raises ApiError (409 when it is another)."""
        self._call("DELETE", path, {"preconditions": {"uid": uid}}, timeout=timeout, query={})

    def items(
        self, path: str, *, metadata_only: bool = False, timeout: float = 10.0, **query: Any
    ) -> tuple[list[Any], str]:
        """List a collection page by page.

        Returns the items and the list's resourceVersion. Raises ApiError, also for a list of over 100,000 items.
        """
        all_items: list[Any] = []
        version = ""
        for items, listed in self.pages(path, metadata_only=metadata_only, timeout=timeout, **query):
            all_items += items
            version = listed
        return all_items, version

    def pages(
        self, path: str, *, metadata_only: bool = False, timeout: float = 10.0, **query: Any
    ) -> Iterator[tuple[list[Any], str]]:
        """List a collection, giving one page after the other, so that no more than that is held at once.

        Each comes with a resourceVersion, the last one's being that of the whole list. Raises ApiError as ``items``.
        """
        accept = _METADATA_LIST if metadata_only else _JSON
        limit, fitted, given = min(int(query.pop("limit", _PAGE)), self._limits.get(path, _PAGE)), 0, 0
        while given < _MOST_ITEMS:
            try:
                page = self.get(path, timeout=timeout, accept=accept, limit=limit, **query)
            except (_TooLarge, _TooSlow) as error:
                limit, fitted = max(1, limit // _SMALLER), 0
                self._begin_with(path, limit)
                if isinstance(error, _TooLarge):
                    continue
                raise
            fitted += 1
            if fitted % _LARGER_AFTER == 0:
                limit = min(_PAGE, limit * 2)
                self._begin_with(path, limit)
            given += max(1, len(page.get("items") or ()))
            # A list that is made up on the spot (ComponentStatus) has no version.
            yield page.get("items") or [], page["metadata"].get("resourceVersion", "")
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token
        raise ApiError(0, f"{path} has too many items to list")

    def _begin_with(self, path: str, limit: int) -> None:
        """Remember a page's size for the next list: what is made and not read costs the API server as much."""
        self._limits.pop(path, None)
        if len(self._limits) >= _MOST_LIMITS:
            self._limits.clear()
        if limit < _PAGE:
            self._limits[path] = limit

    def page(self, path: str, *, timeout: float, **query: Any) -> tuple[list[Any], str]:
        """List one page of a collection, metadata only. Returns the items and the token of the next page."""
        while True:
            try:
                page = self.get(path, timeout=timeout, accept=_METADATA_LIST, **query)
            except _TooLarge:
                query["limit"] = str(max(1, int(query["limit"]) // _SMALLER))
            else:
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

    # More than seven parameters: all that requests of any verb differ in.
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
        decode: Callable[[bytes], Any] = msgspec.json.decode,
    ) -> Any:
        body = None if document is None else msgspec.json.encode(document)
        wanted = self._credentials.timeout
        seconds = timeout if wanted is None else wanted or None
        response = self._open(
            method, path, body, timeout=seconds, accept=accept, query=query, content_type=content_type
        )
        # A single object, however large, is what is asked for; of several, fewer can be.
        bounded = int(query.get("limit", 1)) > 1
        try:
            content = response.read(_PAGE_BYTES + 1) if bounded else response.read()
            if bounded and len(content) > _PAGE_BYTES:
                response.close()
                raise _TooLarge(path)
        except urllib3.exceptions.HTTPError as error:
            raise _failure(error)(0, f"{method} {path}: {self._explain(error)}") from None
        finally:
            response.release_conn()
        if response.status >= 300:
            raise _error(response.status, content, path)
        try:
            return decode(content)
        except msgspec.DecodeError:
            raise ApiError(0, f"{method} {path}: the answer is not JSON") from None
        except RecursionError:
            raise ApiError(0, f"{method} {path}: the answer nests too deeply") from None

    def _open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float | None,
        accept: str = _JSON,
        query: Mapping[str, Any],
        content_type: str = _JSON,
    ) -> urllib3.BaseHTTPResponse:
        headers = urllib3.HTTPHeaderDict(self._headers, Accept=accept)
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            # Nobody is asked for anything before it is known as whom.
            identity = self._credentials.identity()
            for name, value in self._credentials.headers(identity):
                headers.add(name, value)
            pool = self._pool_for(identity)
        except NoCredentials as error:
            raise NoIdentity(str(error)) from None
        left = self._left(method)
        if left is not None:
            query = dict(query) | {"timeout": f"{left:.3f}s"}
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = pool.request(
                method,
                url,
                body=body,
                headers=headers,
                preload_content=False,
                redirect=False,
                timeout=urllib3.Timeout(
                    total=left, connect=min(_CONNECT_SECONDS, timeout or _CONNECT_SECONDS), read=timeout
                ),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _failure(error)(0, f"{method} {path}: {self._explain(error)}") from None
        self.server_date = response.headers.get("Date", "")
        if response.status == 401 and self._credentials.plugin is not None:
            self._credentials.plugin.refused()
        return response

    def _left(self, method: str) -> float | None:
        """For how many seconds this may still be under way; None where nothing but its own time bounds it."""
        if self._fence is None:
            return None
        left = self._fence()
        if left <= 0:
            raise Fenced("this program may not change anything now")
        return None if method == "GET" else left

    def _pool_for(self, identity: Identity) -> urllib3.PoolManager:
        """The connections on which this identity's certificate is shown; others, when the certificate is another."""
        with self._lock:
            shown = self._shown
            if self._context is None or (shown.certificate, shown.key) != (identity.certificate, identity.key):
                self._context, self._pool = tls.context(self._credentials, identity), None
                self._shown = identity
            if self._pool is None:
                self._pool = _pool(self._credentials, self._context, self._connections)
            return self._pool

    def _explain(self, error: Exception) -> str:
        """Why there is no answer."""
        cause = error.original_error if isinstance(error, urllib3.exceptions.ProxyError) else error
        proxy = self._credentials.proxy
        through = f" through {proxies.shown(proxy)}" if proxy else ""
        if isinstance(cause, urllib3.exceptions.SSLError) and isinstance(cause.args[0], ssl.SSLError):
            # Programs that try again for hours do not look at the certificate each time.
            look = time.monotonic() - self._looked > _LOOK_AGAIN_SECONDS
            self._looked = time.monotonic() if look else self._looked
            return f"{self._server}{through}: {tls.explain(cause.args[0], self._credentials, look=look)}"
        return f"{self._server}{through}: {_reason(cause)}"


def _failure(error: Exception) -> type[ApiError]:
    return _TooSlow if _late(error) else ApiError


def _late(error: BaseException) -> bool:
    late = isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError)
    return late and not isinstance(error, urllib3.exceptions.NewConnectionError)


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "its name cannot be resolved"
    if _late(error):
        return "no answer in time"
    found: BaseException | None = error
    while found is not None:
        # Below urllib3's words, which hold addresses of objects.
        if isinstance(found, OSError) and not isinstance(found, urllib3.exceptions.HTTPError):
            return found.strerror or str(found)
        found = found.__cause__ or found.__context__
    return type(error).__name__


def _pool(credentials: Credentials, context: tls.Context, connections: int) -> urllib3.PoolManager:
    if credentials.insecure:
        # It stands in the kubeconfig or on the command line, and kubectl says nothing of it either.
        warnings.filterwarnings("ignore", category=urllib3.exceptions.InsecureRequestWarning)
    options: dict[str, Any] = {"maxsize": connections, "retries": False, "timeout": _CONNECT_SECONDS}
    proxy = urlsplit(credentials.proxy)
    if not credentials.proxy:
        return urllib3.PoolManager(ssl_context=context, **options)
    if proxy.scheme.startswith("socks"):
        return _socks_pool(credentials.proxy, ssl_context=context, **options)
    if credentials.server.startswith("http:") and _repeated(credentials):
        # urllib3 would make one header of them, and one group of all groups.
        raise NoCredentials(
            f"{credentials.origin} impersonates several groups or extra values, which cannot be sent over plain HTTP "
            "through a proxy"
        )
    return urllib3.ProxyManager(
        proxies.shown(credentials.proxy),
        proxy_headers=_proxy_headers(credentials.proxy),
        # As for Go, the cluster's authority vouches for its proxy.
        proxy_ssl_context=context,
        ssl_context=context,
        **options,
    )


def _repeated(credentials: Credentials) -> bool:
    names = [name for name, _ in credentials.headers(Identity())]
    return len(names) > len(set(names))


def _proxy_headers(proxy: str) -> Mapping[str, str]:
    user, password = urllib3.util.parse_url(proxy).auth_decoded
    if user is None:
        return {}
    # As in credentials.py: what is encoded as ISO 8859-1 below is UTF-8.
    secret = f"{user}:{password or ''}".encode().decode("latin-1")
    return urllib3.make_headers(proxy_basic_auth=secret)


def _socks_pool(proxy: str, **options: Any) -> urllib3.PoolManager:
    try:
        with warnings.catch_warnings():
            # urllib3 warns of what is said below.
            warnings.simplefilter("ignore")
            from urllib3.contrib.socks import SOCKSProxyManager
    except ImportError:
        raise NoCredentials(
            f"proxy {proxies.shown(proxy)} speaks SOCKS, for which the Python package PySocks is needed: install it "
            "beside Seconder (pip install PySocks)"
        ) from None
    # The proxy resolves names, as for Go.
    return SOCKSProxyManager(f"socks5h://{proxy.partition('://')[2]}", **options)


def _lines(response: urllib3.BaseHTTPResponse, path: str) -> Iterator[bytes]:
    pending = b""
    try:
        for chunk in response.read_chunked():
            *whole, pending = (pending + chunk).split(b"\n")
            yield from whole
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ApiError(0, f"watch {path}: {_reason(error)}") from None


def _error(status: int, content: bytes, path: str) -> ApiError:
    try:
        document = msgspec.json.decode(content)
        return ApiError(status, str(document.get("message", "")), str(document.get("reason", "")))
    except (msgspec.DecodeError, AttributeError):
        return ApiError(status, f"{path}: HTTP {status}")


def collection(resource: ResolvedResource, namespace: str = "") -> str:
    """The API path of a resource's objects: in one namespace, or in all of them."""
    # A change request that somebody wrote by hand may name anything.
    group, plural, version, namespace = (
        quote(part, safe="") for part in (*resource.resource, resource.version, namespace)
    )
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    return f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"


def segment(name: str) -> str:
    """A name, which is the client's own words, as a part of a path. A role may be named what little else may.

    Raises ApiError for what no object can be named.
    """
    if not name or name in {".", ".."} or not {"/", "%"}.isdisjoint(name):
        raise ApiError(404, "no object can have that name")
    return quote(name, safe=":")
