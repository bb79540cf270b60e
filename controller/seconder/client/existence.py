"""Tells which owners do not exist, as the garbage collector would: kind to resource by discovery, then name and uid.

An owner of a kind that is not served, and one in a namespace of an object in none, do not exist here either, though the
collector would leave those objects alone for now.
"""

import time
from collections.abc import Sequence
from threading import BoundedSemaphore
from typing import Any, Final
from urllib.parse import quote

from seconder.admission.request import Owner
from seconder.client.api import Api, ApiError
from seconder.client.kinds import path_of, served_as
from seconder.client.lookup import LookupFailed

_MOST: Final = 32
_LONGEST: Final = 253


class Existence:
    """Safe to use from several threads.

    ``seconds`` bounds one call as a whole, ``at_once`` how many run side by side.
    """

    def __init__(self, api: Api, *, seconds: float = 5.0, at_once: int = 4) -> None:
        self._api = api
        self._seconds = seconds
        self._places = BoundedSemaphore(at_once)

    def missing(self, asked: tuple[str, Sequence[Owner]]) -> frozenset[Owner]:
        """Give those owners of an object that are not there, or on their way out. Raises LookupFailed.

        ``asked`` begins with the object's namespace, empty for none.
        """
        namespace, owners = asked
        deadline = time.monotonic() + self._seconds
        if len(owners) > _MOST:
            raise LookupFailed(f"more than {_MOST} owners at once")
        if not self._places.acquire(timeout=self._seconds):
            raise LookupFailed("too many look-ups at once")
        try:
            return frozenset(each for each in owners if not self._exists(each, namespace, deadline))
        except (ApiError, TimeoutError) as error:
            raise LookupFailed(str(error) or "too late") from error
        finally:
            self._places.release()

    def _exists(self, owner: Owner, namespace: str, deadline: float) -> bool:
        # Both are the client's own words, and become parts of paths.
        base = path_of(owner.api_version)
        if base is None or not _possible(owner.name):
            return False
        for each in served_as(owner.kind, self._found(base, deadline) or {}):
            if each["namespaced"] and not namespace:
                continue
            place = f"{base}/namespaces/{namespace}" if each["namespaced"] else base
            found = self._found(f"{place}/{each['name']}/{quote(owner.name, safe=':')}", deadline, metadata=True)
            if found is not None and found["metadata"]["uid"] == owner.uid:
                return "deletionTimestamp" not in found["metadata"]
        return False

    def _found(self, path: str, deadline: float, *, metadata: bool = False) -> Any:
        """GET a document; None where there is none."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            return self._api.metadata(path, timeout=left) if metadata else self._api.get(path, timeout=left)
        except ApiError as error:
            if error.status != 404:
                raise
            return None


def _possible(name: str) -> bool:
    return 0 < len(name) <= _LONGEST and name not in {".", ".."} and {"/", "%"}.isdisjoint(name)
