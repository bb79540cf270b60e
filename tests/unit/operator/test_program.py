"""kopf asks the API server as everything else of the operator does: the same name, certificate and way."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography import x509
from tests.support.loopback import LOOPBACK, Authority, Loopback, listening

from seconder.client.api import Api
from seconder.client.credentials import Credentials, Identity, Impersonation, NoCredentials
from seconder.operator import kopf_watches, program

_NAME = "kubernetes.default.svc"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Whom everybody here trusts."""
    return Authority("ours")


@pytest.fixture(scope="module")
def loopback(authority: Authority) -> Iterator[Loopback]:
    """A server and proxies."""
    names = [*LOOPBACK, x509.DNSName(_NAME)]
    with listening(authority, {"secured": authority.issue("kubernetes", names)}) as found:
        yield found


class Plugin:
    """A credential plugin that gives another token each time that the last was refused."""

    def __init__(self) -> None:
        self.number = 1

    def current(self) -> Identity:
        """See seconder.client.credentials.Plugin."""
        return Identity(f"Bearer {self.number}")

    def refused(self) -> None:
        """See seconder.client.credentials.Plugin."""
        self.number += 1


def _get(credentials: Credentials, path: str, *, refused: bool = False) -> None:
    async def get() -> None:
        made = await kopf_watches.session(credentials, refused=refused)
        async with made.aiohttp_session, made.aiohttp_session.get(f"{made.server}{path}") as response:
            assert response.status == 200

    asyncio.run(get())


def test_kopfs_requests_are_as_all_others(loopback: Loopback, authority: Authority) -> None:
    """Token, client certificate, impersonation, the server's name and the proxy."""
    pair = authority.issue("dana")
    credentials = Credentials(
        "https://api.cluster.test:6443",
        authority.pem,
        certificate=pair.certificate,
        key=pair.key,
        token=lambda: "t",
        impersonation=Impersonation("jürgen", "7", ("a", "b, c"), {"k": ("x", "y")}),
        server_name=_NAME,
        proxy=f"http://dana:secret@127.0.0.1:{loopback.ports['proxy']}",
    )
    _get(credentials, "/kopf")
    Api(credentials, user_agent="test").get("/other")
    (kopfs,), (other,) = loopback.at("/kopf"), loopback.at("/other")
    assert kopfs.who == other.who
    assert (kopfs.certificate, kopfs.asked_name, len(kopfs.impersonation)) == ("dana", _NAME, 6)
    assert kopfs.way is not None


def test_a_refused_credential_is_not_used_for_the_next_session(loopback: Loopback, authority: Authority) -> None:
    """The plugin is asked anew, and only then."""
    credentials = Credentials(f"https://127.0.0.1:{loopback.ports['secured']}", authority.pem, plugin=Plugin())
    _get(credentials, "/plugin/a")
    _get(credentials, "/plugin/b")
    _get(credentials, "/plugin/c", refused=True)
    assert [seen.authorization for seen in loopback.at("/plugin/")] == ["Bearer 1", "Bearer 1", "Bearer 2"]


def test_a_certificate_is_checked(loopback: Loopback) -> None:
    """By the authority that the kubeconfig names."""
    other = Credentials(f"https://127.0.0.1:{loopback.ports['secured']}", Authority("other").pem, token=lambda: "t")
    with pytest.raises(Exception, match="certificate verify failed"):
        _get(other, "/other-authority")
    assert loopback.at("/other-authority") == []


def test_a_proxy_that_kopf_cannot_use_is_told(authority: Authority) -> None:
    """Before anything is asked directly instead."""
    credentials = Credentials("https://127.0.0.1:1", authority.pem, proxy="socks5://a:b@127.0.0.1:1")
    with pytest.raises(NoCredentials, match=r"proxy socks5://127\.0\.0\.1:1 speaks SOCKS, which the operator does not"):
        program.check(replace(credentials, token=lambda: "t"))
