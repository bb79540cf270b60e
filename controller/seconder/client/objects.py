"""Reads objects' metadata and lists what namespaces hold, several at a time and within a deadline."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from seconder.admission.changes.differences import exact
from seconder.admission.lookups import HeldResource, NamespaceContents, ObjectRef, ReadObjects, ReadWhole
from seconder.admission.request import Metadata
from seconder.approvals.impact import Contents, Item
from seconder.client.api import Api, collection, segment

_PAGE: Final = 500
_MOST: Final = 50_000
"""Objects of one resource that a namespace's contents may count."""


class TooLate(Exception):
    """The deadline has passed, or a bound was reached."""


def left(deadline: float) -> float:
    """The seconds until a deadline of ``time.monotonic``. Raises TooLate."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TooLate("too late")
    return seconds


class Objects:
    """Reads objects, safe to use from several threads. ``pool`` runs the parts of one question side by side."""

    def __init__(self, api: Api, pool: ThreadPoolExecutor) -> None:
        self._api = api
        self._pool = pool

    def read(self, lookup: ReadObjects, deadline: float) -> dict[ObjectRef, Metadata]:
        """Read objects' metadata; what is not there is left out. Raises ApiError and TooLate."""
        if len(lookup.refs) == 1:
            objects: Iterable[Metadata | None] = [self._one(lookup.refs[0], deadline)]
        else:
            objects = self._pool.map(lambda ref: self._one(ref, deadline), lookup.refs, timeout=left(deadline))
        read = zip(lookup.refs, objects, strict=True)
        return {ref: metadata for ref, metadata in read if metadata is not None}

    def _one(self, ref: ObjectRef, deadline: float) -> Metadata | None:
        path = f"{collection(ref.resource, ref.namespace)}/{segment(ref.name)}"
        document = self._api.find(path, timeout=left(deadline), metadata=True)
        return None if document is None else metadata_of(document)

    def whole(self, lookup: ReadWhole, deadline: float) -> Mapping[str, Any] | None:
        """Read an object with all of its fields; None where it is not there. Raises ApiError and TooLate."""
        ref = lookup.ref
        path = f"{collection(ref.resource, ref.namespace)}/{segment(ref.name)}"
        document: Mapping[str, Any] | None = self._api.find(path, timeout=left(deadline), decode=exact.decode)
        return document

    def contents(self, lookup: NamespaceContents, deadline: float) -> Contents:
        """List what a namespace holds. Raises ApiError and TooLate."""
        listed = self._pool.map(
            lambda held: self._held(held, lookup.namespace, deadline), lookup.held, timeout=left(deadline)
        )
        return {held.resource.resource: items for held, items in zip(lookup.held, listed, strict=True)}

    def _held(self, held: HeldResource, namespace: str, deadline: float) -> list[Item]:
        path = collection(held.resource, namespace)
        items_found: list[Item] = []
        query = {"limit": str(_PAGE if held.whole else 1)}
        while True:
            items, token = self._api.page(path, timeout=left(deadline), **query)
            items_found += [Item(item["metadata"]["name"], item["metadata"]["uid"]) for item in items]
            # A page may be empty although others follow.
            if not token or (items_found and not held.whole):
                return items_found
            if len(items_found) > _MOST:
                raise TooLate(f"more than {_MOST} {held.resource.resource}")
            query["continue"] = token


def metadata_of(document: Any) -> Metadata:
    """The metadata of an object as the API server gives it. Raises msgspec.ValidationError."""
    return msgspec.convert(document["metadata"], Metadata)
