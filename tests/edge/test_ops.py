"""The port for probes and Prometheus."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.edge.conftest import Start
from tests.support.http import Pair, Served, post


@pytest.fixture(scope="module")
def server(pair_folder: Path) -> Iterator[Served]:
    """One server, whose metrics take a while to render."""
    with Served(pair_folder, scrape_seconds=0.3) as served:
        served.wait_for("ready")
        yield served


def test_probes_tell_alive_from_ready(start: Start, tmp_path: Path, pair: Pair) -> None:
    """/healthz is 200 from the start; /readyz is 503 with the reasons until nothing is missing."""
    server = start(tmp_path)
    assert server.ops("/healthz")[:2] == (200, b"ok")
    assert server.ops("/readyz")[:2] == (503, b"not serving reviews\n")
    pair.write(tmp_path)
    server.tell(signal.SIGHUP)
    server.wait_for("ready")
    assert server.ops("/readyz")[:2] == (200, b"ok")


def test_metrics_come_in_the_format_that_prometheus_asks_for(server: Served) -> None:
    """The text format unless OpenMetrics is asked for."""
    status, text, headers = server.ops("/metrics")
    assert (status, headers.get_content_type()) == (200, "text/plain")
    assert b"tests_total 1.0" in text
    _, text, headers = server.ops("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers.get_content_type() == "application/openmetrics-text"
    assert text.endswith(b"# EOF\n")


def test_rendering_metrics_holds_up_no_review(server: Served) -> None:
    """Reviews and probes are answered while a scrape takes its time."""
    client = server.client()
    with ThreadPoolExecutor() as pool:
        scrape = pool.submit(server.ops, "/metrics")
        slowest = 0.0
        for _ in range(20):
            begun = time.monotonic()
            assert post(client, {"uid": "1"})[0] == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert server.ops("/healthz")[0] == 200
        assert not scrape.done()
        assert scrape.result()[0] == 200
    client.close()
    assert slowest < 0.2


def test_nothing_else_is_served(server: Served) -> None:
    """No API description, no documentation pages, no reviews."""
    assert {server.ops(path)[0] for path in ("/", "/docs", "/redoc", "/openapi.json", "/validate", "/metrics/")} == {
        404
    }
