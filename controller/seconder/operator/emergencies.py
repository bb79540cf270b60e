"""Hands on what the webhook leaves of emergencies: that somebody passed policies by under break-glass."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from seconder.api import change_request, emergency
from seconder.api.emergency import BreakGlassUse
from seconder.client.api import Api
from seconder.client.watch import Watch

_FRESH_SECONDS: Final = 60.0
"""An Event that is there at the start is handed on if it is no older: the operator that led before may not have."""


class _Seen(NamedTuple):
    name: str
    at: str
    emergency: BreakGlassUse


class Emergencies:
    """Follows the Events of Seconder's namespace. ``told`` gets an Event's name and what it tells of, once for each."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        told: Callable[[str, BreakGlassUse], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._told = told
        self._known: set[str] | None = None
        self._watch = Watch(
            api,
            f"/api/v1/namespaces/{namespace}/events",
            _seen,
            self._listed,
            failed,
            field_selector=f"reason={emergency.EVENT}",
            one=self._changed,
        )

    def start(self) -> None:
        """Begin to follow."""
        self._watch.start()

    def stop(self) -> None:
        """Ask it to end; does not wait."""
        self._watch.stop()

    def _listed(self, events: Mapping[str, _Seen]) -> None:
        known, self._known = self._known, set(events)
        for key, seen in events.items():
            if _is_fresh(seen) if known is None else key not in known:
                self._told(seen.name, seen.emergency)

    def _changed(self, key: str, before: _Seen | None, after: _Seen | None) -> None:
        known = self._known or set()
        if after is None:
            known.discard(key)
        elif before is None:
            known.add(key)
            self._told(after.name, after.emergency)
        self._known = known


def _seen(event: Mapping[str, Any]) -> _Seen | None:
    found = emergency.read(event)
    return None if found is None else _Seen(event["metadata"]["name"], str(event.get("lastTimestamp") or ""), found)


def _is_fresh(seen: _Seen) -> bool:
    at = change_request.moment(seen.at)
    return at is not None and time.time() - at.timestamp() < _FRESH_SECONDS
