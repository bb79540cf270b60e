"""etcd, kube-apiserver and kube-controller-manager with an authority of their own: on loopback but for nodes."""

import base64
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from localstack.files import write_private
from localstack.kubeconfig import Token, write_kubeconfig
from localstack.kubectl import Kubectl
from localstack.lifetime import Lifetime
from localstack.pins import Binary
from localstack.pki import Authority, new_signing_key
from localstack.ports import free_ports
from localstack.probe import Probe
from localstack.process import Child

_READY_SECONDS: Final = 60.0
_APISERVER_GRACE_SECONDS: Final = 1.0
"""It would wait for its watchers, which do not go by themselves; etcd keeps what matters."""

_ADMIN_GROUP: Final = "system:masters"
_AUDIT_POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: RequestResponse}
"""

_ADMISSION: Final = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: {kubeconfig}
"""

_LOOPBACK: Final = IPv4Address("127.0.0.1")
_SERVICES: Final = IPv4Network("10.0.0.0/24")
_NODE_FLAGS: Final = (
    "--enable-admission-plugins=NodeRestriction",
    "--kubelet-client-certificate=pki/kubelet-client.crt",
    "--kubelet-client-key=pki/kubelet-client.key",
    "--kubelet-preferred-address-types=InternalIP",  # the names of nodes are in no DNS
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Who can reach kube-apiserver: it listens at ``address``, and Services get their addresses from ``services``."""

    address: IPv4Address = _LOOPBACK
    services: IPv4Network = _SERVICES


class ControlPlane(Lifetime):
    """A control plane whose files are all in ``folder``, which must be empty; used as a context or started and stopped.

    ``apiserver_flags``: added to kube-apiserver's. ``authorization``: its flag that says how it authorizes, which may
    stand there only once. ``controllers``: start kube-controller-manager too; without it nothing clears namespaces,
    collects garbage or makes default ServiceAccounts. ``dies_with_parent``: see ``Child``. ``on_start`` hears
    of each process as it starts. ``reach``: with an address that is not loopback, nodes may join: pods find the API
    server at the first address of its Services, and it finds their kubelets by address, as an administrator.
    """

    # More than seven parameters: each is another thing that a test of the API server sets by itself.
    def __init__(
        self,
        folder: Path,
        binaries: Mapping[Binary, Path],
        *,
        apiserver_flags: Sequence[str] = (),
        authorization: str = "--authorization-mode=RBAC",
        controllers: bool = True,
        dies_with_parent: bool = True,
        on_start: Callable[[Child], None] = lambda _: None,
        reach: Reach = Reach(),
    ) -> None:
        self.folder: Final = folder.resolve()
        self.binaries: Final = binaries
        self.audit_log: Final = self.folder / "audit.log"
        self.admin_kubeconfig: Final = self.folder / "admin.kubeconfig"
        self.kubectl: Final = Kubectl(binaries[Binary.KUBECTL], self.folder / "kubectl-cache")
        self._apiserver_flags = tuple(apiserver_flags)
        self._authorization: Final = authorization
        self._controllers: Final = controllers
        self._dies_with_parent: Final = dies_with_parent
        self._on_start: Final = on_start
        self._reach: Final = reach
        self._authority: Final = Authority()
        self._webhooks_authority: Final = Authority()
        self._pki: Final = self.folder / "pki"
        self._ports: Final = free_ports(4)
        self._children: dict[Binary, Child] = {}
        self._issued = 0

    @property
    def url(self) -> str:
        """Where kube-apiserver listens."""
        return f"https://{self._reach.address}:{self._apiserver_port}"

    @property
    def webhook_client_ca(self) -> Path:
        """The PEM of the CA by which kube-apiserver proves itself to webhooks; it issues nothing else."""
        return self._pki / "webhook-client-ca.crt"

    @property
    def authority(self) -> bytes:
        """The PEM of the CA that kube-apiserver's certificate chains to."""
        return self._authority.pem.certificate

    def start(self) -> None:
        """Launch and wait; a start that fails leaves nothing running."""
        try:
            self.launch()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        """Write every file and start etcd and kube-apiserver, without waiting for them."""
        self._pki.mkdir(parents=True)
        (self.folder / "logs").mkdir()
        (self.folder / "clients").mkdir()
        server = self._authority.issue_server(self._reach.address, next(self._reach.services.hosts()))
        for name, content in {
            "ca.crt": self._authority.pem.certificate,
            "ca.key": self._authority.pem.key,
            "server.crt": server.certificate,
            "server.key": server.key,
            "service-accounts.key": new_signing_key(),
        }.items():
            write_private(self._pki / name, content)
        if self._for_nodes:
            kubelet_client = self._authority.issue_client("kube-apiserver-kubelet-client", [_ADMIN_GROUP])
            write_private(self._pki / "kubelet-client.crt", kubelet_client.certificate)
            write_private(self._pki / "kubelet-client.key", kubelet_client.key)
        (self.folder / "audit-policy.yaml").write_text(_AUDIT_POLICY)
        self._prove_to_webhooks()
        write_kubeconfig(
            self.admin_kubeconfig, self.url, self.authority, self._authority.issue_client("admin", [_ADMIN_GROUP])
        )
        self._start(Binary.ETCD, self._etcd_flags())
        self._start(Binary.APISERVER, self._all_apiserver_flags())

    def wait_ready(self) -> None:
        """Wait until kube-apiserver is ready, then for kube-controller-manager.

        Raises ``StackError`` with the end of a log when one of them ends or takes a minute.
        """
        self._wait_apiserver()
        if self._controllers:
            user = "system:kube-controller-manager"
            kubeconfig = self.folder / "kube-controller-manager.kubeconfig"
            write_kubeconfig(kubeconfig, self.url, self.authority, self._authority.issue_client(user))
            manager = self._start(Binary.CONTROLLER_MANAGER, self._controller_manager_flags(kubeconfig))
            healthz = self._probe(f"https://{_LOOPBACK}:{self._controller_manager_port}/healthz")
            manager.wait_until(healthz, _READY_SECONDS)

    def stop(self) -> None:
        """Stop everything that runs, etcd last."""
        clients = [child for binary, child in self._children.items() if binary is not Binary.ETCD]
        for child in clients:
            child.ask_to_stop()
        for child in clients:
            child.stop()
        if Binary.ETCD in self._children:
            self._children[Binary.ETCD].stop()
        self._children.clear()

    def restart_apiserver(self, flags: Sequence[str] | None = None) -> None:
        """Stop kube-apiserver, start it on the same etcd and port, with other extra flags if given, and wait for it."""
        if flags is not None:
            self._apiserver_flags = tuple(flags)
        self.stop_apiserver()
        self._start(Binary.APISERVER, self._all_apiserver_flags())
        self._wait_apiserver()

    def stop_apiserver(self) -> None:
        """Stop kube-apiserver alone; ``restart_apiserver`` brings it back."""
        self._children[Binary.APISERVER].stop(_APISERVER_GRACE_SECONDS)

    def pid_of(self, binary: Binary) -> int:
        """The process id of a part, which must run."""
        return self._children[binary].pid

    def client_kubeconfig(self, user: str, groups: Sequence[str] = (), path: Path | None = None) -> Path:
        """Write a kubeconfig with a client certificate for ``user`` in ``groups``; give its path."""
        path = path or self._client_path(user)
        write_kubeconfig(path, self.url, self.authority, self._authority.issue_client(user, groups))
        return path

    def token_kubeconfig(self, namespace: str, service_account: str, hours: int = 24, path: Path | None = None) -> Path:
        """Write a kubeconfig with a token of an existing ServiceAccount; give its path."""
        path = path or self._client_path(f"{namespace}.{service_account}")
        token = self.kubectl.must(
            self.admin_kubeconfig,
            "create",
            "token",
            service_account,
            f"--namespace={namespace}",
            f"--duration={hours}h",
        )
        write_kubeconfig(path, self.url, self.authority, Token(token.strip()))
        return path

    def apply(self, manifest: str) -> None:
        """Apply YAML as the administrator; raises ``StackError`` with kubectl's words when it is refused."""
        self.kubectl.must(self.admin_kubeconfig, "apply", "--server-side", "--filename=-", stdin=manifest)

    def _prove_to_webhooks(self) -> None:
        """Let kube-apiserver show a certificate to whatever webhook asks for one."""
        self.webhook_client_ca.write_bytes(self._webhooks_authority.pem.certificate)
        shown = self._webhooks_authority.issue_client("kube-apiserver")
        user = {
            "client-certificate-data": base64.b64encode(shown.certificate).decode(),
            "client-key-data": base64.b64encode(shown.key).decode(),
        }
        kubeconfig = self.folder / "webhooks.kubeconfig"
        document = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]}
        write_private(kubeconfig, json.dumps(document).encode())
        (self.folder / "admission.yaml").write_text(_ADMISSION.format(kubeconfig=kubeconfig))

    @property
    def _for_nodes(self) -> bool:
        return not self._reach.address.is_loopback

    @property
    def _etcd_port(self) -> int:
        return self._ports[0]

    @property
    def _peer_port(self) -> int:
        return self._ports[1]

    @property
    def _apiserver_port(self) -> int:
        return self._ports[2]

    @property
    def _controller_manager_port(self) -> int:
        return self._ports[3]

    def _client_path(self, name: str) -> Path:
        self._issued += 1  # a user may come with several sets of groups
        return self.folder / "clients" / f"{self._issued}-{re.sub(r'[^A-Za-z0-9.@-]', '_', name)}.kubeconfig"

    def _start(self, binary: Binary, flags: Sequence[str]) -> Child:
        # etcd refuses to start when its settings stand in the environment as well.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ETCD_")}
        child = Child(
            binary,
            [self.binaries[binary], *flags],
            self.folder / "logs" / f"{binary}.log",
            dies_with_parent=self._dies_with_parent,
            folder=self.folder,
            environment=environment,
        )
        self._children[binary] = child
        self._on_start(child)
        return child

    def _wait_apiserver(self) -> None:
        etcd, ready = self._children[Binary.ETCD], self._probe(f"{self.url}/readyz")
        self._children[Binary.APISERVER].wait_until(lambda: ready() or etcd.exit_code is not None, _READY_SECONDS)
        etcd.wait_until(lambda: etcd.exit_code is None, 0)

    def _probe(self, url: str) -> Probe:
        return Probe(url, self._pki / "ca.crt")

    def _etcd_flags(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        return [
            "--data-dir=etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",  # the default would name port 2380
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        ]

    def _all_apiserver_flags(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--bind-address={self._reach.address}",
            f"--secure-port={self._apiserver_port}",
            # Without these two it looks for a default route, and a machine that is offline has none.
            f"--advertise-address={self._reach.address}",
            *(_NODE_FLAGS if self._for_nodes else ["--endpoint-reconciler-type=none"]),
            "--tls-cert-file=pki/server.crt",
            "--tls-private-key-file=pki/server.key",
            "--client-ca-file=pki/ca.crt",
            "--service-account-key-file=pki/service-accounts.key",
            "--service-account-signing-key-file=pki/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={self._reach.services}",
            self._authorization,
            "--allow-privileged=true",
            "--profiling=false",
            "--audit-policy-file=audit-policy.yaml",
            f"--audit-log-path={self.audit_log.name}",
            # In MB. Left out it begins anew after 100, which whoever reads it from a place on does not expect.
            "--audit-log-maxsize=2000",
            "--audit-log-maxbackup=1",
            "--admission-control-config-file=admission.yaml",
            *self._apiserver_flags,
        ]

    def _controller_manager_flags(self, kubeconfig: Path) -> list[str]:
        return [
            *(f"--{purpose}kubeconfig={kubeconfig.name}" for purpose in ("", "authentication-", "authorization-")),
            "--service-account-private-key-file=pki/service-accounts.key",
            "--root-ca-file=pki/ca.crt",
            "--cluster-signing-cert-file=pki/ca.crt",
            "--cluster-signing-key-file=pki/ca.key",
            "--use-service-account-credentials",  # each controller acts under a name of its own
            "--leader-elect=false",
            # By default a controller asks 20 times a second: after some thousand objects it is a minute behind.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._controller_manager_port}",
            "--tls-cert-file=pki/server.crt",
            "--tls-private-key-file=pki/server.key",
        ]
