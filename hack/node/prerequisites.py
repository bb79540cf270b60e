"""What the machine must have: Linux, root, and some of Debian's packages, which CI gets installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localstack.errors import StackError
from node import cache, steps

CNI_PLUGINS: Final = Path("/usr/lib/cni")
_SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of the machine's, by name or path, and the Debian package that has it."""

    program: str
    package: str


TOOLS: Final = (
    Tool("buildah", "buildah"),
    Tool("busybox", "busybox-static"),
    Tool("chromedriver", "chromium-driver"),
    Tool("chromium", "chromium"),
    Tool("debootstrap", "debootstrap"),
    Tool("ip", "iproute2"),
    Tool("nft", "nftables"),
    Tool("nsenter", "util-linux"),
    Tool("prometheus", "prometheus"),
    Tool("promtool", "prometheus"),
    Tool("runc", "runc"),
    Tool("unshare", "util-linux"),
    *(Tool(str(CNI_PLUGINS / name), "containernetworking-plugins") for name in ("bridge", "host-local", "loopback")),
)


def path_of(program: str) -> Path | None:
    """The path of the program with this name or path, None when nowhere; a user's PATH may lack root's folders."""
    search = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS])
    found = shutil.which(program, path=search)
    return Path(found) if found else None


def required(program: str) -> Path:
    """The path of a program; raises ``StackError`` when nowhere."""
    found = path_of(program)
    if found is None:
        raise StackError(f"there is no {program} on this machine")
    return found


def lacking_packages(find: Callable[[str], Path | None] = path_of) -> list[str]:
    """The Debian packages of the tools that ``find`` does not find, each once, sorted."""
    return sorted({tool.package for tool in TOOLS if find(tool.program) is None})


def ensure(environment: Mapping[str, str] = os.environ) -> None:
    """Return when the machine has it all; under ``CI=true`` install the packages that it lacks.

    Raises ``StackError`` that says what is lacking and the command that gets it.
    """
    if sys.platform != "linux":
        raise StackError("a node runs on Linux only; everything else is tested by: make test")
    if os.geteuid() != 0:
        raise StackError("a node needs root (namespaces, mounts, cgroups): sudo --preserve-env=PATH make e2e")
    install(lacking_packages(), "the node", environment)
    _try_namespaces()


def install(packages: Sequence[str], wanted_by: str, environment: Mapping[str, str] = os.environ) -> None:
    """Install Debian packages under ``CI=true``; raises ``StackError`` with the command that does elsewhere.

    Nothing is done where there are none.
    """
    if not packages:
        return
    command = f"apt-get update && apt-get install --yes --no-install-recommends {' '.join(packages)}"
    if path_of("apt-get") is None:
        raise StackError(f"{wanted_by} needs what these Debian packages have, and there is no apt-get: {packages}")
    if environment.get("CI") != "true":
        raise StackError(
            f"{wanted_by} needs some packages (under CI=true they are installed without asking):\n  {command}"
        )
    steps.run(
        f"Installing {', '.join(packages)}",
        ["sh", "-c", command],
        cache.folder("node") / "apt.log",
        # In runlevel 1 no package starts its service: of Prometheus the program is wanted.
        environment={**environment, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
    )


def _try_namespaces() -> None:
    """Raise ``StackError`` where root is not allowed namespaces, as in a container without privileges."""
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "ip", "link", "set", "lo", "up"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"this machine lets root make no namespaces: {done.stderr.strip()}")
