"""What the client sends and shows over TLS, to a server that writes it down; and what it says when that fails."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support import http
from tests.support.loopback import LOOPBACK, Authority, Loopback, Pair, listening

from seconder.client.api import Api, ApiError, NoIdentity
from seconder.client.credentials import Credentials, Identity, Impersonation, NoCredentials


@dataclass(frozen=True)
class Servers:
    """A good server, one whose certificate has expired, and the authority of both."""

    loopback: Loopback
    authority: Authority

    def credentials(self, /, server: str = "secured", **fields: Any) -> Credentials:
        """How to reach one of them."""
        found = Credentials(f"https://127.0.0.1:{self.loopback.ports[server]}", self.authority.pem)
        return replace(found, **fields)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Servers for all tests here."""
    authority = Authority("ours")
    certificates = {
        "secured": authority.issue("kubernetes", LOOPBACK),
        "expired": authority.issue("kubernetes", LOOPBACK, days=(-9, -1)),
    }
    with listening(authority, certificates) as loopback:
        yield Servers(loopback, authority)


@dataclass
class Plugin:
    """A credential plugin of the test's own; ``given`` are its answers, the last one for ever."""

    given: list[Identity | NoCredentials]
    times_refused: int = 0
    held: list[Identity] = field(default_factory=list)

    def current(self) -> Identity:
        """See seconder.client.credentials.Plugin."""
        answer = self.given[0]
        if isinstance(answer, NoCredentials):
            raise answer
        return answer

    def refused(self) -> None:
        """See seconder.client.credentials.Plugin."""
        self.times_refused += 1
        if len(self.given) > 1:
            self.given.pop(0)


def _identity(pair: Pair) -> Identity:
    return Identity("", pair.certificate, pair.key)


def test_a_plugins_new_certificate_is_shown_on_new_connections(servers: Servers) -> None:
    """A connection that was opened with the old one is not used any more."""
    old, new = servers.authority.issue("old"), servers.authority.issue("new")
    plugin = Plugin([_identity(old), _identity(new)])
    api = Api(servers.credentials(plugin=plugin), user_agent="test")
    api.get("/rotating/a")
    api.get("/rotating/b")
    plugin.refused()
    api.get("/rotating/c")
    assert [seen.certificate for seen in servers.loopback.at("/rotating/")] == ["old", "old", "new"]


def test_a_refused_credential_is_forgotten(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next request is made with another; this one fails."""
    plugin = Plugin([Identity("Bearer one"), Identity("Bearer two")])
    api = Api(servers.credentials(plugin=plugin), user_agent="test")
    monkeypatch.setattr(servers.loopback, "answer", lambda method, path: (401 if path.endswith("/a") else 200, {}))
    with pytest.raises(ApiError) as error:
        api.get("/refused/a")
    assert error.value.status == 401
    api.get("/refused/b")
    assert [seen.authorization for seen in servers.loopback.at("/refused/")] == ["Bearer one", "Bearer two"]
    assert plugin.times_refused == 1


def _fails() -> str:
    raise NoCredentials("token file x cannot be read")


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"plugin": Plugin([NoCredentials("the plugin failed")])},
        lambda: {"token": _fails},
        lambda: {"token": lambda: "two\nlines"},
        lambda: {"token": lambda: "t", "impersonation": Impersonation("erin", groups=("a\r\nImpersonate-Uid: 1",))},
        lambda: {"plugin": Plugin([Identity("", b"no certificate", b"no key")])},
    ],
)
def test_without_an_identity_nothing_is_sent(servers: Servers, make: Callable[[], dict[str, Any]]) -> None:
    """Not even anonymously; background work is told as of any request that fails."""
    api = Api(servers.credentials(**make()), user_agent="test")
    before = len(servers.loopback.arrived)
    with pytest.raises(NoIdentity) as error:
        api.get("/nobody")
    assert error.value.status == 0
    assert len(servers.loopback.arrived) == before


def test_groups_are_sent_one_by_one_and_letters_as_the_api_server_reads_them(servers: Servers) -> None:
    """A comma in a group's name makes no two groups; UTF-8 it is."""
    whom = Impersonation("jürgen", "1", ("a", "b, c"), {"example.com/é%": ("x", "y")})
    Api(servers.credentials(token=lambda: "t", impersonation=whom), user_agent="test").get("/whom")
    (seen,) = servers.loopback.at("/whom")
    assert seen.impersonation == [
        ("impersonate-extra-example.com%2f%c3%a9%25", "x"),
        ("impersonate-extra-example.com%2f%c3%a9%25", "y"),
        ("impersonate-group", "a"),
        ("impersonate-group", "b, c"),
        ("impersonate-uid", "1"),
        ("impersonate-user", "jürgen".encode().decode("latin-1")),
    ]


@pytest.mark.parametrize(
    "bad",
    [{"certificate": b"nonsense"}, {"key": b"nonsense"}, {"key": http.Pair().encrypted_key()}],
    ids=["certificate", "key", "key with a password"],
)
def test_a_certificate_that_cannot_be_shown_is_told_before_anything_is_sent(
    servers: Servers, bad: dict[str, Any]
) -> None:
    """In one line, without asking for a password of the key."""
    pair = servers.authority.issue("dana")
    fields: dict[str, Any] = {"certificate": pair.certificate, "key": pair.key} | bad
    with pytest.raises(NoCredentials, match="client certificate and key that cannot be used"):
        Api(servers.credentials(**fields), user_agent="test")


def test_what_is_wrong_with_the_servers_certificate_is_said(servers: Servers) -> None:
    """Which certificate, and what of it; never a class of an exception."""
    api = Api(servers.credentials("expired", token=lambda: "t"), user_agent="test")
    with pytest.raises(
        ApiError, match=r"certificate of 127.0.0.1:\d+, or one that signed it, has expired at 20"
    ) as error:
        api.get("/expired")
    assert error.value.status == 0
    # The second time, a moment later, nobody looks again.
    with pytest.raises(ApiError, match=r"has expired; is this machine's clock right"):
        api.get("/expired")
    assert servers.loopback.at("/expired") == []


def test_a_time_limit_of_the_command_line_counts_for_every_request(servers: Servers) -> None:
    """And none at all, where it is 0."""
    limited = Api(servers.credentials(timeout=0.000001), user_agent="test")
    with pytest.raises(ApiError, match="no answer in time"):
        limited.get("/limited", timeout=30.0)
    assert Api(servers.credentials(timeout=0.0), user_agent="test").get("/limited", timeout=0.000001)["kind"] == "List"


def test_a_proxy_that_speaks_socks_says_what_it_needs(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that is not installed; nothing goes directly instead."""
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    with pytest.raises(NoCredentials, match=r"proxy socks5://127\.0\.0\.1:1 speaks SOCKS, .*pip install PySocks"):
        Api(servers.credentials(proxy="socks5://dana:secret@127.0.0.1:1", token=lambda: "t"), user_agent="test")
