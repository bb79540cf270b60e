"""What is started and stopped, as a context too."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Lifetime(ABC):
    """Starts at the beginning of a ``with`` and stops at its end."""

    @abstractmethod
    def start(self) -> None:
        """Start everything and wait for it; a start that fails leaves nothing running. Raises ``StackError``."""

    @abstractmethod
    def stop(self) -> None:
        """Stop whatever runs."""

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()
