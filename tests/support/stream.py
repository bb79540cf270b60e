"""Steady traffic while something happens to the guard: callers that never stop asking, and what came of each."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from seconder.client.api import ApiError

_STOP_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request.

    ``at``: when it was sent, seconds by ``time.monotonic``; ``seconds``: how long it took; ``trouble``: what was not
    as it should be, empty when all was well.
    """

    caller: str
    at: float
    seconds: float
    trouble: str


class Stream:
    """Runs each caller's request again and again, in a thread of its own, from ``with`` to its end.

    A request returns when the answer was as it should be, and raises ``ApiError`` or ``AssertionError`` otherwise.
    """

    def __init__(self, requests: Mapping[str, Callable[[], None]], *, pause: float = 0.02) -> None:
        self._answers: dict[str, list[Answer]] = {caller: [] for caller in requests}
        self._pause: Final = pause
        self._stopping: Final = threading.Event()
        self._threads: Final = [
            threading.Thread(target=self._ask, args=(caller, request), name=caller, daemon=True)
            for caller, request in requests.items()
        ]

    def __enter__(self) -> Self:
        """Start; returns when every caller has had a first answer as it should be."""
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + _STOP_SECONDS
        while not all(any(not each.trouble for each in answers) for answers in self._answers.values()):
            assert time.monotonic() < deadline, f"the traffic does not flow: {self.troubles()[-3:]}"
            time.sleep(self._pause)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Stop; every request that was sent has been answered."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
            assert not thread.is_alive(), f"{thread.name} still waits for an answer"

    def answers(self, caller: str = "") -> list[Answer]:
        """Give what came back so far, for one caller or for all, in the order of sending."""
        found = [each for name, answers in self._answers.items() if caller in {"", name} for each in list(answers)]
        return sorted(found, key=lambda each: each.at)

    def troubles(self, caller: str = "") -> list[Answer]:
        """Give those that were not as they should be."""
        return [each for each in self.answers(caller) if each.trouble]

    def _ask(self, caller: str, request: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            at, trouble = time.monotonic(), ""
            try:
                request()
            except (ApiError, AssertionError) as error:
                trouble = str(error) or type(error).__name__
            self._answers[caller].append(Answer(caller, at, time.monotonic() - at, trouble))
            self._stopping.wait(self._pause)
