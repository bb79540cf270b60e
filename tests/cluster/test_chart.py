"""The chart on a real API server: what it installs is taken, and what Helm removes leaves nothing that blocks.

Pods do not run here; the two programs run beside it under the chart's own ServiceAccounts.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.support.cluster import Place, Result, eventually
from tests.support.helm import Helm

from chart import files
from localstack.binaries import provide
from localstack.controlplane import ControlPlane
from localstack.pins import TESTS, Binary
from localstack.scene import Scene
from localstack.seconder import Seconder
from seconder.api import constants

_NAMESPACE = "seconder-system"
_CONFIGURATION = ("validatingwebhookconfiguration", "seconder")
_FOREIGN = ("monitoring.coreos.com/v1 ServiceMonitor", "monitoring.coreos.com/v1 PrometheusRule")
_CERTIFICATES = ("cert-manager.io/v1 Certificate", "cert-manager.io/v1 Issuer")
_MATRIX = {
    "defaults": [],
    "monitoring": ["serviceMonitor.enabled=true", "prometheusRule.enabled=true", "dashboard.enabled=true"],
    "cert-manager": ["certificates.provider=cert-manager"],
    "secret": ["certificates.provider=secret", "webhook.replicas=1"],
    "scheduling": [
        "webhook.priorityClassName=system-cluster-critical",
        "webhook.nodeSelector.disk=ssd",
        "webhook.tolerations[0].key=control-plane",
        "webhook.tolerations[0].operator=Exists",
        "imagePullSecrets[0].name=registry",
        "webhook.namespaceLabel=true",
        "operator.copyApprovals=true",
    ],
    "ports and names of one's own": [
        "webhook.port=10250",
        "webhook.env[0].name=NO_PROXY",
        "webhook.podLabels.team=guard",
        "webhook.podAnnotations.a=b",
        "webhook.serviceAccountAnnotations.a=b",
        "resourceQuota.enabled=true",
    ],
}
_FLAGS = {name: [f"--set={value}" for value in values] for name, values in _MATRIX.items()} | {
    path.stem: [f"--values={path}"] for path in (files.CHART / "platforms").glob("*.yaml")
}


class Installed(Place):
    """A cluster of its own with the chart's release, and the two programs as processes where they are wanted."""

    def __init__(self, scene: Scene, helm: Helm, folder: Path) -> None:
        super().__init__(scene, "shop")
        self.seconder = Seconder(scene.control_plane, folder)
        self._helm = helm

    def try_helm(self, *arguments: str | Path) -> Result:
        """Run Helm as an administrator."""
        return self._helm.run(self.scene.admin_kubeconfig, _NAMESPACE, *arguments)

    def helm(self, *arguments: str | Path) -> str:
        """Run Helm as an administrator; it must succeed."""
        done = self.try_helm(*arguments)
        assert done.code == 0, done.err
        return done.out

    def install(self) -> None:
        """Install the release, without waiting for pods that never come."""
        self.helm("install", "seconder", files.CHART, "--create-namespace")

    def configuration(self) -> str:
        """Give the uid of the webhook configuration; nothing where there is none."""
        return self.admin("get", *_CONFIGURATION, "--ignore-not-found", "--output=jsonpath={.metadata.uid}")

    def rules(self) -> str:
        """Give what the operator lets the webhook look up."""
        return self.admin("get", "clusterrole", "seconder-webhook-lookups", "--output=jsonpath={.rules}")


@contextmanager
def _installed_by(program: Binary, folder: Path) -> Iterator[Installed]:
    binaries = provide(TESTS, any_kubectl=False)
    with ControlPlane(folder / "control-plane", binaries) as plane:
        scene = Scene(folder, plane)
        scene.issue()
        scene.admit()
        found = Installed(scene, Helm(binaries[program], folder), folder / "seconder")
        found.install()
        found.seconder.write_credentials()
        found.seconder.start_operator()
        found.seconder.start_webhook()
        try:
            found.seconder.wait_ready()
            scene.register()
            found.admin("create", "namespace", found.namespace)
            found.deployment()
            yield found
        finally:
            found.seconder.stop()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The chart with its defaults, both programs alive, and a Deployment to guard."""
    with _installed_by(Binary.HELM, tmp_path_factory.mktemp("chart")) as found:
        yield found


@pytest.mark.parametrize("flags", _FLAGS.values(), ids=list(_FLAGS))
def test_the_api_server_takes_whatever_is_rendered(installed: Installed, flags: list[str], tmp_path: Path) -> None:
    """By a dry run on the server, strictly; pods are admitted where Pod Security is restricted."""
    documents = list(yaml.safe_load_all(files.rendered(*flags)))
    for kind in (*_FOREIGN, *_CERTIFICATES):
        _serve(installed, *kind.split())
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(yaml.safe_dump_all(documents))
    # As Helm upgrades: a port in place of another, where kubectl's own way would keep both.
    way = ("--server-side", "--field-manager=helm", "--force-conflicts")
    installed.admin("apply", *way, "--dry-run=server", "--validate=strict", f"--filename={rendered}")
    installed.admin("label", "namespace", "shop", "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    pods = [each["spec"]["template"] for each in documents if each and each["kind"] == "Deployment"]
    for number, pod in enumerate(pods):
        metadata = {"name": f"pod-{number}", "namespace": "shop"}
        spec = pod["spec"] | {"serviceAccountName": "default"}
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        installed.admin("create", "--dry-run=server", "--filename=-", stdin=json.dumps(document))
    assert len(pods) == 2


@pytest.mark.parametrize("way", [[], ["--server-side", "--force-conflicts"]], ids=["client", "server"])
def test_what_is_rendered_shows_no_difference_after_an_install(installed: Installed, way: list[str]) -> None:
    """To whoever pipes it through ``kubectl diff``, as GitOps tools compare: nothing is filled in or lost."""
    rendered = files.rendered()
    done = installed.kubectl(installed.scene.admin_kubeconfig, "diff", *way, "--filename=-", stdin=rendered)
    assert done.out == ""
    assert done.code == 0, done.err


def test_plain_manifests_are_the_same(installed: Installed) -> None:
    """For who has no Helm: taken by the server, as they stand."""
    installed.admin("apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", "manifests/install.yaml")


def test_an_installed_release_guards(installed: Installed) -> None:
    """The operator makes the configuration, and it belongs to the operator's own role."""
    assert installed.delete(installed.agent).refused_with("ApprovalMissing")
    (owner,) = installed.get(*_CONFIGURATION)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ClusterRole", "seconder-operator")
    assert owner["uid"] == installed.get("clusterrole", "seconder-operator")["metadata"]["uid"]


@pytest.mark.parametrize("owners", ["[]", '[{"apiVersion":"v1","kind":"Namespace","name":"shop","uid":"%s"}]'])
def test_other_owners_of_the_configuration_are_put_right(installed: Installed, owners: str) -> None:
    """With none an uninstall would leave it behind; with another one it would go when that goes."""
    if "%s" in owners:
        owners %= installed.get("namespace", "shop")["metadata"]["uid"]
    patch = f'{{"metadata":{{"ownerReferences":{owners}}}}}'
    installed.admin("patch", *_CONFIGURATION, "--type=merge", "--patch", patch)

    def mended() -> bool:
        found = installed.get(*_CONFIGURATION)["metadata"].get("ownerReferences") or []
        return [each["name"] for each in found] == ["seconder-operator"]

    eventually(mended, 5, "it is its own role's again")


def test_an_agent_cannot_take_the_owner_away(installed: Installed) -> None:
    """With the role the configuration would go: refused, whatever the agent is tagged by."""
    for who in (installed.agent, installed.agent_with_all_rights):
        assert who("delete", "clusterrole", "seconder-operator").refused_with("ProtectedConfiguration")
        patch = '{"metadata":{"finalizers":["example.com/x"]}}'
        changed = who("patch", "clusterrole", "seconder-operator", "--type=merge", "--patch", patch)
        assert changed.refused_with("ProtectedConfiguration")


def test_an_upgrade_and_a_rollback_leave_the_guard_as_it_is(installed: Installed) -> None:
    """Helm neither touches the configuration, nor takes away what the operator lets the webhook look up."""
    before, rules = installed.configuration(), installed.rules()
    assert "deployments" in rules
    installed.helm("upgrade", "seconder", files.CHART, "--set=webhook.replicas=3")
    assert (installed.configuration(), installed.rules()) == (before, rules)
    installed.helm("rollback", "seconder")
    assert (installed.configuration(), installed.rules()) == (before, rules)
    assert installed.delete(installed.agent).refused_with("ApprovalMissing")


_WEBHOOK = ("deployment", "seconder-webhook")
_POLICY = ("protectionpolicy", "default")
_UPGRADE = ("upgrade", "seconder", files.CHART, "--reset-then-reuse-values")


def _change_by_hand(installed: Installed) -> None:
    installed.admin("scale", *_WEBHOOK, f"--namespace={_NAMESPACE}", "--replicas=4")
    patch = '{"spec":{"approvals":{"maxTTL":"5m"}}}'
    installed.admin("patch", *_POLICY, "--type=merge", "--field-manager=kubectl-edit", "--patch", patch)


def _set(installed: Installed) -> tuple[int, str]:
    """Give what was changed by hand, as it is now."""
    replicas = installed.get(*_WEBHOOK, _NAMESPACE)["spec"]["replicas"]
    return replicas, installed.get(*_POLICY)["spec"]["approvals"]["maxTTL"]


def test_an_upgrade_after_a_change_by_hand_names_it_until_the_values_win(installed: Installed) -> None:
    """A scaled Deployment and an edited policy are not changed unasked, and the guard stands all the while."""
    _change_by_hand(installed)
    values = ("--set=webhook.replicas=3", "--set=defaultPolicy.spec.approvals.maxTTL=10m")
    refused = installed.try_helm(*_UPGRADE, *values)
    assert refused.code != 0
    for words in (
        'conflict with "kubectl" with subresource "scale"',
        'conflict with "kubectl-edit"',
        ".approvals.maxTTL",
    ):
        assert words in refused.err
    assert _set(installed) == (4, "5m")
    assert installed.delete(installed.agent).refused_with("ApprovalMissing")
    installed.helm(*_UPGRADE, *values, "--force-conflicts")
    assert _set(installed) == (3, "10m")
    installed.helm("upgrade", "seconder", files.CHART, "--reset-values")
    assert _set(installed)[0] == 2
    assert installed.delete(installed.agent).refused_with("ApprovalMissing")


def test_a_recreated_role_owns_the_configuration_again(installed: Installed) -> None:
    """``kubectl replace --force``: the cluster takes the configuration away, the operator brings it back."""
    role = installed.admin("get", "clusterrole", "seconder-operator", "--output=json")
    installed.admin("replace", "--force", "--filename=-", stdin=role)

    def whole() -> bool:
        uid = installed.get("clusterrole", "seconder-operator")["metadata"]["uid"]
        shown = installed.admin("get", *_CONFIGURATION, "--ignore-not-found", "--output=json")
        return bool(shown) and [each["uid"] for each in json.loads(shown)["metadata"]["ownerReferences"]] == [uid]

    eventually(whole, 30, "it is there, and belongs to the new role")
    eventually(lambda: installed.delete(installed.agent).refused_with("ApprovalMissing"), 5, "it guards")


@pytest.mark.parametrize("alive", [True, False], ids=["operator alive", "operator dead"])
def test_an_uninstall_leaves_nothing_that_blocks(installed: Installed, alive: bool) -> None:
    """The configuration goes and stays away; approvers, and what was recorded, stay; a new install guards again."""
    if not alive:
        installed.seconder.stop_operator()
    installed.helm("uninstall", "seconder")
    eventually(lambda: not installed.configuration(), 15, "the configuration is gone")
    if alive:
        # It has lost its rights by now, and would have put it back otherwise.
        log = installed.seconder.log_of("operator")
        eventually(lambda: "is tried again" in log.read_text(), 30, "the operator has noticed")
    assert not installed.configuration()
    name = f"free-{alive}".lower()
    installed.deployment(name)
    assert installed.delete(installed.agent, "deployment", name).code == 0
    for crd in constants.KINDS:
        assert installed.there("crd", f"{crd}.seconder.dev")
    assert installed.there("approver", "alice")
    installed.install()
    installed.seconder.write_credentials()
    if alive:
        installed.seconder.stop_operator()
    installed.seconder.start_operator()
    eventually(installed.configuration, 30, "the configuration is there")
    installed.seconder.stop_webhook()
    installed.seconder.start_webhook()
    installed.seconder.wait_ready()
    eventually(lambda: installed.delete(installed.agent).refused_with("ApprovalMissing"), 10, "it guards again")


def test_a_certificate_that_somebody_else_makes_is_used_as_it_is(installed: Installed, tmp_path: Path) -> None:
    """Its CA goes into the configuration; without it the operator says so, and what is in force stays."""
    installed.seconder.stop_operator()
    ours = ("secret", "given", f"--namespace={_NAMESPACE}")
    before = _bundle(installed)
    installed.admin("create", "role", "given", "-n", _NAMESPACE, "--verb=get", "--resource=secrets")
    account = f"--serviceaccount={_NAMESPACE}:seconder-operator"
    installed.admin("create", "rolebinding", "given", "-n", _NAMESPACE, "--role=given", account)
    log = installed.seconder.log_of("operator")
    # Begins its log anew.
    installed.seconder.start_operator("--certificates=secret", "--serving-secret=given", "--rotation-settle=1")
    try:
        eventually(lambda: "there is no Secret given" in log.read_text(), 20, "it says what it lacks")
        assert _bundle(installed) == before
        authority = _make_secret(installed, tmp_path / "first")
        eventually(lambda: _bundle(installed) == authority, 20, "the CA is trusted")
        installed.admin("patch", *ours, "--patch", '{"data":{"ca.crt":""}}')
        eventually(lambda: "ca.crt of Secret given holds no CA" in log.read_text(), 20, "it says what is wrong")
        assert _bundle(installed) == authority
        installed.admin("delete", *ours)
        authority = _make_secret(installed, tmp_path / "second")
        eventually(lambda: _bundle(installed) == authority, 20, "the new CA is trusted")
    finally:
        installed.seconder.stop_operator()
        installed.seconder.start_operator()


def test_helm_3_does_it_too(tmp_path: Path) -> None:
    """From the install to its end. It names no change by hand: it undoes those of Deployments, and keeps a policy's."""
    with _installed_by(Binary.HELM_3, tmp_path) as installed:
        assert installed.delete(installed.agent).refused_with("ApprovalMissing")
        done = installed.kubectl(installed.scene.admin_kubeconfig, "diff", "--filename=-", stdin=files.rendered())
        assert (done.code, done.out) == (0, ""), done.err
        before, rules = installed.configuration(), installed.rules()
        _change_by_hand(installed)
        installed.helm(*_UPGRADE)
        assert _set(installed) == (2, "5m")
        installed.helm(
            *_UPGRADE,
            "--set=defaultPolicy.spec.approvals.maxTTL=10m",
            "--set=webhook.port=10250",
            "--set=webhook.replicas=3",
        )
        assert _set(installed) == (3, "10m")
        assert (installed.configuration(), installed.rules()) == (before, rules)
        installed.helm("rollback", "seconder", "1")
        assert _set(installed) == (2, "15m")
        assert (installed.configuration(), installed.rules()) == (before, rules)
        assert installed.delete(installed.agent).refused_with("ApprovalMissing")
        installed.helm("uninstall", "seconder")
        eventually(lambda: not installed.configuration(), 15, "the configuration is gone")
        assert installed.delete(installed.agent).code == 0


def _bundle(installed: Installed) -> str:
    return installed.admin("get", *_CONFIGURATION, "--output=jsonpath={.webhooks[0].clientConfig.caBundle}")


def _make_secret(installed: Installed, folder: Path) -> str:
    """Make a self-signed certificate as docs/installing.md says; give it as the API server keeps it."""
    folder.mkdir()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days=1"),
            *("-subj=/CN=seconder-webhook", "-addext=subjectAltName=DNS:seconder-webhook.seconder-system.svc"),
            *("-keyout", "tls.key", "-out", "tls.crt"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    pairs = [f"--from-file=tls.crt={folder}/tls.crt", f"--from-file=tls.key={folder}/tls.key"]
    authority = f"--from-file=ca.crt={folder}/tls.crt"
    installed.admin("create", "secret", "generic", "given", f"--namespace={_NAMESPACE}", *pairs, authority)
    found = installed.get("secret", "given", _NAMESPACE)["data"]["ca.crt"]
    return str(found)


def _serve(installed: Installed, version: str, kind: str) -> None:
    """Let the API server take a kind that others define, whatever is in it."""
    group, _, number = version.partition("/")
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"plural": plural, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List"}
    served = {"name": number, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [served]}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    installed.apply(crd | {"metadata": {"name": f"{plural}.{group}"}})
    installed.established(f"{plural}.{group}")
