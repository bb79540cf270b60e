"""In which order one thread looks after what many have asked for."""

import pytest

from seconder.operator.turns import Turns

_AGAIN = 30.0


def _looks(turns: Turns, now: float) -> list[str]:
    """All that are due, in turn."""
    looked = []
    while (name := turns.next(now)) is not None:
        turns.taken(name, now, _AGAIN)
        looked.append(name)
        now += 0.001
    return looked


def test_owners_take_turns_however_much_is_theirs() -> None:
    """One has much that is due already when another comes with one thing."""
    turns = Turns(1)
    for number in range(50):
        turns.touch(f"a{number}", "a", 0)
    assert turns.next(1) == "a0"
    turns.taken("a0", 1, _AGAIN)
    turns.touch("b0", "b", 1)
    assert _looks(turns, 1.1)[:2] == ["b0", "a1"]


def test_who_touches_all_the_time_keeps_nothing_waiting() -> None:
    """Neither another owner's, nor the one of its own that waits longest."""
    turns = Turns(1)
    for number in range(50):
        turns.touch(f"a{number}", "a", 0)
    turns.touch("b0", "b", 0)
    looked, now = [], 1.0
    for _ in range(70):
        for number in range(20):
            turns.touch(f"a{number}", "a", now)
        name = turns.next(now)
        assert name is not None
        turns.taken(name, now, _AGAIN)
        looked.append(name)
        now += 0.03
    assert "b0" in looked[:2]
    assert set(looked) == {"b0", *(f"a{number}" for number in range(50))}


def test_what_changes_is_due_no_sooner_than_it_has_rested() -> None:
    """Then it is, although it would have been left alone for longer."""
    turns = Turns(1)
    turns.touch("a0", "a", 0)
    assert _looks(turns, 0) == ["a0"]
    turns.touch("a0", "a", 0.1)
    assert turns.pause(0.1) == pytest.approx(0.9)
    assert _looks(turns, 0.9) == []
    assert _looks(turns, 1) == ["a0"]
    assert turns.pause(1) == _AGAIN


def test_what_presses_comes_at_once_and_before_the_others_of_its_owner() -> None:
    """An approver has answered it; of other owners, each still has its turn."""
    turns = Turns(1)
    for name in ("a0", "a1", "b0"):
        turns.touch(name, name[0], 0)
    assert _looks(turns, 0) == ["a0", "b0", "a1"]
    turns.touch("a0", "a", 1.5)
    turns.touch("a1", "a", 1.6, presses=True)
    turns.touch("b0", "b", 1.7)
    assert _looks(turns, 1.8) == ["b0", "a1", "a0"]
    turns.touch("b0", "b", 1.9, presses=True)
    assert _looks(turns, 1.9) == ["b0"]


def test_what_failed_waits_unless_it_has_changed() -> None:
    """It may have changed while it was looked at, and nobody waits for the end of that pause then."""
    turns = Turns(1)
    for name in ("a0", "b0"):
        turns.touch(name, name[0], 0)
        turns.taken(name, 0, 1)
    turns.touch("b0", "b", 0.5)
    for name in ("a0", "b0", "gone"):
        turns.put_off(name, 2, _AGAIN)
    assert _looks(turns, 2) == ["b0"]
    assert turns.pause(2) == _AGAIN


def test_what_is_gone_is_forgotten() -> None:
    """And so is who owned nothing else."""
    turns = Turns(1)
    turns.touch("a0", "a", 0)
    turns.touch("b0", "b", 0)
    turns.keep({"b0"})
    assert _looks(turns, 0) == ["b0"]
    turns.keep(())
    assert turns.pause(0) is None
    assert not any(vars(turns)[held] for held in ("_owners", "_due", "_looked", "_pressing", "_touched", "_served"))
