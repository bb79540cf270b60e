"""Clocks, and agents that would approve."""

import pytest

from seconder.admission.request import Caller
from seconder.api.policy import DEFAULT_TAGS
from seconder.plugin.terminal import callers
from seconder.plugin.terminal.problem import Problem

_DATE = "Sun, 22 Nov 2026 14:30:00 GMT"
_SECONDS = 1795357800.0


@pytest.mark.parametrize("ahead", [-60, 0, 60])
def test_clocks_within_a_minute_are_the_same(ahead: int) -> None:
    """The tolerance that the webhook has, too."""
    callers.same_time(_DATE, _SECONDS + ahead)


@pytest.mark.parametrize(("ahead", "words"), [(600, "600 s ahead of"), (-600, "600 s behind"), (61, "61 s ahead of")])
def test_clocks_further_apart_are_told_by_how_much(ahead: int, words: str) -> None:
    """And what to do."""
    with pytest.raises(Problem, match=f"{words} the API server's, .*: set the clock"):
        callers.same_time(_DATE, _SECONDS + ahead)


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_without_a_date_there_is_nothing_to_compare(date: str) -> None:
    """RFC 9110 leaves it to servers without a clock to send none."""
    callers.same_time(date, 0)


@pytest.mark.parametrize(
    "caller",
    [
        Caller("system:serviceaccount:seconder-agents:kiro"),
        Caller("dana", frozenset({"seconder.dev:agents"})),
        Caller("dana", extra={"seconder.dev/agent": ("kiro",)}),
    ],
)
def test_no_agent_approves(caller: Caller) -> None:
    """However it is tagged."""
    with pytest.raises(Problem, match="agents do not approve"):
        callers.no_agent(caller, DEFAULT_TAGS)
    callers.no_agent(Caller("dana"), DEFAULT_TAGS)
