"""AdmissionReviews for the corpus, as an API server writes them."""

import uuid
from typing import Any, Final

from tests.corpus.builders import kinds
from tests.corpus.builders.documents import Document

_SCALE: Final = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_OPTIONS: Final = {"DELETE": "DeleteOptions", "UPDATE": "UpdateOptions", "CREATE": "CreateOptions"}
_CREDENTIAL: Final = "authentication.kubernetes.io/credential-id"


def account(namespace: str, name: str, **more: Any) -> Document:
    """Give the caller that the API server makes of a ServiceAccount's token."""
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"token of {namespace}/{name}"))
    return {
        "username": f"system:serviceaccount:{namespace}:{name}",
        "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"ServiceAccount/{namespace}/{name}")),
        "groups": groups + more.pop("groups", []),
        "extra": {_CREDENTIAL: [f"JTI={token}"]} | more.pop("extra", {}),
    } | more


def user(name: str, *groups: str, **extra: list[str]) -> Document:
    """Give a caller by user name and groups. Names of ``extra`` are keys of ours."""
    found: Document = {"username": name, "groups": [*groups, "system:authenticated"]}
    return found | ({"extra": {f"seconder.dev/{key}": value for key, value in extra.items()}} if extra else {})


AGENT: Final = account("seconder-agents", "kiro")
PERSON: Final = user("dana@example.com", "people")


def review(operation: str, document: Document, by: Document, /, **given: Any) -> Document:
    """Give a review of an operation on this object. ``below`` is the subresource; the rest are fields of it."""
    served = kinds.kind(document["kind"])
    group, _, version = document["apiVersion"].rpartition("/")
    metadata = document["metadata"]
    below = given.pop("below", "")
    kind = given.pop("kind", {"group": group, "version": version, "kind": document["kind"]})
    resource = {"group": group, "version": version, "resource": served.plural}
    # The API server repeats a Namespace's own name as its namespace.
    place = metadata.get("namespace", metadata["name"] if document["kind"] == "Namespace" else None)
    request: Document = {"uid": "", "kind": kind, "resource": resource}
    request |= {"subResource": below} if below else {}
    request |= {"requestKind": kind, "requestResource": resource}
    request |= {"requestSubResource": below} if below else {}
    request |= {"name": metadata["name"]} | ({"namespace": place} if place else {})
    request |= {"operation": operation, "userInfo": by, "object": None, "oldObject": None, "dryRun": False}
    options = given.pop("options", {})
    if operation in _OPTIONS and options is not None:
        options = {"kind": _OPTIONS[operation], "apiVersion": "meta.k8s.io/v1"} | options
    request["options"] = options or None
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {key: value for key, value in (request | given).items() if value is not _LEFT_OUT},
    }


_LEFT_OUT: Final = object()


def delete(document: Document, by: Document = AGENT, **given: Any) -> Document:
    """Give the review of a DELETE."""
    return review("DELETE", document, by, **({"oldObject": document} | given))


def delete_collection(document: Document, by: Document = AGENT, **given: Any) -> Document:
    """Give the review of one of the DELETEs of a collection: the request itself names no object."""
    return delete(document, by, name=_LEFT_OUT, **given)


def update(before: Document, after: Document, by: Document = AGENT, **given: Any) -> Document:
    """Give the review of an UPDATE."""
    manager = {"fieldManager": given.pop("manager", "kubectl-edit")}
    return review("UPDATE", after, by, **({"object": after, "oldObject": before, "options": manager} | given))


def create(document: Document, by: Document = AGENT, **given: Any) -> Document:
    """Give the review of a CREATE."""
    manager = {"fieldManager": given.pop("manager", "kubectl-create")}
    return review("CREATE", document, by, **({"object": document, "options": manager} | given))


def connect(document: Document, below: str, by: Document = AGENT, **given: Any) -> Document:
    """Give the review of a CONNECT to a subresource."""
    kind = {"group": "", "version": "v1", "kind": f"{document['kind']}{below.capitalize()}Options"}
    options = {"kind": kind["kind"], "apiVersion": "v1", "stdin": True, "container": "main", "command": ["sh"]}
    return review("CONNECT", document, by, **({"below": below, "kind": kind, "object": options} | given))


def evict(document: Document, by: Document = AGENT, **given: Any) -> Document:
    """Give the review of a pod's eviction, which holds the Eviction alone."""
    kind = {"group": "policy", "version": "v1", "kind": "Eviction"}
    metadata = {key: value for key, value in document["metadata"].items() if key in {"name", "namespace"}}
    eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": metadata}
    return create(document, by, **({"below": "eviction", "kind": kind, "object": eviction} | given))


def scale(document: Document, after: int | None, by: Document = AGENT, before: int = 3, **given: Any) -> Document:
    """Give the review of an UPDATE of the scale subresource, whose object carries no annotations."""
    metadata = {key: value for key, value in document["metadata"].items() if key in _SCALE_METADATA}
    old, new = (
        {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": metadata,
            "spec": {"replicas": number} if number else {},
            "status": {"replicas": before, "selector": "app=checkout"},
        }
        for number in (before, after)
    )
    manager = {"fieldManager": given.pop("manager", "kubectl")}
    usual = {"below": "scale", "kind": _SCALE, "object": new, "oldObject": old, "options": manager}
    return review("UPDATE", document, by, **(usual | given))


_SCALE_METADATA: Final = frozenset({"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
