"""The table of a touch must not flatter either."""

import pytest
from bench import touch


def _runs(*whole: float) -> list[dict[str, float]]:
    return [dict.fromkeys(touch.STEPS, 0.1) | {"all": seconds} for seconds in whole]


def test_every_step_and_the_whole_have_a_row() -> None:
    """With the median, the 95th percentile and the longest."""
    rows = touch.table(_runs(*[1.0] * 27, 4.0, 5.0, 9.0)).splitlines()
    assert [row.rsplit(maxsplit=3)[0].strip() for row in rows[1:-1]] == [*touch.STEPS, "all"]
    assert rows[-2].split() == ["all", "1.00", "5.00", "9.00"]
    assert ": met;" in rows[-1]


@pytest.mark.parametrize("whole", [[3.1] * 30, [1.0] * 28 + [6.1] * 2])
def test_one_goal_that_is_missed_is_said(whole: list[float]) -> None:
    """The median's or the 95th percentile's."""
    assert ": MISSED;" in touch.table(_runs(*whole))
