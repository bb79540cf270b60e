"""The node's addresses, and the cable between it and this machine."""

import subprocess
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from localstack.errors import StackError

# 198.18.0.0/15 is for tests of network devices (RFC 2544): no other network that this machine is in has it.
MACHINE: Final = IPv4Address("198.18.0.1")
NODE: Final = IPv4Address("198.18.0.2")
PODS: Final = IPv4Network("198.18.1.0/24")
SERVICES: Final = IPv4Network("198.18.2.0/24")
_CABLE_PREFIX: Final = 30
_MACHINE_END: Final = "seconder-node"
_NODE_END: Final = "eth0"


def plug_in(process: int) -> None:
    """Lay a cable from this machine to the network namespace of ``process``; this machine then reaches its pods.

    Raises ``StackError`` with the words of ``ip``.
    """
    _ip("link", "add", _MACHINE_END, "type", "veth", "peer", "name", _NODE_END, "netns", str(process))
    _ip("address", "add", f"{MACHINE}/{_CABLE_PREFIX}", "dev", _MACHINE_END)
    _ip("link", "set", _MACHINE_END, "up")
    inside = ("nsenter", "--target", str(process), "--net")
    _ip("address", "add", f"{NODE}/{_CABLE_PREFIX}", "dev", _NODE_END, within=inside)
    _ip("link", "set", _NODE_END, "up", within=inside)
    for range_ in (PODS, SERVICES):
        _ip("route", "add", str(range_), "via", str(NODE))


def unplug() -> None:
    """Remove the cable and the routes over it, if there is one; the bridge and all else went with the namespace."""
    subprocess.run(["ip", "link", "delete", _MACHINE_END], capture_output=True, check=False)


def _ip(*arguments: str, within: tuple[str, ...] = ()) -> None:
    done = subprocess.run([*within, "ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
