"""A control plane, Seconder beside it, and the people and the agent of the story."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from localstack.controlplane import ControlPlane
from localstack.errors import StackError
from localstack.pins import Binary
from localstack.process import Child
from localstack.seconder import Seconder

AGENT_NAMESPACE: Final = "seconder-agents"
AGENT: Final = "kiro"
HUMAN: Final = "dana@example.com"
_PEOPLE_GROUP: Final = "people"
_TOKEN_HOURS: Final = 30 * 24
_READY_SECONDS: Final = 30
_IDENTITIES: Final = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: {AGENT_NAMESPACE}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {AGENT}, namespace: {AGENT_NAMESPACE}}}
---
# All that an engineer has but impersonate, escalate and bind: so only Seconder says no.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: local-agent}}
rules:
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get, list, watch, create, update, patch, delete, deletecollection]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: local-agent}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: local-agent}}
subjects: [{{kind: ServiceAccount, name: {AGENT}, namespace: {AGENT_NAMESPACE}}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: local-people}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: {_PEOPLE_GROUP}}}]
"""
_DEFAULT_POLICY: Final = """\
apiVersion: seconder.dev/v1alpha1
kind: ProtectionPolicy
metadata: {name: default}
spec:
  resources:
  - {group: "", resources: [namespaces]}
  - {group: apps, resources: [deployments]}
"""


@dataclass(frozen=True, slots=True)
class Person:
    """An approver: the kubeconfig of a cluster-admin, and an SSH key.

    ``key`` is the private key; its public half lies beside it as ``id_ed25519.pub``.
    """

    name: str
    kubeconfig: Path
    key: Path

    @property
    def principal(self) -> str:
        """The name by which this person signs and logs in."""
        return _principal(self.name)

    @property
    def public_key(self) -> str:
        """One line in the format of ``authorized_keys``."""
        return self.key.with_suffix(".pub").read_text().strip()


class Stack:
    """Everything in ``folder``, which must be empty; used as a context or started and stopped.

    ``controllers``, ``dies_with_parent`` and ``on_start``: as for ``ControlPlane``.
    """

    def __init__(
        self,
        folder: Path,
        binaries: Mapping[Binary, Path],
        *,
        controllers: bool = True,
        dies_with_parent: bool = True,
        on_start: Callable[[Child], None] = lambda _: None,
    ) -> None:
        self.folder: Final = folder.resolve()
        self.control_plane: Final = ControlPlane(
            self.folder / "control-plane",
            binaries,
            controllers=controllers,
            dies_with_parent=dies_with_parent,
            on_start=on_start,
        )
        self.seconder: Final = Seconder(
            self.control_plane, self.folder / "seconder", dies_with_parent=dies_with_parent, on_start=on_start
        )
        self.admin_kubeconfig: Final = self.folder / "kubeconfig"
        self.agent_kubeconfig: Final = self.folder / "agent.kubeconfig"
        self.human_kubeconfig: Final = self.folder / "human.kubeconfig"
        self.alice: Final = self._person("alice")
        self.bob: Final = self._person("bob")

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start everything and wait until the default policy is in force; a start that fails leaves nothing running.

        Raises ``StackError`` with the reason and, where there is one, the end of the log that tells more.
        """
        try:
            self.control_plane.launch()
            self._write_files()
            self.control_plane.wait_ready()
            shutil.copy(self.control_plane.admin_kubeconfig, self.admin_kubeconfig)
            self.control_plane.apply(_IDENTITIES)
            self.control_plane.token_kubeconfig(AGENT_NAMESPACE, AGENT, _TOKEN_HOURS, self.agent_kubeconfig)
            self.seconder.start()
            self._configure()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything; the files stay."""
        self.seconder.stop()
        self.control_plane.stop()

    def _person(self, name: str) -> Person:
        return Person(name, self.folder / f"{name}.kubeconfig", self.folder / name / "id_ed25519")

    def _write_files(self) -> None:
        """Make what needs no API server, while it starts."""
        programs = self.folder / "bin"
        programs.mkdir()
        for binary, path in self.control_plane.binaries.items():
            (programs / binary).symlink_to(path)
        self.control_plane.client_kubeconfig(HUMAN, [_PEOPLE_GROUP], self.human_kubeconfig)
        for person in (self.alice, self.bob):
            self.control_plane.client_kubeconfig(person.principal, [_PEOPLE_GROUP], person.kubeconfig)
            person.key.parent.mkdir(mode=0o700)
            make_ssh_key(person.key, person.principal)

    def _configure(self) -> None:
        self.control_plane.apply("\n---\n".join([_DEFAULT_POLICY, *map(approver_manifest, (self.alice, self.bob))]))
        self.control_plane.kubectl.must(
            self.admin_kubeconfig,
            "wait",
            "--for=condition=Ready",
            "protectionpolicies.seconder.dev/default",
            f"--timeout={_READY_SECONDS}s",
        )


def make_ssh_key(path: Path, comment: str) -> None:
    """Make an Ed25519 key without a passphrase; its public half gets ``.pub`` added to the name.

    Raises ``StackError`` when there is no ssh-keygen.
    """
    try:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path],
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise StackError("ssh-keygen is not on PATH: install OpenSSH's client") from error
    except subprocess.CalledProcessError as error:
        raise StackError(f"ssh-keygen failed: {error.stderr.strip()}") from error


def approver_manifest(person: Person) -> str:
    """Give the Approver that registers a person's key."""
    return json.dumps(
        {
            "apiVersion": "seconder.dev/v1alpha1",
            "kind": "Approver",
            "metadata": {"name": person.name},
            "spec": {
                "principal": person.principal,
                "kubernetesUsers": [person.principal],
                "keys": [{"name": "laptop", "ssh": person.public_key}],
            },
        }
    )


def _principal(name: str) -> str:
    return f"{name}@example.com"
