"""Which requests go through a proxy of the environment. The whole of it, with kubectl beside it, is a cluster test."""

import pytest

from seconder.client import proxies
from seconder.client.credentials import NoCredentials

_PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("host", "exceptions"),
    [
        ("api.example.com", "*"),
        ("api.example.com", "other, API.example.com "),
        ("API.example.com", "example.com"),
        ("api.example.com", ".example.com"),
        ("api.example.com", "*.example.com"),
        ("api.example.com:6443", "example.com:6443"),
        ("api.example.com", "example.com:443"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:6443", "192.0.2.7:6443"),
        ("192.0.2.7", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.9/24"),
        ("[2001:db8::7]", "2001:db8::/32"),
        ("[2001:db8::7]", "2001:db8:0::7"),
        ("[2001:db8::7]:6443", "[2001:db8::7]:6443"),
        ("[::ffff:192.0.2.7]", "192.0.2.7"),
        ("127.0.0.1", ""),
        ("127.9.9.9:6443", ""),
        ("localhost:6443", ""),
        ("[::1]:6443", ""),
    ],
)
def test_what_is_excepted_is_asked_directly(host: str, exceptions: str) -> None:
    """By name, by address, by range, with a port or without; loopback always."""
    environment = {"HTTPS_PROXY": _PROXY, "NO_PROXY": exceptions}
    assert proxies.from_environment(f"https://{host}/path", environment) == ""


@pytest.mark.parametrize(
    ("host", "exceptions"),
    [
        ("api.example.com", ""),
        ("api.example.com", "ample.com, , :443, /, 10.0.0.0/8"),
        ("example.com", ".example.com"),
        ("example.com", "*.example.com"),
        ("api.example.com", "example.com:6443"),
        ("192.0.2.7", "192.0.2.70, 192.0.3.0/24, .2.7, *.0.2.7, 192.0.2"),
        ("192.0.2.7", "192.0.2.7:6443"),
        ("[2001:db8::7]", "2001:db9::/32"),
        ("localhost.example", "localhost"),
    ],
)
def test_everything_else_goes_through_the_proxy(host: str, exceptions: str) -> None:
    """What looks alike is not excepted."""
    environment = {"HTTPS_PROXY": _PROXY, "NO_PROXY": exceptions}
    assert proxies.from_environment(f"https://{host}", environment) == _PROXY


def test_each_scheme_has_a_proxy_of_its_own_and_upper_case_comes_first() -> None:
    """As Go reads them."""
    environment = {"HTTPS_PROXY": "", "https_proxy": "one:1", "HTTP_PROXY": "socks5://two", "http_proxy": "three"}
    assert proxies.from_environment("https://api.example", environment) == "http://one:1"
    assert proxies.from_environment("http://api.example", environment) == "socks5://two"
    assert proxies.from_environment("https://api.example", {"ALL_PROXY": _PROXY}) == ""


@pytest.mark.parametrize("proxy", ["ftp://x", "http://", "http://x:port", "socks4://x:1", "http://[x"])
def test_a_proxy_that_cannot_be_used_is_told_and_not_passed_by(proxy: str) -> None:
    """Going directly could lead elsewhere."""
    with pytest.raises(NoCredentials, match="HTTPS_PROXY"):
        proxies.from_environment("https://api.example", {"HTTPS_PROXY": proxy})


def test_a_client_of_a_web_server_chooses_no_proxy() -> None:
    """The header Proxy becomes HTTP_PROXY in CGI."""
    environment = {"HTTP_PROXY": _PROXY, "REQUEST_METHOD": "GET"}
    with pytest.raises(NoCredentials, match="REQUEST_METHOD"):
        proxies.from_environment("http://api.example", environment)


def test_a_proxys_password_is_not_shown() -> None:
    """In messages."""
    assert proxies.shown("http://dana:secret@proxy.example:3128") == _PROXY
