"""The labels of namespaces by which policies select them, followed by one watch while some policy does."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seconder.client.api import Api
from seconder.client.watch import Watch

Labels = Mapping[str, Mapping[str, str]]
"""By namespace, the labels of the keys that are followed. A namespace that is not there is not known."""


class NamespaceLabels:
    """Follows labels of the keys that policies select by, and no others: whoever makes namespaces may fill those.

    ``changed`` is called in the watch's thread with a copy of its own.
    """

    def __init__(self, api: Api, failed: Callable[[str, Exception], None], changed: Callable[[Labels], None]) -> None:
        self._api = api
        self._failed = failed
        self._changed = changed
        self._lock = threading.Lock()
        self._keys: frozenset[str] = frozenset()
        self.watches: Sequence[Watch[Mapping[str, str]]] = ()
        """The watch, where policies select by labels."""

    def follow(self, keys: frozenset[str]) -> bool:
        """Follow the labels of these keys. Returns whether what was followed before tells nothing of them."""
        with self._lock:
            if keys <= self._keys and (keys or not self._keys):
                return False
            self._end()
            self._keys, self.watches = keys, (self._following(keys),) if keys else ()
            for watch in self.watches:
                watch.start()
            return True

    def stop(self) -> None:
        """Let the watch end."""
        with self._lock:
            self._end()

    @property
    def loaded(self) -> bool:
        """Whether all that policies select by has been listed."""
        return all(watch.loaded for watch in self.watches)

    def _end(self) -> None:
        for watch in self.watches:
            watch.stop()

    def _following(self, keys: frozenset[str]) -> Watch[Mapping[str, str]]:
        def select(document: Mapping[str, Any]) -> Mapping[str, str]:
            return kept(document, keys)

        def changed(found: Labels) -> None:
            # One that was told to stop may have an event in hand still.
            if self._keys is keys:
                self._changed(dict(found))

        return Watch(self._api, "/api/v1/namespaces", select, changed, self._failed, metadata_only=True)


def kept(document: Mapping[str, Any], keys: frozenset[str]) -> Mapping[str, str]:
    """A namespace's labels of these keys."""
    labels = document["metadata"].get("labels") or {}
    return {key: labels[key] for key in keys & labels.keys()}
