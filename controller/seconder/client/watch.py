"""Keeps a copy of a collection through list and watch, and knows how recently that copy was proven true."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from seconder.api import constants
from seconder.client.api import Api, ApiError, Fenced
from seconder.client.clock import steady

WATCH_SECONDS: Final = 20
"""How long the API server keeps one watch open. Before each one but the first it is asked for proof."""

_GRACE_SECONDS: Final = 5.0
_PROOF_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = (0.05, 5.0)


T = TypeVar("T")


class _Event(msgspec.Struct):
    type: str
    object: dict[str, Any]


_event: Final = msgspec.json.Decoder(_Event)


class Watch(Generic[T]):
    """A thread that mirrors one collection.

    Proof that the copy is true comes from etcd alone: by the list, and by a read before each further watch, on
    the connection of that watch. An API server that is cut off from etcd goes on with its watches, sends bookmarks and
    opens new ones, all from its own copy (``cacher.go`` of k8s.io/apiserver).

    ``select`` makes of each document the value to keep; None keeps nothing of it. ``changed`` is called in that thread
    with all values by key (``namespace/name``, or the bare name) after a list and after each change of a value; the
    mapping is the watch's own. Where ``one`` is given, it is called instead after a change of one value, with its key,
    what was kept of it, and what is kept. Exceptions are passed to ``failed`` and end nothing.
    """

    # More than seven parameters: what it lists, what it keeps of that, and whom it tells.
    def __init__(
        self,
        api: Api,
        path: str,
        select: Callable[[Mapping[str, Any]], T | None],
        changed: Callable[[Mapping[str, T]], None],
        failed: Callable[[str, Exception], None],
        *,
        metadata_only: bool = False,
        field_selector: str = "",
        label_selector: str = "",
        one: Callable[[str, T | None, T | None], None] | None = None,
        clock: Callable[[], float] = steady,
    ) -> None:
        self._api = api.on_one_connection()
        self._path = path
        self._select = select
        self._changed = changed
        self._failed = failed
        self._one = one
        self._metadata_only = metadata_only
        selectors = {"fieldSelector": field_selector, "labelSelector": label_selector}
        self._query: dict[str, Any] = {key: selector for key, selector in selectors.items() if selector}
        self._named = {"fieldSelector": field_selector} if field_selector else {}
        self._clock = clock
        self._values: dict[str, T] = {}
        self.proven = float("-inf")
        """When the copy was last proven to be true, by the clock; before the first list it never was."""
        self.lists = 0
        """How many lists have been begun."""
        self.listing = False
        """Whether one is being read. Both are for ``select``, which is called for its items first."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does when it next hears something."""
        self._stopping.set()

    @property
    def loaded(self) -> bool:
        """Whether the collection has been listed in full at least once."""
        return self.proven > float("-inf")

    def age(self) -> float:
        """The seconds since the copy was last proven to be true; infinite before the first list."""
        return self._clock() - self.proven

    def _run(self) -> None:
        pause = _RETRY_SECONDS[0]
        version = ""
        while not self._stopping.is_set():
            try:
                if version:
                    proven = self._ask()
                else:
                    version, proven = self._list()
                version = self._follow(version, proven)
                pause = _RETRY_SECONDS[0]
            except Fenced:
                return
            except ApiError as error:
                if error.status != 410:  # Gone: our version is too old, which is nothing unusual
                    self._failed(self._path, error)
                # Anything but silence on the line may mean that our version is of no use any more.
                version = version if error.status == 0 else ""
                self._stopping.wait(pause)
                pause = min(pause * 2, _RETRY_SECONDS[1])
            except Exception as error:  # noqa: BLE001 - a mirror that died in silence would be trusted for 60 s more
                self._failed(self._path, error)
                version = ""
                self._stopping.wait(_RETRY_SECONDS[1])

    def _ask(self) -> float:
        """When the API server was last seen to read from etcd: now, or still then."""
        asked = self._clock()
        try:
            # Without a resourceVersion it is read from etcd, or from a copy that has been compared with it (KEP-2340).
            self._api.page(self._path, timeout=_PROOF_SECONDS, limit="1", **self._named)
        except ApiError as error:
            # Whatever the watch tells meanwhile is worth having. The copy only grows older.
            self._failed(self._path, error)
            return self.proven
        return asked

    def _list(self) -> tuple[str, float]:
        asked = self._clock()
        values: dict[str, T] = {}
        version = ""
        self.lists += 1
        self.listing = True
        try:
            for items, listed in self._api.pages(self._path, metadata_only=self._metadata_only, **self._query):
                selected = ((_key(item), self._select(item)) for item in items)
                values |= {key: value for key, value in selected if value is not None}
                version = listed
        finally:
            self.listing = False
        self._values = values
        self._changed(self._values)
        self.proven = asked
        return version, asked

    def _follow(self, version: str, proven: float) -> str:
        query = self._query | {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": WATCH_SECONDS,
        }
        read_timeout = WATCH_SECONDS + _GRACE_SECONDS
        with self._api.stream(
            self._path, read_timeout=read_timeout, metadata_only=self._metadata_only, **query
        ) as lines:
            # What has changed up to then is on its way, if it is not here.
            self.proven = proven
            for line in lines:
                if self._stopping.is_set():
                    return version
                if not line:
                    continue
                event = _event.decode(line)
                if event.type == "ERROR":
                    code = event.object.get("code", 0)
                    raise ApiError(code if isinstance(code, int) else 0, str(event.object.get("message", "")))
                version = event.object["metadata"]["resourceVersion"]
                self._apply(event)
        return version

    def _apply(self, event: _Event) -> None:
        if event.type == "BOOKMARK":
            return
        key = _key(event.object)
        value = None if event.type == "DELETED" else self._select(event.object)
        before = self._values.get(key)
        if before == value:
            return
        if value is None:
            del self._values[key]
        else:
            self._values[key] = value
        if self._one is not None:
            self._one(key, before, value)
        else:
            self._changed(self._values)


class Watches:
    """Several watches that start and end together."""

    def __init__(self, watches: Iterable[Watch[Any]]) -> None:
        self._watches: Final = list(watches)

    def start(self) -> None:
        """Begin to list and watch. Returns at once."""
        for watch in self._watches:
            watch.start()

    def stop(self) -> None:
        """Let them end."""
        for watch in self._watches:
            watch.stop()

    def fresh(self) -> bool:
        """Whether each copy was proven true a short while ago."""
        return all(watch.age() <= constants.FRESH_SECONDS for watch in self._watches)


def _key(item: Mapping[str, Any]) -> str:
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    name: str = metadata.get("name", "")
    return f"{namespace}/{name}" if namespace else name
