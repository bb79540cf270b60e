"""Approvals that are put on objects and taken off them, while others write there: none but the one that is meant goes.

Which annotation is free, or whose, is read before it is written. A JSON Merge Patch (RFC 7386) without a
``resourceVersion`` writes over whatever came in between.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from seconder.api import constants
from seconder.client.api import Api, ApiError

_TRIES: Final = 4
"""To write to an object as it was read, before an annotation is taken that nothing else goes into."""

_ROOM: Final = 54
"""Characters of a slug that leave room for a mark of its value: an annotation's name has at most 63."""


class Gone(Exception):
    """The object is not there any more, or another one is under its name."""


def own_slug(slug: str, value: str) -> str:
    """A slug that no other value has: a digest of it is a part of the name."""
    return f"{slug[:_ROOM].rstrip('-_.')}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def put(
    api: Api,
    path: str,
    seen: Mapping[str, Any],
    slug_for: Callable[[Mapping[str, str]], str],
    value: str,
    *,
    timeout: float = 10.0,
) -> tuple[str, Mapping[str, Any]]:
    """Put an approval on an object. Returns its slug, and the object as it is stored with it.

    ``seen`` is the object as somebody read it, however long ago. ``slug_for`` chooses by the annotations that are
    there, and is asked anew where the object was written to meanwhile. Whoever writes to it all the time keeps nothing
    off: at last it goes under a slug of its own. Raises Gone, ApiError, and what ``slug_for`` raises.
    """
    uid = seen["metadata"]["uid"]
    for left in reversed(range(_TRIES)):
        slug = slug_for(seen["metadata"].get("annotations") or {})
        metadata = {"uid": uid, "resourceVersion": seen["metadata"]["resourceVersion"]}
        if not left:
            slug, metadata = own_slug(slug, value), {"uid": uid}
        changes = {"metadata": metadata | {"annotations": {f"{constants.APPROVAL_PREFIX}{slug}": value}}}
        try:
            return slug, api.merge(path, changes, timeout=timeout, fieldManager=constants.APPROVAL_MANAGER)
        except ApiError as error:
            if error.status not in {404, 409, 422}:
                raise
            # Another object of the name fails so as well.
            seen = _read(api, path, uid, timeout)
            if error.status != 409 or not left:
                raise
    raise AssertionError("the last try returns or raises")


def take(api: Api, path: str, uid: str, slug: str, value: str) -> bool:
    """Take an approval off an object; False where it is not there, or no more. Raises ApiError.

    Whoever writes to the object meanwhile does not keep it on: the API server compares that one annotation.
    """
    key = f"{constants.APPROVAL_PREFIX}{slug}"
    place = f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": place, "value": value},
        {"op": "remove", "path": place},
    ]
    try:
        api.patch(path, operations, fieldManager=constants.APPROVAL_MANAGER)
    except ApiError as error:
        if error.status not in {404, 409, 422}:
            raise
        try:
            found = _read(api, path, uid, 10.0)
        except Gone:
            return False
        if (found["metadata"].get("annotations") or {}).get(key) != value:
            return False
        raise
    return True


def _read(api: Api, path: str, uid: str, timeout: float) -> Mapping[str, Any]:
    """An object's metadata as it stands. Raises Gone and ApiError."""
    found: Mapping[str, Any] | None = api.find(path, metadata=True, timeout=timeout)
    if found is None or found["metadata"]["uid"] != uid:
        raise Gone
    return found
