"""Tells by which resources objects of a kind are reached, as the garbage collector does: by discovery."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Any, Final

from seconder.admission.dependents import Kind
from seconder.api.resources import GroupResource
from seconder.client.api import Api, ApiError
from seconder.client.lookup import LookupFailed

_MOST: Final = 32
_API_VERSION: Final = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,252}/)?[a-z][a-z0-9-]{0,62}")


def path_of(api_version: str) -> str | None:
    """Give the path of an ``apiVersion``; None where it cannot be one: it is the client's own words."""
    if not _API_VERSION.fullmatch(api_version):
        return None
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def served_as(kind: str, discovered: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the resources (APIResource) by which objects of a kind are reached, without subresources."""
    return [each for each in discovered.get("resources") or () if each["kind"] == kind and "/" not in each["name"]]


class Kinds:
    """Safe to use from several threads.

    ``seconds`` bounds one call as a whole; ``remembered``, in seconds, is how long an answer is not asked again.
    """

    def __init__(
        self,
        api: Api,
        *,
        seconds: float = 5.0,
        remembered: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._seconds = seconds
        self._remembered = remembered
        self._clock = clock
        self._lock = Lock()
        self._answers: dict[Kind, tuple[float, frozenset[GroupResource]]] = {}

    def resources(self, kinds: Collection[Kind]) -> frozenset[GroupResource]:
        """Give the resources of all these kinds; nothing for one that is not served. Raises LookupFailed."""
        deadline = self._clock() + self._seconds
        if len(kinds) > _MOST:
            raise LookupFailed(f"more than {_MOST} kinds at once")
        if not self._lock.acquire(timeout=self._seconds):
            raise LookupFailed("too many look-ups at once")
        try:
            # Only what is asked about now is remembered, so that it stays few.
            self._answers = {each: self._answer(each, deadline) for each in kinds}
            return frozenset[GroupResource]().union(*(resources for _, resources in self._answers.values()))
        except (ApiError, TimeoutError) as error:
            raise LookupFailed(str(error) or "too late") from error
        finally:
            self._lock.release()

    def _answer(self, kind: Kind, deadline: float) -> tuple[float, frozenset[GroupResource]]:
        now = self._clock()
        known = self._answers.get(kind)
        if known is not None and now < known[0]:
            return known
        path = path_of(kind.api_version)
        if path is None:
            return now + self._remembered, frozenset()
        if now >= deadline:
            raise TimeoutError
        try:
            discovered = self._api.get(path, timeout=deadline - now)
        except ApiError as error:
            if error.status != 404:
                raise
            discovered = {}
        group = kind.api_version.rpartition("/")[0]
        found = frozenset(GroupResource(group, each["name"]) for each in served_as(kind.kind, discovered))
        return now + self._remembered, found
