"""Reads who owns an object."""

from array import array
from collections.abc import Mapping
from sys import intern
from typing import Any, Final

from seconder.admission.dependents import CROWD, Kind, Ownership, group_key, kind_key

_MOST_KEYS: Final = 192
"""As many as 64 owners of as many kinds have. More are kept in eight bytes each, whatever their names are like."""


def ownership(document: Mapping[str, Any]) -> Ownership | None:
    """What is kept of an object's ownerReferences; None where it has no owner."""
    metadata = document["metadata"]
    owners = metadata.get("ownerReferences") or ()
    keys = set[str]()
    for owner in owners:
        group = owner["apiVersion"].rpartition("/")[0]
        # What all owners of a kind share is kept once.
        keys |= {owner["uid"], intern(group_key(group)), intern(kind_key(Kind(owner["apiVersion"], owner["kind"])))}
    if len(keys) > _MOST_KEYS:
        return Ownership(metadata["uid"], (CROWD,), array("q", sorted(map(hash, keys))))
    return Ownership(metadata["uid"], tuple(sorted(keys))) if keys else None
