"""Events on objects (core/v1), aggregated: one for each cause, with a count."""

from datetime import datetime
from typing import Any, Final

from seconder.api.resources import Target
from seconder.api.text import clean
from seconder.client.api import Api, ApiError

_MAX_NOTE: Final = 1000
_CLUSTER_SCOPED: Final = "default"
"""Where the API server wants events on objects without a namespace."""


class Events:
    """Writes events as one component."""

    def __init__(self, api: Api, component: str) -> None:
        self._api = api
        self._component = component

    def tell(
        self,
        target: Target,
        version: str,
        *,
        key: str,
        reason: str,
        note: str,
        warning: bool,
        count: int,
        now: datetime,
    ) -> None:
        """Write the event of this key on this object, or bring it up to date. Raises ApiError.

        ``key`` names the event and so decides what is aggregated; ``count`` is how often it happened in all.
        """
        namespace = target.namespace or _CLUSTER_SCOPED
        path = f"/api/v1/namespaces/{namespace}/events"
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        latest = {"message": clean(note)[:_MAX_NOTE], "count": count, "lastTimestamp": stamp}
        if count > 1:
            try:
                self._api.merge(f"{path}/{key}", latest)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                return
        try:
            self._api.create(path, self._event(target, version, namespace, key, reason, warning, stamp) | latest)
        except ApiError as error:
            if error.status != 409:
                raise
            self._api.merge(f"{path}/{key}", latest)

    def _event(
        self, target: Target, version: str, namespace: str, key: str, reason: str, warning: bool, stamp: str
    ) -> dict[str, Any]:
        group = target.resource.group
        about = {
            "apiVersion": f"{group}/{version}" if group else version,
            "kind": target.kind,
            "name": target.name,
            "uid": target.uid,
        }
        if target.namespace:
            about["namespace"] = target.namespace
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": key, "namespace": namespace},
            "involvedObject": about,
            "reason": reason,
            "type": "Warning" if warning else "Normal",
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": stamp,
        }
