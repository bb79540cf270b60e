"""What each request and each answer keeps to."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.support.builders import policy
from tests.support.fido import ORIGIN, PAGE, Passkey
from tests.support.portal import Seen, Visitor, alice, api_of, served, stored, waiting

from seconder.observability import log

PASSKEY = Passkey()
REQUEST = waiting(policy())


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    """Somebody who is signed in as alice."""
    with served(api_of(stored(REQUEST)), Seen({"p": policy()}, alice(PASSKEY))) as found:
        assert found.sign_in(PASSKEY).status == 200
        yield found


_OWN = f"/requests/{REQUEST.name}"
PATHS = ["/", "/sign-in", "/enroll", "/nowhere", "/static/portal.js", "/static/none", "/challenge", _OWN]


@pytest.mark.parametrize("path", [*PATHS, f"{_OWN}/facts", "/requests/x"])
def test_every_answer_keeps_the_browser_in_bounds(visitor: Visitor, path: str) -> None:
    """No script, style or frame from elsewhere, nothing inline, nothing kept, wherever it came from."""
    answer = visitor.get(path)
    rules = dict(rule.partition(" ")[::2] for rule in answer.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert {rules[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert answer.headers["cache-control"] == ("no-cache" if path == "/static/portal.js" else "no-store")
    assert "access-control-allow-origin" not in answer.headers
    assert "<script>" not in answer.text
    assert "style=" not in answer.text or path == "/static/portal.js"


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example.com", f"{PAGE}:8080", f"{PAGE}.evil.example.com"])
def test_a_name_that_is_not_the_portals_leads_nowhere(visitor: Visitor, host: str) -> None:
    """Somebody else's DNS may lead here; and people are told where it is."""
    for answer in (visitor.get("/", host=host), visitor.post("/session", {}, host=host)):
        assert answer.status == 421
        assert ORIGIN in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"https://sub.{PAGE}"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": ""}, 415),
        ({"x-seconder-token": ""}, 403),
        ({"x-seconder-token": "0" * 64}, 403),
    ],
)
def test_another_page_writes_nothing(visitor: Visitor, headers: dict[str, str], status: int) -> None:
    """Not even with the approver's cookie."""
    answer = visitor.post(f"/requests/{REQUEST.name}/denial", {"reason": "no"}, **headers)
    assert answer.status == status


def test_nobody_writes_by_reading(visitor: Visitor) -> None:
    """A link or an image is a GET."""
    for path in ("/session", "/sign-out", f"/requests/{REQUEST.name}/approval", f"/requests/{REQUEST.name}/denial"):
        assert visitor.get(path).status == 404


def test_too_much_is_not_read(visitor: Visitor) -> None:
    """A body has a bound."""
    assert visitor.post(f"/requests/{REQUEST.name}/denial", {"reason": "x" * 20_000}).status == 413


def test_the_cookie_is_the_browsers_alone(visitor: Visitor) -> None:
    """No script reads it, no other site sends it, no neighbour sets it."""
    visitor.cookie = ""
    kept = visitor.sign_in(PASSKEY).headers["set-cookie"]
    assert kept.startswith("__Host-seconder=")
    parts = {part.strip().lower() for part in kept.split(";")[1:]}
    assert {"httponly", "secure", "path=/", "samesite=strict", "max-age=3600"} <= parts
    assert not any(part.startswith("domain") for part in parts)


def test_bytes_that_are_no_http_leave_no_line_in_the_portals_log(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    """Its port is open to whoever reaches it."""
    before = log.left_out()
    for method, path in (("POST", "/session"), ("HEAD", "/"), ("PUT", "/nowhere"), ("GET", "/static/portal.js")):
        with socket.create_connection(("127.0.0.1", visitor.port), timeout=10) as sock, suppress(ConnectionError):
            sock.sendall(
                f"{method} {path} HTTP/1.1\r\nHost: {PAGE}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode()
            )
            while sock.recv(65536):
                pass
    assert visitor.get("/").status == 200
    assert log.left_out() > before
    assert not caplog.records
