"""The yardstick: the Go programs in ``go/``, built here, and the handler started in each way that it is measured."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import servers
from bench.servers import Server
from localstack.binaries import cache_folder
from localstack.locking import locked
from localstack.pki import Authority
from localstack.toolchain import find_go, go_environment

_SOURCE: Final = Path(__file__).parent / "go"
THREADS: Final = (1, 2)
"""GOMAXPROCS of the variants. On one core, 1 costs the least CPU but lets the Go scheduler favour one connection when
busy, and 2 has the better tail: so each figure is compared with whichever does better in it."""


def build(folder: Path) -> None:
    """Build ``server`` and ``load`` into folder, with the Go toolchain of the local stack.

    Raises StackError where there is no toolchain and none can be installed, and CalledProcessError.
    """
    cache = cache_folder(os.environ)
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache, lambda: print("Another build is running; waiting for it ...", flush=True)):
        go = find_go(cache, lambda text: print(text, flush=True))
    command: list[str | Path] = [go, "build", "-o", f"{folder}{os.sep}", "./cmd/..."]
    subprocess.run(command, cwd=_SOURCE, env=go_environment(os.environ), check=True)


@dataclass(frozen=True, slots=True)
class Serving:
    """Files in PEM: who signed, the server's certificate, and its key."""

    authority: Path
    certificate: Path
    key: Path


def certificates(folder: Path) -> Serving:
    """Write a CA and a serving certificate (ECDSA P-256, as the operator makes them)."""
    authority = Authority()
    issued = authority.issue_server()
    serving = Serving(folder / "go-ca.crt", folder / "go-tls.crt", folder / "go-tls.key")
    serving.authority.write_bytes(authority.pem.certificate)
    serving.certificate.write_bytes(issued.certificate)
    serving.key.touch(mode=0o600)
    serving.key.write_bytes(issued.key)
    return serving


def start(program: Path, config: Path, serving: Serving, folder: Path, *, threads: int, cache: bool) -> Server:
    """Start the handler and wait until it is ready. ``cache``: it remembers approvals that it has verified."""

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

    name = f"Go handler, {threads} thread{'s' if threads > 1 else ''}{', cache' if cache else ''}"
    log = folder / f"go-{threads}-{'cache' if cache else 'plain'}.log"
    server = servers.start(name, command, log, serving.authority, "localhost", GOMAXPROCS=str(threads))
    server.wait_ready()
    return server
