"""A control plane of a test's own, of which each of Seconder's layers can be taken away and put back."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml
from tests.support.cluster import Result, eventually

from localstack.controlplane import ControlPlane
from localstack.pins import Binary
from localstack.seconder import MANIFESTS, NAMESPACE, Seconder

AGENT: Final = "system:serviceaccount:seconder-agents:kiro"
_EXAMPLES: Final = MANIFESTS / "static-admission"
_INSTALLED: Final = "/etc/kubernetes/seconder"
_SECONDS: Final = 20.0
"""A file that nobody announced is read again within a minute; here somebody did."""

_SUBJECTS: Final = """\
apiVersion: v1
kind: Namespace
metadata: {name: seconder-agents}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: kiro, namespace: seconder-agents}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: builder, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everybody-is-admin}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {kind: ServiceAccount, name: kiro, namespace: seconder-agents}
- {kind: ServiceAccount, name: builder, namespace: default}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: people}
"""


class Layers:
    """Starts with Seconder, the static policy and the authorizer in place, and no policy in the API.

    ``agent`` is cluster-admin by RBAC; ``root_agent`` holds a certificate of system:masters, which no authorizer is
    asked about. ``person`` is cluster-admin, ``builder`` a cluster-admin ServiceAccount that is no agent's.
    """

    def __init__(self, folder: Path, binaries: Mapping[Binary, Path]) -> None:
        self._folder = folder
        self._policy = folder / "policies" / "seconder.yaml"
        self._authorization = folder / "authorization-configuration.yaml"
        self._written = 0
        self.plane = ControlPlane(
            folder / "control-plane",
            binaries,
            apiserver_flags=[f"--admission-control-config-file={folder / 'admission-configuration.yaml'}"],
            authorization=f"--authorization-config={self._authorization}",
            controllers=False,
        )
        self.seconder = Seconder(self.plane, folder / "seconder", proven=False)

    def __enter__(self) -> Self:
        """Start everything."""
        self._policy.parent.mkdir(parents=True)
        self._put(self._folder / "admission-configuration.yaml", self.example("admission-configuration.yaml"))
        self._put(self._policy, self.example("policies/seconder.yaml"))
        self._put(self._authorization, self._authorizers(ours=False))
        try:
            self.plane.start()
            self.plane.apply(_SUBJECTS)
            self.person = self.plane.client_kubeconfig("dana@example.com", ["people"])
            self.root_agent = self.plane.client_kubeconfig("hal", ["seconder.dev:agents", "system:masters"])
            self.agent = self.plane.token_kubeconfig("seconder-agents", "kiro")
            self.builder = self.plane.token_kubeconfig("default", "builder")
            self.seconder.start()
            self.must(self.person, "delete", f"--filename={MANIFESTS / 'admission-policy.yaml'}")
            self._write_authorizer_kubeconfig()
            self.ask_authorizer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def stop(self) -> None:
        """Stop everything."""
        self.seconder.stop()
        self.plane.stop()

    def run(self, kubeconfig: Path, *arguments: str, stdin: Mapping[str, Any] | None = None) -> Result:
        """Run kubectl with this kubeconfig; ``stdin`` is a document."""
        done = self.plane.kubectl.run(kubeconfig, *arguments, stdin=json.dumps(stdin) if stdin else "")
        return Result(done.returncode, done.stdout, done.stderr)

    def must(self, kubeconfig: Path, *arguments: str, stdin: Mapping[str, Any] | None = None) -> str:
        """Run kubectl; it must succeed."""
        result = self.run(kubeconfig, *arguments, stdin=stdin)
        assert result.code == 0, result.err
        return result.out

    def without_webhook_configuration(self) -> None:
        """For good: stop the operator, then delete the configuration as a person."""
        self.seconder.stop_operator()
        self.must(self.person, "delete", "validatingwebhookconfiguration", "seconder")

    def without_seconder(self) -> None:
        """For good: stop the webhook too."""
        self.without_webhook_configuration()
        self.seconder.stop_webhook()

    @contextmanager
    def without_static_policy(self) -> Iterator[None]:
        """Take the static policy away, as only the owner of the control plane can."""
        text = self._policy.read_text()
        self._policy.unlink()
        eventually(lambda: not self._static_policy_holds(), _SECONDS, "the static policy is gone")
        try:
            yield
        finally:
            self.put_static_policy(text)

    def put_static_policy(self, text: str) -> None:
        """Put this text in its place and wait until it holds for agents by the default tags."""
        self._put(self._policy, text)
        eventually(self._static_policy_holds, _SECONDS, "the static policy holds")

    @contextmanager
    def without_authorizer(self) -> Iterator[None]:
        """Let the API server ask RBAC alone."""
        self._put(self._authorization, self._authorizers(ours=False))
        eventually(lambda: not self._authorizer_asked(), _SECONDS, "the authorizer is no longer asked")
        try:
            yield
        finally:
            self.ask_authorizer()

    def ask_authorizer(self) -> None:
        """Let the API server ask the authorizer, and wait until it does."""
        self._put(self._authorization, self._authorizers(ours=True))
        eventually(self._authorizer_asked, _SECONDS, "the authorizer is asked")

    def example(self, name: str) -> str:
        """Give a file of manifests/static-admission, with the paths of this folder."""
        return (_EXAMPLES / name).read_text().replace(_INSTALLED, str(self._folder))

    def _static_policy_holds(self) -> bool:
        tried = self.run(
            self.root_agent, "create", "--dry-run=server", "--filename=-", stdin=webhook_configuration("x")
        )
        return "seconder-guard.static.k8s.io" in tried.err

    def _authorizer_asked(self) -> bool:
        tried = self.run(self.agent, "create", "--dry-run=server", "--filename=-", stdin=webhook_configuration("x"))
        return "cannot create resource" in tried.err or "/authorize?" in tried.err

    def _authorizers(self, *, ours: bool) -> str:
        document = yaml.safe_load(self.example("authorization-configuration.yaml"))
        first, *others = document["authorizers"]
        assert first["name"] == "seconder"
        # The kubeconfig is read again only when this file differs; nor is anything that was cached under it used again.
        self._written += 1
        return yaml.safe_dump(document | {"authorizers": [first, *others] if ours else others}) + f"# {self._written}\n"

    def _write_authorizer_kubeconfig(self) -> None:
        secret = json.loads(
            self.must(self.person, "get", "secret", "seconder-ca", f"--namespace={NAMESPACE}", "--output=json")
        )
        (self._folder / "ca.crt").write_bytes(base64.b64decode(secret["data"]["ca.crt"]))
        document = yaml.safe_load(self.example("authorizer.kubeconfig"))
        cluster = document["clusters"][0]["cluster"]
        cluster["server"] = f"https://{self.seconder.webhook_address}/authorize"
        cluster["tls-server-name"] = "127.0.0.1"
        self._put(self._folder / "authorizer.kubeconfig", yaml.safe_dump(document))

    def _put(self, path: Path, text: str) -> None:
        # Written in place, the moment in which it is empty would count.
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.rename(path)


def webhook_configuration(name: str) -> dict[str, Any]:
    """Give a webhook configuration that does nothing."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [],
    }
