"""Which binaries the stack needs, at which versions, and how each is built.

The versions stand in the go.mod files beside this one and nowhere else.
"""

import hashlib
import platform
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from localstack.errors import StackError

GO_MODULES: Final = Path(__file__).parent / "gomod"
_KUBERNETES: Final = "kubernetes"
_ETCD: Final = "etcd"
_CONTAINERD: Final = "containerd"
_HELM: Final = "helm"
_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Binary(StrEnum):
    """A program of the stack, by the name of its file."""

    ETCD = "etcd"
    APISERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    KUBECTL = "kubectl"
    SCHEDULER = "kube-scheduler"
    PROXY = "kube-proxy"
    KUBELET = "kubelet"
    CONTAINERD = "containerd"
    SHIM = "containerd-shim-runc-v2"
    CTR = "ctr"
    HELM = "helm"


LOCAL_STACK: Final = (Binary.ETCD, Binary.APISERVER, Binary.CONTROLLER_MANAGER, Binary.KUBECTL)
"""What a control plane without nodes is made of."""

TESTS: Final = (*LOCAL_STACK, Binary.HELM)
"""What the tests run: some of them install charts."""

NODE: Final = (Binary.SCHEDULER, Binary.PROXY, Binary.KUBELET, Binary.CONTAINERD, Binary.SHIM, Binary.CTR)
"""What runs pods on this machine, beside the local stack."""


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with a go.mod from which one or more binaries are built.

    ``programs``: the Go package of each. ``flags``: what ``go build`` and ``go list`` are given.
    """

    name: str
    title: str
    programs: dict[Binary, str]
    flags: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return GO_MODULES / self.name


def required_version(module: str, go_mod: str) -> str:
    """The version, as in ``v1.37.2``, at which the text of a go.mod requires ``module``.

    Raises ``StackError`` when it does not.
    """
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise StackError(f"no version of {module} in go.mod")
    return found[1]


def required_go(go_mod: str) -> tuple[int, int]:
    """The oldest Go release, as in (1, 26), that the text of a go.mod admits."""
    found = re.search(r"^go (\d+)\.(\d+)", go_mod, re.MULTILINE)
    if found is None:
        raise StackError("no go line in go.mod")
    return int(found[1]), int(found[2])


KUBERNETES_VERSION: Final = required_version("k8s.io/kubernetes", (GO_MODULES / _KUBERNETES / "go.mod").read_text())
CONTAINERD_VERSION: Final = required_version(
    "github.com/containerd/containerd/v2", (GO_MODULES / _CONTAINERD / "go.mod").read_text()
)
HELM_VERSION: Final = required_version("helm.sh/helm/v4", (GO_MODULES / _HELM / "go.mod").read_text())
ETCD_VERSION: Final = required_version("go.etcd.io/etcd/server/v3", (GO_MODULES / _ETCD / "go.mod").read_text())
GO_RELEASE: Final = required_go((GO_MODULES / _KUBERNETES / "go.mod").read_text())

_COMMON_FLAGS: Final = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
"""Without debugging data, which is stripped anyway: less to compile."""

_VERSION_FLAGS: Final = " ".join(
    f"-X {package}.gitVersion={KUBERNETES_VERSION}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
)
"""Without these the programs call themselves v0.0.0-master, and clients that look at the version misbehave."""

MODULES: Final = (
    Module(
        name=_ETCD,
        title=f"etcd {ETCD_VERSION}",
        programs={Binary.ETCD: "go.etcd.io/etcd/server/v3"},
        flags=(*_COMMON_FLAGS, "-ldflags=-s -w"),
    ),
    Module(
        name=_KUBERNETES,
        title=f"Kubernetes {KUBERNETES_VERSION}",
        programs={
            binary: f"k8s.io/kubernetes/cmd/{binary}"
            for binary in (
                Binary.APISERVER,
                Binary.CONTROLLER_MANAGER,
                Binary.KUBECTL,
                Binary.SCHEDULER,
                Binary.PROXY,
                Binary.KUBELET,
            )
        },
        flags=(*_COMMON_FLAGS, f"-ldflags=-s -w {_VERSION_FLAGS}"),
    ),
    Module(
        name=_CONTAINERD,
        title=f"containerd {CONTAINERD_VERSION}",
        programs={
            binary: f"github.com/containerd/containerd/v2/cmd/{binary}"
            for binary in (Binary.CONTAINERD, Binary.SHIM, Binary.CTR)
        },
        flags=(*_COMMON_FLAGS, "-ldflags=-s -w"),
    ),
    Module(
        name=_HELM,
        title=f"Helm {HELM_VERSION}",
        programs={Binary.HELM: "helm.sh/helm/v4/cmd/helm"},
        flags=(*_COMMON_FLAGS, "-ldflags=-s -w"),
    ),
)


def cache_key() -> str:
    """The cache's key for what a build yields: versions, system, and a digest of every pinned module and build flag."""
    digest = hashlib.sha256()
    for module in MODULES:
        for part in (*module.flags, *module.programs.values()):
            digest.update(part.encode() + b"\0")
        for file in ("go.mod", "go.sum"):
            digest.update((module.folder / file).read_bytes() + b"\0")
    machine = platform.machine().lower()
    system = f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"
    return f"kubernetes-{KUBERNETES_VERSION}-etcd-{ETCD_VERSION}-{system}-{digest.hexdigest()[:12]}"
