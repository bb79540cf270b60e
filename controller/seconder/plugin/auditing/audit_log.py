"""API audit logs (audit.k8s.io/v1): what of an event matters here, and which events stand for requests."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote_plus

import msgspec

from seconder.admission.request import Caller
from seconder.api.resources import NAMESPACES, GroupResource, Target
from seconder.plugin.auditing import log_files
from seconder.plugin.auditing.log_files import Kind, Reading, Watcher

_KIND: Final = "Event"
_GROUP: Final = "audit.k8s.io/"
_WITH_BODIES: Final = frozenset({"Request", "RequestResponse"})
_any: Final = msgspec.json.Decoder(Any)
_NULL: Final = msgspec.Raw(b"null")
_ERROR: Final = 400
_NOTHING_WRITTEN: Final = frozenset({400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 415, 422, 429, 431})
"""Status codes that the API server gives before it writes, or in place of it."""

_CONFLICT: Final = 409
_FORBIDDEN_BY_AUTHORIZER: Final = ("authorization.k8s.io/decision", "forbid")
_NO_UTC: Final = frozenset({1, 9999})
"""Years in which a time may lie beyond all dates once its offset is taken off."""

CONNECTIONS: Final = frozenset({"exec", "attach", "portforward", "proxy"})
"""Subresources that are connected to, whatever the verb."""

_WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_DRY: Final = "All"
"""The one value of ``dryRun`` that the API server takes."""

_MOST_PAIRS: Final = 10_000
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")

_LAST_STAGES: Final = frozenset({"ResponseComplete", "Panic"})


class User(msgspec.Struct, gc=False):
    """The caller as the API server authenticated it."""

    username: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None

    @property
    def caller(self) -> Caller:
        """The user as the caller of a request."""
        extra = {key: tuple(values or ()) for key, values in self.extra.items()} if self.extra else {}
        return Caller(self.username, frozenset(self.groups or ()), extra)


class Reference(msgspec.Struct, rename="camel", gc=False):
    """The object that the request's path names."""

    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_group: str = ""
    api_version: str = ""
    subresource: str = ""

    @property
    def target(self) -> Target:
        """The object, as requests name it."""
        resource = GroupResource(self.api_group, self.resource)
        # The API server repeats a Namespace's own name as its namespace.
        return Target(resource, "", "" if resource == NAMESPACES else self.namespace, self.name, self.uid)


class Details(msgspec.Struct, gc=False):
    """The details of a Status: which object it is about."""

    uid: str = ""


class Status(msgspec.Struct, gc=False):
    """How the API server answered; ``code`` is HTTP's, 0 where none is recorded."""

    code: int = 0
    message: str = ""
    details: Details | None = None


class Event(msgspec.Struct, rename="camel"):
    """One stage of one request: what of it matters here. The bodies are left as they stand."""

    kind: str
    api_version: str
    stage: str
    verb: str
    level: str = ""
    audit_id: str = msgspec.field(default="", name="auditID")
    request_uri: str = msgspec.field(default="", name="requestURI")
    user: User | None = None
    impersonated_user: User | None = None
    object_ref: Reference | None = None
    response_status: Status | None = None
    request_object: msgspec.Raw = _NULL
    response_object: msgspec.Raw = _NULL
    request_received_timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    annotations: dict[str, str] | None = None

    @property
    def acting(self) -> User:
        """Whom admission was told about: the one who was impersonated, if anybody was."""
        return self.impersonated_user or self.user or User()

    @property
    def query(self) -> dict[str, list[str]]:
        """What stands behind the path. The API server takes the first value where several are given."""
        return _parsed(self.request_uri.partition("?")[2])

    @property
    def deletion(self) -> dict[str, Any]:
        """The DeleteOptions that counted: of the body alone where there is one, as the API server reads them.

        Below level Request the log does not tell whether there was one: then nothing is known.
        """
        given = _any.decode(self.request_object)
        if isinstance(given, dict):
            return given
        if self.level not in _WITH_BODIES:
            return {}
        query = self.query
        options: dict[str, Any] = {"dryRun": query["dryRun"]} if "dryRun" in query else {}
        if "propagationPolicy" in query:
            options["propagationPolicy"] = query["propagationPolicy"][0]
        if "orphanDependents" in query:
            options["orphanDependents"] = query["orphanDependents"][0].casefold() not in {"0", "false"}
        return options

    @property
    def dry_run(self) -> bool:
        """Whether it is known that nothing was to be stored. Of what opens a connection there is no dry run."""
        if self.verb not in _WRITES or (self.object_ref is not None and self.object_ref.subresource in CONNECTIONS):
            return False
        if not self.verb.startswith("delete"):
            return _DRY in self.query.get("dryRun", ())
        try:
            given = self.deletion.get("dryRun")
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return False
        return isinstance(given, list) and _DRY in given

    @property
    def identity(self) -> int:
        """Which request it was, where it stands in several logs.

        A client chooses its audit ID: only with the API server's own time does it say that.
        """
        return hash((self.audit_id, self.request_received_timestamp, self.verb, self.request_uri))

    @property
    def code(self) -> int:
        """HTTP's status code; 0 where none is recorded."""
        return self.response_status.code if self.response_status else 0

    @property
    def in_error(self) -> bool:
        """Whether it was answered with an error, whatever came of it."""
        return self.code >= _ERROR

    @property
    def failed(self) -> bool:
        """Whether it is known that it came to nothing.

        After a timeout (which the caller chooses), an error of the server's, or where the client is gone, the write may
        have been done. Of a collection some objects may be gone when another is refused; and a deletion in conflict may
        have begun.
        """
        if self.code not in _NOTHING_WRITTEN:
            return False
        if self.verb == "deletecollection":
            name, forbidden = _FORBIDDEN_BY_AUTHORIZER
            return (self.annotations or {}).get(name) == forbidden
        return self.verb != "delete" or self.code != _CONFLICT


def _parsed(query: str) -> dict[str, list[str]]:
    """The values of each name, as the API server reads them: as Go's url.ParseQuery does.

    A pair with a semicolon or a bad escape counts for nothing. Of too many pairs none does, to an API server that is
    built with Go 1.26 or some versions before; what another makes of them is not known.
    """
    found: dict[str, list[str]] = {}
    if query.count("&") >= _MOST_PAIRS:
        return found
    for pair in query.split("&"):
        if pair and ";" not in pair and not _BAD_ESCAPE.search(pair):
            name, _, value = pair.partition("=")
            found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return found


_decode: Final = msgspec.json.Decoder(Event).decode


def _event(text: bytes) -> Event | None:
    """The text as an event; None where it is something else, or lacks what no event lacks."""
    try:
        event = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    at = event.request_received_timestamp
    if event.kind != _KIND or not event.api_version.startswith(_GROUP) or (at and at.year in _NO_UTC):
        return None
    return event


_REQUESTS: Final = Kind(
    name="audit event",
    none="holds no event of a request's end (stage ResponseComplete)",
    decode=_event,
    counts=lambda event: event.stage in _LAST_STAGES,
    moment=lambda event: event.request_received_timestamp,
)


def requests(paths: Sequence[str], reading: Reading, watcher: Watcher) -> Iterator[Event]:
    """One event for each request, when it was over (stages ResponseComplete and Panic); ``-`` is standard input.

    ``reading`` is kept up to date. Raises Problem when a file cannot be read.
    """
    return log_files.records(paths, _REQUESTS, reading, watcher)
