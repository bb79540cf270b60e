"""The reviews of a request of the past, as far as its audit event tells.

An audit log does not hold all that a review does: never the object as it was before, nor its annotations where the
answer is a bare Status. So a review is given at the least that it may have been, with the ways in which it may have
been more.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from seconder.admission import codec, rbac
from seconder.admission.indirect import scaling
from seconder.admission.kinds import POD_RUNNERS
from seconder.admission.principal import Principal
from seconder.admission.request import Operation, Request
from seconder.api.resources import AUTOSCALERS, REPLICA_SETS, SECRETS
from seconder.plugin.auditing.audit_log import CONNECTIONS, Event, Reference

UNKNOWN: Final = "unknown"
"""Stands for names, uids and times that the log does not hold."""

_COLLECTION: Final = "deletecollection"
_OPERATIONS: Final = {
    "create": Operation.CREATE,
    "update": Operation.UPDATE,
    "patch": Operation.UPDATE,
    "delete": Operation.DELETE,
    _COLLECTION: Operation.DELETE,
}
_CREATED: Final = 201
_READ_OF_AGENTS: Final = POD_RUNNERS | rbac.ROLES | rbac.BINDINGS | {SECRETS, *scaling.ALL}
"""Of which the rules read more than the metadata when an agent writes them. Autoscalers are read of everybody."""

_any: Final = msgspec.json.Decoder(Any)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MOST_OF_ANNOTATIONS: Final = 2 * 1024 * 1024
"""Bytes as they are written in JSON. The API server takes 256 KiB (``TotalAnnotationSizeLimitB``), unescaped."""

_LEFT_AS_WRITTEN: Final = frozenset({"annotations", "labels"})


class Missing(StrEnum):
    """Why a request cannot be judged by its log."""

    TAGGED = "requests by callers who are no agents: refused only if the object carries an agent's annotation"
    BODY = "writes without a body in the log (level Metadata)"
    UNDECIDED = "requests under policies whose resources nobody has looked up yet (see their status)"
    UNREADABLE = "requests whose body in the log is not understood"
    OBJECTS = "deletions of collections: which objects they found is not in the log (level below RequestResponse)"
    CONTENTS = "deletions of namespaces: refused only if they held what a policy names"
    REPLICAS = "updates that left or set no replicas: refused unless there were none before"
    FINALIZERS = "updates of what may have been under deletion: refused if they removed a finalizer"
    OWNERS = "updates of what has owners: refused if they added one"
    CHANGED = "updates by agents: refused if they changed what a policy leaves to a peer"
    MAKER = "deletions of ReplicaSets: refused if a protected Deployment's"
    OWNED = "deletions by agents: refused if a protected object is owned by what they deleted"
    ENDED = "updates by agents: refused if a protected object is owned by what they changed"
    RIGHTS = "writes by agents: refused if they give, or act with, rights that agents may not use"


_OWNER: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": UNKNOWN, "uid": UNKNOWN, "controller": True}
_SCALED: Final = {"object": {"spec": {"replicas": 0}}, "oldObject": {"spec": {"replicas": 1}}}
_FINALIZED: Final = {"oldObject": {"metadata": {"finalizers": [UNKNOWN], "deletionTimestamp": UNKNOWN}}}
_OWNED: Final = {
    "object": {"metadata": {"ownerReferences": [_OWNER]}},
    "oldObject": {"metadata": {"ownerReferences": None}},
}
_ANYTHING: Final = {
    "object": {"spec": {"replicas": 0}, "metadata": {"ownerReferences": [_OWNER]}},
    "oldObject": {
        "spec": {"replicas": 1},
        "metadata": {"finalizers": [UNKNOWN], "deletionTimestamp": UNKNOWN, "ownerReferences": None},
    },
}
_CHANGED: Final = {"object": {UNKNOWN: UNKNOWN}}
"""Something has changed that nobody has listed as free."""

_TOLD: Final = frozenset({"apiVersion", "kind", "name", "namespace", "ownerReferences", "uid", "deletionTimestamp"})
"""Fields of a patch that name the object, or of which another way tells."""

_RESIZED: Final = {"object": {"spec": {"replicas": 2}}, "oldObject": {"spec": {"replicas": 1}}}
_CONTROLLED: Final = {"oldObject": {"metadata": {"ownerReferences": [_OWNER]}}}
_LOWERED: Final = {"oldObject": {"spec": {"minReplicas": 1}}}
_EMPTIED: Final = {"oldObject": dict.fromkeys(("spec", "rules", "subjects", "aggregationRule"))}
"""Nothing of what was before: all that is there now is new."""


@dataclass(frozen=True, slots=True)
class PastReview:
    """A review: ``least`` holds its object, the old one and their kind and name, as far as they are known.

    ``more`` is in which ways it may have been more: what each lays over ``least``; None where too little is known.
    """

    least: Mapping[str, Any]
    more: Mapping[Missing, Mapping[str, Any] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastRequest:
    """A request that admission was asked about. ``tags`` are annotations that make any caller an agent."""

    event: Event
    ref: Reference
    operation: Operation
    principal: Principal
    tags: Mapping[str, str]

    def reviews(self) -> Iterable[PastReview] | None:
        """One for each object. None where a collection was deleted and the log does not hold what was found in it."""
        if self.event.verb == _COLLECTION:
            items = _items(self.event.response_object)
            # One after another: there may be thousands.
            return None if items is None else (self.deletion(item) for each in items if (item := _document(each)))
        answer = _document(self.event.response_object)
        stored: dict[str, Any] | None = None
        if answer is not None and answer.get("kind") != "Status" and isinstance(answer.get("metadata"), dict):
            stored = answer
        if self.operation is Operation.DELETE:
            return [self.deletion(stored)]
        if self.operation is Operation.UPDATE:
            return [self._update(stored)]
        return [self._creation(stored)]

    def deletion(self, stored: dict[str, Any] | None) -> PastReview:
        """The deletion of one object. ``stored``: the object, where it is known."""
        ref, metadata = self.ref, _metadata(stored)
        more: dict[Missing, Mapping[str, Any] | None] = {}
        if not metadata:
            details = self.event.response_status and self.event.response_status.details
            metadata = {"name": ref.name or UNKNOWN, "uid": (details and details.uid) or ref.uid}
            if not self.principal.agent:
                more[Missing.TAGGED] = self._tagged
            if ref.target.resource == REPLICA_SETS:
                more[Missing.MAKER] = _CONTROLLED
        metadata |= {"uid": metadata.get("uid") or UNKNOWN, "namespace": ref.namespace}
        least = {"name": metadata.get("name"), "kind": (stored or {}).get("kind"), "oldObject": {"metadata": metadata}}
        return PastReview(least, more)

    def _creation(self, stored: dict[str, Any] | None) -> PastReview:
        if self.operation is Operation.CONNECT:
            return PastReview({})
        made = stored or (_document(self.event.request_object) if self.event.verb == "create" else None)
        if made is not None:
            made = made if self._is_read else _without_contents(made)
            return PastReview({"name": _metadata(made).get("name"), "kind": made.get("kind"), "object": made})
        least = {"object": {"metadata": {"name": self.ref.name}, "spec": {}}}
        return PastReview(least, {Missing.BODY: None} if self._is_read else {})

    def _update(self, stored: dict[str, Any] | None) -> PastReview:
        """An update that changes nothing, and what it may have changed."""
        ref, patch = self.ref, self.event.verb == "patch"
        body: Any = _any.decode(self.event.request_object) if patch else _document(self.event.request_object)
        known = stored or (body if self.event.verb == "update" else None)
        if known is not None and not patch and not self._is_read:
            known = _without_contents(known)
        after, metadata = dict(known or {}), _metadata(known)
        metadata |= {"name": ref.name or metadata.get("name"), "uid": metadata.get("uid") or ref.uid or UNKNOWN}
        after["metadata"] = metadata
        more: dict[Missing, Mapping[str, Any] | None] = {}
        # The scale subresource carries no annotations, and asks by none.
        if not self.principal.agent and known is None and ref.subresource != "scale":
            more[Missing.TAGGED] = self._tagged
        # First, so that what is told of by its own name is laid over it.
        if self.principal.agent:
            more[Missing.CHANGED] = self._changed(body)
        if known is None and body is None:
            more[Missing.BODY] = _ANYTHING
        else:
            more |= self._changes(stored, after, body)
        if self._is_read:
            emptied = {Missing.REPLICAS: _LOWERED} if ref.target.resource == AUTOSCALERS else {Missing.RIGHTS: _EMPTIED}
            more |= {Missing.BODY: None} if known is None else emptied
        return PastReview({"kind": after.get("kind"), "object": after, "oldObject": after}, more)

    def _changes(
        self, stored: dict[str, Any] | None, after: Mapping[str, Any], body: Any
    ) -> Iterator[tuple[Missing, Mapping[str, Any]]]:
        """What an update of which something is known may have changed."""
        raw, ref, patch = bytes(self.event.request_object), self.ref, self.event.verb == "patch"
        # A patch changes what it names. One that is spelt with escapes, or moves things, may name anything.
        moves = isinstance(body, list) and any(word in raw for word in (b'"copy"', b'"move"'))
        anything = not patch or b"\\" in raw or moves
        whole = stored is not None or not patch
        replicas = _replicas(after if whole else body, ref)
        scaled = replicas == 0 or (not whole and replicas is None)
        if scaled and ref.subresource != "status" and (anything or b"replicas" in raw):
            yield Missing.REPLICAS, _SCALED
        if (after["metadata"].get("ownerReferences") or not whole) and (anything or b"ownerReferences" in raw):
            yield Missing.OWNERS, _OWNED
        if stored is not None:
            leaving = bool(stored["metadata"].get("deletionTimestamp")) or ref.subresource == "finalize"
        else:
            # An apply takes away what it leaves out, and others may replace all of the metadata.
            applied = isinstance(body, dict) and "kind" in body
            words = (b"finalizers", b'"/metadata"', b'"$patch"', b'""')
            leaving = anything or applied or any(word in raw for word in words)
        if leaving:
            yield Missing.FINALIZERS, _FINALIZED

    def _changed(self, body: Any) -> Mapping[str, Any]:
        """What an update may have changed of which no other word tells: what a patch names, else anything."""
        if self.ref.subresource == "scale":
            return _RESIZED
        if self.event.verb != "patch" or not isinstance(body, dict):
            return _CHANGED
        return {"object": _marked(body)}

    @property
    def _is_read(self) -> bool:
        """Whether the rules read more of what is written than its metadata."""
        resource = self.ref.target.resource
        read = resource == AUTOSCALERS or (self.principal.agent and resource in _READ_OF_AGENTS)
        return read and self.ref.subresource in {"", "ephemeralcontainers"}

    @property
    def _tagged(self) -> Mapping[str, Any]:
        return {"oldObject": {"metadata": {"annotations": self.tags}}}

    def request(self, past: PastReview, supposed: Collection[Missing] = ()) -> Request:
        """The request of a review, read by the webhook's own codec, supposing that it was more in these ways."""
        made: Any = past.least
        for way, more in past.more.items():
            if way in supposed:
                made = _laid_over(made, more)
        event, ref, user = self.event, self.ref, self.event.acting
        options: dict[str, Any] = {"fieldManager": event.query.get("fieldManager", [""])[0]}
        if self.operation is Operation.DELETE:
            options |= {key: event.deletion.get(key) for key in ("propagationPolicy", "orphanDependents")}
        body = {
            "apiVersion": codec.API_VERSION,
            "kind": codec.KIND,
            "request": {
                "uid": UNKNOWN,
                "kind": {"group": ref.api_group, "version": ref.api_version, "kind": made.get("kind") or ""},
                "resource": {"group": ref.api_group, "version": ref.api_version, "resource": ref.resource},
                "operation": self.operation.value,
                "userInfo": {"username": user.username, "groups": user.groups, "extra": user.extra},
                "name": ref.name or made.get("name") or "",
                "namespace": ref.namespace,
                "subResource": ref.subresource,
                "dryRun": event.dry_run,
                "object": made.get("object"),
                "oldObject": made.get("oldObject"),
                "options": options,
            },
        }
        return codec.decode(msgspec.json.encode(body))


def operation_of(event: Event) -> Operation | None:
    """What admission was asked about; None where it was not."""
    if event.object_ref is not None and event.object_ref.subresource in CONNECTIONS:
        return Operation.CONNECT
    # Applied or put where nothing was.
    if event.verb in {"patch", "update"} and event.code == _CREATED:
        return Operation.CREATE
    return _OPERATIONS.get(event.verb)


def _marked(value: Any) -> Any:
    """A patch with another value in the place of each, of the same shape."""
    if isinstance(value, dict):
        return {
            key: [f"{UNKNOWN}-added"] if key == "finalizers" else _marked(below)
            for key, below in value.items()
            if key not in _TOLD
        }
    if isinstance(value, list):
        return [_marked(each) for each in value] or [UNKNOWN]
    return UNKNOWN


def _laid_over(document: Any, fields: Any) -> Any:
    """A document with some fields of others, into their depth."""
    if not isinstance(fields, dict):
        return fields
    base = (_members_of(document) if isinstance(document, msgspec.Raw) else document) or {}
    base = base if isinstance(base, dict) else {}
    return base | {key: _laid_over(base.get(key), value) for key, value in fields.items()}


def _metadata(document: Any) -> dict[str, Any]:
    """A copy of the metadata; empty where there are none."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return dict(metadata) if isinstance(metadata, dict) else {}


def _document(body: msgspec.Raw) -> dict[str, Any] | None:
    """An object of which only kind and metadata are decoded, and the rest is left as it stands; None for what is none.

    A log's objects may be large. What the API server notes of who manages which field is left out. Raises ValueError
    for annotations that no API server stores.
    """
    members = _members_of(body)
    if members is None:
        return None
    found: dict[str, Any] = dict(members)
    if "kind" in members:
        found["kind"] = _any.decode(members["kind"])
    if "metadata" in members:
        metadata = _members_of(members["metadata"])
        if metadata and len(bytes(metadata.get("annotations", b""))) > _MOST_OF_ANNOTATIONS:
            raise ValueError("more annotations than an object may have")
        found["metadata"] = metadata and {
            key: value if key in _LEFT_AS_WRITTEN else _any.decode(value)
            for key, value in metadata.items()
            if key != "managedFields"
        }
    return found


def _without_contents(document: Mapping[str, Any]) -> dict[str, Any]:
    """The object with what rules read of any kind: see ``Request.replicas`` and ``Request.removes_finalizers``."""
    found = {key: document[key] for key in ("apiVersion", "kind", "metadata") if key in document}
    spec = _members_of(document.get("spec"))
    if spec is not None:
        found["spec"] = {key: spec[key] for key in ("replicas", "finalizers") if key in spec}
    return found


def _members_of(value: Any) -> dict[str, msgspec.Raw] | None:
    """The members of an object as it is written; None for anything else. Raises MsgspecError for what is no JSON."""
    return _members.decode(value) if isinstance(value, msgspec.Raw) and bytes(memoryview(value)[:1]) == b"{" else None


def _items(body: msgspec.Raw) -> list[msgspec.Raw] | None:
    items = (_members_of(body) or {}).get("items")
    return _elements.decode(items) if items is not None and bytes(memoryview(items)[:1]) == b"[" else None


def _replicas(document: Any, ref: Reference) -> int | None:
    spec = document.get("spec") if isinstance(document, dict) else None
    if isinstance(spec, msgspec.Raw):
        spec = _members_of(spec)
    replicas = spec.get("replicas") if isinstance(spec, dict) else None
    if isinstance(replicas, msgspec.Raw):
        replicas = _any.decode(replicas)
    if replicas is None and ref.subresource == "scale":
        return 0 if isinstance(document, dict) and document.get("kind") == "Scale" else None
    return replicas if isinstance(replicas, int) else None
