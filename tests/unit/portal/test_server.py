"""What serves the portal's pages, and how it fares with who is no browser."""

import socket
from contextlib import suppress

import pytest
from tests.support.http import opened_in_a_loop, read_all
from tests.support.portal import Seen, api_of, served

from seconder.observability import log


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="no-chunk"),
        pytest.param(b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 40_000, id="endless"),
    ],
)
def test_bytes_that_are_no_http_leave_no_trace_but_a_counter(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reaches the port would else fill the log: 38 lines for 80 bytes."""
    before = log.left_out()
    with served(api_of(), Seen({})) as visitor:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", visitor.port), timeout=10) as sock, suppress(ConnectionError):
                sock.sendall(sent)
                read_all(sock)
    assert log.left_out() > before
    assert [record for record in caplog.records if record.name in ("uvicorn.error", "asyncio")] == []


@pytest.mark.parametrize("says", [b"", b"G"], ids=["silent", "half"])
def test_whoever_opens_connections_in_a_loop_keeps_no_browser_out(says: bytes) -> None:
    """One gives way to a new one, of who has most."""
    with served(api_of(), Seen({})) as visitor, opened_in_a_loop(visitor.port, "127.0.0.2", says):
        for _ in range(5):
            assert visitor.get("/sign-in").status == 200
