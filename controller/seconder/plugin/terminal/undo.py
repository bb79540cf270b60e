"""Nothing half-done: what a command has made is removed again when it cannot finish."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from seconder.client.api import ApiError
from seconder.plugin.terminal.problem import Problem


class Undo:
    """Takes back what was done inside ``with``, last first, when that ends with an exception."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, step: Callable[[], object]) -> None:
        """Remember how to take back what was just done. ``step`` may raise ApiError and OSError."""
        self._steps.append((what, step))

    def __enter__(self) -> Self:
        """Begin to remember."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        """Raise Problem when something could not be taken back."""
        if error is None:
            return
        left = [what for what, step in reversed(self._steps) if not _taken_back(step)]
        if left:
            raise Problem(f"{error}; left as it is now, since it could not be taken back: {', '.join(left)}") from None


def _taken_back(step: Callable[[], object]) -> bool:
    try:
        step()
    except ApiError as error:
        # Gone already: what it stood in was removed before it.
        return error.status == 404
    except OSError:
        return False
    return True
