"""Answers what a decision needs to know of a namespace's contents, within bounds."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final

from seconder.api.policy import ResolvedResource
from seconder.approvals.impact import Contents, Item, LiveObject, Lookup, ObjectRef
from seconder.client.api import Api, ApiError

_PAGE: Final = 500


class LookupFailed(Exception):
    """A look-up was refused, failed, or came too late."""


class Finder:
    """Looks up objects' names and uids (metadata only). Safe to use from several threads.

    ``seconds`` bounds one call of ``find`` as a whole, ``at_once`` how many run side by side, and ``most`` how many
    objects one look-up may count.
    """

    def __init__(self, api: Api, *, seconds: float = 5.0, at_once: int = 8, most: int = 50_000) -> None:
        self._api = api
        self._seconds = seconds
        self._most = most
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="lookup")
        self._places = BoundedSemaphore(at_once)

    def find(self, lookups: Sequence[Lookup]) -> Contents:
        """Answer all look-ups.

        Raises LookupFailed when one of them cannot be answered in time: what is not known is never taken for absent.
        """
        deadline = time.monotonic() + self._seconds
        if not self._places.acquire(timeout=self._seconds):
            raise LookupFailed("too many look-ups at once")
        futures = []
        try:
            futures = [self._pool.submit(self._one, lookup, deadline) for lookup in lookups]
            return {
                lookup.resource.resource: future.result(max(0.0, deadline - time.monotonic()))
                for lookup, future in zip(lookups, futures, strict=True)
            }
        except (ApiError, TimeoutError) as error:
            raise LookupFailed(str(error) or "too late") from error
        finally:
            for future in futures:
                future.cancel()
            self._places.release()

    def look(self, refs: Sequence[ObjectRef]) -> dict[ObjectRef, LiveObject]:
        """Read these objects' metadata; one that is not there is left out. Raises LookupFailed."""
        deadline = time.monotonic() + self._seconds
        if not self._places.acquire(timeout=self._seconds):
            raise LookupFailed("too many look-ups at once")
        try:
            found = {ref: self._read(ref, deadline) for ref in refs}
        except (ApiError, TimeoutError) as error:
            raise LookupFailed(str(error) or "too late") from error
        finally:
            self._places.release()
        return {ref: live for ref, live in found.items() if live is not None}

    def _read(self, ref: ObjectRef, deadline: float) -> LiveObject | None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            metadata = self._api.metadata(f"{collection(ref.resource, ref.namespace)}/{ref.name}", timeout=left)[
                "metadata"
            ]
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return LiveObject(metadata["uid"], metadata.get("annotations") or {}, "deletionTimestamp" in metadata)

    def _one(self, lookup: Lookup, deadline: float) -> list[Item]:
        path = collection(lookup.resource, lookup.namespace)
        found: list[Item] = []
        query = {"limit": str(_PAGE if lookup.whole else 1)}
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            items, token = self._api.page(path, timeout=left, **query)
            found += [Item(item["metadata"]["name"], item["metadata"]["uid"]) for item in items]
            # A page may be empty although others follow.
            if not token or (found and not lookup.whole):
                return found
            if len(found) > self._most:
                raise TimeoutError(f"more than {self._most} {lookup.resource.resource}")
            query["continue"] = token


def collection(resource: ResolvedResource, namespace: str = "") -> str:
    """Give the API path of a resource's objects: in one namespace, or in all of them."""
    group, plural = resource.resource
    base = f"/apis/{group}/{resource.version}" if group else f"/api/{resource.version}"
    return f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
