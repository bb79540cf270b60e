"""Tells which owners do not exist, as the garbage collector would: kind to resource by discovery, then name and uid.

An owner of a kind that is not served, and one in a namespace of an object in none, do not exist here either, though the
collector would leave those objects alone for now. One that is named by a version in which its kind is not served any
more exists where it does in another: the collector deletes nothing for it, then or later.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from seconder.admission.lookups import MissingOwners
from seconder.admission.request import Owner
from seconder.client.api import Api, ApiError, segment
from seconder.client.kinds import path_of, served_as
from seconder.client.objects import left, metadata_of

_LONGEST: Final = 253


def missing(api: Api, lookup: MissingOwners, deadline: float) -> frozenset[Owner]:
    """The first of the owners of an object that is not there, or on its way out. Raises ApiError and TooLate.

    One is enough to refuse them all, however many there are.
    """
    served: dict[str, Mapping[str, Any]] = {}
    for owner in lookup.owners:
        if not _exists(api, owner, lookup.namespace, deadline, served):
            return frozenset({owner})
    return frozenset()


def _exists(api: Api, owner: Owner, namespace: str, deadline: float, discovered: dict[str, Mapping[str, Any]]) -> bool:
    # Both are the client's own words, and become parts of paths.
    base = path_of(owner.api_version)
    if base is None or len(owner.name) > _LONGEST:
        return False
    try:
        name = segment(owner.name)
    except ApiError:
        return False
    for root, served in _served(api, owner, base, deadline, discovered):
        if served["namespaced"] and not namespace:
            continue
        place = f"{root}/namespaces/{namespace}" if served["namespaced"] else root
        document = api.find(f"{place}/{served['name']}/{name}", timeout=left(deadline), metadata=True)
        if document is not None and document["metadata"]["uid"] == owner.uid:
            return metadata_of(document).deletion_timestamp is None
    return False


def _served(
    api: Api, owner: Owner, base: str, deadline: float, discovered: dict[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """How the owner's kind is served in its version or, where it is not, in others of its group; with their paths."""

    def found(root: str) -> Mapping[str, Any]:
        if root not in discovered:
            discovered[root] = api.find(root, timeout=left(deadline)) or {}
        return discovered[root]

    named = [(base, served) for served in served_as(owner.kind, found(base))]
    yield from named
    group, slash, _ = owner.api_version.partition("/")
    if named or not slash:
        return
    for version in found(f"/apis/{group}").get("versions", ()):
        root = f"/apis/{version['groupVersion']}"
        if root != base:
            yield from ((root, served) for served in served_as(owner.kind, found(root)))
