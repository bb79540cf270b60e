"""What the cases of the corpus are built from: a cluster with the usual people, and a review."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.corpus.builders.documents import APPROVERS, BASE, Document, deployment, policy
from tests.corpus.builders.signing import NOW
from tests.corpus.stored import Case

ENFORCE: Final = "/validate"
AUDIT: Final = "/validate/audit"

CHECKOUT: Final = deployment()
DEPLOYMENTS: Final = policy("production", "deployments.apps")
NAMESPACES: Final = policy("production", "namespaces")


@dataclass
class Expected(Case):
    """A case with the reason code that whoever wrote it expects, as the audit annotations have it."""

    reason: str = ""


def case(
    name: str,
    reason: str,
    body: Any,
    *objects: Document,
    path: str = ENFORCE,
    approvers: Sequence[Document] = APPROVERS,
    live: bool = True,
    **given: Any,
) -> Expected:
    """Give a case over the usual cluster and these objects; of two of one name the later counts.

    ``reason`` is the code expected. ``live``: the object that the review is about is there as it is stored.
    """
    request = body.get("request") if isinstance(body, dict) else None
    stored = [request["oldObject"]] if live and request else []
    held = [*BASE, *approvers, *(each for each in stored if each and each.get("kind") != "Scale"), *objects]
    cluster = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): each for each in held}
    if request:
        body = body | {"request": request | {"uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"review of {name}"))}}
    return Expected(name, list(cluster.values()), path, body, given.pop("now", NOW), reason=reason, **given)
