"""A real API server with Seconder installed, policies and approvers in it, and the webhook started against it."""

import base64
import json
import math
import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bench import machine, reviews, servers
from bench.python import Interpreter
from bench.servers import Server
from localstack.controlplane import ControlPlane
from localstack.seconder import NAMESPACE, Seconder
from seconder.client import discovery
from seconder.client.api import Api
from seconder.client.client_config import load
from seconder.client.credentials import Credentials
from seconder.operator import policy_status

_OTHER: Final = ("delivery", "deployer")
"""A ServiceAccount that is no agent."""

_KINDS: Final = {"ProtectionPolicy": "protectionpolicies", "Approver": "approvers"}

_CONFIGURATION: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/seconder"
_JUDGED_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.01
_AT_ONCE: Final = 8


class Cluster:
    """The control plane of the benchmark, seen as its administrator. ``folder`` gets Seconder's files."""

    def __init__(self, plane: ControlPlane, folder: Path, interpreter: Interpreter) -> None:
        """``interpreter``: the Python that runs the webhook."""
        self.operator_seconds = math.nan
        """From the operator's start, once installed, to its first webhook configuration; not known before that."""
        self.plane: Final = plane
        self._interpreter: Final = interpreter
        self._api: Final = Api(load(str(plane.admin_kubeconfig)), user_agent="seconder-bench")
        self._seconder: Final = Seconder(plane, folder)

    def install(self, documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Install Seconder with these policies and approvers; give the webhook configuration of its operator."""
        self._seconder.install()
        self._create(documents)
        return self._judged()

    @property
    def audience(self) -> str:
        """The ``aud`` claim of approvals for this cluster."""
        return f"urn:uuid:{self._api.get('/api/v1/namespaces/kube-system')['metadata']['uid']}"

    def prepare(self) -> None:
        """Create the Deployment, the agent and another caller; both may do everything, by RBAC."""
        accounts = [("seconder-agents", reviews.AGENT), _OTHER]
        namespaces = [reviews.NAMESPACE, *(namespace for namespace, _ in accounts)]
        deployment = reviews.deployment()
        metadata = deployment["metadata"]
        for server_side in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"):
            del metadata[server_side]
        self.apply(
            [
                *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces),
                *(
                    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}}
                    for namespace, name in accounts
                ),
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": "bench"},
                    "roleRef": {
                        "apiGroup": "rbac.authorization.k8s.io",
                        "kind": "ClusterRole",
                        "name": "cluster-admin",
                    },
                    "subjects": [
                        {"kind": "ServiceAccount", "namespace": namespace, "name": name} for namespace, name in accounts
                    ],
                },
                {**deployment, "status": {}},
            ]
        )

    def apply(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Apply a few documents with kubectl."""
        self.plane.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)}))

    def add(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Create more policies and approvers, and judge the policies as the operator would.

        It would take minutes for a thousand, since it tries each on the API server; these differ in their names alone.
        """
        served = discovery.catalogue(self._api)
        for created in self._create(documents):
            if created["kind"] == "ProtectionPolicy":
                self._judge(created, served)

    def set_mode(self, name: str, mode: str) -> float:
        """Store another mode of a policy, and judge it as the operator would; give the time when it was stored."""
        path = f"/apis/seconder.dev/v1alpha1/{_KINDS['ProtectionPolicy']}/{name}"
        served, stored = discovery.catalogue(self._api), self._api.get(path)
        changed = self._api.replace(path, stored | {"spec": stored["spec"] | {"mode": mode}})
        when = time.perf_counter()
        self._judge(changed, served)
        return when

    def populate(self, count: int) -> None:
        """Create so many Deployments, each with an owner of its own."""
        api_path = f"/apis/apps/v1/namespaces/{reviews.NAMESPACE}/deployments"
        pods = {"matchLabels": {"app": "crowd"}}
        container = {"name": "main", "image": "registry.example.com/crowd:1"}
        template = {"metadata": {"labels": pods["matchLabels"]}, "spec": {"containers": [container]}}

        def create(number: int) -> None:
            owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"owner-{number}", "uid": str(uuid.uuid4())}
            metadata = {"name": f"crowd-{number}", "ownerReferences": [owner]}
            spec = {"replicas": 1, "selector": pods, "template": template}
            self._api.create(api_path, {"metadata": metadata, "spec": spec})

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for _ in threads.map(create, range(count)):
                pass

    def _judge(self, policy: dict[str, Any], served: discovery.Catalogue) -> None:
        status = policy_status.judge(policy, served, lambda _: "").status
        self._api.replace(f"{_path(policy)}/{policy['metadata']['name']}/status", policy | {"status": status})

    def _create(self, documents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [self._api.create(_path(document), document) for document in documents]

    def _judged(self) -> dict[str, Any]:
        """Let the operator judge everything; give the webhook configuration that it made.

        The operator is then stopped, and its configuration removed: what guards, and when, is up to the benchmark.
        """
        kubectl, admin = self.plane.kubectl, self.plane.admin_kubeconfig
        wait = ("wait", "--for=condition=Ready", f"--timeout={_JUDGED_SECONDS}s", "--all")
        remove = ("delete", "validatingwebhookconfiguration", "seconder")
        for _ in ("installed", "started anew"):
            began = time.perf_counter()
            with machine.everywhere():
                self._seconder.start_operator()
            try:
                # Of the last time, when Python has its modules compiled, and there are certificates.
                self.operator_seconds = self._configured() - began
                kubectl.must(admin, *wait, "protectionpolicies,approvers", seconds=_JUDGED_SECONDS + 10)
            finally:
                self._seconder.stop_operator()
            found: dict[str, Any] = self._api.get(_CONFIGURATION)
            kubectl.must(admin, *remove)
        return found

    def _configured(self) -> float:
        """Wait for a webhook configuration that asks about something; give the time. Raises TimeoutError."""
        deadline = time.perf_counter() + _JUDGED_SECONDS
        while (now := time.perf_counter()) < deadline:
            found = self._api.find(_CONFIGURATION)
            if found is not None and found.get("webhooks"):
                return now
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"the operator applied no webhook configuration within {_JUDGED_SECONDS} s")

    def agent(self) -> Credentials:
        """Give a token of the agent's."""
        return self._token("seconder-agents", reviews.AGENT)

    def other(self) -> Credentials:
        """Give a token of a caller who is no agent."""
        return self._token(*_OTHER)

    def start_webhook(self, authority: Path, *, apart: bool = False, **environment: str) -> Server:
        """Start the webhook on its core, where the API server looks for it; or ``apart``, at another address.

        It is not ready yet: whoever measures its start waits for it.
        """
        log = self._seconder.log_of("another-webhook" if apart else "webhook")

        def command(address: str, metrics: str) -> list[str]:
            return [
                *(str(self._interpreter.program), "-m", "seconder", "webhook"),
                *("--kubeconfig", str(self._seconder.folder / "webhook.kubeconfig")),
                *("--namespace", NAMESPACE),
                *("--bind-address", address),
                *("--metrics-bind-address", metrics),
                "--drain-delay=0",
            ]

        address = "" if apart else self._seconder.webhook_address
        environment |= self._interpreter.environment
        return servers.start("Seconder", command, log, authority, "127.0.0.1", address=address, **environment)

    def _token(self, namespace: str, name: str) -> Credentials:
        return load(str(self.plane.token_kubeconfig(namespace, name)))


def _path(document: Mapping[str, Any]) -> str:
    return f"/apis/{document['apiVersion']}/{_KINDS[document['kind']]}"


def write_authority(configuration: Mapping[str, Any], path: Path) -> Path:
    """Write the CAs that the API server trusts for the webhook; give the path."""
    path.write_bytes(base64.b64decode(configuration["webhooks"][0]["clientConfig"]["caBundle"]))
    return path
