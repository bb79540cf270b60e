"""An agent has nobody's next apply take away what it may not change itself; its ordinary work stays free."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, Result, eventually
from tests.support.helm import Helm
from tests.support.manifests import MANIFEST
from tests.support.plugin import Plugin

from localstack.binaries import provide
from localstack.pins import Binary

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEPT = ["example.com/kept"]
_NO_DEFAULT = {"strategy": {"type": "Recreate", "rollingUpdate": None}}
_BY_CLIENT = ("apply",)
_BY_SERVER = ("apply", "--server-side", "--force-conflicts")
_FLUX = (*_BY_SERVER, "--field-manager=kustomize-controller")
_CREATE = ("create",)
_SAVED = ("create", "--save-config")


def _do(
    who: Callable[..., Result], cluster: Cluster, *arguments: str, manifest: Mapping[str, Any] | None = None
) -> Result:
    more = () if manifest is None else ("-f-",)
    return who(*arguments, *more, f"--namespace={cluster.namespace}", stdin=json.dumps(manifest) if more else "")


def _done(who: Callable[..., Result], cluster: Cluster, *arguments: str, manifest: Any = None) -> None:
    """What goes through, and without kubectl's warning of a step that did not."""
    answer = _do(who, cluster, *arguments, manifest=manifest)
    assert answer.code == 0, (arguments, answer)
    assert "failed to" not in answer.err, (arguments, answer)
    assert "rejected" not in answer.err, (arguments, answer)


def _stored(cluster: Cluster) -> dict[str, Any]:
    """The object with its managedFields, which kubectl hides."""
    answer = _do(cluster.human, cluster, "get", "deployment/checkout", "-o=json", "--show-managed-fields")
    stored: dict[str, Any] = json.loads(answer.out)
    return stored


def _named(cluster: Cluster, **metadata: Any) -> str:
    held = {**MANIFEST["metadata"], "namespace": cluster.namespace, **metadata}
    return json.dumps(MANIFEST | {"metadata": held})


@pytest.mark.parametrize("made", [_BY_CLIENT, _BY_SERVER, _FLUX, _CREATE, _SAVED], ids=" ".join)
@pytest.mark.parametrize("applied", [_BY_CLIENT, _BY_SERVER], ids=" ".join)
def test_an_agent_applies_to_whatever_a_person_has_made(cluster: Cluster, made: Any, applied: Any) -> None:
    """However that was made, and however it is applied: kubectl's own steps from one to the other are ordinary work."""
    _done(cluster.human, cluster, *made, manifest=MANIFEST)
    rolled = json.loads(json.dumps(MANIFEST).replace("none:0", "none:1"))
    rolled["metadata"] |= {"labels": {"app": "checkout", "team": "shop"}, "annotations": {"note": "x"}}
    resized = rolled | {"spec": rolled["spec"] | {"replicas": 3}}
    for manifest in (MANIFEST, rolled, resized, resized, MANIFEST):
        _done(cluster.agent, cluster, *applied, manifest=manifest)
    for arguments in (
        ("set", "image", "deployment/checkout", "main=none:7"),
        ("set", "env", "deployment/checkout", "MODE=b"),
        ("scale", "deployment/checkout", "--replicas=4"),
        ("label", "deployment/checkout", "a=b"),
        ("annotate", "deployment/checkout", "a=b"),
        ("rollout", "restart", "deployment/checkout"),
    ):
        _done(cluster.agent, cluster, *arguments)
    if made[0] == "apply":
        _done(cluster.human, cluster, *made, manifest=MANIFEST)
        assert _stored(cluster)["spec"]["template"]["spec"]["containers"][0]["image"] == "none:0"


@pytest.mark.parametrize("made", [_BY_CLIENT, _BY_SERVER, _FLUX], ids=" ".join)
def test_an_agent_takes_its_own_rollouts_back(cluster: Cluster, made: Any) -> None:
    """Of what somebody applies, by ``rollout undo`` and ``set env``."""
    _done(cluster.human, cluster, *made, manifest=MANIFEST)
    _revised(cluster, 1)
    _done(cluster.agent, cluster, "rollout", "restart", "deployment/checkout")
    _revised(cluster, 2)
    _done(cluster.agent, cluster, "rollout", "undo", "deployment/checkout")
    assert not _stored(cluster)["spec"]["template"]["metadata"].get("annotations")
    _done(cluster.agent, cluster, "set", "env", "deployment/checkout", "FOO=bar")
    _done(cluster.agent, cluster, "set", "env", "deployment/checkout", "FOO-")
    template = _stored(cluster)["spec"]["template"]
    assert not template["metadata"].get("annotations")
    assert template["spec"]["containers"][0]["env"] == [{"name": "MODE", "value": "a"}]


def test_an_agents_own_tool_applies_a_part_and_less_of_it(cluster: Cluster) -> None:
    """By server, beside whoever applies the whole."""
    _done(cluster.human, cluster, *_FLUX, manifest=MANIFEST)
    tool = ("apply", "--server-side", "--field-manager=tool")
    part: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}}
    env = {"containers": [{"name": "main", "env": [{"name": "FOO", "value": "bar"}]}]}
    for template in ({"metadata": {"annotations": {"note": "x"}}, "spec": env}, {"spec": env}):
        _done(cluster.agent, cluster, *tool, manifest=part | {"spec": {"template": template}})
    _done(cluster.agent, cluster, *tool, manifest=part)
    held = _stored(cluster)["spec"]["template"]
    assert not held["metadata"].get("annotations")
    assert held["spec"]["containers"][0]["env"] == [{"name": "MODE", "value": "a"}]


def _revised(cluster: Cluster, revision: int) -> None:
    """Have a ReplicaSet of the Deployment's template, as its controller makes it: no controller runs here."""
    stored, mark = _stored(cluster), {"deployment.kubernetes.io/revision": str(revision)}
    template = stored["spec"]["template"]
    labels = template["metadata"]["labels"] | {"pod-template-hash": f"h{revision}"}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": stored["metadata"]["uid"]}
    metadata = {"name": f"checkout-h{revision}", "labels": labels, "annotations": mark}
    metadata |= {"namespace": cluster.namespace, "ownerReferences": [owner | {"controller": True}]}
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": template | {"metadata": template["metadata"] | {"labels": labels}},
    }
    cluster.objects.apply({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec})
    marked = f"-p={json.dumps({'metadata': {'annotations': mark}})}"
    _done(cluster.human, cluster, "patch", "deployment/checkout", "--type=merge", marked, "--field-manager=controller")


@pytest.mark.parametrize(
    ("worker", "told"), [("worker", "worker"), ("x (free), data; ok", '"x (free), data; ok"')], ids=["plain", "words"]
)
def test_what_holds_something_that_nobody_owns_is_let_go_of_with_a_peer_alone(
    cluster: Cluster, worker: str, told: str
) -> None:
    """An apply takes the object around it, once it alone is left in there, and all in it: also what is guarded."""
    config_maps = [{"group": "", "resources": ["configmaps"]}]
    cluster.policy("settings", resources=config_maps, freeChanges=["metadata.annotations", "data[flags]"])
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "labels": {"a": "b"}}}
    flagged = bare | {"data": {"flags": "x"}}
    patch = ("patch", "configmap/settings", "--type=merge")
    _done(cluster.human, cluster, *_FLUX, manifest=bare)
    _done(cluster.human, cluster, *patch, '-p={"data":{"keep":"precious"}}', "--field-manager=keeper")
    entries = [entry for entry in _entries(cluster) if entry["manager"] != "keeper"]
    _done(cluster.human, cluster, *patch, _owning(entries))
    _done(cluster.agent, cluster, *patch, '-p={"data":{"flags":"x"}}', f"--field-manager={worker}")
    # It takes part in what another one holds: that is free, and takes nothing away.
    _done(cluster.agent, cluster, *_FLUX, manifest=flagged)
    entries = [entry for entry in _entries(cluster) if entry["manager"] != worker]
    answer = _do(cluster.agent, cluster, *patch, _owning(entries))
    assert answer.refused_with("ApprovalMissing"), answer
    assert f"changes: .nextApply[{told} (Update) no longer][data]" in answer.err
    _done(cluster.human, cluster, *patch, _owning(entries))
    _done(cluster.human, cluster, *_FLUX, manifest=bare)
    left = json.loads(_do(cluster.human, cluster, "get", "configmap/settings", "-o=json").out)
    assert "data" not in left, "it would have gone"


def _entries(cluster: Cluster) -> list[Any]:
    told = _do(cluster.human, cluster, "get", "configmap/settings", "-o=json", "--show-managed-fields").out
    found: list[Any] = json.loads(told)["metadata"]["managedFields"]
    return found


def _owning(entries: list[Any]) -> str:
    return f"-p={json.dumps({'metadata': {'managedFields': entries}})}"


def test_an_agent_creates_replaces_and_applies_one_and_the_same_manifest(cluster: Cluster) -> None:
    """As kubectl writes it, with its empty fields, and with defaults that it states: in whatever order."""
    stated = {"revisionHistoryLimit": 10, "strategy": {"type": "RollingUpdate"}}
    for number, spec in enumerate(({}, {"strategy": {}}, stated)):
        manifest = json.loads(json.dumps(MANIFEST).replace("checkout", f"mine-{number}"))
        manifest["spec"] |= spec
        for verb in (_CREATE, _BY_CLIENT, ("replace",), _BY_CLIENT, _BY_SERVER, _BY_SERVER, ("replace",), _BY_CLIENT):
            _done(cluster.agent, cluster, *verb, manifest=manifest)


def test_an_agent_upgrades_what_a_person_has_installed(cluster: Cluster, tmp_path: Path) -> None:
    """By Helm, which applies by server since its fourth version."""
    helm = Helm(provide((Binary.HELM,), any_kubectl=False)[Binary.HELM], tmp_path)
    rolled = json.loads(json.dumps(MANIFEST).replace("none:0", "none:1"))
    labelled = rolled | {"metadata": rolled["metadata"] | {"labels": {"app": "checkout", "team": "shop"}}}
    people, agent = cluster.stack.human_kubeconfig, cluster.stack.agent_kubeconfig
    for who, verb, manifest in (
        (people, "install", MANIFEST),
        (agent, "upgrade", rolled),
        (agent, "upgrade", labelled),
        (agent, "upgrade", labelled),
        (people, "upgrade", MANIFEST),
    ):
        chart = helm.chart(f"chart-{len(list(tmp_path.iterdir()))}", manifest)
        done = helm.run(who, cluster.namespace, verb, "shop", chart)
        assert done.code == 0, (verb, done)


def test_an_apply_in_another_managers_name_goes_through_and_takes_nothing_over(cluster: Cluster) -> None:
    """To that one kubectl would give all that a person has applied by client. It warns, and goes on."""
    _done(cluster.human, cluster, *_BY_CLIENT, manifest=MANIFEST | {"spec": MANIFEST["spec"] | _NO_DEFAULT})
    answer = _do(cluster.agent, cluster, *_FLUX, manifest=MANIFEST)
    assert answer.code == 0, answer
    assert "Warning: server rejected managed fields migration" in answer.err
    managers = {entry["manager"]: entry for entry in _stored(cluster)["metadata"]["managedFields"]}
    assert "f:strategy" in managers["kubectl-client-side-apply"]["fieldsV1"]["f:spec"]
    assert "f:strategy" not in managers["kustomize-controller"]["fieldsV1"]["f:spec"]


def test_the_oldest_of_many_field_managers_become_one_freely(cluster: Cluster) -> None:
    """The API server keeps ten of them, and an apply beside."""
    _done(cluster.human, cluster, *_FLUX, manifest=MANIFEST)
    patch = '-p={"metadata":{"finalizers":["example.com/kept"]}}'
    _done(cluster.human, cluster, "patch", "deployment/checkout", "--type=merge", patch, "--field-manager=keeper")
    for number in range(14):
        patched = f'-p={{"metadata":{{"annotations":{{"n{number}":"x"}}}}}}'
        manager = f"--field-manager=m{number}"
        _done(cluster.agent, cluster, "patch", "deployment/checkout", "--type=merge", patched, manager)
    stored = _stored(cluster)
    managers = {entry["manager"] for entry in stored["metadata"]["managedFields"]}
    assert "ancient-changes" in managers
    assert stored["metadata"]["finalizers"] == _KEPT
    _done(cluster.human, cluster, *_FLUX, manifest=MANIFEST)
    assert _stored(cluster)["metadata"]["finalizers"] == _KEPT
    answer = _do(
        cluster.human, cluster, "patch", "deployment/checkout", "--type=merge", '-p={"metadata":{"finalizers":null}}'
    )
    assert answer.code == 0


def test_what_kubectl_writes_of_a_whole_object_needs_a_peer(cluster: Cluster, tmp_path: Path) -> None:
    """``kubectl replace`` says that all it was given had been applied: the next apply would take most of that away."""
    _done(cluster.human, cluster, *_BY_CLIENT, manifest=MANIFEST)
    patch = f"-p={json.dumps({'spec': _NO_DEFAULT})}"
    _done(cluster.human, cluster, "patch", "deployment/checkout", "--type=merge", patch)
    whole = json.loads(_do(cluster.human, cluster, "get", "deployment/checkout", "-o=json").out)
    del whole["metadata"]["resourceVersion"]
    answer = _do(cluster.agent, cluster, "replace", manifest=whole)
    assert answer.refused_with("ApprovalMissing"), answer
    assert f"changes: .nextApply[{_LAST_APPLIED}][spec." in answer.err
    del whole["metadata"]["annotations"][_LAST_APPLIED]
    _done(cluster.agent, cluster, "replace", manifest=whole)


def test_a_peer_approves_what_the_next_apply_takes_away(cluster: Cluster, tmp_path: Path) -> None:
    """It is shown who takes what; free work in between does not void it; once done, the change request is used."""
    (tmp_path / "home").mkdir()
    plugin, alice = Plugin(cluster, tmp_path / "home"), cluster.alice
    _done(cluster.human, cluster, *_BY_CLIENT, manifest=MANIFEST)
    fields = f"-p={json.dumps({'metadata': {'annotations': {_LAST_APPLIED: _named(cluster, finalizers=[])}}})}"
    ask = ("patch", "deployment/checkout", "--type=merge", fields)
    answer = _do(cluster.agent, cluster, *ask)
    assert answer.refused_with("ApprovalMissing"), answer
    told = next(line for line in answer.err.splitlines() if line.startswith("change request: "))
    chg = told.removeprefix("change request: ").strip()
    eventually(lambda: cluster.there("chg", chg), 5, "the change request")
    shown = plugin.script(alice.kubeconfig, "show", chg)
    for words in ("+# Taken away by somebody's next apply:", f"+{_LAST_APPLIED}:", "+- metadata.finalizers"):
        assert words in shown.out, shown
    approved = plugin.script(alice.kubeconfig, "approve", chg, f"--key={alice.key}", "--yes", "--reason=INC-1 reviewed")
    assert approved.code == 0, approved
    _done(cluster.agent, cluster, "set", "image", "deployment/checkout", "main=none:9")
    more = fields.replace("finalizers", "ownerReferences")
    other = _do(cluster.agent, cluster, *ask[:3], more)
    assert other.refused_with("WrongAction"), other
    _done(cluster.agent, cluster, *ask)
    used = lambda: cluster.recorded(chg).get("status", {}).get("phase") == "Used"  # noqa: E731
    eventually(used, 10, "it is used")


def test_no_label_that_a_policy_selects_by_goes_with_the_next_apply(cluster: Cluster) -> None:
    """Of a namespace that no policy names, too."""
    selector = {"matchLabels": {"tier": "prod"}}
    cluster.policy("selected", resources=[{"group": "", "resources": ["pods"]}], namespaceSelector=selector)
    bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}}
    assert cluster.human("apply", "-f-", stdin=json.dumps(bare)).code == 0
    assert cluster.human("label", "namespace", cluster.namespace, "tier=prod").code == 0
    named = json.dumps(bare | {"metadata": {"name": cluster.namespace, "labels": {"tier": "prod"}}})
    answer = cluster.agent("annotate", "namespace", cluster.namespace, "--overwrite", f"{_LAST_APPLIED}={named}")
    assert answer.refused_with("ProtectedConfiguration"), answer
    assert "next apply" in answer.err
    cleared = '-p=[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]'
    answer = cluster.agent("patch", "namespace", cluster.namespace, "--type=json", cleared)
    assert answer.refused_with("ProtectedConfiguration"), answer
    assert cluster.human("apply", "-f-", stdin=json.dumps(bare)).code == 0
    labels = json.loads(cluster.human("get", "namespace", cluster.namespace, "-o=json").out)["metadata"]["labels"]
    assert labels["tier"] == "prod"
