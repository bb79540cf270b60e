"""A diff that somebody signs for shows all that differs, and takes no minutes."""

import difflib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seconder.approvals import line_diff
from seconder.approvals.line_diff import Line

_TEXTS = st.lists(st.sampled_from(["a", "b", "c", "- d", "+ e", "@@ f"]), max_size=30)


def _side(shown: list[Line], mark: str) -> list[str]:
    return [line.text for line in shown if line.mark in {" ", mark}]


def _rebuilt(shown: list[Line], before: list[str], mark: str) -> list[str]:
    """The text of one side: what is shown of it, and between the places what both have."""
    made, at = [], 0
    for line in shown:
        if line.mark == "@":
            told, _, count = line.text.split()[1].lstrip("-").partition(",")
            start = int(told) - (count != "0")
            made += before[at:start]
            at = start
        elif line.mark in {" ", mark}:
            made.append(line.text)
        if line.mark in {" ", "-"}:
            at += 1
    return made + before[at:]


@pytest.mark.parametrize("most", [4_000_000, 0], ids=["compared", "whole"])
@given(_TEXTS, _TEXTS)
def test_both_texts_can_be_made_from_what_is_shown(most: int, before: list[str], after: list[str]) -> None:
    """No line that differs is left out, in either way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_diff, "_MOST_COMPARED", most)
        shown = list(line_diff.lines(before, after))
    assert _rebuilt(shown, before, "+") == after
    assert _rebuilt(shown, before, "-") == before
    assert bool(shown) == (before != after)


def test_it_is_what_diff_makes() -> None:
    """For a small change, to the letter."""
    before, after = [str(number) for number in range(40)], [str(number) for number in range(40)]
    after[5] = "five"
    after[30:30] = ["new", "newer"]
    expected = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    told = [line.text if line.mark == "@" else f"{line.mark}{line.text}" for line in line_diff.lines(before, after)]
    assert told == expected


@pytest.mark.parametrize("apart", [False, True], ids=["one-place", "both-ends"])
def test_very_many_equal_lines_take_seconds_at_the_most(*, apart: bool) -> None:
    """One place that differs is found without comparing the rest; two far apart are shown with all between."""
    before = [f"- {number % 101:02}" for number in range(250_000)]
    after = [*before[:100_000], "here", *before[100_000:]]
    if apart:
        after = ["first", *after, "last"]
    begun = time.process_time()
    shown = list(line_diff.lines(before, after))
    assert time.process_time() - begun < 5
    assert Line("+", "here") in shown
    assert len(_side(shown, "+")) == (len(after) if apart else 7)
