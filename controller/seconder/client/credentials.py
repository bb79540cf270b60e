"""Where the API server is, and what proves to it who asks."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    pass

_ILLEGAL: Final = frozenset(chr(code) for code in (*range(0x20), 0x7F)) - {"\t"}
"""In a header's value (RFC 9110 section 5.5)."""

_NAME_CHARACTERS: Final = frozenset("!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"""Of a header's name (RFC 9110 section 5.6.2), but for ``%``, with which begins what is escaped."""

Header = tuple[str, str]


class NoCredentials(Exception):
    """No usable kubeconfig or in-cluster credentials; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What proves who asks, at one moment.

    ``authorization`` is the value of that header. ``certificate`` and ``key`` are PEM. Without any of them, requests
    are anonymous.
    """

    authorization: str = field(default="", repr=False)
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)


class Plugin(Protocol):
    """A credential plugin (KEP-541)."""

    def current(self) -> Identity:
        """The present credential; the plugin is run when there is none, or it has expired. Raises NoCredentials."""

    def refused(self) -> None:
        """Forget the credential, which the API server does not accept."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Whom requests are made for, as ``kubectl --as`` means it."""

    user: str
    uid: str = ""
    groups: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach one API server, and as whom.

    ``ca``, ``certificate`` and ``key`` are PEM; without ``ca`` the machine's own authorities count. ``token`` is called
    for each request, since tokens are renewed on disk. ``password`` is a user name and its password. ``plugin`` gives
    everything that proves who asks where it is set. ``server_name`` is what the server's certificate is checked for,
    ``proxy`` the URL of the proxy, ``proxy_url`` that of one which does not come from the environment. ``namespace`` is
    the one that requests without one mean. ``timeout`` bounds one request, in seconds; None leaves it to each request,
    and 0 is no bound. ``origin`` and ``ca_origin`` say where all that was read.
    """

    server: str
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    token: Callable[[], str] | None = None
    namespace: str = "default"
    password: tuple[str, str] | None = field(default=None, repr=False)
    plugin: Plugin | None = None
    impersonation: Impersonation | None = None
    insecure: bool = False
    server_name: str = ""
    proxy: str = field(default="", repr=False)
    proxy_url: str = field(default="", repr=False)
    timeout: float | None = None
    origin: str = ""
    ca_origin: str = ""

    def identity(self) -> Identity:
        """What proves who asks, now. Raises NoCredentials; nothing may be sent then."""
        if self.plugin is not None:
            return self.plugin.current()
        if self.token is not None:
            return Identity(f"Bearer {self.token()}", self.certificate, self.key)
        if self.password is not None:
            encoded = base64.b64encode(":".join(self.password).encode()).decode()
            return Identity(f"Basic {encoded}", self.certificate, self.key)
        return Identity("", self.certificate, self.key)

    def headers(self, identity: Identity) -> list[Header]:
        """The headers that say who asks, and for whom. Raises NoCredentials for what no header can hold."""
        found = [("Authorization", identity.authorization)] if identity.authorization else []
        if (whom := self.impersonation) is not None:
            found.append(("Impersonate-User", whom.user))
            if whom.uid:
                found.append(("Impersonate-Uid", whom.uid))
            found += (("Impersonate-Group", group) for group in whom.groups)
            found += (
                (f"Impersonate-Extra-{_escaped(key)}", value) for key, values in whom.extra.items() for value in values
            )
        return [(name, _value(name, text)) for name, text in found]


def token_of(path: Path, otherwise: str = "") -> Callable[[], str]:
    """What reads a token anew each time.

    Where the file cannot be read or is empty, it gives what it read last, else ``otherwise``; else it raises
    NoCredentials.
    """
    known = otherwise

    def read() -> str:
        nonlocal known
        try:
            known = path.read_text().strip() or known
            reason = "is empty"
        except (OSError, UnicodeDecodeError) as error:
            reason = f"cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        if not known:
            raise NoCredentials(f"token file {path} {reason}")
        return known

    return read


def _escaped(key: str) -> str:
    return "".join(chr(byte) if chr(byte) in _NAME_CHARACTERS else f"%{byte:02X}" for byte in key.encode())


def _value(name: str, text: str) -> str:
    if _ILLEGAL.intersection(text):
        what = "the token or password" if name == "Authorization" else name
        raise NoCredentials(f"{what} holds a line break or another control character, which no header can carry")
    # The client library encodes headers as ISO 8859-1, the API server and kubectl take UTF-8.
    return text.encode().decode("latin-1")
