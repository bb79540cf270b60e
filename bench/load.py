"""The load generator: builds the Go programs once, sends reviews, and says what each one cost."""

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.servers import Server

CONNECTIONS: Final = 8
_SOURCE: Final = Path(__file__).parent / "go"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement. Times are in microseconds; ``cpu`` is the server's CPU time per review."""

    cpu: float
    p99: float
    rps: float


class WrongAnswers(Exception):
    """A server failed reviews or decided otherwise than it must; its figures would mean nothing."""


def build(folder: Path) -> None:
    """Build ``server`` and ``load`` into folder. Raises CalledProcessError."""
    environment = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", f"{folder}{os.sep}", "./cmd/..."], cwd=_SOURCE, env=environment, check=True)


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
        self, server: Server, bodies: Path, requests: int, *, allowed: bool, warm_up: int = 1000
    ) -> Measured:
        """Send so many reviews after a warm-up, going through the bodies in turn.

        Warm-up and measurement use different bodies as long as there are enough. Raises WrongAnswers unless every
        review was answered as ``allowed`` says, and machine.Unavailable.
        """
        self.send(server, bodies, warm_up, allowed=allowed)
        before = server.process.cpu_seconds()
        figures = self.send(server, bodies, requests, allowed=allowed, start=warm_up)
        cpu = (server.process.cpu_seconds() - before) / requests
        return Measured(cpu * 1e6, figures["p99_us"], figures["rps"])

    def send(
        self, server: Server, bodies: Path, requests: int, *, allowed: bool, start: int = 0
    ) -> dict[str, float]:
        """Send so many reviews; give the generator's figures. Raises WrongAnswers."""
        command = [
            str(self._program),
            f"-address={server.address}",
            f"-ca={server.authority}",
            f"-server-name={server.tls_name}",
            f"-bodies={bodies}",
            f"-requests={requests}",
            f"-connections={CONNECTIONS}",
            f"-start={start}",
        ]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        figures: dict[str, float] = json.loads(output)
        right = figures["allowed" if allowed else "denied"]
        if right != requests:
            verdict = "let through" if allowed else "refused"
            raise WrongAnswers(f"{server.name}: {requests} reviews were to be {verdict}, but: {output.decode().strip()}")
        return figures
