"""The servers that are measured: started alike, asked alike."""

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import machine
from bench.certificates import Serving
from bench.machine import Process

_START_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.002


@dataclass(frozen=True, slots=True)
class Server:
    """A running webhook. ``address`` answers /validate over TLS, ``metrics_address`` /readyz and /metrics without."""

    name: str
    process: Process
    address: str
    metrics_address: str
    authority: Path
    tls_name: str

    def ask(self, review: bytes) -> dict[str, Any]:
        """Send one review over a connection of its own; give the AdmissionResponse."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.check_hostname = False
        connection = http.client.HTTPSConnection(self.address, timeout=10, context=context)
        try:
            connection.request("POST", "/validate?timeout=10s", review, {"Content-Type": "application/json"})
            answer: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())["response"]
            return answer
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Read a path of the metrics port: status code and text. Raises OSError while nothing listens."""
        connection = http.client.HTTPConnection(self.metrics_address, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def wait_ready(self) -> float:
        """Wait for /readyz; give the seconds since this was called. Raises RuntimeError and TimeoutError."""
        began = time.perf_counter()
        while (waited := time.perf_counter() - began) < _START_SECONDS:
            self.process.check_alive()
            try:
                if self.get("/readyz")[0] == http.HTTPStatus.OK:
                    return time.perf_counter() - began
            except OSError:
                pass
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{self.name} was not ready after {waited:.0f} s:\n{self.process.log.read_text()[-2000:]}")


def start(
    name: str, command: Callable[[str, str], list[str]], log: Path, authority: Path, tls_name: str, **environment: str
) -> Server:
    """Start a server; ``command`` gets the address for reviews and the one for metrics. It need not be ready yet."""
    address, metrics = (f"127.0.0.1:{machine.free_port()}" for _ in range(2))
    process = Process(command(address, metrics), log, environment)
    return Server(name, process, address, metrics, authority, tls_name)


def start_go(program: Path, config: Path, serving: Serving, log: Path, *, cache: bool) -> Server:
    """Start the Go handler on one core and wait for it."""

    def command(address: str, metrics: str) -> list[str]:
        return [
            str(program),
            f"-address={address}",
            f"-metrics-address={metrics}",
            f"-tls-cert={serving.certificate}",
            f"-tls-key={serving.key}",
            f"-config={config}",
            f"-cache={'true' if cache else 'false'}",
        ]

    name = "Go handler with a cache" if cache else "Go handler"
    server = start(name, command, log, serving.authority, "localhost", GOMAXPROCS="1")
    server.wait_ready()
    return server
