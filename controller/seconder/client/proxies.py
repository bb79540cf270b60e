"""The proxy of a request by environment variables, as Go's ``httpproxy`` package reads them."""

import ipaddress
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from seconder.client.credentials import NoCredentials

SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})
_PORTS: Final = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def from_environment(url: str, environment: Mapping[str, str]) -> str:
    """The proxy for requests to ``url``; empty when there is none, or ``NO_PROXY`` names the host.

    Loopback addresses are never asked for through a proxy. Raises NoCredentials for a proxy that cannot be used.
    """
    target = urlsplit(url)
    variable, value = _first(environment, f"{target.scheme}_proxy".upper(), f"{target.scheme}_proxy")
    if not value or not _wanted(target, _first(environment, "NO_PROXY", "no_proxy")[1]):
        return ""
    if target.scheme == "http" and environment.get("REQUEST_METHOD"):
        # A web server's client could have set it (https://httpoxy.org).
        raise NoCredentials(f"{variable} is not used beside REQUEST_METHOD, which CGI sets: unset one of the two")
    proxy = value if "://" in value else f"http://{value}"
    check(variable, proxy)
    return proxy


def check(name: str, proxy: str, schemes: Collection[str] = SCHEMES) -> None:
    """Raise NoCredentials when ``proxy`` is no URL of a proxy; ``name`` says where it stands."""
    try:
        parts = urlsplit(proxy)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise NoCredentials(f"{name} is not the URL of a proxy: write it like http://HOST:PORT")
    if parts.scheme not in schemes:
        raise NoCredentials(f"{name} uses {parts.scheme}://, which is not supported: http, https and socks5 are")


def shown(proxy: str) -> str:
    """The proxy without the password that its URL may hold."""
    parts = urlsplit(proxy)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _first(environment: Mapping[str, str], *names: str) -> tuple[str, str]:
    return next(((name, environment[name]) for name in names if environment.get(name)), ("", ""))


def _wanted(target: SplitResult, exceptions: str) -> bool:
    host = (target.hostname or "").strip()
    port = target.port or _PORTS[target.scheme]
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return False
    return not any(_excepts(text.strip().lower(), host, address, port) for text in exceptions.split(","))


def _excepts(text: str, host: str, address: Address | None, port: int) -> bool:
    """Whether one entry of ``NO_PROXY`` means this host.

    It is ``*``, a range, a name or an address; the last two with a port
    or without.
    """
    if text == "*":
        return True
    if "/" in text:
        return address is not None and _in_range(text, address)
    name, colon, number = text.rpartition(":")
    if not colon or (":" in name and not name.endswith("]")):
        # An address of IPv6 without a port has colons of its own.
        name, number = text, ""
    if number and number != str(port):
        return False
    name = name.removeprefix("[").removesuffix("]")
    if (excepted := _address(name)) is not None or address is not None:
        return excepted == address
    if not name:
        return False
    name = name.removeprefix("*")
    # ``example.com`` means itself and what is below it, ``.example.com`` what is below it.
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _in_range(text: str, address: Address) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return address in network


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
