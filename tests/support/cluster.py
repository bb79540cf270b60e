"""People, an agent and approvals on a real API server, as the cluster tests use them."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.objects import Objects, objects_of

from localstack.scene import Person, Scene
from localstack.stack import Stack

AGENT = "system:serviceaccount:seconder-agents:kiro"
_CONFIGURATION = ("validatingwebhookconfiguration", "seconder")
_NARROWED = {"key": "example.com/left-out", "operator": "DoesNotExist"}


@dataclass(frozen=True)
class Result:
    """What a kubectl call said."""

    code: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether our webhook said no, by its name."""
        return self.code != 0 and 'seconder.dev" denied the request: ' in self.err

    def refused_with(self, reason: str) -> bool:
        """Whether our webhook said no for this reason, on the message's first line."""
        first = self.err.strip().partition("\n")[0]
        return self.refused and first.endswith(f"({reason})")


class Place:
    """One namespace of a test's own, and kubectl in everybody's hands."""

    def __init__(self, scene: Scene, namespace: str) -> None:
        self.scene = scene
        self.namespace = namespace
        self.alice = scene.alice
        self.bob = scene.bob

    @property
    def objects(self) -> Objects:
        """What an administrator reads and writes without kubectl, which takes ten times as long to start."""
        return objects_of(self.scene.admin_kubeconfig)

    def kubectl(self, kubeconfig: Path, *arguments: str, stdin: str = "", seconds: float = 30) -> Result:
        """Run kubectl with this kubeconfig."""
        given = seconds * _patience()
        done = self.scene.control_plane.kubectl.run(kubeconfig, *arguments, stdin=stdin, seconds=given)
        return Result(done.returncode, done.stdout, done.stderr)

    def agent(self, *arguments: str, stdin: str = "") -> Result:
        """Run kubectl as the agent kiro."""
        return self.kubectl(self.scene.agent_kubeconfig, *arguments, stdin=stdin)

    def agent_with_all_rights(self, *arguments: str, stdin: str = "") -> Result:
        """Run kubectl as an agent to which RBAC forbids nothing."""
        tagged = ("--as=hal", "--as-group=people", "--as-group=seconder.dev:agents")
        return self.kubectl(self.scene.human_kubeconfig, *tagged, *arguments, stdin=stdin)

    def human(self, *arguments: str, stdin: str = "") -> Result:
        """Run kubectl as dana, a person who is no agent."""
        return self.kubectl(self.scene.human_kubeconfig, *arguments, stdin=stdin)

    def admin(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as an administrator; it must succeed."""
        result = self.kubectl(self.scene.admin_kubeconfig, *arguments, stdin=stdin)
        assert result.code == 0, result.err
        return result.out

    def established(self, definition: str) -> None:
        """Wait until a kind is served. Not by kubectl, which fails while the definition has no conditions yet."""

        def served() -> bool:
            found = self.objects.find("customresourcedefinition", definition) or {}
            conditions = found.get("status", {}).get("conditions") or ()
            established = any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
            return established and self.objects.knows(definition)

        eventually(served, 20, f"{definition} is served")

    def make_namespace(self) -> None:
        """Make the namespace itself."""
        self.objects.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Apply documents as an administrator."""
        for document in documents:
            self.objects.apply(document)

    def deployment(self, name: str = "checkout", **metadata: Any) -> str:
        """Make a Deployment as a person; give its uid."""
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}}
        document = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.namespace} | metadata,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
        return str(objects_of(self.scene.human_kubeconfig).create(document)["metadata"]["uid"])

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Read one object."""
        return self.objects.get(kind, name, namespace or self.namespace)

    def exists(self, kind: str, name: str) -> bool:
        """Say whether the object is there."""
        return self.objects.find(kind, name, self.namespace) is not None

    def recorded(self, name: str) -> dict[str, Any]:
        """Give a change request. It is written a moment after the refusal that names it."""
        eventually(lambda: self.there("changerequest", name), 10, f"{name} is written")
        return self.get("changerequest", name)

    def there(self, kind: str, name: str) -> bool:
        """Say whether a cluster-scoped object is there."""
        return self.objects.find(kind, name) is not None

    def delete(
        self, who: Callable[..., Result], kind: str = "deployment", name: str = "checkout", *more: str
    ) -> Result:
        """Try to delete something, without waiting for finalizers."""
        place = () if kind == "namespace" else (f"--namespace={self.namespace}",)
        return who("delete", kind, name, *place, "--wait=false", *more)

    def claims(self, target: Mapping[str, Any], resource: str, group: str, **changes: Any) -> dict[str, Any]:
        """Give the claims that approve the agent's deletion of this object. A change to None leaves a claim out."""
        now = int(time.time())
        metadata = target["metadata"]
        detail = {
            "actions": ["Delete"],
            "group": group,
            "identifier": metadata["uid"],
            "name": metadata["name"],
            "resource": resource,
            "type": "https://seconder.dev/approval/v1",
        }
        if "namespace" in metadata:
            detail["namespace"] = metadata["namespace"]
        detail |= changes.pop("detail", {})
        claims = {
            "act": {"sub": "kiro"},
            "aud": f"urn:uuid:{self.get('namespace', 'kube-system')['metadata']['uid']}",
            "authorization_details": [detail],
            "exp": now + 600,
            "iat": now,
            "iss": "alice@example.com",
            "jti": secrets.token_hex(16),
            "reason": "INC-4821 decommission",
            "sub": AGENT,
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def approve(
        self,
        by: Person | Path,
        kind: str = "deployment",
        name: str = "checkout",
        *,
        resource: str = "deployments",
        group: str = "apps",
        slug: str = "alice",
        **changes: Any,
    ) -> None:
        """Sign for the deletion of an object and put the approval on it, as an administrator."""
        claims = self.claims(self.get(kind, name), resource, group, **changes)
        value = sign(by.key if isinstance(by, Person) else by, claims)
        self.annotate(kind, name, f"approval.seconder.dev/{slug}={value}")

    def annotate(self, kind: str, name: str, annotation: str) -> None:
        """Set an annotation, ``key=value``, on an object as an administrator, or remove it, ``key-``."""
        key, given, value = annotation.partition("=")
        self.objects.annotate(kind, name, self.namespace, {key: value} if given else {key.removesuffix("-"): None})

    def narrow(self) -> None:
        """Have somebody narrow the guard, where no test's own namespace is concerned."""
        entries = self.get(*_CONFIGURATION)["webhooks"]
        patch = [
            {
                "op": "replace",
                "path": f"/webhooks/{number}/namespaceSelector",
                "value": {"matchExpressions": [_NARROWED]},
            }
            for number in range(len(entries))
        ]
        self.admin("patch", *_CONFIGURATION, "--type=json", f"--patch={json.dumps(patch)}")

    def narrowed(self) -> bool:
        """Say whether it is so still."""
        entries = self.get(*_CONFIGURATION)["webhooks"]
        return any(_NARROWED in entry["namespaceSelector"].get("matchExpressions", ()) for entry in entries)

    def policy(self, name: str, **spec: Any) -> str:
        """Apply a ProtectionPolicy of the test's own, limited to its namespace, and wait until it is judged."""
        resources = [{"group": "apps", "resources": ["deployments"]}]
        document = {
            "apiVersion": "seconder.dev/v1alpha1",
            "kind": "ProtectionPolicy",
            "metadata": {"name": name},
            "spec": {"resources": resources, "namespaces": [self.namespace]} | spec,
        }
        applied = self.objects.apply(document)["metadata"]["generation"]
        eventually(lambda: self._judged(name) >= applied, 10, f"policy {name} is judged")
        return name

    def _judged(self, policy: str) -> int:
        """The generation of a policy that its status tells of."""
        return int(self.get("protectionpolicy", policy).get("status", {}).get("observedGeneration", 0))


class Cluster(Place):
    """One namespace of a test's own on the shared stack."""

    def __init__(self, stack: Stack, namespace: str) -> None:
        super().__init__(stack, namespace)
        self.stack = stack

    def wait_for_records(self) -> None:
        """Wait until refusals are recorded again: not for 10 s after the API server was away."""
        self.deployment("recorded")
        refusal = ("delete", "deployment", "recorded", f"--namespace={self.namespace}", "--wait=false")
        eventually(lambda: "change request: chg-" in self.agent(*refusal).err, 30, "refusals are recorded again")


def sign(key: Path, claims: Mapping[str, Any]) -> str:
    """Give an approval: the claims as one canonical line and the signature that the real ssh-keygen makes below it."""
    line = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "k8s-approval@seconder.dev", "-f", str(key)]
    signed = subprocess.run(command, input=line.encode(), capture_output=True, check=True)
    return line + signed.stdout.decode().rstrip("\n")


def eventually(holds: Callable[[], object], seconds: float, what: str) -> float:
    """Poll until ``holds`` is true; give how many seconds that took. Fails the test after ``seconds``."""
    started = time.monotonic()
    while not holds():
        given = seconds * _patience()
        assert time.monotonic() - started < given, f"not within {given:.1f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started


def _patience() -> float:
    """How many times as long things may take as with a processor to spare: where processes wait for one, all does."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
