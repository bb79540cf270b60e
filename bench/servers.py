"""The servers that are measured: started alike, asked alike."""

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.machine import Process
from localstack.ports import free_ports

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

    def requests(self) -> float:
        """Give the number of reviews that the server has counted."""
        return self._total("admission_requests_total")

    def seconds_in_handler(self) -> float:
        """Give the time that the server says its reviews took, all together."""
        return self._total("admission_review_duration_seconds_sum")

    def _total(self, metric: str) -> float:
        """Add up a metric over all its labels; the name may have a prefix."""
        samples = (line.rpartition(" ") for line in self.get("/metrics")[1].splitlines() if not line.startswith("#"))
        return sum(float(value) for series, _, value in samples if series.partition("{")[0].endswith(metric))

    def wait_ready(self) -> float:
        """Wait until /readyz says so; give the seconds since this was called.

        Raises StackError when the server ends before, and TimeoutError.
        """
        began = time.perf_counter()
        while (waited := time.perf_counter() - began) < _START_SECONDS:
            self.process.check_alive()
            try:
                if self.get("/readyz")[0] == http.HTTPStatus.OK:
                    return time.perf_counter() - began
            except OSError:
                pass
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{self.name} was not ready after {waited:.0f} s")


def start(
    name: str,
    command: Callable[[str, str], list[str]],
    log: Path,
    authority: Path,
    tls_name: str,
    *,
    address: str = "",
    **environment: str,
) -> Server:
    """Start a server; it need not be ready yet.

    ``command`` gets the address for reviews (``address``, or a free one) and the one for metrics.
    """
    free, metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
    address = address or free
    process = Process(name, command(address, metrics), log, environment)
    return Server(name, process, address, metrics, authority, tls_name)
