"""How old the webhook's view is while the API server answers and etcd does not."""

import os
import signal
import urllib.request
from pathlib import Path

from tests.support.cluster import eventually

from localstack.binaries import provide
from localstack.pins import Binary
from localstack.stack import Stack
from seconder.client.watch import WATCH_SECONDS


def test_a_view_grows_old_while_etcd_is_away_although_watches_go_on(tmp_path: Path) -> None:
    """The API server opens new watches, and sends bookmarks, out of its own copy."""
    with Stack(tmp_path, provide(any_kubectl=False), controllers=False) as stack:
        etcd = stack.control_plane.pid_of(Binary.ETCD)
        assert _age(stack) <= WATCH_SECONDS + _OPENING
        os.kill(etcd, signal.SIGSTOP)
        try:
            # Two watches later, so that signs of life have come in between.
            eventually(lambda: _age(stack) > 2 * WATCH_SECONDS + _OPENING, 3 * WATCH_SECONDS + _OPENING, "it is old")
        finally:
            os.kill(etcd, signal.SIGCONT)
        eventually(lambda: _age(stack) <= WATCH_SECONDS, 2 * WATCH_SECONDS + _OPENING, "it is proven again")


_OPENING = 10.0
"""Seconds for a read that is not answered, and for the next watch."""


def _age(stack: Stack) -> float:
    with urllib.request.urlopen(f"http://{stack.seconder.webhook_metrics_address}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("seconder_view_age_seconds "))
