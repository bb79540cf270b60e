"""How much one caller may have."""

from seconder.portal.paces import Pace


def test_who_asks_too_much_waits_and_nobody_else_does() -> None:
    """A burst, then so much a second."""
    now = [0.0]
    pace = Pace(2, 3, clock=lambda: now[0])
    assert [pace.allows("a") for _ in range(4)] == [True, True, True, False]
    assert pace.allows("b")
    now[0] = 0.5
    assert [pace.allows("a") for _ in range(2)] == [True, False]
    now[0] = 100
    assert [pace.allows("a") for _ in range(4)] == [True, True, True, False]


def test_the_table_has_a_bound() -> None:
    """However many callers there are."""
    pace = Pace(1, 1)
    for number in range(5000):
        pace.allows(str(number))
    assert len(pace._buckets) == 4096
