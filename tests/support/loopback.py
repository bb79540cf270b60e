"""API servers and proxies on loopback that write down who asks, and certificates for them."""

import base64
import datetime
import http.server
import json
import select
import socket
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SECONDS = 10.0
_EMPTY: dict[str, Any] = {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}
_SECURED_PORTS = frozenset({443, 6443})
Name = x509.DNSName | x509.IPAddress
LOOPBACK: Sequence[Name] = (x509.IPAddress(IPv4Address("127.0.0.1")),)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes

    @property
    def encoded(self) -> tuple[str, str]:
        """Both as kubeconfigs hold them."""
        return base64.b64encode(self.certificate).decode(), base64.b64encode(self.key).decode()


class Authority:
    """A certificate authority; below another one, or its own."""

    def __init__(self, name: str, issuer: "Authority | None" = None) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self._sign(issuer or self, self.name, self.key, [], authority=True)

    def issue(self, name: str, names: Sequence[Name] = (), *, days: tuple[int, int] = (-1, 30)) -> Pair:
        """Issue a certificate that is valid between two days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return Pair(
            self._sign(self, subject, key, names, days=days),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    @staticmethod
    def _sign(
        issuer: "Authority",
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: Sequence[Name],
        *,
        authority: bool = False,
        days: tuple[int, int] = (-1, 30),
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Way:
    """The proxy that a connection came through, what it was asked for, and who it takes the client for."""

    proxy: str
    target: str
    authorization: str


@dataclass(frozen=True)
class Arrived:
    """What a server saw of one request. ``who`` is everything by which an API server could tell who asks."""

    method: str
    path: str
    authorization: str
    impersonation: Sequence[tuple[str, str]]
    certificate: str
    asked_name: str
    way: Way | None
    encoding: str

    @property
    def who(self) -> tuple[object, ...]:
        """What two clients must have in common."""
        return self.authorization, self.impersonation, self.certificate, self.asked_name, self.way


@dataclass
class Loopback:
    """Everything that listens, and what has arrived. Ports by name; ``answer`` gives a path's status and document."""

    ports: dict[str, int] = field(default_factory=dict)
    arrived: list[Arrived] = field(default_factory=list)
    ways: dict[int, Way] = field(default_factory=dict)
    answer: Callable[[str, str], tuple[int, Any]] = lambda method, path: (200, _EMPTY)

    def at(self, prefix: str) -> list[Arrived]:
        """What has arrived below this path."""
        return [one for one in self.arrived if one.path.startswith(prefix)]


@contextmanager
def listening(trusted: Authority, servers: dict[str, Pair]) -> Iterator[Loopback]:
    """Serve each of these certificates, plain HTTP at ``plain``, and proxies that lead to ``secured`` and ``plain``.

    A proxy takes every name for one of those two, by the port, unless one of these servers has that port. Client
    certificates of ``trusted`` are read.
    """
    found = Loopback()
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:

        def serve(name: str, server: _Server) -> None:
            _, found.ports[name], *_ = server.socket.getsockname()
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)

        contexts = {name: _context(Path(folder), trusted, pair) for name, pair in servers.items()}
        serve("plain", _Server(found, _Api))
        for name, context in contexts.items():
            serve(name, _Server(found, _Api, context))
        serve("proxy", _Server(found, _HttpProxy, name="http"))
        serve("secured-proxy", _Server(found, _HttpProxy, contexts["secured"], name="https"))
        serve("socks", _Server(found, _Socks, name="socks"))
        yield found


def _context(folder: Path, trusted: Authority, pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "pair"
    file.write_bytes(pair.certificate + pair.key)
    context.load_cert_chain(file)
    context.load_verify_locations(cadata=trusted.pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL

    def note(secured: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        secured.asked_name = name or ""  # type: ignore[attr-defined]

    context.sni_callback = note
    return context


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(
        self,
        loopback: Loopback,
        handler: type[socketserver.BaseRequestHandler],
        context: ssl.SSLContext | None = None,
        *,
        name: str = "",
    ) -> None:
        self.loopback = loopback
        self.name = name
        self._context = context
        super().__init__(("127.0.0.1", 0), handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_SECONDS)
        if self._context is not None:
            try:
                request = self._context.wrap_socket(request, server_side=True)
            except OSError:
                # A client that does not accept the certificate.
                return
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away as they like."""


class _Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        certificate: dict[str, Any] = {}
        if isinstance(self.connection, ssl.SSLSocket):
            certificate = self.connection.getpeercert() or {}
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        headers = [(key.lower(), value) for key, value in self.headers.items()]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        loopback = self.server.loopback
        loopback.arrived.append(
            Arrived(
                self.command,
                self.path,
                ", ".join(value for key, value in headers if key == "authorization"),
                sorted((key, value) for key, value in headers if key.startswith("impersonate-")),
                ", ".join(names),
                getattr(self.connection, "asked_name", ""),
                loopback.ways.get(self.client_address[1]),
                self.headers.get("Accept-Encoding") or "",
            )
        )
        status, document = loopback.answer(self.command, self.path)
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as there
        """Say nothing."""


class _HttpProxy(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Lead a CONNECT, or requests for absolute URLs, to the API server."""
        first = self.rfile.readline()
        known, kept = "", b""
        while (line := self.rfile.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"proxy-authorization":
                known = value.strip().decode()
            else:
                kept += line
        method, target, _ = first.decode().split(" ", 2)
        if method == "CONNECT":
            with _onward(self.server, target, known) as onward:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pump(self.connection, onward)
            return
        host, slash, path = target.removeprefix("http://").partition("/")
        with _onward(self.server, host if ":" in host else f"{host}:80", known) as onward:
            onward.sendall(f"{method} {slash}{path} HTTP/1.1\r\n".encode() + kept + b"\r\n")
            _pump(self.connection, onward)


class _Socks(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Speak SOCKS version 5 (RFC 1928), with a user name and password (RFC 1929) where the client has them."""
        version, count = self.rfile.read(2)
        offered = self.rfile.read(count)
        known = ""
        self.wfile.write(bytes([version, 2 if 2 in offered else 0]))
        if 2 in offered:
            self.rfile.read(1)
            user = self.rfile.read(self.rfile.read(1)[0]).decode()
            known = f"{user}:{self.rfile.read(self.rfile.read(1)[0]).decode()}"
            self.wfile.write(b"\x01\x00")
        _, _, _, kind = self.rfile.read(4)
        host = socket.inet_ntoa(self.rfile.read(4)) if kind == 1 else self.rfile.read(self.rfile.read(1)[0]).decode()
        port = int.from_bytes(self.rfile.read(2), "big")
        with _onward(self.server, f"{host}:{port}", known) as onward:
            self.wfile.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            _pump(self.connection, onward)


@contextmanager
def _onward(server: _Server, target: str, known: str) -> Iterator[socket.socket]:
    wanted, ports = int(target.rpartition(":")[2]), server.loopback.ports
    if wanted not in ports.values():
        wanted = ports["secured" if wanted in _SECURED_PORTS else "plain"]
    with socket.create_connection(("127.0.0.1", wanted), _SECONDS) as onward:
        server.loopback.ways[onward.getsockname()[1]] = Way(server.name, target, known)
        yield onward


def _pump(client: socket.socket, onward: socket.socket) -> None:
    ends = {client: onward, onward: client}
    with suppress(OSError):
        while ready := select.select(list(ends), [], [], _SECONDS)[0]:
            for end in ready:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)
                while isinstance(end, ssl.SSLSocket) and end.pending():
                    ends[end].sendall(end.recv(65536))
