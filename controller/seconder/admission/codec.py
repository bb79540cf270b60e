"""AdmissionReview (admission.k8s.io/v1) to a Request, and a verdict back to an AdmissionReview."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from seconder.admission.request import (
    NO_METADATA,
    NO_OPTIONS,
    NULL,
    Caller,
    Malformed,
    Metadata,
    Operation,
    Options,
    Request,
)
from seconder.api.resources import NAMESPACES, GroupResource, Target
from seconder.api.text import clean
from seconder.api.type_reader import TypeReader

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"
_MAX_UID: Final = 128

T = TypeVar("T")


class _GroupVersionKind(msgspec.Struct):
    group: str
    version: str
    kind: str


class _GroupVersionResource(msgspec.Struct):
    group: str
    version: str
    resource: str


class _UserInfo(msgspec.Struct):
    username: str
    groups: frozenset[str] | None = None
    extra: dict[str, tuple[str, ...] | None] | None = None


class _Object(msgspec.Struct):
    # Options of a CONNECT (PodExecOptions) and Scale carry less; the name is then the request's.
    metadata: Metadata | None = None
    # Left as it stands: its shape is each kind's own.
    spec: msgspec.Raw = NULL


class _Request(msgspec.Struct, rename="camel"):
    uid: str
    kind: _GroupVersionKind
    resource: _GroupVersionResource
    operation: Operation
    user_info: _UserInfo
    name: str = ""
    namespace: str = ""
    sub_resource: str = ""
    dry_run: bool | None = None
    object: _Object | None = None
    old_object: _Object | None = None
    options: Options | None = None


class _Review(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    request: _Request


class _RequestsUid(msgspec.Struct):
    uid: str


class _UidOnly(msgspec.Struct):
    request: _RequestsUid


_review: Final = msgspec.json.Decoder(_Review)
_uid_only: Final = msgspec.json.Decoder(_UidOnly)
_encoder: Final = msgspec.json.Encoder()
_group_resource: Final = functools.lru_cache(1024)(GroupResource)


def decode(body: bytes) -> Request:
    """Read a review.

    Raises Malformed for anything but an admission.k8s.io/v1 AdmissionReview that names its object; unknown fields are
    passed over, since newer API servers add some.
    """
    try:
        review = _review.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(uid_of(body), f"the body is not an AdmissionReview: {plain(error)}") from None
    request = review.request
    if review.api_version != API_VERSION or review.kind != KIND:
        raise Malformed(request.uid, f"only {KIND} of {API_VERSION} is understood")
    if not request.uid or len(request.uid) > _MAX_UID:
        raise Malformed("", "request.uid is empty or too long")
    return _to_request(request, body)


def _to_request(request: _Request, body: bytes) -> Request:
    old_object, new_object = request.old_object, request.object
    old = (old_object and old_object.metadata) or NO_METADATA
    new = (new_object and new_object.metadata) or NO_METADATA
    operation = request.operation
    if operation is Operation.DELETE:
        _check_deletion(request, old)
    elif operation is Operation.UPDATE and (old is NO_METADATA or new is NO_METADATA):
        raise Malformed(request.uid, "an UPDATE without object.metadata or oldObject.metadata")
    identified = new if operation is Operation.CREATE else old
    resource = _group_resource(request.resource.group, request.resource.resource)
    user = request.user_info
    extra: Any = user.extra or {}
    if None in extra.values():
        extra = {key: values or () for key, values in extra.items()}
    return Request(
        uid=request.uid,
        operation=operation,
        target=Target(
            resource=resource,
            kind=request.kind.kind,
            # The API server repeats a Namespace's own name as its namespace.
            namespace="" if resource == NAMESPACES else request.namespace,
            name=request.name or identified.name,
            uid=identified.uid,
        ),
        version=request.resource.version,
        subresource=request.sub_resource,
        caller=Caller(user.username, user.groups or frozenset(), extra),
        dry_run=bool(request.dry_run),
        options=request.options or NO_OPTIONS,
        old=old,
        new=new,
        old_spec=old_object.spec if old_object else NULL,
        new_spec=new_object.spec if new_object else NULL,
        body=body,
    )


def _check_deletion(request: _Request, old: Metadata) -> None:
    """Raise Malformed where a deletion contradicts itself.

    A collection's deletion names no object in the request; what is stored does.
    """
    if not (old.name and old.uid):
        raise Malformed(request.uid, "a DELETE without oldObject.metadata.name and uid")
    if request.name and request.name != old.name:
        raise Malformed(request.uid, "request.name is not the name in oldObject")
    if old.namespace and request.namespace != old.namespace:
        raise Malformed(request.uid, "request.namespace is not the namespace in oldObject")


class Objects(msgspec.Struct, Generic[T], rename="camel"):
    """``object`` and ``oldObject`` of a review; None where null."""

    object: T | None = None
    old_object: T | None = None


class ObjectsReview(msgspec.Struct, Generic[T]):
    """A review as far as its two objects go."""

    request: Objects[T]


def objects(request: Request, decoder: msgspec.json.Decoder[ObjectsReview[T]], what: str) -> Objects[T]:
    """The two objects of a review, decoded again with the fields that one rule needs.

    ``what`` names the kind for people. Raises Malformed.
    """
    try:
        return decoder.decode(request.body).request
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"{what} is not understood: {plain(error)}") from None


def written(request: Request) -> tuple[dict[str, msgspec.Raw], dict[str, msgspec.Raw]]:
    """The stored and the wanted object by their keys, the values as they are written; empty where null.

    Raises Malformed.
    """
    both = objects(request, _written, "the object")
    return both.old_object or {}, both.object or {}


def whole(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """The stored and the wanted object, numbers with a fraction as they are written; empty where null.

    Raises Malformed.
    """
    both = objects(request, _whole, "the object")
    return both.old_object or {}, both.object or {}


def untold(request: Request) -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    """The stored and the wanted object, each read in two ways that differ where its text is no UTF-8; none where it is.

    A protobuf client may store such text. The API server writes an escape for each byte of it, and U+FFFD itself as it
    is, so that what is there is not told, nor whether it changes (Go's ``encoding/json``). Raises Malformed.
    """
    if not may_be_lossy(request) or _lost.search(request.body) is None:
        return ()
    one, other = (
        whole(msgspec.structs.replace(request, body=_lost.sub(rb"\1" + mark, request.body)))
        for mark in (rb"\\ue000", rb"\\ue001")
    )
    return tuple(zip(one, other, strict=True))


def may_be_lossy(request: Request) -> bool:
    """Whether the API server may have written other text than is stored: it does so with what is no UTF-8."""
    # A single byte is found many times as fast, and most objects have no escape in them.
    return b"\\" in request.body and LOST in request.body


LOST: Final = rb"\ufffd"
_lost: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\ufffd")
"""The escape itself, and not a backslash of the text's own with these letters behind it."""

_written: Final = msgspec.json.Decoder(ObjectsReview[dict[str, msgspec.Raw]])
_whole: Final[Any] = msgspec.json.Decoder(
    ObjectsReview[dict[str, Any]], float_hook=lambda number: msgspec.Raw(number.encode())
)


def read(request: Request, decoder: msgspec.json.Decoder[T], spec: msgspec.Raw, what: str) -> T:
    """A part of the review, such as ``new_spec``, decoded. ``what`` names it for people. Raises Malformed."""
    try:
        return decoder.decode(spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"{what} is not understood: {plain(error)}") from None


_metadata_of: Final = TypeReader(Metadata)


def metadata_of(document: Mapping[str, Any]) -> Metadata:
    """The metadata of an object as it was read; empty where they are none."""
    try:
        return _metadata_of.convert(document.get("metadata"))
    except msgspec.ValidationError:
        return NO_METADATA


def deletion_review(target: Target, version: str, caller: Caller, document: Mapping[str, Any] | None = None) -> bytes:
    """The review of an object's deletion as the API server would send it. ``document``: the object as it is stored."""
    group, resource = target.resource
    namespace = target.name if target.resource == NAMESPACES else target.namespace
    metadata = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
    request = {
        "uid": "unsent",
        "kind": {"group": group, "version": version, "kind": target.kind},
        "resource": {"group": group, "version": version, "resource": resource},
        "operation": Operation.DELETE,
        "userInfo": {"username": caller.username, "groups": sorted(caller.groups), "extra": caller.extra},
        "name": target.name,
        "namespace": namespace,
        "oldObject": document or {"metadata": metadata},
        "options": {},
    }
    return _encoder.encode({"apiVersion": API_VERSION, "kind": KIND, "request": request})


def allowed(uid: str, audit: dict[str, str], warnings: list[str]) -> bytes:
    """Encode a review that lets the request through."""
    response = {"uid": uid, "allowed": True, "auditAnnotations": audit, "warnings": warnings}
    return _encoder.encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def denied(
    uid: str,
    text: str,
    reason: str,
    target: Target | None,
    audit: dict[str, str],
    causes: Sequence[Mapping[str, str]] = (),
) -> bytes:
    """Encode a refusal: always 403 Forbidden, since clients retry, swallow or reword other codes.

    ``causes`` stand behind the first one, which is the reason.
    """
    details: dict[str, Any] = {"causes": [{"reason": reason, "message": text.partition("\n")[0]}, *causes]}
    if target is not None:
        group, resource = target.resource
        details |= {"group": group, "kind": resource, "name": target.name, "uid": target.uid}
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": 403,
        "reason": "Forbidden",
        "message": text,
        "details": details,
    }
    response = {"uid": uid, "allowed": False, "status": status, "auditAnnotations": audit}
    return _encoder.encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def uid_of(body: bytes) -> str:
    """The review's uid, whatever else is wrong with the body; empty where there is none."""
    try:
        uid = _uid_only.decode(body).request.uid
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    return uid if len(uid) <= _MAX_UID else ""


def plain(error: Exception) -> str:
    """What is wrong with JSON, in words that hold no text of a client's."""
    # msgspec names types and paths of ours ("Expected `str`, got `int` - at `$.request.uid`"), never values.
    return clean(str(error)) if isinstance(error, msgspec.MsgspecError) else "it nests too deeply or is not UTF-8"
