"""Tells which resources serve the objects of a kind, as the garbage collector does: by discovery."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Any, Final

from seconder.admission.dependents import Kind
from seconder.api.resources import GroupResource
from seconder.client.api import Api
from seconder.client.objects import TooLate, left

_MOST: Final = 32
_API_VERSION: Final = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,252}/)?[a-z][a-z0-9-]{0,62}")


def path_of(api_version: str) -> str | None:
    """The path of an ``apiVersion``; None where it cannot be one: it is the client's own words."""
    if not _API_VERSION.fullmatch(api_version):
        return None
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def served_as(kind: str, discovered: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The resources (APIResource) that serve objects of a kind, without subresources."""
    return [
        resource
        for resource in discovered.get("resources") or ()
        if resource["kind"] == kind and "/" not in resource["name"]
    ]


class Kinds:
    """Remembers discovery for a while, safe to use from several threads. ``remembered`` is in seconds."""

    def __init__(self, api: Api, *, remembered: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._remembered = remembered
        self._clock = clock
        self._lock = Lock()
        self._answers: dict[Kind, tuple[float, frozenset[GroupResource]]] = {}

    def resources(self, kinds: Collection[Kind], deadline: float) -> frozenset[GroupResource]:
        """The resources of all these kinds; nothing for one that is not served. Raises ApiError and TooLate."""
        if len(kinds) > _MOST:
            raise TooLate(f"more than {_MOST} kinds at once")
        if not self._lock.acquire(timeout=left(deadline)):
            raise TooLate("too many look-ups at once")
        try:
            # Only what is asked about now is remembered, so that it stays few.
            self._answers = {kind: self._answer(kind, deadline) for kind in kinds}
            return frozenset[GroupResource]().union(*(resources for _, resources in self._answers.values()))
        finally:
            self._lock.release()

    def _answer(self, kind: Kind, deadline: float) -> tuple[float, frozenset[GroupResource]]:
        known = self._answers.get(kind)
        if known is not None and self._clock() < known[0]:
            return known
        path = path_of(kind.api_version)
        discovered = None if path is None else self._api.find(path, timeout=left(deadline))
        group = kind.api_version.rpartition("/")[0]
        resources = frozenset(
            GroupResource(group, resource["name"]) for resource in served_as(kind.kind, discovered or {})
        )
        return self._clock() + self._remembered, resources
