"""A client of an API server that is a dictionary, and a cache that shows what a test says."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from seconder.admission.state import ClusterState
from seconder.client.api import Api, ApiError
from seconder.client.cache import Cache


class Asked(NamedTuple):
    """A request. ``accept`` is the form of the answer that it wants."""

    path: str
    document: Any
    query: Mapping[str, Any]
    accept: str
    timeout: float


Answer = int | Mapping[str, Any] | Callable[[Asked], Any]
"""The status of an error, a document, or what gives one."""

MOST_SECONDS: Final = 8.0


class Served(Api):
    """The client as it is, but for the way to the API server. ``answers`` are by path; nothing else is there."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.server_date = ""
        self._limits = {}
        self.answers: dict[str, Answer] = dict(answers or {})
        self.asked: list[Asked] = []

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [asked.path for asked in self.asked]

    def _call(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        timeout: float,
        accept: str = "application/json",
        query: Mapping[str, Any],
        content_type: str = "application/json",
        decode: Callable[[bytes], Any] | None = None,
    ) -> Any:
        assert 0 < timeout <= MOST_SECONDS, "every wait is bounded by the deadline"
        asked = Asked(path, document, query, accept, timeout)
        self.asked.append(asked)
        answer = self.answers.get(path, 404)
        if callable(answer):
            answer = answer(asked)
        if isinstance(answer, int):
            raise ApiError(answer, "no")
        return answer if decode is None else decode(msgspec.json.encode(answer))


class View(Cache):
    """What is seen of a cache; None before it is loaded."""

    def __init__(self, seen: ClusterState | None = None) -> None:
        self.state = seen
