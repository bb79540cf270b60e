"""A machine within the machine: process, mount and network namespaces that end with us, and all in them too."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from localstack.errors import StackError
from localstack.process import Child
from node import network

_READY_SECONDS: Final = 10.0
_RUN_SECONDS: Final = 120.0

_KERNEL_SETTINGS: Final = {
    "kernel/keys/root_maxbytes": 25_000_000,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
}
"""What kubelet sets for the whole machine unless it finds it so. Source: setupKernelTunables, pkg/kubelet/cm."""

# /run and /var are the node's own: whatever has a fixed place there is gone with the namespace. The first process
# ignores the end of its children, so that the kernel clears away those that lost their parents.
_FIRST_PROCESS: Final = """\
set -eu
mount -t tmpfs tmpfs /run
(cd "$1/kernel" && find . -type f) | while read -r setting; do
  if [ -e "/proc/sys/$setting" ]; then mount --bind "$1/kernel/$setting" "/proc/sys/$setting"; fi
done
mount --bind "$1/var" /var
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
touch "$1/ready"
trap '' CHLD
exec sleep infinity
"""


class Namespaces:
    """Started, it is there until it is stopped or we die, however we die. ``folder`` holds its /var and its logs."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._inside: Final[list[Child]] = []
        (folder / "logs").mkdir(parents=True)
        (folder / "var" / "lib").mkdir(parents=True)
        for setting, value in _KERNEL_SETTINGS.items():
            file = folder / "kernel" / setting
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{value}\n")
        options = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
        self._outer: Final = self._child("namespaces", ["unshare", *options, "sh", "-c", _FIRST_PROCESS, "sh", folder])
        try:
            self._outer.wait_until((folder / "ready").exists, _READY_SECONDS)
            self._first: Final = _only_child_of(self._outer.pid)
            network.plug_in(self._first)
        except BaseException:
            self.stop()
            raise

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Child:
        """Start a program inside; its log is below the folder."""
        child = self._child(name, [*self._enter(), *command], environment)
        self._inside.append(child)
        return child

    def run(self, command: Sequence[str | Path], seconds: float = _RUN_SECONDS) -> str:
        """Run a program inside and give its output; raises ``StackError`` with its words when it fails."""
        try:
            done = subprocess.run(
                [*self._enter(), *command], capture_output=True, text=True, check=False, timeout=seconds
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{Path(command[0]).name} took longer than {seconds:.0f} s") from error
        if done.returncode != 0:
            raise StackError(f"{Path(command[0]).name} {' '.join(map(str, command[1:]))}: {done.stderr.strip()}")
        return done.stdout

    def stop(self) -> None:
        """End everything inside at once; the mounts and the network go with it."""
        self._outer.kill()
        for child in self._inside:
            child.kill()
        network.unplug()

    def _enter(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self._first), "--mount", "--net", "--pid", "--")

    def _child(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Child:
        log = self._folder / "logs" / f"{name}.log"
        return Child(
            name, command, log, dies_with_parent=True, folder=self._folder, environment=environment or os.environ
        )


def _only_child_of(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])
