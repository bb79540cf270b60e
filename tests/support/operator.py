"""The shared stack's operator, started otherwise for a while; and several of them side by side."""

import json
import os
import re
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.cluster import eventually

from localstack.ports import free_ports
from localstack.process import Child
from localstack.seconder import NAMESPACE
from localstack.stack import Stack

_IDENTITY = re.compile(r'"identity":"([^"]+)"')
_AGENT = re.compile(r"seconder-operator/\S+ \((?P<identity>\S+)\)")
_LEASE = timedelta(seconds=10)
_KEPT_BY_ALL = {"validatingwebhookconfigurations", "protectionpolicies"}
"""What an operator writes while none leads; of a policy, its status."""

_CHANGES = {"create", "update", "patch", "delete", "deletecollection"}


@contextmanager
def operator_with(stack: Stack, *flags: str) -> Iterator[None]:
    """Have the operator run with these flags inside; without any, have none."""
    stack.seconder.stop_operator()
    if flags:
        stack.seconder.start_operator(*flags)
        stack.seconder.wait_ready()
    try:
        yield
    finally:
        if flags:
            stack.seconder.stop_operator()
        stack.seconder.start_operator()
        stack.seconder.wait_ready()


class Operator:
    """One of several operators beside the shared control plane, each with the same ServiceAccount."""

    def __init__(self, stack: Stack, folder: Path, name: str) -> None:
        self.name = name
        (port,) = free_ports(1)
        self._address = f"127.0.0.1:{port}"
        self._log = folder / f"{name}.log"
        self._child = Child(
            f"operator {name}",
            [
                *(sys.executable, "-m", "seconder", "operator"),
                f"--kubeconfig={stack.seconder.folder / 'operator.kubeconfig'}",
                f"--namespace={NAMESPACE}",
                f"--webhook-url=https://{stack.seconder.webhook_address}",
                f"--metrics-bind-address={self._address}",
            ],
            self._log,
            dies_with_parent=True,
            folder=folder,
        )

    @property
    def identity(self) -> str:
        """Its name in the Lease; empty until it has said it."""
        found = _IDENTITY.search(self._log.read_text())
        return found[1] if found else ""

    @property
    def leads(self) -> bool:
        """Whether it says so."""
        return "seconder_leader 1.0" in self.metrics()

    def metrics(self) -> str:
        """Give what it tells Prometheus; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self._address}/metrics", timeout=1) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def ready(self) -> str:
        """Give what it answers to /readyz."""
        try:
            with urllib.request.urlopen(f"http://{self._address}/readyz", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())
        except OSError:
            return "no answer"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._child.pid, number)

    def exit_code(self, seconds: float) -> int:
        """Wait for its end."""
        eventually(lambda: self._child.exit_code is not None, seconds, f"{self.name} has ended")
        assert self._child.exit_code is not None
        return self._child.exit_code

    def stop(self) -> None:
        """End it for certain."""
        if self._child.exit_code is None:
            self.signal(signal.SIGCONT)
        self._child.stop()

    def log(self) -> str:
        """Give the end of its log."""
        return "\n".join(self._log.read_text().splitlines()[-15:])


@contextmanager
def operators(stack: Stack, folder: Path, names: Sequence[str] = ("one", "two")) -> Iterator[list[Operator]]:
    """Have these operators run in place of the stack's own. One leads already, the others stand by."""
    with operator_with(stack), ExitStack() as ended:
        running = []
        for name in names:
            operator = Operator(stack, folder, name)
            ended.callback(operator.stop)
            running.append(operator)
        eventually(lambda: all(each.ready() == "ok" for each in running), 30, "all are ready")
        leader(running)
        yield running


def leader(running: Sequence[Operator], seconds: float = 10) -> Operator:
    """Wait for the one that leads, and give it."""
    eventually(lambda: any(each.leads for each in running), seconds, "one leads")
    (leads,) = [each for each in running if each.leads]
    return leads


class Written:
    """What operators have written since, by the API server's own audit log."""

    def __init__(self, audit_log: Path) -> None:
        self._log = audit_log
        self._from = audit_log.stat().st_size

    def asked(self) -> list[dict[str, Any]]:
        """Give the changes that they asked for, taken or not, in the order in which they came in."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            found = [json.loads(line) for line in log if line.endswith(b"\n") and b"seconder-operator/" in line]
        done = [
            event
            for event in found
            if event["verb"] in _CHANGES
            and event["stage"] == "ResponseComplete"
            and "dryRun" not in event["requestURI"]
        ]
        return sorted(done, key=lambda event: str(event["requestReceivedTimestamp"]))

    def events(self) -> list[dict[str, Any]]:
        """Give those that were taken."""
        return [event for event in self.asked() if event["responseStatus"]["code"] < 300]

    def by_another_than_the_leader(self) -> list[str]:
        """Give the changes, taken or not, that another asked for than the one whose name stood in the Lease then.

        Each with its time. A Lease counts from when it was stored, and until another name, or none, is stored. One that
        is made is nobody's, and ends no term. After one that nobody has renewed in time, anybody may keep the
        configuration.
        """
        renewals = [
            (str(event["stageTimestamp"]), str(event["responseObject"]["spec"].get("holderIdentity") or ""))
            for event in self.events()
            if _is_lease(event) and event["verb"] != "create"
        ]
        strangers = []
        for event in self.asked():
            if _is_lease(event):
                continue
            at = str(event["requestReceivedTimestamp"])
            renewed, holder = next((renewal for renewal in reversed(renewals) if renewal[0] <= at), (at, None))
            vacant = datetime.fromisoformat(at) - datetime.fromisoformat(renewed) > _LEASE
            if vacant and event["objectRef"]["resource"] in _KEPT_BY_ALL:
                continue
            if holder is not None and holder != writer_of(event):
                strangers.append(f"{at} {event['verb']} {event['requestURI']} by {writer_of(event)} while {holder} led")
        return strangers

    def writers(self) -> set[str]:
        """Name those that have changed something beside the Lease."""
        return {writer_of(event) for event in self.events() if not _is_lease(event)}


def writer_of(event: dict[str, Any]) -> str:
    """Name the operator that made a request, as it stands in the Lease."""
    found = _AGENT.fullmatch(event["userAgent"])
    assert found, event["userAgent"]
    return found["identity"]


def _is_lease(event: dict[str, Any]) -> bool:
    return str(event["objectRef"]["resource"]) == "leases"
