"""The load generator: sends reviews, and says what each one cost."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.servers import Server

CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement, in microseconds per review.

    ``cpu`` is the server's CPU time, of which ``kernel`` in the kernel; ``handler`` is what the server itself says it
    took to decide and answer, without TLS, HTTP and scheduling.
    """

    cpu: float
    kernel: float
    handler: float
    p99: float


class WrongAnswers(Exception):
    """A server failed reviews or decided otherwise than it must; its figures would mean nothing."""


def write_bodies(path: Path, bodies: Iterable[bytes]) -> Path:
    """Write reviews, one per line, as the load generator reads them."""
    with path.open("wb") as out:
        out.writelines(body + b"\n" for body in bodies)
    return path


class Load:
    """Sends reviews with the generator at ``program``."""

    def __init__(self, program: Path) -> None:
        self._program: Final = program

    def measure(
        self,
        server: Server,
        bodies: Path,
        requests: int,
        *,
        allowed: bool,
        warm_up: int = 1000,
        connections: int = CONNECTIONS,
    ) -> Measured:
        """Send so many reviews after a warm-up, going through the bodies in turn.

        Warm-up and measurement use different bodies as long as there are enough. Raises WrongAnswers unless every
        review was answered as ``allowed`` says.
        """
        self.send(server, bodies, warm_up, allowed=allowed, connections=connections)
        handled = server.seconds_in_handler()
        cpu, kernel = server.process.cpu_seconds(), server.process.kernel_seconds()
        figures = self.send(server, bodies, requests, allowed=allowed, start=warm_up, connections=connections)
        cpu, kernel = server.process.cpu_seconds() - cpu, server.process.kernel_seconds() - kernel
        handled = server.seconds_in_handler() - handled
        each = 1e6 / requests
        return Measured(cpu * each, kernel * each, handled * each, figures["p99_us"])

    def send(
        self,
        server: Server,
        bodies: Path,
        requests: int,
        *,
        allowed: bool,
        start: int = 0,
        connections: int = CONNECTIONS,
    ) -> dict[str, float]:
        """Send so many reviews; give the generator's figures. Raises WrongAnswers."""
        command = [
            str(self._program),
            f"-address={server.address}",
            f"-ca={server.authority}",
            f"-server-name={server.tls_name}",
            f"-bodies={bodies}",
            f"-requests={requests}",
            f"-connections={connections}",
            f"-start={start}",
        ]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        figures: dict[str, float] = json.loads(output)
        right = figures["allowed" if allowed else "denied"]
        if right != requests:
            verdict = "let through" if allowed else "refused"
            raise WrongAnswers(
                f"{server.name}: {requests} reviews were to be {verdict}, but: {output.decode().strip()}"
            )
        return figures
