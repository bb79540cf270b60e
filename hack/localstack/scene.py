"""A control plane with the people and the agent of the story in it."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localstack.controlplane import ControlPlane
from localstack.errors import StackError

AGENT_NAMESPACE: Final = "seconder-agents"
AGENT: Final = "kiro"
HUMAN: Final = "dana@example.com"
_PEOPLE_GROUP: Final = "people"
_TOKEN_HOURS: Final = 30 * 24
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


class Scene:
    """The agent, a person and two approvers, with their credentials in ``folder``."""

    def __init__(self, folder: Path, control_plane: ControlPlane) -> None:
        self.folder: Final = folder.resolve()
        self.control_plane: Final = control_plane
        self.admin_kubeconfig: Final = self.folder / "kubeconfig"
        self.agent_kubeconfig: Final = self.folder / "agent.kubeconfig"
        self.human_kubeconfig: Final = self.folder / "human.kubeconfig"
        self.alice: Final = self._person("alice")
        self.bob: Final = self._person("bob")

    def issue(self) -> None:
        """Write everybody's credentials and keys, which takes no API server, but for the agent's."""
        self.control_plane.client_kubeconfig(HUMAN, [_PEOPLE_GROUP], self.human_kubeconfig)
        for person in (self.alice, self.bob):
            self.control_plane.client_kubeconfig(person.principal, [_PEOPLE_GROUP], person.kubeconfig)
            person.key.parent.mkdir(mode=0o700)
            make_ssh_key(person.key, person.principal)

    def admit(self) -> None:
        """Give everybody their rights, and the agent its ServiceAccount and a token. Raises ``StackError``."""
        shutil.copy(self.control_plane.admin_kubeconfig, self.admin_kubeconfig)
        self.control_plane.apply(_IDENTITIES)
        self.control_plane.token_kubeconfig(AGENT_NAMESPACE, AGENT, _TOKEN_HOURS, self.agent_kubeconfig)

    def register(self) -> None:
        """Register the approvers' keys, once Seconder's kinds are there. Raises ``StackError``."""
        self.control_plane.apply("\n---\n".join(map(approver_manifest, (self.alice, self.bob))))

    def _person(self, name: str) -> Person:
        return Person(name, self.folder / f"{name}.kubeconfig", self.folder / name / "id_ed25519")


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
    """The Approver that registers a person's key."""
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
