"""Flux' own kustomize-controller beside the guard: what a merge deletes waits for a peer."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.cluster import Cluster, Result, eventually
from tests.support.flux import CONTROLLER, SECONDS, Flux
from tests.support.plugin import Plugin

from localstack.binaries import provide
from localstack.pins import Binary
from localstack.stack import Stack

_SCRIPT = ("--yes", "--reason=INC-4821 decommission")


@pytest.fixture(scope="module")
def flux(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flux]:
    """kustomize-controller, with all rights and under its own name."""
    program = provide([Binary.KUSTOMIZE_CONTROLLER], any_kubectl=False)[Binary.KUSTOMIZE_CONTROLLER]
    with Flux(stack, tmp_path_factory.mktemp("flux"), program) as running:
        yield running


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in a home directory without keys, and kubectl on the PATH."""
    made = Plugin(cluster, tmp_path)
    made.environment["PATH"] = f"{cluster.stack.folder / 'bin'}:{made.environment['PATH']}"
    return made


class Repository:
    """What Git has for one namespace, and the Kustomization of that name."""

    def __init__(self, flux: Flux, cluster: Cluster, folder: Path) -> None:
        self.flux = flux
        self.cluster = cluster
        self.folder = folder
        self.name = "shop"

    @property
    def reference(self) -> str:
        """How the plugin is told which Kustomization is meant."""
        return f"{self.cluster.namespace}/{self.name}"

    @property
    def other(self) -> str:
        """A namespace that Git holds, too, in some tests."""
        return f"{self.cluster.namespace}-2"

    def checkout(self, *names: str, kustomization: Mapping[str, Any] | None = None) -> Path:
        """A working copy with Deployments of these names, and a ConfigMap."""
        tree = self.folder / "-".join(names or ("empty",))
        tree.mkdir(exist_ok=True)
        for file, text in self.files(*names, kustomization=kustomization).items():
            (tree / file).write_text(text)
        return tree

    def files(self, *names: str, kustomization: Mapping[str, Any] | None = None) -> dict[str, str]:
        """The files of such a working copy."""
        documents = {f"{name}.yaml": deployment(name, self.cluster.namespace) for name in names if name != "other"}
        if "other" in names:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.other}}
            documents |= {"other.yaml": namespace, "inside.yaml": deployment("inside", self.other)}
        documents["settings.yaml"] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": self.cluster.namespace},
        }
        documents["kustomization.yaml"] = {"resources": sorted(documents)} | dict(kustomization or {})
        return {name: yaml.safe_dump(document) for name, document in documents.items()}

    def merge(self, *names: str) -> str:
        """Have Git hold these; give the revision."""
        return self.flux.commit(self.name, self.cluster.namespace, self.files(*names))

    def install(self, *names: str, **spec: Any) -> None:
        """Have these applied, and wait for it."""
        revision = self.merge(*names)
        self.flux.kustomization(self.name, self.cluster.namespace, self.name, **spec)
        self.flux.wait_applied(self.name, self.cluster.namespace, revision)


def deployment(name: str, namespace: str) -> dict[str, Any]:
    """A Deployment as it stands in Git."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture
def repository(flux: Flux, cluster: Cluster, tmp_path: Path) -> Iterator[Repository]:
    """A repository for the test's namespace, with a policy for everyone on its Deployments."""
    cluster.policy("merged-deletions", subjects="Everyone", actions=["Delete"])
    yield Repository(flux, cluster, tmp_path)
    # First, or the Kustomization would go on trying to delete what it manages.
    for policy in cluster.objects.all("protectionpolicies"):
        if (name := policy["metadata"]["name"]) != "default":
            cluster.objects.delete("protectionpolicies", name)
    cluster.objects.delete("kustomizations", "shop", cluster.namespace)
    gone = lambda: cluster.objects.find("kustomizations", "shop", cluster.namespace) is None  # noqa: E731
    eventually(gone, SECONDS, "the Kustomization is gone")


def refused(cluster: Cluster, name: str) -> dict[str, Any]:
    """The change request for the deletion of a Deployment, once there is one."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [
            each
            for each in cluster.objects.all("changerequests")
            if each["spec"]["object"].get("namespace") == cluster.namespace and each["spec"]["object"]["name"] == name
        ]
        return bool(found and found[0].get("status"))

    eventually(there, SECONDS, f"a change request for {name}")
    return found[0]


def refusals(cluster: Cluster) -> list[dict[str, Any]]:
    """The events that tell of refused deletions, on what GitOps controllers go by."""
    return [each for each in cluster.objects.all("events", cluster.namespace) if each["reason"] == "DeletionRefused"]


def prune(plugin: Plugin, verb: str, repository: Repository, tree: Path, *more: str) -> Result:
    """Explain or approve what a merge of this tree would delete, as alice."""
    alice = plugin.cluster.alice
    flags = ("--prune", "-k", str(tree), "--kustomization", repository.reference, *more)
    signing = (f"--key={alice.key}", *_SCRIPT) if verb == "approve" else ()
    return plugin.script(alice.kubeconfig, verb, *flags, *signing)


def test_flux_forgets_a_refused_prune_and_a_change_request_tells_of_it(
    cluster: Cluster, flux: Flux, repository: Repository
) -> None:
    """The Kustomization is ready again, the Deployment stays, and an approval given then changes nothing."""
    repository.install("cart", "checkout")
    revision = repository.merge("cart")
    request = refused(cluster, "checkout")
    assert request["spec"]["requester"] == CONTROLLER
    flux.wait_applied("shop", cluster.namespace, revision)
    assert cluster.exists("deployment", "checkout")
    inventory = json.dumps(flux.status("shop", cluster.namespace)["inventory"])
    assert "checkout" not in inventory
    eventually(lambda: refusals(cluster), 30, "an event on the Kustomization")
    [event] = refusals(cluster)
    kustomization = cluster.get("kustomization", "shop")
    assert event["involvedObject"]["uid"] == kustomization["metadata"]["uid"]
    assert event["type"] == "Warning"
    assert f"deletion of Deployment {cluster.namespace}/checkout was refused" in event["message"]
    assert f"change request {request['metadata']['name']}" in event["message"]
    cluster.approve(cluster.alice, sub=CONTROLLER, act=None)
    eventually(lambda: refused(cluster, "checkout")["status"]["phase"] == "Approved", 10, "it is approved")
    flux.reconcile("shop", cluster.namespace)
    assert cluster.exists("deployment", "checkout")


def test_what_is_approved_before_the_merge_is_pruned_in_one_reconciliation(
    cluster: Cluster, flux: Flux, repository: Repository, plugin: Plugin
) -> None:
    """One signature for all of them; the check of the pull request turns green; nothing is refused."""
    repository.install("cart", "checkout", "orders")
    tree = repository.checkout("cart")
    before = prune(plugin, "explain", repository, tree)
    assert before.code == 3, before
    assert "a merge would delete 2 objects: 2 need approval" in before.out
    assert f"requester: {CONTROLLER}" in before.out
    approved = prune(plugin, "approve", repository, tree, "-o", "json")
    assert approved.code == 0, approved
    placed = json.loads(approved.out)
    assert {each["object"] for each in placed} == {"deployment.apps/checkout", "deployment.apps/orders"}
    assert len({each["statement"]["jti"] for each in placed}) == 1
    after = prune(plugin, "explain", repository, tree)
    assert after.code == 0, after
    assert "2 approved" in after.out
    merged = repository.merge("cart")
    flux.wait_applied("shop", cluster.namespace, merged)
    assert not cluster.exists("deployment", "checkout")
    assert not cluster.exists("deployment", "orders")
    assert cluster.exists("deployment", "cart")
    assert not flux.said(cluster.namespace, "denied the request")


def test_a_namespace_is_pruned_with_what_is_in_it(
    cluster: Cluster, flux: Flux, repository: Repository, plugin: Plugin
) -> None:
    """Flux deletes the contents first: the approval of the namespace does not name them (bindImpact)."""
    resources = [{"group": "", "resources": ["namespaces"]}, {"group": "apps", "resources": ["deployments"]}]
    approvals = {"bindImpact": False}
    spec = {"subjects": "Everyone", "actions": ["Delete"], "resources": resources, "approvals": approvals}
    cluster.policy("merged-namespaces", namespaces=[repository.other], **spec)
    repository.install("cart", "other")
    tree = repository.checkout("cart")
    assert "2 need approval" in prune(plugin, "explain", repository, tree).out
    assert prune(plugin, "approve", repository, tree).code == 0
    flux.wait_applied("shop", cluster.namespace, repository.merge("cart"))
    assert not flux.said(repository.other, "denied the request")
    eventually(lambda: not cluster.there("namespace", repository.other), SECONDS, "the namespace is gone")


def test_drift_is_corrected_and_the_approval_stays(
    cluster: Cluster, flux: Flux, repository: Repository, plugin: Plugin
) -> None:
    """Flux takes back what kubectl has changed, and an approval set as kubectl; the plugin's stays and counts."""
    repository.install("cart", "checkout")
    tree = repository.checkout("cart")
    assert prune(plugin, "approve", repository, tree).code == 0
    cluster.annotate("deployment", "checkout", "approval.seconder.dev/as-kubectl=x")
    cluster.human("set", "image", "deployment/checkout", "main=none:1", f"--namespace={cluster.namespace}")
    flux.reconcile("shop", cluster.namespace)
    stored = cluster.get("deployment", "checkout")
    assert stored["spec"]["template"]["spec"]["containers"][0]["image"] == "none:0"
    kept = [key for key in stored["metadata"]["annotations"] if key.startswith("approval.seconder.dev/")]
    assert kept == ["approval.seconder.dev/alice"]
    assert prune(plugin, "explain", repository, tree).code == 0


def test_more_than_sixteen_are_approved_by_two_signatures(
    cluster: Cluster, repository: Repository, plugin: Plugin
) -> None:
    """A statement holds at most sixteen objects."""
    names = [f"old-{number}" for number in range(17)]
    repository.install("cart", *names)
    tree = repository.checkout("cart")
    approved = prune(plugin, "approve", repository, tree, "-o", "json")
    assert approved.code == 0, approved
    placed = json.loads(approved.out)
    assert len(placed) == 17
    assert len({each["statement"]["jti"] for each in placed}) == 2
    assert prune(plugin, "explain", repository, tree).code == 0
    again = prune(plugin, "approve", repository, tree)
    assert again.code == 1
    assert "nothing that a merge would delete" in again.err


def test_what_says_of_itself_that_it_stays_is_not_counted(
    cluster: Cluster, repository: Repository, plugin: Plugin
) -> None:
    """Nor what no policy names; and an empty tree deletes all the rest."""
    repository.install("cart", "checkout")
    mark = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}
    cluster.objects.annotate("deployment", "cart", cluster.namespace, mark)
    found = prune(plugin, "explain", repository, repository.checkout(kustomization={"resources": []}), "-o", "json")
    assert found.code == 3, found
    document = json.loads(found.out)
    assert {each["name"]: each["outcome"] for each in document["deletions"]} == {
        "checkout": "NeedsApproval",
        "settings": "Free",
    }
    assert [each["object"] for each in document["stays"]] == [f"deployment.apps/cart -n {cluster.namespace}"]
    assert document["notes"] == ["nothing that is managed today is among the manifests: are they the right ones?"]


def test_the_namespace_that_flux_puts_in_is_heeded(cluster: Cluster, repository: Repository, plugin: Plugin) -> None:
    """Manifests without a namespace are not taken for others; nothing would be deleted."""
    repository.install("cart")
    cluster.objects.change(
        "kustomization",
        "shop",
        cluster.namespace,
        {"spec": {"targetNamespace": cluster.namespace, "suspend": True, "path": "./clusters/prod"}},
    )
    tree = repository.checkout("cart")
    document = deployment("cart", cluster.namespace)
    del document["metadata"]["namespace"]
    (tree / "cart.yaml").write_text(yaml.safe_dump(document))
    found = prune(plugin, "explain", repository, tree)
    assert (found.code, found.out.splitlines()[0]) == (
        0,
        f"Kustomization {repository.reference}: a merge would delete nothing",
    )
    assert "is suspended" in found.out
    assert "applies ./clusters/prod, and -k names" in found.out


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"patches": [{"patch": "$patch: delete"}]}, "sets patches"),
        ({"namePrefix": "x-"}, "sets namePrefix"),
        ({"components": ["../blue"]}, "sets components"),
        ({"kubeConfig": {"secretRef": {"name": "other"}}}, "another cluster"),
    ],
)
def test_what_a_directory_does_not_tell_is_never_nothing(
    cluster: Cluster, repository: Repository, plugin: Plugin, spec: dict[str, Any], words: str
) -> None:
    """The exit code is not 0, and it says why and what to give instead."""
    repository.install("cart")
    changes = {"spec": {"suspend": True} | spec}
    cluster.objects.change("kustomization", "shop", cluster.namespace, changes)
    found = prune(plugin, "explain", repository, repository.checkout("cart"))
    assert found.code == 1, found
    assert words in found.err
    assert found.out == ""


def _suspended(cluster: Cluster, name: str, status: dict[str, Any], **spec: Any) -> None:
    document = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": cluster.namespace},
        "spec": {"suspend": True, "prune": True} | spec,
    }
    cluster.objects.apply(document)
    if status:
        cluster.objects.change("kustomization", name, cluster.namespace, {"status": status}, "status")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "has no inventory"),
        ({"inventory": {"entries": [{"id": "nonsense", "v": "v1"}]}}, "no entry of an inventory"),
        ({"inventory": {}}, "cannot be read"),
    ],
)
@pytest.mark.usefixtures("flux")
def test_an_inventory_that_is_not_there_is_never_empty(
    cluster: Cluster, plugin: Plugin, tmp_path: Path, status: dict[str, Any], words: str
) -> None:
    """Before the first apply nobody knows what a merge would delete."""
    _suspended(cluster, "unknown", status)
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    flags = ("--prune", "-k", str(tmp_path), "--kustomization", f"{cluster.namespace}/unknown")
    found = plugin.script(cluster.alice.kubeconfig, "explain", *flags)
    assert (found.code, found.out) == (1, "")
    assert words in found.err


@pytest.mark.usefixtures("flux")
def test_a_kustomization_takes_along_what_it_manages(cluster: Cluster, plugin: Plugin) -> None:
    """Its finalizer deletes that, under the name it acts under; a kind that is not served is not known."""
    cluster.policy("merged-deletions", subjects="Everyone", actions=["Delete"])
    cluster.deployment("inner")
    inner = {"entries": [{"id": f"{cluster.namespace}_inner_apps_Deployment", "v": "v1"}]}
    outer = {
        "entries": [
            {"id": f"{cluster.namespace}_inner_kustomize.toolkit.fluxcd.io_Kustomization", "v": "v1"},
            {"id": f"{cluster.namespace}_thing_unserved.example_Thing", "v": "v1"},
        ]
    }
    _suspended(cluster, "outer", {"inventory": outer})
    _suspended(cluster, "inner", {"inventory": inner}, suspend=False, serviceAccountName="deployer")
    flags = ("--prune", "-f", "-", "--kustomization", f"{cluster.namespace}/outer", "-o", "json")
    found = plugin.script(cluster.alice.kubeconfig, "explain", *flags)
    assert found.code == 3, found
    told = {each["name"]: (each["outcome"], each["requester"]) for each in json.loads(found.out)["deletions"]}
    assert told == {
        "inner": ("NeedsApproval", f"system:serviceaccount:{cluster.namespace}:deployer"),
        "thing": ("Unknown", CONTROLLER),
    }


def test_labelled_objects_are_judged_for_whoever_asks(cluster: Cluster, plugin: Plugin) -> None:
    """As kubectl apply --prune deletes: what has the labels and stands in no manifest."""
    cluster.policy("merged-deletions", subjects="Everyone", actions=["Delete"])
    labels = {"app.kubernetes.io/part-of": cluster.namespace}
    cluster.deployment("kept", labels=labels)
    cluster.deployment("dropped", labels=labels)
    cluster.deployment("unlabelled")
    eventually(lambda: cluster.delete(cluster.human, name="unlabelled").refused, 5, "the policy is in force")
    selector = f"app.kubernetes.io/part-of={cluster.namespace}"
    flags = ("--prune", "-f", "-", "--selector", selector, "-o", "json")
    manifest = yaml.safe_dump(deployment("kept", cluster.namespace))
    found = plugin.script(cluster.alice.kubeconfig, "explain", *flags, stdin=manifest)
    assert found.code == 3, found
    assert [(each["name"], each["outcome"], each["requester"]) for each in json.loads(found.out)["deletions"]] == [
        ("dropped", "NeedsApproval", "alice@example.com")
    ]
    kept = yaml.safe_dump_all([deployment("kept", cluster.namespace), deployment("dropped", cluster.namespace)])
    assert plugin.script(cluster.alice.kubeconfig, "explain", *flags, stdin=kept).code == 0


def test_an_application_of_argo_cd_is_told_too_and_can_be_checked(cluster: Cluster, plugin: Plugin) -> None:
    """By the annotation that Argo CD tracks objects by, and by the status. Argo CD itself does not run here."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "applications", "singular": "application", "kind": "Application", "listKind": "ApplicationList"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "applications.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    cluster.apply(definition)
    cluster.established("applications.argoproj.io")
    try:
        cluster.policy("merged-deletions", subjects="Everyone", actions=["Delete"])
        managed = {"group": "apps", "kind": "Deployment", "namespace": cluster.namespace, "name": "checkout"}
        hook = {"group": "batch", "kind": "Job", "namespace": cluster.namespace, "name": "migrate", "hook": True}
        application: dict[str, Any] = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop", "namespace": cluster.namespace},
            "spec": {
                "destination": {"server": "https://kubernetes.default.svc", "namespace": cluster.namespace},
                "source": {"repoURL": "https://git.invalid/shop", "path": "shop"},
            },
            "status": {"resources": [managed, hook]},
        }
        cluster.apply(application)
        account = {"name": "argocd-application-controller", "namespace": cluster.namespace}
        cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        tracked = f"shop:apps/Deployment:{cluster.namespace}/checkout"
        cluster.deployment(annotations={"argocd.argoproj.io/tracking-id": tracked})
        controller = f"--as=system:serviceaccount:{cluster.namespace}:{account['name']}"
        as_controller = (controller, "--as-group=people")
        eventually(
            lambda: cluster.delete(cluster.human, "deployment", "checkout", *as_controller).refused,
            10,
            "the policy is in force",
        )
        eventually(lambda: refusals(cluster), 30, "an event on the Application")
        assert refusals(cluster)[0]["involvedObject"]["kind"] == "Application"
        flags = ("--prune", "-f", "-", "--application", f"{cluster.namespace}/shop", "-o", "json")
        found = plugin.script(cluster.alice.kubeconfig, "explain", *flags)
        assert found.code == 3, found
        told = [(each["name"], each["outcome"], each["requester"]) for each in json.loads(found.out)["deletions"]]
        name = f"system:serviceaccount:{cluster.namespace}:argocd-application-controller"
        assert told == [("checkout", "NeedsApproval", name)]
        # Argo CD puts its destination's namespace where a manifest names none.
        manifest = deployment("checkout", cluster.namespace)
        del manifest["metadata"]["namespace"]
        found = plugin.script(cluster.alice.kubeconfig, "explain", *flags, stdin=yaml.safe_dump(manifest))
        assert found.code == 0, found
        application["spec"]["destination"] = {"server": "https://elsewhere.invalid"}
        cluster.apply(application)
        found = plugin.script(cluster.alice.kubeconfig, "explain", *flags)
        assert (found.code, found.out) == (1, "")
        assert "another cluster" in found.err
    finally:
        cluster.objects.delete("customresourcedefinitions", "applications.argoproj.io")


def test_nobody_writes_events_on_others_by_a_label(cluster: Cluster, repository: Repository) -> None:
    """An agent that labels its object as a Kustomization's, and is refused, is not told of there."""
    repository.install("cart")
    labels = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in _owned_by(cluster).items()}
    cluster.deployment("labelled", labels=labels)
    assert cluster.delete(cluster.agent, "deployment", "labelled").refused
    refused(cluster, "labelled")
    approved = lambda: refused(cluster, "labelled")["status"]["phase"] == "Approved"  # noqa: E731
    cluster.approve(cluster.alice, name="labelled")
    eventually(approved, 10, "the operator has looked at it")
    assert refusals(cluster) == []


@pytest.mark.parametrize("forced", ["spec", "annotation"])
def test_what_may_be_made_anew_is_not_called_kept(
    cluster: Cluster, repository: Repository, plugin: Plugin, forced: str
) -> None:
    """Flux deletes an object and makes it anew where a field cannot be changed, if force says so."""
    repository.install("cart")
    cluster.objects.change(
        "kustomization", "shop", cluster.namespace, {"spec": {"suspend": True, "force": forced == "spec"}}
    )
    tree = repository.checkout("cart")
    if forced == "annotation":
        document = deployment("cart", cluster.namespace)
        document["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/force": "enabled"}
        (tree / "cart.yaml").write_text(yaml.safe_dump(document))
    found = prune(plugin, "explain", repository, tree)
    assert found.code == 3, found
    [line] = [line for line in found.out.splitlines() if line.startswith("deployment.apps/cart")]
    assert "not known" in line
    assert "configmap" not in found.out
    cluster.approve(cluster.alice, name="cart", sub=CONTROLLER, act=None)
    assert prune(plugin, "explain", repository, tree).code == 0


def _owned_by(cluster: Cluster) -> dict[str, str]:
    return {"name": "shop", "namespace": cluster.namespace}
