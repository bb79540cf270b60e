"""The node's own promises: it ends with whoever started it, and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localstack.identity import ProcessIdentity
from localstack.pins import Binary
from node import cgroups, image, network

SECONDS_TO_GO = 60
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "idle", "namespace": "kube-system"},
    "spec": {
        "containers": [{"name": "idle", "image": image.PAUSE, "imagePullPolicy": "Never"}],
        "serviceAccountName": "kube-proxy",
        "terminationGracePeriodSeconds": 0,
    },
}
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kube-proxy", "namespace": "kube-system"}}
PROGRAM = """\
import json, signal, sys, time
from pathlib import Path
from node.node import Node
# A shell's background job ignores Ctrl-C, and hands that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
with Node({name: Path(path) for name, path in json.loads(sys.argv[1]).items()}) as node:
    for document in json.loads(sys.argv[2]):
        node.control_plane.apply(json.dumps(document))
    node.kubectl.must(
        node.admin_kubeconfig, "wait", "--for=condition=Ready", "pod/idle", "--namespace=kube-system", "--timeout=30s"
    )
    print(node.folder, flush=True)
    time.sleep(600)
"""


class Started:
    """A node with a running pod, in a process of its own; ``processes`` are all that it started."""

    def __init__(self, binaries: dict[Binary, Path]) -> None:
        arguments = [json.dumps({name: str(path) for name, path in binaries.items()}), json.dumps([ACCOUNT, POD])]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().strip())
        self.processes = [ProcessIdentity.of("", pid) for pid in sorted(_below(self.process.pid) | _in_cgroups())]

    def wait_until_all_are_gone(self) -> None:
        """Fail when one of the processes is still there after a while."""
        deadline = time.monotonic() + SECONDS_TO_GO
        while alive := [each.pid for each in self.processes if each.alive()]:
            assert time.monotonic() < deadline, alive
            time.sleep(0.05)


@pytest.fixture
def started(binaries: dict[Binary, Path]) -> Iterator[Started]:
    """A node of this test's own."""
    image.pause()
    node = Started(binaries)
    try:
        yield node
    finally:
        node.process.kill()
        node.process.communicate()


def _below(pid: int) -> set[int]:
    """Give the processes that this one started, and those that they did."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = {int(child) for child in children.read_text().split()} if children.exists() else set()
    return found.union(*(_below(child) for child in found))


def _groups() -> list[Path]:
    """Give the control groups that the node's pods are in."""
    return [*Path("/sys/fs/cgroup").glob(f"*/{cgroups.NAME}"), *Path("/sys/fs/cgroup").glob(cgroups.NAME)]


def _in_cgroups() -> set[int]:
    """Give the processes of the node's pods."""
    return {int(pid) for group in _groups() for file in group.rglob("cgroup.procs") for pid in file.read_text().split()}


def _reachable() -> bool:
    """Say whether this machine has the cable to the node."""
    shown = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True).stdout
    return str(network.MACHINE) in shown


def test_a_killed_node_leaves_no_process_and_the_next_one_cleans_up(
    started: Started, binaries: dict[Binary, Path]
) -> None:
    """SIGKILL gives nobody time to clean up: the system ends what ran, the next start removes what lies about."""
    assert len(started.processes) >= 10
    assert _in_cgroups()
    started.process.kill()
    started.process.wait()
    started.wait_until_all_are_gone()
    (started.folder / "left").touch()
    again = Started(binaries)
    try:
        assert again.folder == started.folder
        assert not (started.folder / "left").exists()
    finally:
        again.process.kill()
        again.process.communicate()


def test_an_interrupted_node_leaves_nothing(started: Started) -> None:
    """After Ctrl-C there is no process, no file, no control group, no network, no mount."""
    assert _reachable()
    started.process.send_signal(signal.SIGINT)
    started.process.wait(timeout=SECONDS_TO_GO)
    started.wait_until_all_are_gone()
    assert not started.folder.exists()
    assert _groups() == []
    assert not _reachable()
    assert str(started.folder) not in Path("/proc/self/mountinfo").read_text()
