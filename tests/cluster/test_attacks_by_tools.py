"""An agent that deletes with the tools of every day: what kubectl and Helm do beside ``kubectl delete TYPE NAME``."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, Result, eventually
from tests.support.helm import Helm

from localstack.binaries import provide
from localstack.kubectl import Kubectl
from localstack.pins import Binary
from localstack.stack import Stack

SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "labels": {"app": "checkout"}}}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "checkout", "labels": {"app": "checkout"}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "checkout"}},
        "template": {
            "metadata": {"labels": {"app": "checkout"}},
            "spec": {"containers": [{"name": "main", "image": "none:0"}]},
        },
    },
}


def _changed(what: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    document = copy.deepcopy(DEPLOYMENT)
    what(document)
    return document


def _reselect(document: dict[str, Any]) -> None:
    document["spec"]["selector"]["matchLabels"]["tier"] = "web"
    document["spec"]["template"]["metadata"]["labels"]["tier"] = "web"


RESELECTED = _changed(_reselect)
"""With a selector of its own, which cannot be changed: only a new object can have it."""

EMPTIED = _changed(lambda document: document["spec"].update(replicas=0))


class Shop:
    """A Deployment that a person applied, in a namespace of the test's own, and its manifests in files."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.uid = ""
        for name, *documents in (
            ("checkout", DEPLOYMENT),
            ("reselected", RESELECTED),
            ("emptied", EMPTIED),
            ("settings", SETTINGS),
            ("all", DEPLOYMENT, SETTINGS),
        ):
            (folder / f"{name}.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
        self._folder = folder

    def put(self, *flags: str, kubectl: Callable[..., Result] | None = None) -> None:
        """Apply the Deployment and what belongs to it as a person."""
        done = (kubectl or self.cluster.human)("apply", *self.words(*flags, "-f", "all"))
        assert done.code == 0, done.err
        self.uid = self.stored["metadata"]["uid"]

    def words(self, *words: str) -> list[str]:
        """Complete arguments of kubectl: the namespace, and the paths of the files that are named."""
        files = {path.stem: str(path) for path in self._folder.glob("*.json")}
        placed = [f"--namespace={self.cluster.namespace}"]
        return [
            *(files[word] if last == "-f" else word for last, word in zip(("", *words), words, strict=False)),
            *placed,
        ]

    @property
    def stored(self) -> dict[str, Any]:
        """The Deployment as it is now."""
        return self.cluster.get("deployment", "checkout")

    def stands(self) -> bool:
        """Say whether the very same Deployment is there, and is neither leaving nor empty."""
        if not self.cluster.exists("deployment", "checkout"):
            return False
        metadata = self.stored["metadata"]
        same = metadata["uid"] == self.uid and "deletionTimestamp" not in metadata
        return same and self.stored["spec"]["replicas"] == 1

    def refused(self, answer: Result, action: str = "Delete") -> None:
        """Check that a refusal says all that it should, wherever the tool shows it, and that nothing came of it."""
        assert answer.code != 0, answer.out
        here = self.cluster.namespace
        for line in (
            f"{action} of deployments.apps {here}/checkout needs approval by 1 peer (ApprovalMissing)",
            f"object: deployments.apps {here}/checkout, uid {self.uid}",
            "requester: system:serviceaccount:seconder-agents:kiro (agent kiro)",
            # By the change request's name, or the object's: on a busy machine it may not have been recorded in time.
            "Ask an approver: kubectl seconder approve ",
        ):
            assert line in answer.err, answer.err
        assert self.stands()


@pytest.fixture
def shop(cluster: Cluster, tmp_path: Path) -> Shop:
    """The Deployment, applied by a person."""
    shop = Shop(cluster, tmp_path)
    shop.put()
    return shop


@pytest.fixture(scope="module")
def standing(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The Deployment, applied by a person once for all that is refused: each leaves it as it was, or fails."""
    cluster = Cluster(stack, f"tools-{os.urandom(3).hex()}")
    cluster.make_namespace()
    shop = Shop(cluster, tmp_path_factory.mktemp("tools"))
    shop.put()
    return shop


DELETIONS = [
    ("delete", "-f", "checkout"),
    ("delete", "-f", "all"),
    ("delete", "deployments", "-l", "app=checkout"),
    ("delete", "deployments", "--all"),
    ("delete", "all", "--all"),
    ("delete", "deployment/checkout", "--cascade=orphan"),
    ("delete", "deployment/checkout", "--cascade=foreground"),
    ("delete", "deployment/checkout", "--force", "--grace-period=0"),
    ("delete", "deployment/checkout", "--now", "--ignore-not-found"),
    ("delete", "deployment.v1.apps", "checkout"),
    ("replace", "--force", "-f", "checkout"),
    ("apply", "--force", "-f", "reselected"),
    ("apply", "--prune", "-l", "app=checkout", "-f", "settings"),
    ("apply", "--prune", "--all", "--prune-allowlist=apps/v1/Deployment", "-f", "settings"),
]
EMPTYINGS = [
    ("scale", "deployment/checkout", "--replicas=0"),
    ("scale", "deployments", "--all", "--replicas=0"),
    ("scale", "-f", "checkout", "--replicas=0", "--current-replicas=1"),
    ("replace", "-f", "emptied"),
    ("apply", "-f", "emptied"),
    ("apply", "--server-side", "--force-conflicts", "-f", "emptied"),
]
PEOPLES = [DELETIONS[1], DELETIONS[5], DELETIONS[6], DELETIONS[10], DELETIONS[11], DELETIONS[12], EMPTYINGS[0]]


@pytest.mark.parametrize(
    ("words", "action"),
    [*((words, "Delete") for words in DELETIONS), *((words, "ScaleToZero") for words in EMPTYINGS)],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_kubectl_takes_away_needs_approval(standing: Shop, words: tuple[str, ...], action: str) -> None:
    """Whatever it calls it: each is a request of the agent's own, for each object by itself."""
    standing.refused(standing.cluster.agent(*standing.words(*words)), action)


@pytest.mark.parametrize("words", PEOPLES, ids=" ".join)
def test_people_take_away_with_kubectl_what_they_like(shop: Shop, words: tuple[str, ...]) -> None:
    """By the same commands, and with nobody asked: foreground and orphaning end by the garbage collector's hand."""
    done = shop.cluster.human(*shop.words(*words))
    assert done.code == 0, done.err
    assert not shop.stands()


@pytest.mark.parametrize("words", [DELETIONS[2], DELETIONS[5], DELETIONS[6], DELETIONS[12]], ids=" ".join)
def test_what_was_approved_goes_by_any_of_them(shop: Shop, words: tuple[str, ...]) -> None:
    """An approval is of the deletion, and not of a way to ask for it."""
    shop.cluster.approve(shop.cluster.alice)
    done = shop.cluster.agent(*shop.words(*words))
    assert done.code == 0, done.err
    eventually(lambda: not shop.cluster.exists("deployment", "checkout"), 20, "it is gone")


def test_what_is_replaced_by_force_is_approved_once(shop: Shop) -> None:
    """The new object has a uid of its own, for which nobody signed; and brings no approval along."""
    shop.cluster.approve(shop.cluster.alice)
    done = shop.cluster.agent(*shop.words("replace", "--force", "-f", "checkout"))
    assert done.code == 0, done.err
    assert shop.stored["metadata"]["uid"] != shop.uid
    shop.uid = shop.stored["metadata"]["uid"]
    shop.refused(shop.cluster.agent(*shop.words("replace", "--force", "-f", "checkout")))


def test_an_approval_in_an_exported_manifest_is_worth_nothing(shop: Shop, tmp_path: Path) -> None:
    """An agent puts no approvals on what it makes; a person who does has them on another object."""
    shop.cluster.approve(shop.cluster.alice)
    exported = shop.stored
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        exported["metadata"].pop(key, None)
    (tmp_path / "exported.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [exported]}))
    done = shop.cluster.human(*shop.words("replace", "--force", "-f", "exported"))
    assert done.code == 0, done.err
    shop.uid = shop.stored["metadata"]["uid"]
    assert "approval.seconder.dev/alice" in shop.stored["metadata"]["annotations"]
    again = shop.cluster.agent(*shop.words("replace", "--force", "-f", "exported"))
    assert "(WrongObject)" in again.err
    assert shop.stands()


def test_an_editor_that_empties_it_needs_approval(
    standing: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same update, by ``kubectl edit``."""
    monkeypatch.setenv("KUBE_EDITOR", "sed -i.bak 's/replicas: 1/replicas: 0/'")
    agent = _kubectl(standing.cluster, tmp_path)(standing.cluster.stack.agent_kubeconfig)
    standing.refused(agent(*standing.words("edit", "deployment/checkout")), "ScaleToZero")


def test_what_leaves_an_applyset_needs_approval(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pruning by membership; then it is approved, and pruned."""
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    kubectl = _kubectl(cluster, tmp_path)
    agent, human = (kubectl(each) for each in (cluster.stack.agent_kubeconfig, cluster.stack.human_kubeconfig))
    shop = Shop(cluster, tmp_path)
    shop.put("--prune", "--applyset=shop", kubectl=human)
    smaller = shop.words("apply", "--prune", "--applyset=shop", "-f", "settings")
    shop.refused(agent(*smaller))
    cluster.approve(cluster.alice)
    done = agent(*smaller)
    assert done.code == 0, done.err
    assert "deployment.apps/checkout pruned" in done.out
    assert not cluster.exists("deployment", "checkout")
    shop.put("--prune", "--applyset=shop", kubectl=human)
    assert "deployment.apps/checkout pruned" in human(*smaller).out


def _kubectl(cluster: Cluster, folder: Path) -> Callable[[Path], Callable[..., Result]]:
    """Give a kubectl with the environment as it is now."""
    kubectl = Kubectl(cluster.stack.control_plane.binaries[Binary.KUBECTL], folder / "kubectl-cache")

    def of(kubeconfig: Path) -> Callable[..., Result]:
        def run(*arguments: str) -> Result:
            done = kubectl.run(kubeconfig, *arguments)
            return Result(done.returncode, done.stdout, done.stderr)

        return run

    return of


class Release:
    """A Helm release that holds the Deployment in its second revision, and did not in its first."""

    def __init__(self, shop: Shop, helm: Helm) -> None:
        self.shop = shop
        self._helm = helm
        self.without = helm.chart("without", SETTINGS)
        self.holding = helm.chart("holding", SETTINGS, DEPLOYMENT)
        self.emptied = helm.chart("emptied", SETTINGS, EMPTIED)
        self.reselected = helm.chart("reselected", SETTINGS, RESELECTED)
        annotations = {"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}
        self.hooked = helm.chart(
            "hooked", SETTINGS, _changed(lambda document: document["metadata"].update(annotations=annotations))
        )
        for words in (("install", "shop", self.without), ("upgrade", "shop", self.holding)):
            done = self.human(*words)
            assert done.code == 0, done.err
        shop.uid = shop.stored["metadata"]["uid"]

    def agent(self, *arguments: str | Path) -> Result:
        """Run Helm as the agent."""
        cluster = self.shop.cluster
        return self._helm.run(cluster.stack.agent_kubeconfig, cluster.namespace, *arguments)

    def human(self, *arguments: str | Path) -> Result:
        """Run Helm as a person."""
        cluster = self.shop.cluster
        return self._helm.run(cluster.stack.human_kubeconfig, cluster.namespace, *arguments)


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """Helm as it is pinned."""
    return provide((Binary.HELM,), any_kubectl=False)[Binary.HELM]


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path, helm_binary: Path) -> Release:
    """The release, made by a person."""
    return Release(Shop(cluster, tmp_path), Helm(helm_binary, tmp_path))


def test_a_chart_that_drops_it_needs_approval(release: Release) -> None:
    """By an upgrade; with an approval the same upgrade goes through."""
    shop, drop = release.shop, ("upgrade", "shop", release.without)
    shop.refused(release.agent(*drop))
    assert release.human("upgrade", "shop", release.holding).code == 0
    shop.cluster.approve(shop.cluster.alice)
    done = release.agent(*drop)
    assert done.code == 0, done.err
    assert not shop.cluster.exists("deployment", "checkout")


def test_rolling_back_to_before_it_was_there_needs_approval(release: Release) -> None:
    """As dropping it does; a person rolls back."""
    release.shop.refused(release.agent("rollback", "shop", "1"))
    # Helm takes the failed revision for what is installed, so that a person has to take it in again first.
    assert release.human("upgrade", "shop", release.holding).code == 0
    done = release.human("rollback", "shop", "1")
    assert done.code == 0, done.err
    assert not release.shop.cluster.exists("deployment", "checkout")


@pytest.mark.parametrize(
    "flags",
    [(), ("--cascade=foreground",), ("--keep-history", "--no-hooks")],
    ids=lambda value: " ".join(value) or "plain",
)
def test_uninstalling_needs_approval(release: Release, flags: tuple[str, ...]) -> None:
    """Helm shows the refusal only with --debug, which is Helm's way; what waits for a peer is recorded all the same."""
    shop = release.shop
    shop.refused(release.agent("uninstall", "shop", "--debug", *flags))
    waiting = shop.cluster.admin("get", "chg", "-o", "jsonpath={.items[*].spec.object.uid}").split()
    assert shop.uid in waiting
    shop.cluster.approve(shop.cluster.alice)
    done = release.agent("uninstall", "shop", *flags)
    assert done.code == 0, done.err
    eventually(lambda: not shop.cluster.exists("deployment", "checkout"), 20, "it is gone")


def test_a_hook_that_is_made_anew_in_its_place_needs_approval(release: Release) -> None:
    """Helm deletes what has the name of a hook before it makes it."""
    release.shop.refused(release.agent("upgrade", "shop", release.hooked))


@pytest.mark.parametrize("flags", [("--force-conflicts",), ("--server-side=false", "--force-replace")], ids=" ".join)
def test_a_chart_that_empties_it_needs_approval(release: Release, flags: tuple[str, ...]) -> None:
    """By server-side apply, and by replacing it with an update."""
    release.shop.refused(release.agent("upgrade", "shop", release.emptied, *flags), "ScaleToZero")


def test_replacing_it_by_force_keeps_the_object(release: Release) -> None:
    """Helm of today deletes nothing then: an agent may, with an image of its own or with what cannot be changed."""
    flags = ("--server-side=false", "--force-replace")
    done = release.agent("upgrade", "shop", release.holding, *flags)
    assert done.code == 0, done.err
    assert release.shop.stands()
    assert release.agent("upgrade", "shop", release.reselected, *flags).code == 1
    assert release.shop.stands()


def test_a_failed_upgrade_that_is_rolled_back_takes_nothing_along(release: Release) -> None:
    """An agent's upgrade is refused; the rollback that Helm then does by itself makes nothing worse."""
    answer = release.agent("upgrade", "shop", release.without, "--rollback-on-failure", "--timeout=2s")
    release.shop.refused(answer)


def _operators(version: str, kind: str, place: str) -> list[dict[str, Any]]:
    """What the chart of an operator holds, in some version: its role gives what an agent may not give."""
    labels = {"helm.sh/chart": f"operator-{version}", "app.kubernetes.io/version": version, "app": "operator"}
    name = "operator" if kind == "Role" else place
    group = "rbac.authorization.k8s.io"
    given = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch"]}
    program = _changed(lambda document: document["metadata"].update(name="operator", labels=labels))
    program["spec"]["template"]["spec"]["containers"][0]["image"] = f"operator:{version}"
    documents: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}},
        {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name}, "rules": [given]},
        {
            "apiVersion": f"{group}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "namespace": place, "name": "operator"}],
        },
    ]
    for document in documents:
        document["metadata"]["labels"] = labels
    return [*documents, program]


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_an_agent_upgrades_the_chart_of_an_operator(
    cluster: Cluster, tmp_path: Path, helm_binary: Path, kind: str
) -> None:
    """With the labels of another version on its roles, which keep all their rules."""
    helm = Helm(helm_binary, tmp_path)
    old, new = (helm.chart(version, *_operators(version, kind, cluster.namespace)) for version in ("1.0", "1.1"))

    def run(kubeconfig: Path, *arguments: str | Path) -> None:
        done = helm.run(kubeconfig, cluster.namespace, *arguments)
        assert done.code == 0, done.err

    run(cluster.stack.human_kubeconfig, "install", "operator", old)
    try:
        run(cluster.stack.agent_kubeconfig, "upgrade", "operator", new)
        name = "operator" if kind == "Role" else cluster.namespace
        label = "jsonpath={.metadata.labels.app\\.kubernetes\\.io/version}"
        assert cluster.admin("get", kind, name, f"--namespace={cluster.namespace}", "-o", label) == "1.1"
    finally:
        run(cluster.stack.human_kubeconfig, "uninstall", "operator")


def test_people_upgrade_and_uninstall(release: Release) -> None:
    """With nobody asked."""
    for words in (("upgrade", "shop", release.without), ("upgrade", "shop", release.holding), ("uninstall", "shop")):
        done = release.human(*words)
        assert done.code == 0, done.err
    assert not release.shop.cluster.exists("deployment", "checkout")
