"""pending, show, revoke and keys lint, with the real kubectl and API server."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.test_plugin_approve import annotations, approve, one_line, wish
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.operator import operator_with
from tests.support.plugin import Plugin

from localstack.scene import approver_manifest, make_ssh_key

_ANNOTATION = "approval.seconder.dev/"


@pytest.fixture
def frank(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of frank, who has the role for approvers and nothing else."""
    kubeconfig = tmp_path / "frank.kubeconfig"
    cluster.stack.control_plane.client_kubeconfig("frank@example.com", [], kubeconfig)
    name = f"frank-{cluster.namespace}"
    cluster.admin("create", "clusterrolebinding", name, "--clusterrole=seconder-approver", "--user=frank@example.com")
    yield kubeconfig
    cluster.admin("delete", "clusterrolebinding", name)


def test_pending_lists_what_waits_the_longest_first(cluster: Cluster, plugin: Plugin) -> None:
    """One line each, in columns; and for programs the documents themselves."""
    cluster.deployment("first")
    cluster.deployment("second")
    first = wish(cluster, "deployment", "first")
    time.sleep(1.1)
    second = wish(cluster, "deployment", "second")
    eventually(lambda: cluster.get("chg", second).get("status", {}).get("progress") == "0/1", 5, "its status")
    alice = cluster.alice.kubeconfig
    done = plugin.script(alice, "pending")
    assert done.code == 0, done.err
    header, *lines = done.out.splitlines()
    assert header.split() == ["NAME", "OBJECT", "ACTION", "REQUESTER", "IMPACT", "APPROVALS", "WAITS", "AGE"]
    ours = [line for line in lines if cluster.namespace in line]
    assert [line.split()[0] for line in ours] == [first, second]
    for word in (f"deployments.apps {cluster.namespace}/second", "Delete", "seconder-agents:kiro", "0/1", "23h"):
        assert word in ours[1], (word, ours[1])
    assert "system:serviceaccount" not in done.out
    listed = json.loads(plugin.script(alice, "pending", "-o", "json").out)
    assert [each["metadata"]["name"] for each in listed["items"] if each["metadata"]["name"] in {first, second}] == [
        first,
        second,
    ]
    wide = plugin.script(alice, "pending", "-o", "wide").out
    assert "ApprovalMissing" in wide
    assert "LAST REASON" in wide


_SLICE: dict[str, Any] = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "api"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.99.0.7"]}],
    "ports": [{"port": 80}],
}


def test_by_what_an_action_is_asked_for_stands_wherever_an_approver_looks(cluster: Cluster, plugin: Plugin) -> None:
    """An agent's EndpointSlice counts as the Service's end: whoever signs for that reads that it is one."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": {"ports": [{"port": 80}]}}
    cluster.objects.apply(service | {"metadata": {"name": "api", "namespace": cluster.namespace}})
    cluster.policy(f"services-{cluster.namespace[-6:]}", resources=[{"group": "", "resources": ["services"]}])
    create = ("create", "--filename=-", f"--namespace={cluster.namespace}")
    document = json.dumps(_SLICE)

    def refused() -> Result:
        return cluster.agent(*create, stdin=document)

    eventually(lambda: "change request: " in refused().err, 10, "the policy is in force")
    diverts = _asked(refused())
    deletes = wish(cluster, "service", "api")
    assert diverts != deletes
    eventually(lambda: cluster.there("chg", diverts), 5, "the change request")
    told = f"CREATE of endpointslices.discovery.k8s.io {cluster.namespace}/mine: what is sent to the Service goes"
    assert cluster.recorded(diverts)["spec"]["by"] == {
        "operation": "CREATE",
        "group": "discovery.k8s.io",
        "resource": "endpointslices",
        "namespace": cluster.namespace,
        "name": "mine",
        "reason": "what is sent to the Service goes where they say",
    }
    assert "by" not in cluster.recorded(deletes)["spec"]
    alice = cluster.alice.kubeconfig
    eventually(lambda: told in plugin.script(alice, "pending").out, 5, "its status")
    assert f"by:         {told}" in " ".join(plugin.script(alice, "show", diverts).out.splitlines())
    assert "by:" not in plugin.script(alice, "show", deletes).out
    shown = json.loads(plugin.script(alice, "show", diverts, "-o", "json").out)
    assert shown["by"]["name"] == "mine"
    answers = {"Reason:": "INC-1", "Approve? [y/N]": "n"}
    seen = plugin.terminal(alice, "approve", diverts, f"--key={cluster.alice.key}", answers=answers)
    assert seen.code == 1
    assert told in " ".join(seen.shown.split())
    done = json.loads(approve(plugin, diverts, "-o", "json").out)
    assert done["by"]["resource"] == "endpointslices"
    assert refused().code == 0


def _asked(answer: Result) -> str:
    named = next(line for line in answer.err.splitlines() if line.startswith("change request: "))
    return named.removeprefix("change request: ").strip()


def test_pending_shows_only_what_is_open(cluster: Cluster, plugin: Plugin) -> None:
    """What was used is no longer there."""
    cluster.deployment()
    chg = wish(cluster)
    assert chg in plugin.script(cluster.alice.kubeconfig, "pending").out
    assert approve(plugin, chg).code == 0
    assert cluster.delete(cluster.agent).code == 0
    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Used", 5, "used")
    assert chg not in plugin.script(cluster.alice.kubeconfig, "pending").out


def test_watching_tells_of_each_change_until_it_is_interrupted(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    """A new one, its approval and its end, a line each, across a restart of the API server."""
    cluster.deployment()
    seen = tmp_path / "seen"
    with seen.open("w") as out:
        watching = subprocess.Popen(
            [*plugin.command(cluster.alice.kubeconfig, "pending"), "--watch"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=plugin.environment,
            start_new_session=True,
        )
    try:
        eventually(lambda: seen.read_text().startswith("NAME"), 10, "the header")
        chg = wish(cluster)
        eventually(lambda: f"{chg} " in seen.read_text(), 10, "its line")
        cluster.stack.control_plane.restart_apiserver()
        assert approve(plugin, chg).code == 0
        eventually(lambda: [line for line in _lines(seen, chg) if " 1/1 " in line], 40, "its approval")
        assert cluster.delete(cluster.agent).code == 0
        eventually(lambda: [line for line in _lines(seen, chg) if " Used " in line], 20, "its end")
        # As Ctrl-C does: to everything in the foreground.
        os.killpg(watching.pid, signal.SIGINT)
        assert watching.wait(10) != 0
        assert "Traceback" not in seen.read_text()
    finally:
        watching.kill()
        watching.wait()
    cluster.wait_for_records()


def _lines(seen: Path, chg: str) -> list[str]:
    return [line for line in seen.read_text().splitlines() if line.startswith(f"{chg} ")]


def test_show_tells_why_each_approval_counts_or_not(cluster: Cluster, plugin: Plugin) -> None:
    """And the exact command that is wanted next."""
    cluster.policy(f"two-{cluster.namespace}", approvals={"required": 2})
    uid = cluster.deployment()
    chg = wish(cluster)
    assert approve(plugin, chg).code == 0
    cluster.annotate("deployment", "checkout", f"{_ANNOTATION}junk=hello")
    alice = cluster.alice.kubeconfig
    for what in ((chg,), ("deploy/checkout", "-n", cluster.namespace)):
        shown = plugin.script(alice, "show", *what)
        assert shown.code == 0, shown.err
        for word in (
            f"{chg}, Pending",
            uid,
            f"{AGENT} (agent kiro)",
            "alice: counts: alice@example.com (Software, SHA256:",
            "junk: does not count:",
            "(ApprovalMalformed)",
            "1 of 2 (QuorumNotReached)",
            f"kubectl seconder approve {chg}",
        ):
            assert word in shown.out, (word, shown.out)
    told: dict[str, Any] = json.loads(plugin.script(alice, "show", chg, "-o", "json").out)
    assert told["approved"] is False
    assert told["peers"] == {"approved": 1, "required": 2}
    assert [(each["name"], each["counts"]) for each in told["approvals"]] == [("alice", True), ("junk", False)]
    as_yaml = yaml.safe_load(plugin.script(alice, "show", chg, "-o", "yaml").out)
    assert as_yaml["changeRequest"]["metadata"]["name"] == chg


def test_show_judges_approvals_that_nobody_waits_for(cluster: Cluster, plugin: Plugin) -> None:
    """Each for whom it names itself; and says so where there is none."""
    cluster.deployment()
    alice = cluster.alice.kubeconfig
    what = ("deploy/checkout", "-n", cluster.namespace)
    assert "No approval stands on it" in plugin.script(alice, "show", *what).out
    cluster.approve(cluster.alice)
    cluster.approve(cluster.bob, slug="bob", iss="bob@example.com", exp=int(time.time()) - 1, iat=1)
    shown = plugin.script(alice, "show", *what).out
    assert "alice: is valid: Delete for" in shown
    assert "bob: does not count" in shown
    told = json.loads(plugin.script(alice, "show", *what, "-o", "json").out)
    assert [(each["name"], each["valid"]) for each in told["approvals"]] == [("alice", True), ("bob", False)]
    asked = plugin.script(alice, "show", *what, "--requester", "system:serviceaccount:seconder-agents:other").out
    assert "(WrongRequester)" in asked
    assert "approve deployment.apps/checkout -n" in asked


def test_an_approval_is_withdrawn_by_its_maker(cluster: Cluster, plugin: Plugin) -> None:
    """By key or by user name; the agent is refused again, and another peer's approval stays."""
    cluster.deployment()
    chg = wish(cluster)
    assert approve(plugin, chg).code == 0
    cluster.approve(cluster.bob, slug="bob", iss="bob@example.com")
    done = plugin.script(cluster.alice.kubeconfig, "revoke", chg)
    assert (done.code, revoked(done)) == (0, ["deployment.apps/checkout approval alice revoked"]), done.err
    assert [key for key in annotations(cluster) if key.startswith(_ANNOTATION)] == [f"{_ANNOTATION}bob"]
    one_line(plugin.script(cluster.alice.kubeconfig, "revoke", chg), "no approval of yours")
    one_line(plugin.script(cluster.alice.kubeconfig, "revoke", chg, "--slug=bob"), "no approval of yours called bob")
    human = cluster.stack.human_kubeconfig
    one_line(plugin.script(human, "revoke", chg), "no key of yours")
    done = plugin.script(human, "revoke", "deploy/checkout", "-n", cluster.namespace, f"--key={cluster.bob.key}")
    assert revoked(done) == ["deployment.apps/checkout approval bob revoked"], done.err
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def revoked(done: Result) -> list[str]:
    """What was revoked where. The ReplicaSets have it or do not yet."""
    return [line for line in done.out.splitlines() if not line.startswith("replicaset.apps/")]


def test_several_approvals_of_ones_own_are_chosen_from(cluster: Cluster, plugin: Plugin) -> None:
    """By slug, or all of them."""
    cluster.deployment()
    cluster.approve(cluster.alice, slug="a", sub="somebody", act=None)
    cluster.approve(cluster.alice, slug="b", sub="another", act=None)
    cluster.approve(cluster.alice, slug="c")
    what = ("deploy/checkout", "-n", cluster.namespace)
    alice = cluster.alice.kubeconfig
    one_line(plugin.script(alice, "revoke", *what), "several", "a, b, c", "--all-mine")
    assert plugin.script(alice, "revoke", *what, "--slug=a").code == 0
    done = plugin.script(alice, "revoke", *what, "--all-mine")
    assert revoked(done) == [f"deployment.apps/checkout approval {slug} revoked" for slug in ("b", "c")]
    assert not [key for key in annotations(cluster) if key.startswith(_ANNOTATION)]


def test_who_may_not_touch_the_object_approves_on_the_change_request(
    cluster: Cluster, plugin: Plugin, frank: Path
) -> None:
    """Where the operator copies; else it is told which right is missing."""
    cluster.deployment()
    with operator_with(cluster.stack, "--copy-approvals"):
        chg = wish(cluster)
        eventually(lambda: cluster.get("chg", chg).get("status", {}).get("acceptsApprovals"), 10, "the operator's word")
        arguments = ("approve", chg, f"--key={cluster.alice.key}", "--yes", "--reason=x")
        done = plugin.script(frank, *arguments)
        assert done.code == 0, done.err
        assert "1 of 1, expires " in done.out
        assert f"on {chg}, from where it is copied" in done.out
        eventually(lambda: f"{_ANNOTATION}alice" in annotations(cluster), 5, "the copy")
        assert cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").code == 0
        assert plugin.script(cluster.alice.kubeconfig, "revoke", chg).code == 0
        assert not [key for key in annotations(cluster) if key.startswith(_ANNOTATION)]
    eventually(lambda: not cluster.get("chg", chg)["status"].get("acceptsApprovals"), 30, "no copying any more")
    one_line(plugin.script(frank, *arguments), "may not patch deployments.apps in namespace", "--copy-approvals")


def test_keys_are_linted_in_files_and_in_the_cluster(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """Good ones, bad ones and the same one twice; the exit code tells."""
    alice = cluster.alice
    public = alice.key.with_suffix(".pub")
    good = plugin.script(alice.kubeconfig, "keys", "lint", str(public))
    assert good.code == 0, good.err
    assert ":1: OK SHA256:" in good.out
    fine = plugin.script(alice.kubeconfig, "keys", "lint")
    assert "approver/alice key laptop: OK SHA256:" in fine.out
    weak = tmp_path / "weak"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(weak)], check=True)
    lines = (
        f"# ours\n{alice.public_key}\n\n{weak.with_suffix('.pub').read_text()}restrict {alice.public_key}\nnonsense\n"
    )
    bad = plugin.script(alice.kubeconfig, "keys", "lint", "-", stdin=lines)
    assert bad.code == 1
    assert [line.split()[2].rstrip(":") for line in bad.out.splitlines()] == ["OK", "PROBLEM", "PROBLEM", "PROBLEM"]
    assert "2048 bits" in bad.out
    manifests = tmp_path / "approvers.yaml"
    manifests.write_text("---\n".join([yaml.safe_dump(json.loads(approver_manifest(alice))), "kind: Secret\n"]))
    twice = plugin.script(alice.kubeconfig, "keys", "lint", str(manifests), str(public), "-o", "json")
    assert twice.code == 1
    assert all("Duplicate" in each["problem"] for each in json.loads(twice.out))
    other = tmp_path / "other"
    make_ssh_key(other, "other")
    document = json.loads(approver_manifest(alice))
    document["spec"]["keys"] = [
        {"name": "ended", "ssh": other.with_suffix(".pub").read_text().strip(), "notAfter": "2020-01-01T00:00:00Z"}
    ]
    ended = plugin.script(alice.kubeconfig, "keys", "lint", "-", stdin=json.dumps(document))
    assert ended.code == 1
    assert "notAfter has passed" in ended.out
    one_line(plugin.script(alice.kubeconfig, "keys", "lint", str(tmp_path / "none")), "cannot read")


def test_an_agent_withdraws_nothing(cluster: Cluster, plugin: Plugin) -> None:
    """One line."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    agent = cluster.stack.agent_kubeconfig
    what = ("deploy/checkout", "-n", cluster.namespace, f"--key={cluster.alice.key}")
    one_line(plugin.script(agent, "revoke", *what), "is an agent")
