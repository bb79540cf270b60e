"""Receivers of notifications on loopback, each of which keeps what it was sent: HTTP, HTTPS, and SMTP."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Posted(NamedTuple):
    """One request. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Sink:
    """What a receiver was sent. ``answer`` gives the status, and headers, of the next answer."""

    def __init__(self) -> None:
        self.url = ""
        self.port = 0
        self.posted: list[Posted] = []
        self.answer: Callable[[int], tuple[int, Mapping[str, str]]] = lambda _number: (200, {})
        self.release = threading.Event()
        self.release.set()
        self._changed = threading.Condition()

    def take(self, posted: Posted) -> int:
        """Keep it; gives how many there are."""
        with self._changed:
            self.posted.append(posted)
            self._changed.notify_all()
            return len(self.posted)

    def wait(self, count: int, seconds: float = 10.0) -> list[Posted]:
        """All that was sent, once there are so many."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.posted) >= count, seconds)
            assert arrived, f"{len(self.posted)} of {count} messages: {self.posted}"
            return list(self.posted)


@contextmanager
def http(certificate: tuple[Path, Path] | None = None) -> Iterator[Sink]:
    """A receiver of POSTs; over TLS with a certificate and its key."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            number = sink.take(Posted(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            sink.release.wait(30)
            status, headers = sink.answer(number)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not like the certificate hangs up; that is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    sink.port = server.server_address[1]
    sink.url = f"{'https' if certificate else 'http'}://127.0.0.1:{sink.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield sink
    finally:
        sink.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def smtp() -> Iterator[Sink]:
    """A mail server that takes everything (RFC 5321), and keeps each message."""
    sink = Sink()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 loopback\r\n")
            while line := self.rfile.readline():
                verb = line.strip().upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    content = b""
                    while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                        content += line
                    sink.take(Posted("", {}, content))
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A self-signed certificate for an address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, True, True, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "sink.crt", folder / "sink.key"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
