"""Tells which owners do not exist, as the garbage collector would: kind to resource by discovery, then name and uid.

An owner of a kind that is not served, and one in a namespace of an object in none, do not exist here either, though the
collector would leave those objects alone for now.
"""

from collections.abc import Mapping
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
    if base not in discovered:
        discovered[base] = api.find(base, timeout=left(deadline)) or {}
    for served in served_as(owner.kind, discovered[base]):
        if served["namespaced"] and not namespace:
            continue
        place = f"{base}/namespaces/{namespace}" if served["namespaced"] else base
        document = api.find(f"{place}/{served['name']}/{name}", timeout=left(deadline), metadata=True)
        if document is not None and document["metadata"]["uid"] == owner.uid:
            return metadata_of(document).deletion_timestamp is None
    return False
