"""The port for probes and metrics, whatever a client asks for."""

import http.client
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from seconder.http.address import bind
from seconder.observability.ops import Ops

_PLAIN = "text/plain; version=0.0.4; charset=utf-8"
_OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where a registry of one counter is served."""
    registry = CollectorRegistry()
    Counter("tests", "A counter.", registry=registry).inc()
    listening = bind("127.0.0.1", 0)
    number = listening.getsockname()[1]
    ops = Ops(listening, tuple, registry)
    ops.start()
    _wait_until_served(number)
    yield number
    ops.stop()


def _wait_until_served(port: int) -> None:
    """Its thread listens once it runs."""
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=30).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return


def _scrape(port: int, accept: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics", headers={"Accept": accept.encode("latin-1", "replace")})
    with connection.getresponse() as answer:
        told = answer.status, answer.headers["Content-Type"], answer.read()
    connection.close()
    return told


@pytest.mark.parametrize(
    ("accept", "served"),
    [
        ("", _PLAIN),
        ("*/*", _PLAIN),
        ("text/plain; version=0.0.4", _PLAIN),
        ("application/openmetrics-text", _OPEN),
        ("application/openmetrics-text; version=1.0.0", _OPEN),
        ('application/openmetrics-text; version="1.0.0"', _OPEN),
        ("application/openmetrics-text; version=0.0.1, application/openmetrics-text; version=1.0.0", _OPEN),
        ("application/openmetrics-text; version=99.0.0", _PLAIN),
        ("application/openmetrics-text; version=x, text/plain; version=0.0.4", _PLAIN),
        ("application/openmetrics-text; version=1.0.0; version=x", _PLAIN),
        ("text/plain; version=1.0.0=2", _PLAIN),
        ("text/plain; version=1.x", _PLAIN),
    ],
)
def test_a_scraper_gets_a_format_that_there_is(port: int, accept: str, served: str) -> None:
    """The one that it asks for; otherwise the text format, which all can read."""
    status, content_type, body = _scrape(port, accept)
    assert (status, content_type.partition("; escaping")[0]) == (200, served)
    assert b"tests_total 1.0" in body


_PIECES = st.sampled_from(
    [
        "application/openmetrics-text",
        "text/plain",
        "version",
        "1.0.0",
        "escaping",
        "allow-utf-8",
        ";",
        "=",
        ",",
        '"',
        " ",
    ]
)


@given(st.lists(_PIECES | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=4), max_size=12))
def test_no_accept_header_fails_a_scrape(port: int, pieces: list[str]) -> None:
    """Whoever reaches the port could fill the log else."""
    accept = "".join(pieces).replace("\x7f", "").strip()
    status, _, body = _scrape(port, accept)
    assert status == 200
    assert b"tests_total 1.0" in body
