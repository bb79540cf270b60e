"""What a command reads of the cluster before it says anything."""

import time

import pytest

from seconder.client.api import Api
from seconder.client.credentials import Credentials
from seconder.plugin.terminal import cluster_state


@pytest.mark.parametrize(
    ("date", "told"), [("Sun, 22 Nov 2026 12:00:00 GMT", 1_795_348_800.0), ("", None), ("x", None)]
)
def test_the_clusters_clock_counts(date: str, told: float | None) -> None:
    """That of this machine only where the API server told none."""
    api = Api(Credentials("https://127.0.0.1:1"), user_agent="test")
    api.server_date = date
    now = cluster_state.clock(api)
    assert now == told if told else abs(now - time.time()) < 5
