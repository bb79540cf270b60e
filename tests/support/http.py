"""A served webhook in a process of its own, and clients that behave well or badly."""

import datetime
import http.client
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DEADLINE = 10.0
"""Seconds after which whatever a test waits for has failed."""

_STARTED = 60.0
"""Seconds until a server that starts has to have said something: on a machine at a load of 8 Python takes its time."""

REPOSITORY = Path(__file__).parents[2]


class Pair:
    """A self-signed certificate for 127.0.0.1 and its key, PEM."""

    def __init__(self, days: int = 30) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        start = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self.not_after = start + datetime.timedelta(days=days)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - datetime.timedelta(hours=1))
            .not_valid_after(self.not_after)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self._key = key
        self.key = self._export(serialization.NoEncryption())

    def encrypted_key(self) -> bytes:
        """Give the key locked with a password."""
        return self._export(serialization.BestAvailableEncryption(b"secret"))

    def _export(self, encryption: serialization.KeySerializationEncryption) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=encryption
        )

    def write(self, folder: Path) -> None:
        """Put tls.crt and tls.key into ``folder``."""
        (folder / "tls.crt").write_bytes(self.certificate)
        (folder / "tls.key").write_bytes(self.key)


class Served:
    """``tests.support.http_server`` as a process; ``options`` are the fields of its ``Options``."""

    def __init__(self, folder: Path, **options: Any) -> None:
        orders = json.dumps({"folder": str(folder), **options})
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.support.http_server", orders],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "controller")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._said = b""
        self.logged: list[str] = []
        """Lines of the log among what the server said, as far as it was read."""
        ports = self._line(_STARTED).split()
        self.port, self.ops_port = int(ports[0]), int(ports[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _line(self, seconds: float = DEADLINE) -> str:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._said:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            if not piece:
                self.process.kill()
                _, errors = self.process.communicate()
                raise AssertionError(f"the server ended or stays silent: {errors.decode()}")
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        self._log(line.decode())
        return line.decode()

    def _log(self, line: str) -> None:
        if line.startswith("{"):
            self.logged.append(line)

    def wait_for(self, word: str) -> str:
        """Read what the server says up to a line that begins with ``word``; give that line."""
        while not (line := self._line()).startswith(word):
            pass
        return line

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> tuple[int, str, str]:
        """Wait for the end; give exit code, what was said last, and stderr."""
        said, errors = self.process.communicate(timeout=DEADLINE)
        lines = (self._said + said).decode().splitlines()
        for line in lines:
            self._log(line)
        return self.process.returncode, lines[-1] if lines else "", errors.decode()

    def stop(self) -> tuple[int, str, str]:
        """Ask it to stop and wait."""
        self.tell(signal.SIGTERM)
        return self.wait()

    def peak(self) -> int:
        """Give the server's highest resident memory so far, in bytes."""
        client = self.client()
        try:
            return int(post(client, {}, "/peak")[1])
        finally:
            client.close()

    def client(self) -> http.client.HTTPSConnection:
        """Give a client that has not connected yet."""
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE, context=context())

    def connect(self) -> ssl.SSLSocket:
        """Give a raw TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return context().wrap_socket(plain, server_hostname="localhost")
        except OSError:
            plain.close()
            raise

    def wait_for_ops(self) -> None:
        """Return once the ops port listens."""
        deadline = time.monotonic() + DEADLINE
        while True:
            with suppress(ConnectionRefusedError):
                self.ops("/healthz")
                return
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ops(self, path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        """GET from the ops port."""
        client = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=DEADLINE)
        try:
            client.request("GET", path, headers=headers)
            response = client.getresponse()
            return response.status, response.read(), response.headers
        finally:
            client.close()


@contextmanager
def opened_in_a_loop(port: int, source: str, says: bytes = b"") -> Iterator[None]:
    """Open connections from an address in a loop all the while, and keep the last 300."""
    over = threading.Event()

    def flood() -> None:
        kept: deque[socket.socket] = deque()
        while not over.is_set():
            sock = socket.socket()
            sock.settimeout(1)
            kept.append(sock)
            with suppress(OSError):
                sock.bind((source, 0))
                sock.connect(("127.0.0.1", port))
                sock.sendall(says)
            if len(kept) > 300:
                kept.popleft().close()
        for sock in kept:
            sock.close()

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def context() -> ssl.SSLContext:
    """Give a client's TLS context that trusts anybody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def post(client: http.client.HTTPSConnection, order: object, path: str = "/validate?timeout=10s") -> tuple[int, Any]:
    """POST ``order`` as JSON; give status and the decoded answer. The connection stays open."""
    client.request("POST", path, json.dumps(order).encode(), {"Content-Type": "application/json"})
    response = client.getresponse()
    return response.status, json.loads(response.read())


def head(length: int | None = None, *more: str, target: str = "/validate") -> bytes:
    """Give the head of a POST; with ``length`` None its body is chunked."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"POST {target} HTTP/1.1", "Host: localhost", "Content-Type: application/json", size, *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


REVIEW = b'{"uid": "6f0c"}'
WHOLE = head(len(REVIEW)) + REVIEW
"""A whole good request."""


def read_all(sock: socket.socket) -> bytes:
    """Read until the server closes, however it does."""
    read = b""
    with suppress(ConnectionError, ssl.SSLError):
        while piece := sock.recv(65536):
            read += piece
    return read


def status(answer: bytes) -> int:
    """Give the status code of the first answer in ``answer``, 0 when there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def read_one(sock: socket.socket) -> http.client.HTTPResponse:
    """Read one answer, whose body is still to be read; the connection stays open."""
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response


def send_until_answered(sock: ssl.SSLSocket, piece: bytes, total: int) -> tuple[int, bytes]:
    """Send ``piece`` over and over, ``total`` bytes at most, until the server answers; give bytes sent and answer."""
    sent, answer = 0, b""
    with suppress(ConnectionError, ssl.SSLError):
        while sent < total and not answer:
            sock.sendall(piece)
            sent += len(piece)
            answer = _there(sock)
    return sent, answer + read_all(sock)


def _there(sock: ssl.SSLSocket) -> bytes:
    """Read what has come, without waiting. Session tickets alone make a socket readable, so that is no sign."""
    sock.settimeout(0)
    try:
        return sock.recv(65536)
    except ssl.SSLWantReadError:
        return b""
    finally:
        sock.settimeout(DEADLINE)
