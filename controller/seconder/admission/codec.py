"""AdmissionReview (admission.k8s.io/v1) to a core Request, and a verdict back to an AdmissionReview."""

from typing import Any, Final

import msgspec

from seconder.admission import pod_templates, rbac_documents
from seconder.admission.rbac import BindingEdit, Role, RoleEdit
from seconder.admission.request import Caller, Operation, Owner, Reference, Request, State, TokenRequest
from seconder.api.resources import AUTOSCALERS, NAMESPACES, REPLICA_SETS, GroupResource, Target
from seconder.api.text import clean

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"


_NULL: Final = msgspec.Raw(b"null")


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
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None


class _OwnerReference(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[_OwnerReference] | None = None
    deletion_timestamp: str | None = None


class _Object(msgspec.Struct, rename="camel"):
    # Options of a CONNECT (PodExecOptions) and Scale carry less; the name is then the request's.
    metadata: _Metadata | None = None
    # Left as it stands: its shape is each kind's own.
    spec: msgspec.Raw = _NULL
    type: msgspec.Raw = _NULL
    rules: msgspec.Raw = _NULL
    aggregation_rule: msgspec.Raw = _NULL
    subjects: msgspec.Raw = _NULL
    role_ref: msgspec.Raw = _NULL


class _TokenRequestSpec(msgspec.Struct, rename="camel"):
    # The API server fills this in before it asks, with the same number.
    expiration_seconds: int | None = 3600
    bound_object_ref: dict[str, Any] | None = None


class _Scaled(msgspec.Struct):
    replicas: int | None = None


class _ScaleTarget(msgspec.Struct, rename="camel"):
    kind: str = ""
    name: str = ""
    api_version: str = ""


class _Autoscaler(msgspec.Struct, rename="camel"):
    min_replicas: int | None = None
    scale_target_ref: _ScaleTarget = msgspec.field(default_factory=_ScaleTarget)


class _Finalized(msgspec.Struct):
    finalizers: list[str] | None = None


class _Options(msgspec.Struct, rename="camel"):
    field_manager: str = ""
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None


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
    options: _Options | None = None


class _Review(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    request: _Request


class _UidOnly(msgspec.Struct):
    class Request(msgspec.Struct):
        uid: str

    request: Request


class Malformed(Exception):
    """The body is no AdmissionReview that can be decided. ``uid`` is the review's own, empty where there is none."""

    def __init__(self, uid: str, detail: str) -> None:
        super().__init__(detail)
        self.uid = uid
        self.detail = detail


_review: Final = msgspec.json.Decoder(_Review)
_token_request_spec: Final = msgspec.json.Decoder(_TokenRequestSpec)
_uid_only: Final = msgspec.json.Decoder(_UidOnly)
_scaled: Final = msgspec.json.Decoder(_Scaled)
_autoscaler: Final = msgspec.json.Decoder(_Autoscaler)
_finalized: Final = msgspec.json.Decoder(_Finalized)
_encoder: Final = msgspec.json.Encoder()
_SERVICE_ACCOUNTS: Final = GroupResource("", "serviceaccounts")
_SECRETS: Final = GroupResource("", "secrets")
_secret_type: Final = msgspec.json.Decoder(str | None)
_NO_METADATA: Final = _Metadata()
_ORPHAN_POLICY: Final = "Orphan"
_ORPHAN_FINALIZER: Final = "orphan"
_FOREGROUND_FINALIZER: Final = "foregroundDeletion"
_MAX_UID: Final = 128


def decode(body: bytes) -> Request:
    """Read a review.

    Raises Malformed for anything but an admission.k8s.io/v1 AdmissionReview that names its object; unknown fields are
    passed over, since newer API servers add some.
    """
    try:
        review = _review.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(uid_of(body), f"the body is not an AdmissionReview: {_plain(error)}") from None
    request = review.request
    if review.api_version != API_VERSION or review.kind != KIND:
        raise Malformed(request.uid, f"only {KIND} of {API_VERSION} is understood")
    if not request.uid or len(request.uid) > _MAX_UID:
        raise Malformed("", "request.uid is empty or too long")
    return _to_request(request)


def _to_request(request: _Request) -> Request:
    old = (request.old_object and request.old_object.metadata) or _NO_METADATA
    new = (request.object and request.object.metadata) or _NO_METADATA
    identified = new if request.operation is Operation.CREATE else old
    name = request.name or identified.name
    resource = GroupResource(request.resource.group, request.resource.resource)
    if request.operation is Operation.DELETE:
        # A collection's deletion names no object in the request; what is stored does, and must not contradict it.
        if not (old.name and old.uid):
            raise Malformed(request.uid, "a DELETE without oldObject.metadata.name and uid")
        if request.name and request.name != old.name:
            raise Malformed(request.uid, "request.name is not the name in oldObject")
        if old.namespace and request.namespace != old.namespace:
            raise Malformed(request.uid, "request.namespace is not the namespace in oldObject")
    user = request.user_info
    return Request(
        uid=request.uid,
        operation=request.operation,
        target=Target(
            resource=resource,
            kind=request.kind.kind,
            # The API server repeats a Namespace's own name as its namespace.
            namespace="" if resource == NAMESPACES else request.namespace,
            name=name,
            uid=identified.uid,
        ),
        subresource=request.sub_resource,
        caller=Caller(
            username=user.username,
            groups=frozenset(user.groups or ()),
            extra={key: tuple(values or ()) for key, values in user.extra.items()} if user.extra else {},
        ),
        field_manager=request.options.field_manager if request.options else "",
        dry_run=bool(request.dry_run),
        stored=old.annotations or {},
        incoming=new.annotations or {},
        version=request.resource.version,
        orphans=request.operation is Operation.DELETE and _orphans(request.options or _Options(), old),
        before=_state(request, request.old_object) if request.operation is Operation.UPDATE else None,
        after=_state(request, request.object) if request.operation is Operation.UPDATE else None,
        token=_token(request) if resource == _SERVICE_ACCOUNTS and request.sub_resource == "token" else None,
        rbac=_rbac(request, resource),
        runs_as=_runs_as(request, resource) if resource in pod_templates.RUNNERS else "",
        secret_type=_type(request) if resource == _SECRETS else "",
        shrinks=_shrinks(request) if resource == AUTOSCALERS else None,
        maker=_maker(old) if resource == REPLICA_SETS and request.operation is Operation.DELETE else None,
    )


def _orphans(options: _Options, stored: _Metadata) -> bool:
    """Say whether what the object owns stays. The options come before what the object itself says."""
    if options.orphan_dependents is not None:
        return options.orphan_dependents
    if options.propagation_policy is not None:
        return options.propagation_policy == _ORPHAN_POLICY
    # The first one of the two that stands there counts.
    ways = [each for each in stored.finalizers or () if each in {_ORPHAN_FINALIZER, _FOREGROUND_FINALIZER}]
    return ways[:1] == [_ORPHAN_FINALIZER]


def _state(request: _Request, found: _Object | None) -> State:
    if found is None or found.metadata is None:
        raise Malformed(request.uid, "an UPDATE without object.metadata or oldObject.metadata")
    metadata = found.metadata
    finalizers = frozenset(metadata.finalizers or ())
    if (request.resource.group, request.resource.resource) == NAMESPACES:
        finalizers |= {f"spec.finalizers/{each}" for each in _namespace_finalizers(found)}
    replicas = _replicas(found)
    if request.sub_resource == "scale" and replicas is None:
        # A Scale of nothing leaves the number out.
        replicas = 0
    return State(
        finalizers=finalizers,
        owners=frozenset(
            Owner(each.api_version, each.kind, each.name, each.uid) for each in metadata.owner_references or ()
        ),
        replicas=replicas,
        leaving=metadata.deletion_timestamp is not None,
    )


def _maker(metadata: _Metadata) -> Owner | None:
    """Give the one owner that controls the object."""
    for each in metadata.owner_references or ():
        if each.controller:
            return Owner(each.api_version, each.kind, each.name, each.uid)
    return None


def _shrinks(request: _Request) -> Reference | None:
    """Give what an autoscaler may scale to nothing now and could not before."""
    if request.sub_resource or request.object is None or request.operation is Operation.DELETE:
        return None
    try:
        after = _autoscaler.decode(request.object.spec)
        before = _autoscaler.decode(request.old_object.spec) if request.old_object else _Autoscaler()
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"the autoscaler is not understood: {_plain(error)}") from None
    if after.min_replicas != 0 or after == before:
        return None
    target = after.scale_target_ref
    return Reference(target.api_version, target.kind, target.name)


def _replicas(found: _Object) -> int | None:
    try:
        return _scaled.decode(found.spec).replicas
    except (msgspec.MsgspecError, RecursionError):
        # A kind of its own, whose spec holds something else under this name, or is no object at all.
        return None


def _namespace_finalizers(found: _Object) -> list[str]:
    try:
        return _finalized.decode(found.spec).finalizers or []
    except (msgspec.MsgspecError, RecursionError):
        return []


def _rbac(request: _Request, resource: GroupResource) -> RoleEdit | BindingEdit | None:
    old, new = request.old_object, request.object
    # Of a role that is deleted nothing more is asked; a binding that is deleted gives its role to nobody.
    known = rbac_documents.BINDINGS if new is None else rbac_documents.ROLES | rbac_documents.BINDINGS
    if resource not in known:
        return None
    try:
        if new is None:
            return rbac_documents.binding(old.role_ref, _NULL, _NULL, request.namespace) if old else None
        if resource in rbac_documents.ROLES:
            return RoleEdit(_role(old) if old else None, _role(new))
        before = old.subjects if old else _NULL
        return rbac_documents.binding(new.role_ref, new.subjects, before, request.namespace)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"the role or binding is not understood: {_plain(error)}") from None


def _role(found: _Object) -> Role:
    labels = (found.metadata or _NO_METADATA).labels or {}
    return rbac_documents.role(found.rules, found.aggregation_rule, labels)


def _runs_as(request: _Request, resource: GroupResource) -> str:
    # Another subresource stores nothing of the pods' specification, or nothing that runs.
    if request.object is None or request.sub_resource not in {"", "ephemeralcontainers"}:
        return ""
    before = request.old_object.spec if request.old_object else _NULL
    try:
        return pod_templates.runs_as(resource, before, request.object.spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"the pods' specification is not understood: {_plain(error)}") from None


def _type(request: _Request) -> str:
    if request.object is None:
        return ""
    try:
        return _secret_type.decode(request.object.type) or ""
    except msgspec.MsgspecError as error:
        raise Malformed(request.uid, f"the Secret's type is not understood: {_plain(error)}") from None


def _token(request: _Request) -> TokenRequest | None:
    if request.object is None:
        return None
    try:
        spec = _token_request_spec.decode(request.object.spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(request.uid, f"the TokenRequest's spec is not understood: {_plain(error)}") from None
    if spec.expiration_seconds is None:
        return None
    return TokenRequest(spec.expiration_seconds, bound=spec.bound_object_ref is not None)


def allowed(uid: str, audit: dict[str, str], warnings: list[str]) -> bytes:
    """Encode a review that lets the request through."""
    return _encode({"uid": uid, "allowed": True, "auditAnnotations": audit, "warnings": warnings})


def denied(uid: str, text: str, reason: str, target: Target | None, audit: dict[str, str]) -> bytes:
    """Encode a refusal: always 403 Forbidden, since clients retry, swallow or reword other codes."""
    details: dict[str, Any] = {"causes": [{"reason": reason, "message": text.partition("\n")[0]}]}
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
    return _encode({"uid": uid, "allowed": False, "status": status, "auditAnnotations": audit})


def _encode(response: dict[str, Any]) -> bytes:
    return _encoder.encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def uid_of(body: bytes) -> str:
    """Give the review's uid, whatever else is wrong with the body; empty where there is none."""
    try:
        uid = _uid_only.decode(body).request.uid
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    return uid if len(uid) <= _MAX_UID else ""


def _plain(error: Exception) -> str:
    # msgspec names types and paths of ours ("Expected `str`, got `int` - at `$.request.uid`"), never values.
    return clean(str(error)) if isinstance(error, msgspec.MsgspecError) else "it nests too deeply or is not UTF-8"
