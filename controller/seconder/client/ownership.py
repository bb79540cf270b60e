"""Reads who owns an object."""

from collections.abc import Mapping
from sys import intern
from typing import Any

from seconder.admission.dependents import Kind, Ownership, group_key, kind_key


def ownership(document: Mapping[str, Any]) -> Ownership | None:
    """What is kept of an object's ownerReferences; None where it has no owner."""
    metadata = document["metadata"]
    owners = metadata.get("ownerReferences") or ()
    keys = set[str]()
    for owner in owners:
        group = owner["apiVersion"].rpartition("/")[0]
        # What all owners of a kind share is kept once.
        keys |= {owner["uid"], intern(group_key(group)), intern(kind_key(Kind(owner["apiVersion"], owner["kind"])))}
    return Ownership(metadata["uid"], tuple(sorted(keys))) if keys else None
