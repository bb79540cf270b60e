"""SubjectAccessReview (authorization.k8s.io/v1) to an Access, and an answer back to a SubjectAccessReview."""

from typing import Any, Final

import msgspec

from seconder.admission.authorizer import Access
from seconder.admission.request import Caller
from seconder.api.resources import GroupResource
from seconder.api.text import clean

API_VERSION: Final = "authorization.k8s.io/v1"
KIND: Final = "SubjectAccessReview"


class _ResourceAttributes(msgspec.Struct):
    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class _Spec(msgspec.Struct, rename="camel"):
    user: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None
    resource_attributes: _ResourceAttributes | None = None
    non_resource_attributes: dict[str, Any] | None = None


class _Review(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    spec: _Spec


class Malformed(Exception):
    """The body is no SubjectAccessReview. ``detail`` holds no text that a client supplied."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


_review: Final = msgspec.json.Decoder(_Review)


def decode(body: bytes) -> Access | None:
    """Read a review; None when it asks about no resource but about a path such as ``/metrics``.

    Raises Malformed for anything but an authorization.k8s.io/v1 SubjectAccessReview; unknown fields are passed over.
    """
    try:
        review = _review.decode(body)
    except msgspec.MsgspecError as error:
        # msgspec names types and paths of ours, never values.
        raise Malformed(f"the body is not a {KIND}: {clean(str(error))}") from None
    except (RecursionError, UnicodeDecodeError):
        raise Malformed(f"the body is not a {KIND}: it nests too deeply or is not UTF-8") from None
    if review.api_version != API_VERSION or review.kind != KIND:
        raise Malformed(f"only {KIND} of {API_VERSION} is understood")
    spec = review.spec
    asked = spec.resource_attributes
    if asked is None:
        if spec.non_resource_attributes is None:
            raise Malformed(f"the {KIND} asks about nothing")
        return None
    extra = {key: tuple(values or ()) for key, values in (spec.extra or {}).items()}
    caller = Caller(spec.user, frozenset(spec.groups or ()), extra)
    resource = GroupResource(asked.group, asked.resource)
    return Access(caller, asked.verb, resource, asked.subresource, asked.namespace, asked.name)


def denied(reason: str) -> bytes:
    """Encode a refusal that no other authorizer can overrule. The API server shows ``reason`` to the caller."""
    return _encode({"allowed": False, "denied": True, "reason": reason})


def no_opinion() -> bytes:
    """Encode that the authorizers after this one decide."""
    return _NO_OPINION


def _encode(status: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"apiVersion": API_VERSION, "kind": KIND, "status": status})


_NO_OPINION: Final = _encode({"allowed": False})
