"""When what others change is put right."""

import itertools

from seconder.operator.pace import DELETED, Pace


def _repairs(pace: Pace, change: bytes, seconds: float) -> list[float]:
    """When the same change is put right that comes back at once each time."""
    now, repaired = 0.0, []
    while now < seconds:
        if pace.wait(change, now) <= 0:
            pace.repaired(change, now)
            repaired.append(now)
        now += 0.1
    return repaired


def test_the_same_change_is_put_right_at_most_ten_times_in_a_minute_and_never_given_up() -> None:
    """At once at first, and at the latest every ten seconds for ever."""
    repaired = _repairs(Pace(), b"change", 300)
    assert repaired[0] == 0.0
    assert len([moment for moment in repaired if moment < 60]) <= 11
    assert all(later - earlier < 10.2 for earlier, later in itertools.pairwise(repaired))


def test_another_change_and_a_deletion_are_put_right_at_once() -> None:
    """However often another one came before."""
    pace = Pace()
    _repairs(pace, b"change", 30)
    assert pace.wait(b"other", 30.0) == 0
    for second in range(5):
        assert pace.wait(DELETED, 30.0 + second / 10) == 0
        pace.repaired(DELETED, 30.0 + second / 10)


def test_whoever_changes_something_else_each_time_is_put_right_once_a_second() -> None:
    """Writing is bounded too."""
    pace = Pace()
    for number in range(30):
        pace.repaired(str(number).encode(), number / 10)
    assert 0.8 < pace.wait(b"new", 3.0) <= 1.0
    assert pace.wait(b"new", 4.0) == 0


def test_it_is_disputed_until_nobody_has_changed_it_for_a_while() -> None:
    """So that the state does not flicker."""
    pace = Pace()
    for number in range(3):
        pace.repaired(b"change", float(number))
    assert pace.disputed(3.0)
    assert not pace.disputed(2.0 + 10.1)
