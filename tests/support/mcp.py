"""An assistant's hands: kubernetes-mcp-server, asked over its standard streams as the Model Context Protocol says."""

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any, Final, NamedTuple

from localstack.lifetime import Lifetime

_VERSION: Final = "2025-06-18"
"""Of the protocol. One JSON-RPC message a line: section "Transports", stdio."""

_SECONDS: Final = 60.0


class Told(NamedTuple):
    """What a tool's call comes back with, as the assistant reads it."""

    failed: bool
    text: str


class McpServer(Lifetime):
    """The server as a child, with one kubeconfig; used as a context or started and stopped."""

    def __init__(self, program: Path, kubeconfig: Path, home: Path) -> None:
        self._command: Final[list[str | Path]] = [program, f"--kubeconfig={kubeconfig}"]
        self._home: Final = home
        self._log: Final = home / "mcp.log"
        self._process: subprocess.Popen[str] | None = None
        self._number = 0

    def start(self) -> None:
        """Start it, and greet it."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={"PATH": os.environ["PATH"], "HOME": str(self._home)},
            )
        client = {"name": "assistant", "version": "1"}
        self._ask("initialize", {"protocolVersion": _VERSION, "capabilities": {}, "clientInfo": client})
        self._send({"method": "notifications/initialized"})

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def call(self, tool: str, **arguments: Any) -> Told:
        """Call a tool."""
        result = self._ask("tools/call", {"name": tool, "arguments": arguments})
        return Told(result.get("isError", False), "\n".join(part["text"] for part in result["content"]))

    def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        # One that does not answer is ended, and so is the wait for it.
        overdue = threading.Timer(_SECONDS, self._process.kill)
        overdue.start()
        try:
            for line in self._process.stdout:
                answer = json.loads(line)
                if answer.get("id") == self._number and "method" not in answer:
                    assert "error" not in answer, answer
                    found: dict[str, Any] = answer["result"]
                    return found
        finally:
            overdue.cancel()
        raise AssertionError(self._log.read_text())

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        self._process.stdin.flush()
