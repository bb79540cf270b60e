"""An agent changes what is protected: what is free goes through, and a peer approves the rest, change by change."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.manifests import MANIFEST
from tests.support.plugin import Plugin

_SCRIPT = ("--yes", "--reason=INC-4821 reviewed")


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in a home directory without keys."""
    (tmp_path / "home").mkdir()
    return Plugin(cluster, tmp_path / "home")


def do(cluster: Cluster, who: Callable[..., Result], *arguments: str, stdin: str = "") -> Result:
    """Have somebody run kubectl in the test's namespace."""
    return who(*arguments, f"--namespace={cluster.namespace}", stdin=stdin)


def refused(answer: Result, words: str = "Change of ") -> str:
    """The change request that a refusal names."""
    assert answer.refused, answer
    assert any(f"({reason})\n" in answer.err for reason in ("ApprovalMissing", "WrongAction")), answer
    assert words in answer.err
    named = next(line for line in answer.err.splitlines() if line.startswith("change request: "))
    return named.removeprefix("change request: ").strip()


def approve(plugin: Plugin, what: str, *more: str) -> Result:
    """Have alice approve a change request once it is there, or what waits for an object."""
    alice = plugin.cluster.alice
    eventually(lambda: not what.startswith("chg-") or plugin.cluster.there("chg", what), 5, "the change request")
    return plugin.script(alice.kubeconfig, "approve", what, f"--key={alice.key}", *_SCRIPT, *more)


def phase(cluster: Cluster, chg: str) -> str:
    """The phase of a change request; empty until it has one."""
    return str(cluster.recorded(chg).get("status", {}).get("phase", ""))


def test_an_agents_ordinary_work_on_a_protected_deployment_is_free(cluster: Cluster) -> None:
    """Made, applied twice by client and server, rolled out, sized, given an env, labelled: nobody is asked."""
    text = json.dumps(MANIFEST)
    rolled = text.replace("none:0", "none:1")
    for stdin, arguments in (
        (text, ("apply", "-f-")),
        (text, ("apply", "-f-")),
        (rolled, ("apply", "-f-")),
        (rolled, ("apply", "-f-", "--server-side", "--force-conflicts")),
        (rolled, ("apply", "-f-", "--server-side")),
        (text, ("apply", "-f-", "--server-side")),
        ("", ("set", "image", "deployment/checkout", "main=none:2")),
        ("", ("set", "env", "deployment/checkout", "MODE=b")),
        ("", ("scale", "deployment/checkout", "--replicas=5")),
        ("", ("patch", "deployment/checkout", "--type=merge", '-p={"spec":{"replicas":1}}')),
        ("", ("label", "deployment/checkout", "team=shop")),
        ("", ("annotate", "deployment/checkout", "seconder.dev/reason=INC-1")),
        ("", ("rollout", "restart", "deployment/checkout")),
        ("", ("autoscale", "deployment/checkout", "--min=1", "--max=3")),
    ):
        answer = do(cluster, cluster.agent, *arguments, stdin=stdin)
        assert answer.code == 0, (arguments, answer)
    refused(do(cluster, cluster.agent, "scale", "deployment/checkout", "--replicas=0"), "ScaleToZero of ")


def test_a_change_is_asked_for_shown_signed_and_done_once(cluster: Cluster, plugin: Plugin) -> None:
    """Free work in between does not void it; once done, the approval is worth nothing any more."""
    cluster.deployment()
    pause = ("patch", "deployment/checkout", "--type=merge", '-p={"spec":{"paused":true}}')
    chg = refused(do(cluster, cluster.agent, *pause))
    eventually(lambda: cluster.there("chg", chg), 5, "the change request")
    recorded = cluster.recorded(chg)["spec"]["change"]
    assert recorded["paths"] == ["spec.paused"]
    assert json.loads(recorded["patch"]) == {"spec": {"paused": True}}
    shown = plugin.script(cluster.alice.kubeconfig, "show", chg)
    assert "+  paused: true" in shown.out, shown
    assert shown.out.count("\n") < 60
    for words in (recorded["from"], recorded["to"], "changes:    spec.paused"):
        assert words in shown.out
    assert approve(plugin, chg).code == 0
    eventually(lambda: phase(cluster, chg) == "Approved", 10, "it is approved")
    for free in (("set", "image", "deployment/checkout", "main=none:9"), ("label", "deployment/checkout", "a=b")):
        assert do(cluster, cluster.agent, *free).code == 0
    more = do(cluster, cluster.agent, *pause[:3], '-p={"spec":{"paused":true,"revisionHistoryLimit":0}}')
    assert more.refused_with("WrongAction"), more
    assert cluster.delete(cluster.agent).refused_with("WrongAction")
    assert do(cluster, cluster.agent, *pause).code == 0
    eventually(lambda: phase(cluster, chg) == "Used", 10, "it is used")
    back = do(cluster, cluster.agent, *pause[:3], '-p={"spec":{"paused":false}}')
    assert back.refused_with("WrongAction"), back


def test_a_peer_need_not_choose_a_change_that_was_done_or_is_possible_no_more(cluster: Cluster, plugin: Plugin) -> None:
    """By the object's name: the one that fits it as it stands is shown; of two that do, one is chosen."""
    cluster.deployment()
    patch = ("patch", "deployment/checkout", "--type=merge")
    keep, pause = (*patch, '-p={"spec":{"revisionHistoryLimit":3}}'), (*patch, '-p={"spec":{"paused":true}}')
    kept, void = (refused(do(cluster, cluster.agent, *each)) for each in (keep, pause))
    what = ("deployment/checkout", "--action=Change", f"--namespace={cluster.namespace}")
    for chg in (kept, void):
        eventually(lambda chg=chg: cluster.there("chg", chg), 5, "the change request")  # type: ignore[misc]
    assert "several change requests wait" in approve(plugin, *what).err
    assert approve(plugin, kept).code == 0
    assert do(cluster, cluster.agent, *keep).code == 0
    wanted = refused(do(cluster, cluster.agent, *pause))
    eventually(lambda: cluster.there("chg", wanted), 5, "the change request")
    approved = approve(plugin, *what)
    assert approved.code == 0, approved
    assert do(cluster, cluster.agent, *pause).code == 0


def test_a_peer_need_not_choose_a_change_that_was_done_before_the_operator_saw_it(
    cluster: Cluster, plugin: Plugin
) -> None:
    """It is still recorded as waiting then, and what is there fits it. By its own name it is told to be done."""
    cluster.deployment()
    patch = ("patch", "deployment/checkout", "--type=merge")
    keep, pause = (*patch, '-p={"spec":{"revisionHistoryLimit":3}}'), (*patch, '-p={"spec":{"paused":true}}')
    kept = refused(do(cluster, cluster.agent, *keep))
    eventually(lambda: cluster.there("chg", kept), 5, "the change request")
    operator = cluster.stack.seconder.pid_of("operator")
    os.kill(operator, signal.SIGSTOP)
    try:
        assert approve(plugin, kept).code == 0
        assert do(cluster, cluster.agent, *keep).code == 0
        wanted = refused(do(cluster, cluster.agent, *pause))
        eventually(lambda: cluster.there("chg", wanted), 5, "the change request")
        assert phase(cluster, kept) != "Used"
        approved = approve(plugin, "deployment/checkout", "--action=Change", f"--namespace={cluster.namespace}")
        assert approved.code == 0, approved
        assert "nothing is left to approve" in approve(plugin, kept).err
    finally:
        os.kill(operator, signal.SIGCONT)
    eventually(lambda: phase(cluster, kept) == "Used", 20, "it is used")
    assert do(cluster, cluster.agent, *pause).code == 0


def test_each_of_two_changes_is_used_although_nobody_looked_in_between(cluster: Cluster, plugin: Plugin) -> None:
    """The object is as the first one wanted it no more when the operator sees it, but what that one wrote is there."""
    cluster.deployment()
    patch = ("patch", "deployment/checkout", "--type=merge")
    wishes = [(*patch, f'-p={{"spec":{{{field}}}}}') for field in ('"revisionHistoryLimit":3', '"paused":true')]
    operator = cluster.stack.seconder.pid_of("operator")
    names = []
    os.kill(operator, signal.SIGSTOP)
    try:
        for wish in wishes:
            names.append(refused(do(cluster, cluster.agent, *wish)))
            assert approve(plugin, names[-1]).code == 0
            assert do(cluster, cluster.agent, *wish).code == 0
    finally:
        os.kill(operator, signal.SIGCONT)
    for name in names:
        eventually(lambda name=name: phase(cluster, name) == "Used", 20, "it is used")  # type: ignore[misc]


def test_what_is_approved_by_its_name_is_what_waits_and_not_its_end(cluster: Cluster, plugin: Plugin) -> None:
    """Where no action is said. Of several wishes one is to be chosen, whatever they are, or the action said."""
    cluster.deployment()
    pause = ("patch", "deployment/checkout", "--type=merge", '-p={"spec":{"paused":true}}')
    what = ("deployment/checkout", f"--namespace={cluster.namespace}", f"--requester={AGENT}")
    wanted = refused(do(cluster, cluster.agent, *pause))
    eventually(lambda: cluster.there("chg", wanted), 5, "the change request")
    approved = approve(plugin, *what)
    assert "approved (Change for " in approved.out, approved
    assert cluster.delete(cluster.agent).refused_with("WrongAction")
    ending = refused(cluster.delete(cluster.agent), "Delete of ")
    eventually(lambda: cluster.there("chg", ending), 5, "the change request")
    several = approve(plugin, *what)
    assert f"{ending} (Delete for " in several.err, several
    assert f"{wanted} (Change for " in several.err, several
    assert do(cluster, cluster.agent, *pause).code == 0


def test_no_approval_of_a_change_lets_another_through_by_any_patch_or_subresource(
    cluster: Cluster, plugin: Plugin
) -> None:
    """By JSON, merge and strategic patch, by both applies, by replace, through status; the same change goes by each."""
    uid = cluster.deployment()
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/checkout"
    wanted = '{"spec":{"minReadySeconds":0,"revisionHistoryLimit":3}}'
    chg = refused(do(cluster, cluster.agent, "patch", "deployment/checkout", "--type=merge", f"-p={wanted}"))
    assert approve(plugin, chg).code == 0
    live = json.loads(do(cluster, cluster.human, "get", "deployment/checkout", "-o=json").out)
    assert live["metadata"]["uid"] == uid
    live["spec"]["revisionHistoryLimit"] = 2
    patch = ("patch", "deployment/checkout")
    recreated = '{"spec":{"strategy":{"$patch":"replace","type":"Recreate"}}}'
    paused = MANIFEST | {"spec": MANIFEST["spec"] | {"paused": True}}
    others: list[tuple[tuple[str, ...], str]] = [
        ((*patch, "--type=json", '-p=[{"op":"add","path":"/spec/paused","value":true}]'), ""),
        ((*patch, "--type=merge", '-p={"spec":{"revisionHistoryLimit":2}}'), ""),
        ((*patch, "--type=strategic", f"-p={recreated}"), ""),
        ((*patch, "--type=merge", '-p={"metadata":{"finalizers":["a.b/c"]}}'), ""),
        ((*patch, "--subresource=status", "--type=merge", '-p={"status":{"observedGeneration":9}}'), ""),
        (("replace", "-f-"), json.dumps(live)),
        (("apply", "-f-", "--server-side", "--force-conflicts"), json.dumps(paused)),
    ]
    for arguments, stdin in others:
        answer = do(cluster, cluster.agent, *arguments, stdin=stdin)
        assert answer.refused_with("WrongAction"), (arguments, answer)
    raw = cluster.agent("replace", f"--raw={path}", "-f-", stdin=json.dumps(live))
    assert "needs approval by 1 peer" in raw.err, raw
    live["spec"]["revisionHistoryLimit"] = 3
    done = do(cluster, cluster.agent, "replace", "-f-", stdin=json.dumps(live))
    assert done.code == 0, done


def test_where_nothing_is_free_a_peer_reviews_an_agents_whole_day(cluster: Cluster, plugin: Plugin) -> None:
    """An image, an env, a label, a size: asked, shown as a diff, signed, done. An apply of what is there is none."""
    example = yaml.safe_load(Path("manifests/examples/peer-review.yaml").read_text())
    cluster.policy("peer-review", **example["spec"] | {"namespaces": [cluster.namespace]})
    text = json.dumps(MANIFEST)
    assert do(cluster, cluster.agent, "apply", "-f-", stdin=text).code == 0
    assert do(cluster, cluster.agent, "apply", "-f-", stdin=text).code == 0
    for arguments, stdin, words in (
        (("apply", "-f-"), text.replace("none:0", "none:1"), "+      - image: none:1"),
        (("set", "env", "deployment/checkout", "MODE=b"), "", "+          value: b"),
        (("label", "deployment/checkout", "team=shop"), "", "+    team: shop"),
        (("scale", "deployment/checkout", "--replicas=4"), "", "+  replicas: 4"),
    ):
        chg = refused(do(cluster, cluster.agent, *arguments, stdin=stdin))
        eventually(lambda chg=chg: cluster.there("chg", chg), 5, "the change request")  # type: ignore[misc]
        shown = plugin.script(cluster.alice.kubeconfig, "show", chg)
        assert words.split("- ")[-1].strip("+ ") in shown.out, shown
        approved = approve(plugin, chg)
        assert approved.code == 0, approved
        done = do(cluster, cluster.agent, *arguments, stdin=stdin)
        assert done.code == 0, (arguments, done)


def test_an_agents_rollback_goes_through_by_the_approval_that_it_takes_off(cluster: Cluster, plugin: Plugin) -> None:
    """Minutes after the rollout, while that one's approval lasts. It is used then, and comes back by none."""
    example = yaml.safe_load(Path("manifests/examples/peer-review.yaml").read_text())
    cluster.policy("peer-review", **example["spec"] | {"namespaces": [cluster.namespace]})
    cluster.deployment()
    eventually(lambda: _revision(cluster) == "1", 10, "the controller has seen it")
    image = ("set", "image", "deployment/checkout", "main=none:1")
    rolled = refused(do(cluster, cluster.agent, *image))
    assert approve(plugin, rolled).code == 0
    eventually(lambda: _approvals(cluster) == (1, 1), 10, "the ReplicaSet has it too")
    assert do(cluster, cluster.agent, *image).code == 0
    eventually(lambda: _revision(cluster) == "2", 10, "the controller has seen it")
    eventually(lambda: phase(cluster, rolled) == "Used", 10, "it is used")
    undo = ("rollout", "undo", "deployment/checkout")
    chg = refused(do(cluster, cluster.agent, *undo))
    assert approve(plugin, chg).code == 0
    eventually(lambda: _approvals(cluster)[0] < _approvals(cluster)[1], 10, "the ReplicaSet has it too")
    before = _approvals(cluster)[0]
    undone = do(cluster, cluster.agent, *undo)
    assert undone.code == 0, undone
    assert _image(cluster) == "none:0"
    assert _approvals(cluster)[0] < before
    eventually(lambda: phase(cluster, chg) not in {"Pending", "Approved"}, 10, "it is seen")
    assert phase(cluster, chg) == "Used"
    assert {each["approver"] for each in cluster.recorded(chg)["status"]["approvals"]} == {"alice@example.com"}
    eventually(lambda: _revision(cluster) == "3", 10, "the controller has seen it")
    again = do(cluster, cluster.agent, *undo)
    assert again.refused_with("ProtectedConfiguration"), again
    assert "It brings back an approval" in again.err
    assert "kubectl set image" in again.err


def _replaced(cluster: Cluster, wanted: Any) -> Result:
    """What an agent's replace of all of an object gives, once no controller writes to it at the same moment."""
    answers: list[Result] = []

    def answered() -> bool:
        answers.append(do(cluster, cluster.agent, "replace", "-f-", stdin=json.dumps(wanted)))
        return "the object has been modified" not in answers[-1].err

    eventually(answered, 20, "nobody else writes")
    return answers[-1]


def test_a_replace_goes_through_by_the_approval_that_it_takes_off(cluster: Cluster, plugin: Plugin) -> None:
    """The file tells all of the object, and nothing of approvals. By what nobody was asked about it takes none off."""
    wanted = MANIFEST | {"spec": MANIFEST["spec"] | {"revisionHistoryLimit": 3}}
    assert do(cluster, cluster.human, "create", "-f-", stdin=json.dumps(MANIFEST)).code == 0
    eventually(lambda: _revision(cluster) == "1", 10, "the controller has seen it")
    chg = refused(_replaced(cluster, wanted))
    assert approve(plugin, chg).code == 0
    assert _approvals(cluster)[0] == 1
    assert "It takes off an approval" in _replaced(cluster, MANIFEST).err
    replaced = _replaced(cluster, wanted)
    assert replaced.code == 0, replaced
    assert _approvals(cluster)[0] == 0
    eventually(lambda: phase(cluster, chg) not in {"Pending", "Approved"}, 10, "it is seen")
    assert phase(cluster, chg) == "Used"


def _image(cluster: Cluster) -> str:
    return str(cluster.get("deployment", "checkout")["spec"]["template"]["spec"]["containers"][0]["image"])


def _approvals(cluster: Cluster) -> tuple[int, int]:
    """How many approvals the Deployment carries, and how many its ReplicaSets, together."""
    listed = cluster.admin("get", "replicasets", f"--namespace={cluster.namespace}", "-o", "json")
    owners = [cluster.get("deployment", "checkout"), *json.loads(listed)["items"]]
    found = [
        sum(key.startswith("approval.seconder.dev/") for key in each["metadata"].get("annotations") or {})
        for each in owners
    ]
    return found[0], sum(found[1:])


def _revision(cluster: Cluster) -> str:
    annotations = cluster.get("deployment", "checkout")["metadata"].get("annotations", {})
    return str(annotations.get("deployment.kubernetes.io/revision", ""))


def test_a_rollout_that_was_approved_and_made_is_used_and_the_next_one_counts(cluster: Cluster, plugin: Plugin) -> None:
    """Where nothing is free: the controller numbers each rollout, on the object, as soon as it is made."""
    cluster.policy("rollouts", freeChanges=[])
    cluster.deployment()
    for number in range(1, 4):
        image = ("set", "image", "deployment/checkout", f"main=none:{number}")
        chg = refused(do(cluster, cluster.agent, *image))
        assert approve(plugin, chg).code == 0
        assert do(cluster, cluster.agent, *image).code == 0
        if number < 3:
            continue
        eventually(lambda: _revision(cluster) == "4", 10, "the controller has seen it")
        eventually(lambda chg=chg: phase(cluster, chg) != "Approved", 10, "it is seen")  # type: ignore[misc]
        waited = plugin.script(cluster.alice.kubeconfig, "wait", chg, "--timeout=10s")
        assert (waited.code, waited.out.strip()) == (0, f"{chg} Used")
    revision = ("annotate", "deployment/checkout", "deployment.kubernetes.io/revision=9", "--overwrite")
    chg = refused(do(cluster, cluster.agent, *revision))
    assert cluster.recorded(chg)["spec"]["change"]["paths"] == [
        "metadata.annotations[deployment.kubernetes.io/revision]"
    ]


def test_a_free_rollout_in_between_voids_no_approval_of_another_change(cluster: Cluster, plugin: Plugin) -> None:
    """By the number that the controller gives it; nor does that number go through by the approval."""
    cluster.policy("labels", freeChanges=["spec.template"])
    cluster.deployment()
    eventually(lambda: _revision(cluster) == "1", 10, "the controller has seen it")
    team = ("patch", "deployment/checkout", "--type=merge", '-p={"metadata":{"labels":{"team":"shop"}}}')
    chg = refused(do(cluster, cluster.agent, *team))
    assert approve(plugin, chg).code == 0
    assert do(cluster, cluster.agent, "set", "image", "deployment/checkout", "main=none:1").code == 0
    eventually(lambda: _revision(cluster) == "2", 10, "the controller has seen it")
    for value in ('"9"', "null"):
        annotations = f'"annotations":{{"deployment.kubernetes.io/revision":{value}}}'
        besides = f'-p={{"metadata":{{"labels":{{"team":"shop"}},{annotations}}}}}'
        answer = do(cluster, cluster.agent, *team[:3], besides)
        assert answer.refused_with("WrongAction"), answer
    assert do(cluster, cluster.agent, *team).code == 0
    eventually(lambda: phase(cluster, chg) == "Used", 10, "it is used")


def test_what_an_autoscaler_tells_in_annotations_of_version_1_voids_no_approval(
    cluster: Cluster, plugin: Plugin
) -> None:
    """Its status stands there, for who asks for the version that has no place for it."""
    kind = "horizontalpodautoscalers.v1.autoscaling"
    cluster.policy("sizes", resources=[{"group": "autoscaling", "resources": ["horizontalpodautoscalers"]}])
    cluster.deployment()
    made = ("autoscale", "deployment/checkout", "--min=2", "--max=4", "--cpu=80%")
    assert do(cluster, cluster.human, *made).code == 0
    more = ("patch", kind, "checkout", "--type=merge", '-p={"spec":{"maxReplicas":6}}')
    chg = refused(do(cluster, cluster.agent, *more))
    assert approve(plugin, chg).code == 0
    eventually(
        lambda: cluster.get("hpa", "checkout").get("status", {}).get("conditions"), 40, "its controller has told"
    )
    assert do(cluster, cluster.agent, *more).code == 0
    eventually(lambda: phase(cluster, chg) == "Used", 10, "it is used")


def test_the_data_of_a_secret_is_recorded_and_shown_as_digests_alone(cluster: Cluster, plugin: Plugin) -> None:
    """Not in the change request, nor in an event, nor at a terminal; it is approved from the manifest."""
    cluster.policy("secrets", resources=[{"group": "", "resources": ["secrets"]}], freeChanges=[])
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "card"}, "stringData": {"pin": "old-value"}}
    assert do(cluster, cluster.human, "apply", "-f-", stdin=json.dumps(secret)).code == 0
    wanted = json.dumps(secret).replace("old-value", "new-value")
    answer = do(cluster, cluster.agent_with_all_rights, "apply", "-f-", stdin=wanted)
    chg = refused(answer)
    eventually(lambda: cluster.there("chg", chg), 5, "the change request")
    # What kubectl itself had been given, it repeats.
    told = json.dumps(cluster.recorded(chg)) + answer.err.partition("denied the request: ")[2]
    shown = plugin.script(cluster.stack.human_kubeconfig, "show", chg)
    assert "sha256:" in told
    assert "sha256:" in shown.out, shown
    for value in ("old-value", "new-value", "bmV3LXZhbHVl", "b2xkLXZhbHVl"):
        assert value not in told + shown.out + shown.err
    unseen = approve(plugin, chg)
    assert unseen.code == 1, unseen
    assert "from the manifest" in unseen.err
    assert "data.pin" in json.dumps(cluster.recorded(chg)["spec"]["change"]["paths"])


def test_a_change_that_is_too_large_is_approved_from_its_manifest(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    """It says so; the manifest must make exactly what was asked for, and another makes nothing."""
    cluster.policy("data", resources=[{"group": "", "resources": ["configmaps"]}])
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"a": "1"}}
    assert do(cluster, cluster.human, "create", "-f-", stdin=json.dumps(settings)).code == 0
    wanted = settings | {"data": {"a": "2", "b": "x" * 70_000}}
    file = tmp_path / "wanted.json"
    file.write_text(json.dumps(wanted))
    change = ("patch", "configmap/big", "--type=merge", f"--patch-file={file}")
    chg = refused(do(cluster, cluster.agent, *change))
    eventually(lambda: cluster.there("chg", chg), 5, "the change request")
    recorded = cluster.recorded(chg)["spec"]["change"]
    assert (recorded["truncated"], recorded["patch"]) == (True, "")
    unseen = approve(plugin, chg)
    assert unseen.code == 1
    assert "too large or too deep to be shown" in unseen.err, unseen
    other = tmp_path / "other.json"
    other.write_text(json.dumps(settings | {"data": {"a": "3"}}))
    assert "another object" in approve(plugin, chg, f"--filename={other}").err
    approved = approve(plugin, chg, f"--filename={file}")
    assert approved.code == 0, approved
    assert do(cluster, cluster.agent, *change).code == 0
    eventually(lambda: phase(cluster, chg) == "Used", 10, "it is used")
    again = tmp_path / "again.json"
    again.write_text(json.dumps(settings | {"data": {"a": "4"}}))
    requester = ("--requester=system:serviceaccount:seconder-agents:kiro", "--action=Change", "-n", cluster.namespace)
    unasked = approve(plugin, "configmap/big", *requester, f"--filename={again}")
    assert unasked.code == 0, unasked
    shutil.copy(again, file)
    assert do(cluster, cluster.agent, *change).code == 0


def test_a_change_back_to_what_an_approved_one_had_made_is_a_change_of_its_own(
    cluster: Cluster, plugin: Plugin
) -> None:
    """A paused rollout can be resumed: its request waits for a peer, though another once wanted that state."""
    cluster.policy("rollouts")
    assert do(cluster, cluster.human, "create", "-f-", stdin=json.dumps(MANIFEST)).code == 0
    names = set[str]()
    for spec in ({"revisionHistoryLimit": 7}, {"paused": True}, {"paused": None}):
        change = ("patch", "deployment/checkout", "--type=merge", f"-p={json.dumps({'spec': spec})}")
        chg = refused(do(cluster, cluster.agent, *change))
        names.add(chg)
        approved = approve(plugin, chg)
        assert approved.code == 0, (spec, approved)
        made = do(cluster, cluster.agent, *change)
        assert made.code == 0, (spec, made)
        eventually(lambda chg=chg: phase(cluster, chg) == "Used", 10, "it is used")  # type: ignore[misc]
    assert len(names) == 3
