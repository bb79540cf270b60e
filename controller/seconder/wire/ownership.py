"""Objects' metadata to what is kept of their owners."""

from collections.abc import Mapping
from typing import Any

from seconder.core.owned import Ownership, group_key


def ownership(document: Mapping[str, Any]) -> Ownership | None:
    """Read an object's ownerReferences; None where it has no owner."""
    metadata = document["metadata"]
    owners = metadata.get("ownerReferences") or ()
    keys = {each["uid"] for each in owners} | {group_key(each["apiVersion"].rpartition("/")[0]) for each in owners}
    return Ownership(metadata["uid"], tuple(sorted(keys))) if keys else None
