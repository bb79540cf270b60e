"""Flux' kustomize-controller as a plain process beside the stack, and a Git that is an HTTP server on loopback.

Instead of source-controller a test itself writes what a GitRepository's status says of its artifact.
"""

import datetime
import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.cluster import eventually
from tests.support.objects import Objects, objects_of

from localstack.lifetime import Lifetime
from localstack.pins import Binary
from localstack.ports import free_ports
from localstack.probe import Probe
from localstack.process import Child
from localstack.stack import Stack

NAMESPACE: Final = "flux-system"
CONTROLLER: Final = f"system:serviceaccount:{NAMESPACE}:kustomize-controller"
_READY_SECONDS: Final = 60.0
SECONDS: Final = 90.0
"""For whatever the controller does: it tries again at growing intervals, and the machine may be busy."""

_KINDS: Final = {
    "kustomizations.kustomize.toolkit.fluxcd.io": "Kustomization",
    "gitrepositories.source.toolkit.fluxcd.io": "GitRepository",
    "ocirepositories.source.toolkit.fluxcd.io": "OCIRepository",
    "buckets.source.toolkit.fluxcd.io": "Bucket",
}


def _definition(name: str, kind: str) -> dict[str, Any]:
    """A definition that takes whatever the controller writes: what Flux' own would refuse is not what is tested."""
    plural, _, group = name.partition(".")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [version],
        },
    }


class Flux(Lifetime):
    """Installs the kinds, an account with all rights, and runs the controller under its name."""

    def __init__(self, stack: Stack, folder: Path, program: Path) -> None:
        self._stack: Final = stack
        self._folder: Final = folder
        self._program: Final = program
        self._objects: Final[Objects] = objects_of(stack.admin_kubeconfig)
        self._artifacts: dict[str, bytes] = {}
        self._commits = 0
        self._server: http.server.ThreadingHTTPServer | None = None
        self._controller: Child | None = None

    @property
    def log(self) -> Path:
        """What the controller says."""
        return self._folder / "kustomize-controller.log"

    def start(self) -> None:
        """Start everything; a start that fails leaves nothing running."""
        try:
            self._install()
            self._serve()
            self._run()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, and remove the kinds with all that is of them."""
        if self._controller is not None:
            self._controller.stop()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        for name, kind in _KINDS.items():
            if kind == "Kustomization":
                for each in self._everywhere("kustomizations"):
                    # The controller that would take its finalizer away has ended.
                    self._objects.change(kind, each["name"], each["namespace"], {"metadata": {"finalizers": None}})
            if self._objects.find("customresourcedefinitions", name) is not None:
                self._objects.delete("customresourcedefinitions", name)
        eventually(lambda: not any(map(self._defined, _KINDS)), SECONDS, "the kinds are gone")

    def commit(self, source: str, namespace: str, files: Mapping[str, str]) -> str:
        """Merge: the source has these files now, and nothing else. Give the revision."""
        self._commits += 1
        archive = _archive(files)
        name = f"{source}-{self._commits}.tar.gz"
        self._artifacts[f"/{name}"] = archive
        digest = hashlib.sha256(archive).hexdigest()
        revision = f"main@sha1:{hashlib.sha1(archive + name.encode(), usedforsecurity=False).hexdigest()}"
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert self._server is not None
        artifact = {
            "path": name,
            "url": f"http://127.0.0.1:{self._server.server_port}/{name}",
            "revision": revision,
            "digest": f"sha256:{digest}",
            "lastUpdateTime": now,
            "size": len(archive),
        }
        document = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": source, "namespace": namespace},
            "spec": {"interval": "1h", "url": "https://git.invalid/shop"},
        }
        stored = self._objects.apply(document)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "stored artifact",
            "lastTransitionTime": now,
            "observedGeneration": stored["metadata"]["generation"],
        }
        status = {"artifact": artifact, "conditions": [ready], "observedGeneration": stored["metadata"]["generation"]}
        self._objects.change("gitrepositories", source, namespace, {"status": status}, "status")
        return revision

    def kustomization(self, name: str, namespace: str, source: str, **spec: Any) -> None:
        """Have the controller apply what the source has, and prune."""
        document = {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "interval": "1h",
                "retryInterval": "2s",
                "path": "./",
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": source},
            }
            | spec,
        }
        self._objects.apply(document)

    def reconcile(self, name: str, namespace: str) -> None:
        """Have it look now, as ``flux reconcile kustomization`` does."""
        moment = datetime.datetime.now(datetime.UTC).isoformat()
        self._objects.annotate("kustomizations", name, namespace, {"reconcile.fluxcd.io/requestedAt": moment})
        eventually(
            lambda: self.status(name, namespace).get("lastHandledReconcileAt") == moment,
            SECONDS,
            f"{name} is reconciled",
        )

    def status(self, name: str, namespace: str) -> dict[str, Any]:
        """A Kustomization's status."""
        found: dict[str, Any] = self._objects.get("kustomizations", name, namespace).get("status", {})
        return found

    def ready(self, name: str, namespace: str) -> dict[str, Any]:
        """A Kustomization's condition Ready; empty while there is none."""
        conditions = self.status(name, namespace).get("conditions", [])
        return next((each for each in conditions if each["type"] == "Ready"), {})

    def wait_applied(self, name: str, namespace: str, revision: str) -> None:
        """Wait until a revision is applied, and all went well."""

        def applied() -> bool:
            status = self.status(name, namespace)
            return status.get("lastAppliedRevision") == revision and self.ready(name, namespace)["status"] == "True"

        eventually(applied, SECONDS, f"{name} has applied {revision}; see {self.log}")

    def said(self, *words: str) -> list[str]:
        """The lines of the controller's log that hold all of these words."""
        return [line for line in self.log.read_text().splitlines() if all(word in line for word in words)]

    def _install(self) -> None:
        for name, kind in _KINDS.items():
            self._objects.apply(_definition(name, kind))
        account = {"name": "kustomize-controller", "namespace": NAMESPACE}
        self._objects.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self._objects.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        self._objects.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "cluster-reconciler"},
                "roleRef": role,
                "subjects": [{"kind": "ServiceAccount", **account}],
            }
        )
        eventually(lambda: all(map(self._established, _KINDS)), SECONDS, "the kinds are served")

    def _serve(self) -> None:
        artifacts = self._artifacts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = artifacts.get(self.path)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _run(self) -> None:
        health, metrics = free_ports(2)
        kubeconfig = self._stack.control_plane.token_kubeconfig(NAMESPACE, "kustomize-controller")
        self._controller = Child(
            Binary.KUSTOMIZE_CONTROLLER,
            [
                self._program,
                f"--health-addr=127.0.0.1:{health}",
                f"--metrics-addr=127.0.0.1:{metrics}",
                "--http-retry=1",
            ],
            self.log,
            dies_with_parent=True,
            folder=self._folder,
            environment=os.environ | {"KUBECONFIG": str(kubeconfig), "RUNTIME_NAMESPACE": NAMESPACE},
        )
        self._controller.wait_until(Probe(f"http://127.0.0.1:{health}/readyz"), _READY_SECONDS)

    def _everywhere(self, plural: str) -> Sequence[dict[str, str]]:
        if not self._defined(next(iter(_KINDS))):
            return []
        found = self._stack.control_plane.kubectl.must(
            self._stack.admin_kubeconfig, "get", plural, "--all-namespaces", "--output=json"
        )
        return [each["metadata"] for each in json.loads(found)["items"]]

    def _defined(self, name: str) -> bool:
        return self._objects.find("customresourcedefinitions", name) is not None

    def _established(self, name: str) -> bool:
        conditions = self._objects.get("customresourcedefinitions", name).get("status", {}).get("conditions") or ()
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def _archive(files: Mapping[str, str]) -> bytes:
    """A gzipped tar of these files, the same for the same files."""
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()
