"""Answers the pipeline's look-ups by the caller's own rights, each question once."""

from typing import Any, Final

from seconder.admission.lookups import Asking, Lookup, Unknown, drive
from seconder.admission.state import ClusterState
from seconder.api.text import clean
from seconder.client.api import Api, ApiError
from seconder.client.listed_dependents import ListedDependents
from seconder.client.resolver import Resolver, within
from seconder.plugin.terminal.problem import Problem

_SECONDS: Final = 20.0
"""A person waits longer than the API server does."""


class Answers:
    """Answers look-ups under one state of the cluster. Not for several threads."""

    def __init__(self, api: Api, state: ClusterState) -> None:
        self._resolver = Resolver(api, ListedDependents(api), lambda: True, self._note, at_once=4)
        self._state = state
        self._known: dict[Lookup[Any], Any] = {}
        self._trouble: Exception | None = None

    def __call__(self, lookup: Lookup[Any]) -> Any:
        """See ``lookups.Answer``."""
        if lookup not in self._known:
            self._known[lookup] = self._resolver.answer(lookup, self._state.policies, within(_SECONDS))
        return self._known[lookup]

    def run(self, asking: Asking[Any]) -> Any:
        """Run a computation to its end. Raises Problem where something that it rests on is not known."""
        try:
            return drive(asking, self)
        except Unknown as unknown:
            raise self.problem(unknown.what) from None

    def problem(self, what: str) -> Problem:
        """The problem that something is not known, with the API server's own words. ``what``: as in Unknown."""
        if isinstance(self._trouble, ApiError) and self._trouble.status == 403:
            return Problem(f"{what}: you may not read what the answer rests on: {clean(str(self._trouble))}")
        return Problem(f"{what}: {clean(str(self._trouble))}" if self._trouble else f"{what}: try again in a moment")

    @property
    def failed(self) -> bool:
        """Whether some look-up had no answer."""
        return self._trouble is not None

    def _note(self, what: str, error: Exception) -> None:
        self._trouble = error
