"""A watch in trouble: what is said of it, and when it ends."""

import pytest

from seconder.client.api import ApiError
from seconder.plugin.terminal.trouble import Trouble


def test_trouble_is_told_once_until_it_is_over() -> None:
    """However often it is tried again."""
    trouble = Trouble()
    away = ApiError(0, "away")
    assert [trouble.begins(away, now) for now in (0, 0.1, 5, 14, 100, 101)] == [True, False, False, False, True, False]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_that_lasts_ends_it(status: int) -> None:
    """One that does not is an API server that has just started."""
    trouble = Trouble()
    refused = ApiError(status, "no")
    for now in (0, 5, 10, 15, 20):
        trouble.begins(refused, now)
    with pytest.raises(ApiError):
        trouble.begins(refused, 25)


def test_an_api_server_that_is_away_is_waited_for() -> None:
    """For as long as somebody watches."""
    trouble = Trouble()
    for now in range(0, 1000, 5):
        trouble.begins(ApiError(0, "away"), now)
