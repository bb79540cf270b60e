"""One real node with its control plane: containerd, kubelet, kube-scheduler and kube-proxy run pods on this machine."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from localstack.controlplane import ControlPlane, Reach
from localstack.errors import StackError
from localstack.kubectl import Kubectl
from localstack.lifetime import Lifetime
from localstack.locking import locked
from localstack.pins import Binary
from localstack.probe import Probe
from localstack.process import Child
from node import cache, cgroups, image, network, settings
from node.namespaces import Namespaces
from node.prerequisites import required

NAME: Final = "node"
_READY_SECONDS: Final = 60.0
_KUBERNETES_NAMESPACE: Final = "k8s.io"
"""containerd's, for what kubelet sees."""


class Node(Lifetime):
    """A cluster of one node; used as a context or started and stopped.

    The machine has room for one at a time: another one is waited for. All processes end when we do, however we end;
    of what cannot go by itself (files below the cache, empty control groups), the next start removes what it finds.
    ``apiserver_flags``: added to kube-apiserver's.
    """

    def __init__(self, binaries: Mapping[Binary, Path], *, apiserver_flags: tuple[str, ...] = ()) -> None:
        self.folder: Final = cache.folder("node") / "running"
        self._binaries: Final = binaries
        self.control_plane: Final = ControlPlane(
            self.folder / "control-plane",
            binaries,
            apiserver_flags=apiserver_flags,
            authorization="--authorization-mode=Node,RBAC",
            reach=Reach(network.MACHINE, network.SERVICES),
        )
        self._until_stopped: Final = ExitStack()
        self._namespaces: Namespaces | None = None

    @property
    def admin_kubeconfig(self) -> Path:
        """An administrator's kubeconfig."""
        return self.control_plane.admin_kubeconfig

    @property
    def kubectl(self) -> Kubectl:
        """Runs kubectl on this cluster."""
        return self.control_plane.kubectl

    @property
    def logs(self) -> list[Path]:
        """The logs of all that runs."""
        return sorted([*self.folder.glob("logs/*.log"), *self.folder.glob("control-plane/logs/*.log")])

    def start(self) -> None:
        """Start everything and wait until pods can run; a start that fails leaves nothing.

        Raises ``StackError`` with the end of a log.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything and remove every trace."""
        self._until_stopped.close()

    def load_image(self, archive: Path) -> None:
        """Bring the images of an OCI archive onto the node, under the names in it; ``imagePullPolicy: Never`` then."""
        self._ctr("images", "import", "--local", archive)

    def signal_container(self, namespace: str, pod: str, container: str, number: signal.Signals) -> None:
        """Send a signal to the first process of a pod's running container: SIGKILL, SIGSTOP, SIGCONT ...

        Raises ``StackError`` when there is no such container.
        """
        labels = {"pod.namespace": namespace, "pod.name": pod, "container.name": container}
        wanted = ",".join(f'labels."io.kubernetes.{key}"=={value}' for key, value in labels.items())
        running = set(self._ctr("tasks", "list", "--quiet").split())
        found = [
            container
            for container in self._ctr("containers", "list", "--quiet", wanted).split()
            if container in running
        ]
        if len(found) != 1:
            raise StackError(f"{len(found)} running containers {container} of the pod {namespace}/{pod}")
        self._ctr("tasks", "kill", "--signal", number.name, found[0])

    def _start(self) -> None:
        self._until_stopped.enter_context(
            locked(
                self.folder.parent,
                lambda: print("Another node is running; waiting for it ...", file=sys.stderr, flush=True),
            )
        )
        self._clean()
        self._until_stopped.callback(self._clean)
        cgroups.make()
        namespaces = Namespaces(self.folder)
        self._until_stopped.callback(namespaces.stop)
        self._namespaces = namespaces
        self._until_stopped.callback(self.control_plane.stop)
        self.control_plane.launch()
        containerd = self._start_containerd(namespaces)
        self.control_plane.wait_ready()
        containerd.wait_until(self._containerd_answers, _READY_SECONDS)
        self.load_image(image.pause())
        kubelet = self._start_kubelet(namespaces)
        self._start_scheduler(namespaces)
        proxy = self._start_proxy(namespaces)
        proxy.wait_until(Probe(f"http://{network.NODE}:10256/healthz"), _READY_SECONDS)
        kubelet.wait_until(self._schedulable, _READY_SECONDS)

    def _clean(self) -> None:
        network.unplug()
        cgroups.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_containerd(self, namespaces: Namespaces) -> Child:
        networks = self.folder / "cni"
        networks.mkdir()
        (networks / "10-pods.conflist").write_text(settings.cni())
        configuration = self.folder / "containerd.toml"
        configuration.write_text(settings.containerd(networks, required("runc")))
        # containerd looks for its shim on PATH.
        path = os.pathsep.join([str(self._binaries[Binary.SHIM].parent), os.environ["PATH"]])
        command: list[str | Path] = [self._binaries[Binary.CONTAINERD], "--config", configuration]
        return namespaces.start(Binary.CONTAINERD, command, {**os.environ, "PATH": path})

    def _containerd_answers(self) -> bool:
        try:
            self._ctr("images", "list", "--quiet")
        except StackError:
            return False
        return True

    def _start_kubelet(self, namespaces: Namespaces) -> Child:
        configuration = self.folder / "kubelet.yaml"
        configuration.write_text(settings.kubelet(self.folder / "control-plane" / "pki" / "ca.crt"))
        flags = [
            f"--config={configuration}",
            f"--kubeconfig={self._kubeconfig(f'system:node:{NAME}', 'system:nodes')}",
            f"--hostname-override={NAME}",
            f"--node-ip={network.NODE}",
        ]
        return namespaces.start(Binary.KUBELET, [self._binaries[Binary.KUBELET], *flags])

    def _start_scheduler(self, namespaces: Namespaces) -> Child:
        kubeconfig = self._kubeconfig("system:kube-scheduler")
        flags = [f"--{purpose}kubeconfig={kubeconfig}" for purpose in ("", "authentication-", "authorization-")]
        return namespaces.start(Binary.SCHEDULER, [self._binaries[Binary.SCHEDULER], *flags, "--leader-elect=false"])

    def _start_proxy(self, namespaces: Namespaces) -> Child:
        flags = [
            f"--kubeconfig={self._kubeconfig('system:kube-proxy')}",
            f"--hostname-override={NAME}",
            "--proxy-mode=nftables",
            f"--cluster-cidr={network.PODS}",
            # Pods are on one bridge: an answer would go past the translation of its address otherwise.
            "--masquerade-all",
            "--conntrack-max-per-core=0",  # the machine's, not the namespace's
        ]
        return namespaces.start(Binary.PROXY, [self._binaries[Binary.PROXY], *flags])

    def _kubeconfig(self, user: str, *groups: str) -> Path:
        return self.control_plane.client_kubeconfig(user, groups)

    def _schedulable(self) -> bool:
        """Whether the node is ready and nothing keeps pods off it."""
        listed = self.kubectl.must(self.admin_kubeconfig, "get", "nodes", "--output=json")
        nodes = json.loads(listed)["items"]
        return any(
            condition["type"] == "Ready" and condition["status"] == "True" and "taints" not in node["spec"]
            for node in nodes
            for condition in node["status"]["conditions"]
        )

    def _ctr(self, *arguments: str | Path) -> str:
        if self._namespaces is None:
            raise StackError("the node is not running")
        return self._namespaces.run([self._binaries[Binary.CTR], "--namespace", _KUBERNETES_NAMESPACE, *arguments])
