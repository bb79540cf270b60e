"""Events on objects (core/v1), aggregated: one for each cause, with a count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from seconder.api.resources import Target
from seconder.api.text import clean
from seconder.client.api import Api, ApiError

_MAX_NOTE: Final = 1000
_CLUSTER_SCOPED: Final = "default"
"""Where the API server wants events on objects without a namespace."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What an event tells of an object. ``version`` is the API version of its kind.

    ``key`` names the event and so decides what is aggregated; ``count`` is how often it happened in all.
    ``annotations`` are for programs.
    """

    target: Target
    version: str
    key: str
    reason: str
    note: str
    warning: bool
    count: int
    now: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)


class Events:
    """Writes events as one component."""

    def __init__(self, api: Api, component: str) -> None:
        self._api = api
        self._component = component

    def write(self, occurrence: Occurrence) -> None:
        """Write the event of this key on this object, or bring it up to date; nothing where it cannot be.

        Raises ApiError.
        """
        try:
            self._write(occurrence)
        except ApiError as error:
            # 403: the namespace is being deleted, and takes no new objects.
            if error.status not in {403, 404}:
                raise

    def _write(self, occurrence: Occurrence) -> None:
        namespace = occurrence.target.namespace or _CLUSTER_SCOPED
        path = f"/api/v1/namespaces/{namespace}/events"
        key, count = occurrence.key, occurrence.count
        stamp = occurrence.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        latest = {"message": clean(occurrence.note)[:_MAX_NOTE], "count": count, "lastTimestamp": stamp}
        if count > 1:
            try:
                self._api.merge(f"{path}/{key}", latest)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                return
        try:
            self._api.create(path, self._event(occurrence, namespace, stamp) | latest)
        except ApiError as error:
            if error.status != 409:
                raise
            self._api.merge(f"{path}/{key}", latest)

    def _event(self, occurrence: Occurrence, namespace: str, stamp: str) -> dict[str, Any]:
        target = occurrence.target
        group = target.resource.group
        about = {
            "apiVersion": f"{group}/{occurrence.version}" if group else occurrence.version,
            "kind": target.kind,
            "name": target.name,
            "uid": target.uid,
        }
        if target.namespace:
            about["namespace"] = target.namespace
        metadata: dict[str, Any] = {"name": occurrence.key, "namespace": namespace}
        if occurrence.annotations:
            metadata["annotations"] = dict(occurrence.annotations)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata,
            "involvedObject": about,
            "reason": occurrence.reason,
            "type": "Warning" if occurrence.warning else "Normal",
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": stamp,
        }
