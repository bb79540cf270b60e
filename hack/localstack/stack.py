"""A control plane, Seconder beside it, and the people and the agent of the story."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from localstack.controlplane import ControlPlane
from localstack.lifetime import Lifetime
from localstack.pins import Binary
from localstack.process import Child
from localstack.scene import Scene
from localstack.seconder import Seconder

_READY_SECONDS: Final = 30
_DEFAULT_POLICY: Final = """\
apiVersion: seconder.dev/v1alpha1
kind: ProtectionPolicy
metadata: {name: default}
spec:
  resources:
  - {group: "", resources: [namespaces]}
  - {group: apps, resources: [deployments]}
"""


class Stack(Scene, Lifetime):
    """Everything in ``folder``, which must be empty; used as a context or started and stopped.

    ``portal``: as for ``Seconder``. ``apiserver_flags``, ``controllers``, ``dies_with_parent`` and ``on_start``: as for
    ``ControlPlane``.
    """

    def __init__(
        self,
        folder: Path,
        binaries: Mapping[Binary, Path],
        *,
        apiserver_flags: Sequence[str] = (),
        controllers: bool = True,
        portal: bool = False,
        dies_with_parent: bool = True,
        on_start: Callable[[Child], None] = lambda _: None,
    ) -> None:
        control_plane = ControlPlane(
            folder.resolve() / "control-plane",
            binaries,
            apiserver_flags=apiserver_flags,
            controllers=controllers,
            dies_with_parent=dies_with_parent,
            on_start=on_start,
        )
        super().__init__(folder, control_plane)
        self.seconder: Final = Seconder(
            control_plane,
            self.folder / "seconder",
            portal=portal,
            dies_with_parent=dies_with_parent,
            on_start=on_start,
        )

    def start(self) -> None:
        """Start everything and wait until the default policy is in force; a start that fails leaves nothing running.

        Raises ``StackError`` with the reason and, where there is one, the end of the log that tells more.
        """
        try:
            self.control_plane.launch()
            self._link_programs()
            self.issue()
            self.control_plane.wait_ready()
            self.admit()
            self.seconder.start()
            self._configure()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything; the files stay."""
        self.seconder.stop()
        self.control_plane.stop()

    def _link_programs(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir()
        for binary, path in self.control_plane.binaries.items():
            (programs / binary).symlink_to(path)

    def _configure(self) -> None:
        self.control_plane.apply(_DEFAULT_POLICY)
        self.register()
        self.control_plane.kubectl.must(
            self.admin_kubeconfig,
            "wait",
            "--for=condition=Ready",
            "protectionpolicies.seconder.dev/default",
            f"--timeout={_READY_SECONDS}s",
        )
