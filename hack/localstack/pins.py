"""Which binaries the stack needs, at which versions, and how each is built.

The versions stand in the go.mod files beside this one and nowhere else. A folder ``kubernetes-1.NN`` there holds an
older control plane.
"""

import hashlib
import platform
import re
from collections.abc import Mapping
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
_HELM_3: Final = "helm-3"
_KUSTOMIZE_CONTROLLER: Final = "kustomize-controller"
_MCP_SERVER: Final = "mcp-server"

MINOR: Final = "SECONDER_KUBERNETES"
"""The environment variable that names an older control plane, as in ``1.30``, or as ``oldest``."""

OLDEST: Final = "oldest"
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
    HELM_3 = "helm-3"
    KUSTOMIZE_CONTROLLER = "kustomize-controller"
    MCP_SERVER = "kubernetes-mcp-server"


LOCAL_STACK: Final = (Binary.ETCD, Binary.APISERVER, Binary.CONTROLLER_MANAGER, Binary.KUBECTL)
"""What a control plane without nodes is made of."""

TESTS: Final = (*LOCAL_STACK, Binary.HELM, Binary.HELM_3, Binary.KUSTOMIZE_CONTROLLER, Binary.MCP_SERVER)
"""What the tests run: some install charts, have a GitOps controller prune, or act as an assistant's tools do."""

NODE: Final = (Binary.SCHEDULER, Binary.PROXY, Binary.KUBELET, Binary.CONTAINERD, Binary.SHIM, Binary.CTR)
"""What runs pods on this machine, beside the local stack."""


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with a go.mod from which one or more binaries are built.

    ``programs``: the Go package of each. ``flags``: what ``go build`` and ``go list`` are given.
    """

    name: str
    title: str
    programs: Mapping[Binary, str]
    flags: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return GO_MODULES / self.name

    @property
    def version(self) -> str:
        """Of what is built, as in ``v1.37.2``."""
        return self.title.rpartition(" ")[2]

    @property
    def key(self) -> str:
        """The cache's key for what a build yields: name, system, and a digest of every pinned module and build flag."""
        digest = hashlib.sha256()
        for part in (*self.flags, *self.programs.values()):
            digest.update(part.encode() + b"\0")
        for file in ("go.mod", "go.sum"):
            digest.update((self.folder / file).read_bytes() + b"\0")
        return f"{self.title.lower().replace(' ', '-')}-{system()}-{digest.hexdigest()[:12]}"


def system() -> str:
    """The system and architecture of the machine by Go's names, as in ``linux-amd64``."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"


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


def _pinned(module: str, folder: str) -> str:
    return required_version(module, (GO_MODULES / folder / "go.mod").read_text())


KUBERNETES_VERSION: Final = _pinned("k8s.io/kubernetes", _KUBERNETES)
CONTAINERD_VERSION: Final = _pinned("github.com/containerd/containerd/v2", _CONTAINERD)
HELM_VERSION: Final = _pinned("helm.sh/helm/v4", _HELM)
HELM_3_VERSION: Final = _pinned("helm.sh/helm/v3", _HELM_3)
ETCD_VERSION: Final = _pinned("go.etcd.io/etcd/server/v3", _ETCD)
KUSTOMIZE_CONTROLLER_VERSION: Final = _pinned("github.com/fluxcd/kustomize-controller", _KUSTOMIZE_CONTROLLER)
MCP_SERVER_VERSION: Final = _pinned("github.com/containers/kubernetes-mcp-server", _MCP_SERVER)
GO_RELEASE: Final = required_go((GO_MODULES / _KUBERNETES / "go.mod").read_text())

_COMMON_FLAGS: Final = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
"""Without debugging data, which is stripped anyway: less to compile."""

_OLDER: Final = (Binary.APISERVER, Binary.CONTROLLER_MANAGER)
"""What an older control plane has of its own; etcd, kubectl and all the rest are those of the newest."""


def _kubernetes(folder: str, *programs: Binary) -> Module:
    version = _pinned("k8s.io/kubernetes", folder)
    # Without these the programs call themselves v0.0.0-master, and clients that look at the version misbehave.
    named = " ".join(
        f"-X {package}.gitVersion={version}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )
    return Module(
        name=folder,
        title=f"Kubernetes {version}",
        programs={binary: f"k8s.io/kubernetes/cmd/{binary}" for binary in programs},
        flags=(*_COMMON_FLAGS, f"-ldflags=-s -w {named}"),
    )


MODULES: Final = (
    Module(
        name=_ETCD,
        title=f"etcd {ETCD_VERSION}",
        programs={Binary.ETCD: "go.etcd.io/etcd/server/v3"},
        flags=(*_COMMON_FLAGS, "-ldflags=-s -w"),
    ),
    _kubernetes(_KUBERNETES, *_OLDER, Binary.KUBECTL, Binary.SCHEDULER, Binary.PROXY, Binary.KUBELET),
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
    Module(
        name=_HELM_3,
        title=f"Helm {HELM_3_VERSION}",
        programs={Binary.HELM_3: "helm.sh/helm/v3/cmd/helm"},
        flags=(*_COMMON_FLAGS, "-ldflags=-s -w"),
    ),
    Module(
        name=_KUSTOMIZE_CONTROLLER,
        title=f"kustomize-controller {KUSTOMIZE_CONTROLLER_VERSION}",
        programs={Binary.KUSTOMIZE_CONTROLLER: "github.com/fluxcd/kustomize-controller"},
        flags=(*_COMMON_FLAGS, "-ldflags=-s -w"),
    ),
    Module(
        name=_MCP_SERVER,
        title=f"kubernetes-mcp-server {MCP_SERVER_VERSION}",
        programs={Binary.MCP_SERVER: "github.com/containers/kubernetes-mcp-server/cmd/kubernetes-mcp-server"},
        flags=(*_COMMON_FLAGS, "-ldflags=-s -w"),
    ),
)


def older_minors() -> tuple[str, ...]:
    """The minor versions of Kubernetes, as in ``1.30``, that are pinned beside the newest, oldest first."""
    names = (path.name.removeprefix(f"{_KUBERNETES}-") for path in GO_MODULES.glob(f"{_KUBERNETES}-*"))
    return tuple(sorted(names, key=lambda name: int(name.partition(".")[2])))


def newest_minor() -> str:
    """The minor version that everything runs on when nothing else is asked for, as in ``1.37``."""
    return KUBERNETES_VERSION.removeprefix("v").rpartition(".")[0]


def chosen_minor(environment: Mapping[str, str]) -> str:
    """The minor version that SECONDER_KUBERNETES names, else the newest. Raises ``StackError`` for one not pinned."""
    named = environment.get(MINOR, "")
    minor = older_minors()[0] if named == OLDEST else named or newest_minor()
    if minor not in {*older_minors(), newest_minor()}:
        raise StackError(
            f"Kubernetes {minor} is not pinned: name one of {', '.join((*older_minors(), newest_minor()))}"
        )
    return minor


def modules(environment: Mapping[str, str]) -> tuple[Module, ...]:
    """What the binaries are built from; the control plane is the one that SECONDER_KUBERNETES names, if it does.

    Where two modules have a program, the first one's is meant. Raises ``StackError`` for a version that is not pinned.
    """
    minor = chosen_minor(environment)
    if minor == newest_minor():
        return MODULES
    return (_kubernetes(f"{_KUBERNETES}-{minor}", *_OLDER), *MODULES)
