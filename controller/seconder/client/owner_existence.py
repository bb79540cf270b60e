"""Tells which owners do not exist, as the garbage collector would: kind to resource by discovery, then name and uid.

An owner of a kind that is not served, and one in a namespace of an object in none, do not exist here either, though the
collector would leave those objects alone for now.
"""

from typing import Final

from seconder.admission.lookups import MissingOwners
from seconder.admission.request import Owner
from seconder.client.api import Api, ApiError, segment
from seconder.client.kinds import path_of, served_as
from seconder.client.objects import TooLate, left, metadata_of

_MOST: Final = 32
_LONGEST: Final = 253


def missing(api: Api, lookup: MissingOwners, deadline: float) -> frozenset[Owner]:
    """The owners of an object that are not there, or on their way out. Raises ApiError and TooLate."""
    if len(lookup.owners) > _MOST:
        raise TooLate(f"more than {_MOST} owners at once")
    return frozenset(owner for owner in lookup.owners if not _exists(api, owner, lookup.namespace, deadline))


def _exists(api: Api, owner: Owner, namespace: str, deadline: float) -> bool:
    # Both are the client's own words, and become parts of paths.
    base = path_of(owner.api_version)
    if base is None or len(owner.name) > _LONGEST:
        return False
    try:
        name = segment(owner.name)
    except ApiError:
        return False
    for served in served_as(owner.kind, api.find(base, timeout=left(deadline)) or {}):
        if served["namespaced"] and not namespace:
            continue
        place = f"{base}/namespaces/{namespace}" if served["namespaced"] else base
        document = api.find(f"{place}/{served['name']}/{name}", timeout=left(deadline), metadata=True)
        if document is not None and document["metadata"]["uid"] == owner.uid:
            return metadata_of(document).deletion_timestamp is None
    return False
