"""Seconder's operator, webhook and portal as plain processes beside a control plane."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from localstack.controlplane import ControlPlane
from localstack.lifetime import Lifetime
from localstack.ports import free_ports
from localstack.probe import Probe
from localstack.process import Child

NAMESPACE: Final = "seconder-system"
MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
_READY_SECONDS: Final = 60.0
_TOKEN_HOURS: Final = 30 * 24
_NAMESPACE: Final = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
"""


class Seconder(Lifetime):
    """The operator and the webhook, each under a ServiceAccount of its own with the least RBAC.

    Needs a running control plane. ``folder`` (empty) gets logs and kubeconfigs; each of the two can be stopped and
    started by itself. ``portal``: the portal is started with them, and approvals are copied. ``dies_with_parent`` and
    ``on_start``: as for ``ControlPlane``. ``proven``: the webhook records only what kube-apiserver asks, which proves
    itself by a certificate.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        folder: Path,
        *,
        portal: bool = False,
        dies_with_parent: bool = True,
        on_start: Callable[[Child], None] = lambda _: None,
        proven: bool = True,
    ) -> None:
        self._proven: Final = proven
        self._with_portal: Final = portal
        self.folder: Final = folder.resolve()
        self._control_plane: Final = control_plane
        self._dies_with_parent: Final = dies_with_parent
        self._on_start: Final = on_start
        webhook, webhook_metrics, operator_metrics, portal_, portal_metrics = (
            f"127.0.0.1:{port}" for port in free_ports(5)
        )
        self.webhook_address: Final = webhook
        self.webhook_metrics_address: Final = webhook_metrics
        self.operator_metrics_address: Final = operator_metrics
        self.portal_address: Final = portal_
        self.portal_metrics_address: Final = portal_metrics
        self.portal_origin: Final = f"http://localhost:{portal_.rpartition(':')[2]}"
        self._children: dict[str, Child] = {}
        self._wrong: list[str] = []

    def start(self) -> None:
        """Install, start both and wait for them; a start that fails leaves neither running."""
        try:
            self.install()
            self.start_operator(*(self.flags_for_portal if self._with_portal else ()))
            self.start_webhook()
            if self._with_portal:
                self.start_portal()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def flags_for_portal(self) -> tuple[str, ...]:
        """What the operator is told where there is a portal."""
        return "--copy-approvals", f"--portal-origin={self.portal_origin}"

    def install(self) -> None:
        """Apply the CRDs, RBAC, the admission policy and flow control; write the programs' kubeconfigs."""
        self.folder.mkdir(parents=True)
        kubectl, admin = self._control_plane.kubectl, self._control_plane.admin_kubeconfig
        crds = sorted((MANIFESTS / "crds").glob("*.yaml"))
        roles = sorted((MANIFESTS / "roles").glob("*.yaml"))
        others = (
            MANIFESTS / "rbac.yaml",
            MANIFESTS / "portal-rbac.yaml",
            MANIFESTS / "notifications-rbac.yaml",
            *roles,
            MANIFESTS / "admission-policy.yaml",
            MANIFESTS / "flow-control.yaml",
        )
        manifests = [_NAMESPACE, *(file.read_text() for file in (*crds, *others))]
        self._control_plane.apply("\n---\n".join(manifests))
        files = [f"--filename={file}" for file in crds]
        kubectl.must(admin, "wait", "--for=condition=Established", f"--timeout={_READY_SECONDS:.0f}s", *files)
        self.write_credentials()

    def write_credentials(self) -> None:
        """Write the kubeconfigs of the two ServiceAccounts, which must be there; again after they were made anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for component in ("operator", "webhook"):
            self._write_credentials(component)

    def start_operator(self, *flags: str) -> None:
        """Start the operator, with more flags where wanted, without waiting for it."""
        self._start(
            "operator",
            f"--webhook-url=https://{self.webhook_address}",
            f"--metrics-bind-address={self.operator_metrics_address}",
            *flags,
        )

    def start_webhook(self) -> None:
        """Start the webhook without waiting for it."""
        proof = [f"--client-ca={self._control_plane.webhook_client_ca}"] if self._proven else []
        self._start(
            "webhook",
            f"--bind-address={self.webhook_address}",
            f"--metrics-bind-address={self.webhook_metrics_address}",
            *proof,
        )

    def start_portal(self, *flags: str) -> None:
        """Start the portal without waiting for it. It counts on an operator that has ``flags_for_portal``."""
        self._write_credentials("portal")
        self._start(
            "portal",
            f"--origin={self.portal_origin}",
            f"--bind-address={self.portal_address}",
            f"--metrics-bind-address={self.portal_metrics_address}",
            *flags,
        )

    def wait_ready(self) -> None:
        """Wait until each that was started says that it is ready, and the operator leads.

        One that stands by is ready, too: for another that was not given the time to resign, say.

        Raises ``StackError`` with the end of the log when one ends or takes a minute.
        """
        addresses = {
            "operator": self.operator_metrics_address,
            "webhook": self.webhook_metrics_address,
            "portal": self.portal_metrics_address,
        }
        for component, child in self._children.items():
            if component == "operator":
                leads = Probe(f"http://{addresses[component]}/metrics", saying="seconder_leader 1.0")
                child.wait_until(leads, _READY_SECONDS)
            child.wait_until(Probe(f"http://{addresses[component]}/readyz"), _READY_SECONDS)

    def stop_operator(self) -> None:
        """Stop the operator alone."""
        self._end("operator")

    def stop_webhook(self) -> None:
        """Stop the webhook alone."""
        self._end("webhook")

    def stop_portal(self) -> None:
        """Stop the portal alone."""
        self._end("portal")

    def stop(self) -> None:
        """Stop whichever runs."""
        for child in self._children.values():
            child.ask_to_stop()
        for component in list(self._children):
            self._end(component)

    @property
    def wrong_ends(self) -> list[str]:
        """Which of them ended so far although nobody had told it to, or otherwise than it should, and how."""
        running = [child for child in self._children.values() if _ended_wrongly(child)]
        return [*self._wrong, *(f"{child.name}: {child.ending}" for child in running)]

    def pid_of(self, component: str) -> int:
        """The process id of ``operator``, ``webhook`` or ``portal``, which must run."""
        return self._children[component].pid

    def log_of(self, component: str) -> Path:
        """The log of ``operator``, ``webhook`` or ``portal``."""
        return self.folder / f"{component}.log"

    def _end(self, component: str) -> None:
        child = self._children.pop(component)
        child.stop()
        if _ended_wrongly(child):
            self._wrong.append(f"{child.name}: {child.ending}")

    def _write_credentials(self, component: str) -> None:
        name = f"seconder-{component}"
        self._control_plane.token_kubeconfig(NAMESPACE, name, _TOKEN_HOURS, self._kubeconfig(component))

    def _kubeconfig(self, component: str) -> Path:
        return self.folder / f"{component}.kubeconfig"

    def _start(self, component: str, *flags: str) -> None:
        common = [f"--kubeconfig={self._kubeconfig(component)}"]
        if component != "portal":
            common.append(f"--namespace={NAMESPACE}")
        child = Child(
            f"seconder {component}",
            [sys.executable, "-m", "seconder", component, *common, *flags],
            self.log_of(component),
            dies_with_parent=self._dies_with_parent,
            folder=self.folder,
        )
        self._children[component] = child
        self._on_start(child)


def _ended_wrongly(child: Child) -> bool:
    """Whether it ended by other than success or a signal that was sent to it, such as in its first moments."""
    return child.exit_code not in {None, 0, -signal.SIGTERM, -signal.SIGKILL}
