"""Peers approve with the plugin, at a terminal and in scripts, with the real kubectl, ssh-keygen and API server."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.operator import operator_with
from tests.support.plugin import Plugin

from localstack.scene import make_ssh_key

_SCRIPT = ("--yes", "--reason=INC-4821 decommission")


def wish(cluster: Cluster, kind: str = "deployment", name: str = "checkout") -> str:
    """Have the agent refused; give the change request's name, once it can be read."""
    answer = cluster.delete(cluster.agent, kind, name)
    assert answer.refused, answer.err
    named = next(line for line in answer.err.splitlines() if line.startswith("change request: "))
    chg = named.removeprefix("change request: ").strip()
    eventually(lambda: cluster.there("chg", chg), 5, "the change request")
    return chg


def annotations(cluster: Cluster, kind: str = "deployment", name: str = "checkout") -> dict[str, str]:
    """Give an object's annotations."""
    found: dict[str, str] = cluster.get(kind, name)["metadata"].get("annotations", {})
    return found


def one_line(result: Result, *words: str) -> None:
    """Check that it failed as promised: one line that holds these words, exit code 1, nothing on standard output."""
    assert result.code == 1, result
    assert result.out == ""
    assert result.err.startswith("error: "), result.err
    assert result.err.count("\n") == 1, result.err
    for word in words:
        assert word in result.err, (word, result.err)


def approve(plugin: Plugin, what: str, *arguments: str, **environment: str) -> Result:
    """Approve as alice, in a script."""
    alice = plugin.cluster.alice
    return plugin.script(alice.kubeconfig, "approve", what, f"--key={alice.key}", *_SCRIPT, *arguments, **environment)


def test_a_peer_approves_at_a_terminal_and_the_agent_goes_on(cluster: Cluster, plugin: Plugin) -> None:
    """All that matters is shown before the questions; standard output gets one line."""
    uid = cluster.deployment(annotations={"seconder.dev/reason": "it \u202ecrashes"})
    chg = wish(cluster)
    shutil.copy(cluster.alice.key, plugin.home / ".ssh" / "id_ed25519")
    seen = plugin.terminal(
        cluster.alice.kubeconfig, "approve", chg, answers={"Reason:": "INC-1", "Approve? [y/N]": "y"}
    )
    assert seen.code == 0, seen
    expected = f"deployment.apps/checkout approved (Delete for {AGENT}, 1 of 1, expires "
    assert seen.out.startswith(expected)
    assert seen.out.endswith("Z)\n")
    assert seen.out.count("\n") == 1
    for word in (uid, f"in namespace {cluster.namespace}", f"{AGENT} (agent kiro)", "unproven", "default: 1 peer"):
        assert word in seen.shown
    assert "\u202e" not in seen.shown
    assert "alice@example.com" in seen.shown
    assert list(annotations(cluster)).count("approval.seconder.dev/alice") == 1
    assert cluster.delete(cluster.agent).code == 0


def test_who_says_no_changes_nothing(cluster: Cluster, plugin: Plugin) -> None:
    """Nothing is signed, nothing is put anywhere."""
    cluster.deployment()
    chg = wish(cluster)
    seen = plugin.terminal(
        cluster.alice.kubeconfig,
        "approve",
        chg,
        f"--key={cluster.alice.key}",
        answers={"Reason:": "INC-1", "Approve? [y/N]": ""},
    )
    assert seen.code == 1
    assert "error: not approved: nothing was changed" in seen.shown
    assert seen.out == ""
    assert not [key for key in annotations(cluster) if key.startswith("approval.")]


def test_an_assistant_does_not_approve(cluster: Cluster, plugin: Plugin) -> None:
    """With a key that nobody touches: one line that names the assistant, and nothing is changed."""
    cluster.deployment()
    chg = wish(cluster)
    flags = ("approve", chg, f"--key={cluster.alice.key}", "--yes", "--reason=x")
    done = plugin.script(cluster.alice.kubeconfig, *flags, CLAUDECODE="1")
    one_line(done, "Claude Code runs this command", "an approval is a person's")
    assert not [key for key in annotations(cluster) if key.startswith("approval.")]
    server = plugin.home / "kubernetes-mcp-server"
    server.write_text(
        f"#!{sys.executable}\nimport subprocess, sys\nsys.exit(subprocess.run(sys.argv[1:]).returncode)\n"
    )
    server.chmod(0o700)
    done = plugin.run([str(server), *plugin.command(cluster.alice.kubeconfig, *flags)])
    one_line(done, "An MCP server runs this command")
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_a_script_must_say_yes_and_why(cluster: Cluster, plugin: Plugin) -> None:
    """Without a terminal nothing is asked; with both, it works."""
    cluster.deployment()
    chg = wish(cluster)
    alice = cluster.alice
    for missing in ((), ("--yes",), ("--reason=x",)):
        one_line(plugin.script(alice.kubeconfig, "approve", chg, f"--key={alice.key}", *missing), "--reason", "--yes")
    done = approve(plugin, chg)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("deployment.apps/checkout approved (")
    assert cluster.delete(cluster.agent).code == 0


def test_an_object_is_approved_by_its_name_too(cluster: Cluster, plugin: Plugin) -> None:
    """With kubectl's names for types; with and without a change request."""
    cluster.deployment()
    place = ("-n", cluster.namespace, "--requester", AGENT)
    for name in ("deployment.apps/checkout", "deploy/checkout", "deployments/checkout", "Deployment.v1.apps/checkout"):
        done = approve(plugin, name, *place)
        assert done.code == 0, done.err
    assert cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").code == 0
    claims = json.loads(annotations(cluster)["approval.seconder.dev/alice"].split("\n")[0])
    assert "txn" not in claims
    assert claims["act"] == {"sub": "kiro"}
    cluster.annotate("deployment", "checkout", "approval.seconder.dev/alice-")
    chg = wish(cluster)
    assert approve(plugin, "deploy/checkout", "-n", cluster.namespace).code == 0
    claims = json.loads(annotations(cluster)["approval.seconder.dev/alice"].split("\n")[0])
    assert claims["txn"] == cluster.get("chg", chg)["metadata"]["uid"]


def test_a_program_gets_the_statement(cluster: Cluster, plugin: Plugin) -> None:
    """As JSON and as YAML, and nothing else on standard output."""
    cluster.deployment()
    chg = wish(cluster)
    as_json: dict[str, Any] = json.loads(approve(plugin, chg, "-o", "json", "--ttl=5m").out)
    assert as_json["approved"] is True
    assert as_json["statement"]["exp"] - as_json["statement"]["iat"] == 300
    assert as_json["annotation"] == "approval.seconder.dev/alice"
    as_yaml = yaml.safe_load(approve(plugin, chg, "-o", "yaml").out)
    assert as_yaml["statement"]["iss"] == "alice@example.com"
    assert len([key for key in annotations(cluster) if key.startswith("approval.")]) == 1


def test_a_lifetime_beyond_the_policys_is_an_error(cluster: Cluster, plugin: Plugin) -> None:
    """And without one it is as long as the policy takes."""
    cluster.policy(f"short-{cluster.namespace}", approvals={"maxTTL": "3m"})
    cluster.deployment()
    chg = wish(cluster)
    one_line(approve(plugin, chg, "--ttl=15m"), "--ttl 15m", "3m")
    one_line(approve(plugin, chg, "--ttl=soon"), "--ttl soon")
    done = json.loads(approve(plugin, chg, "-o", "json").out)
    assert done["statement"]["exp"] - done["statement"]["iat"] == 180


def test_two_peers_reach_a_quorum_with_the_plugin_alone(cluster: Cluster, plugin: Plugin) -> None:
    """Each sees how many have approved; the agent goes on after the second."""
    cluster.policy(f"two-{cluster.namespace}", approvals={"required": 2})
    cluster.deployment()
    one_line(
        approve(plugin, "deploy/checkout", "-n", cluster.namespace, "--requester", AGENT), "several peers", "try again"
    )
    chg = wish(cluster)
    assert "1 of 2" in approve(plugin, chg).out
    assert cluster.delete(cluster.agent).refused_with("QuorumNotReached")
    bob = cluster.bob
    done = plugin.script(bob.kubeconfig, "approve", chg, f"--key={bob.key}", *_SCRIPT)
    assert "2 of 2" in done.out, done.err
    assert cluster.delete(cluster.agent).code == 0


def test_many_requests_are_approved_with_one_signature(cluster: Cluster, plugin: Plugin) -> None:
    """Each of them counts; nothing else does. ``--all`` takes what is left of one requester."""
    cluster.objects.delete_all("changerequests")
    names = [f"part-{number}" for number in range(18)]
    wishes = {}
    for name in names:
        cluster.deployment(name)
        wishes[name] = wish(cluster, name=name)
    first, second = names[:2]
    alice = cluster.alice
    seen = plugin.terminal(
        alice.kubeconfig,
        "approve",
        wishes[first],
        wishes[second],
        wishes[first],
        f"--key={alice.key}",
        "--reason=INC-3",
        answers={"Approve all 2? [y/N]": "y"},
    )
    assert seen.code == 0, seen
    assert re.search(rf"Delete +deployments.apps {cluster.namespace}/{first} +{AGENT}", seen.shown), seen.shown
    assert [line.partition(" ")[0] for line in seen.out.splitlines()] == [
        f"deployment.apps/{first}",
        f"deployment.apps/{second}",
    ]
    values = {annotations(cluster, name=name)["approval.seconder.dev/alice"] for name in (first, second)}
    assert len(values) == 1, "one signature"
    assert cluster.delete(cluster.agent, "deployment", names[2]).refused_with("ApprovalMissing")
    for name in (first, second):
        assert cluster.delete(cluster.agent, "deployment", name).code == 0

    left = plugin.script(alice.kubeconfig, "approve", "--all", "--requester", AGENT, f"--key={alice.key}", *_SCRIPT)
    assert left.code == 0, left.err
    assert len(left.out.splitlines()) == 16
    assert len({annotations(cluster, name=name)["approval.seconder.dev/alice"] for name in names[2:]}) == 1
    for name in names[2:]:
        assert cluster.delete(cluster.agent, "deployment", name).code == 0


def wishes(cluster: Cluster, *more: str) -> list[str]:
    """Have the agent refused the end of one Deployment, its scaling down, and changes of these paths to true."""
    place = ("deployment/checkout", f"--namespace={cluster.namespace}")
    asked = [
        ["delete", *place, "--wait=false"],
        ["scale", *place, "--replicas=0"],
        *(["patch", *place, "--type=merge", f"-p={patch}"] for patch in more),
    ]
    found = []
    for arguments in asked:
        answer = cluster.agent(*arguments)
        assert answer.refused, answer.err
        named = next(line for line in answer.err.splitlines() if line.startswith("change request: "))
        found.append(named.removeprefix("change request: ").strip())
    eventually(lambda: all(cluster.there("chg", chg) for chg in found), 5, "the change requests")
    return found


_PAUSED = '{"spec":{"paused":true}}'


def approvals(cluster: Cluster) -> dict[str, str]:
    """Give the approvals on the Deployment, by their slugs."""
    prefix = "approval.seconder.dev/"
    return {key.removeprefix(prefix): text for key, text in annotations(cluster).items() if key.startswith(prefix)}


def test_several_wishes_for_one_object_are_each_approved(cluster: Cluster, plugin: Plugin) -> None:
    """A statement names an object once: each has a signature of its own, and how many there are is said before."""
    cluster.objects.delete_all("changerequests")
    cluster.deployment()
    ends, zero, _ = wishes(cluster, _PAUSED)
    alice = cluster.alice
    place = ("deployment/checkout", "-n", cluster.namespace)
    seen = plugin.terminal(
        alice.kubeconfig,
        "approve",
        ends,
        zero,
        f"--key={alice.key}",
        "--reason=INC-3",
        answers={"Approve all 2? [y/N]": "y"},
    )
    assert seen.code == 0, seen
    assert "with 2 signatures" in seen.shown
    assert [line.partition(" for ")[0] for line in seen.out.splitlines()] == [
        "deployment.apps/checkout approved (Delete",
        "deployment.apps/checkout approved (ScaleToZero",
    ]
    assert sorted(approvals(cluster)) == ["alice", "alice-2"]
    done = plugin.script(alice.kubeconfig, "approve", "--all", "--requester", AGENT, f"--key={alice.key}", *_SCRIPT)
    assert (done.code, done.out.count("approved (Change")) == (0, 1), done
    assert cluster.agent("patch", *place, "--type=merge", f"-p={_PAUSED}").code == 0
    assert cluster.agent("scale", *place, "--replicas=0").code == 0
    assert cluster.delete(cluster.agent).code == 0


def test_one_wish_that_is_named_by_two_names_is_signed_for_once(cluster: Cluster, plugin: Plugin) -> None:
    """By its change request and by its object."""
    cluster.deployment()
    chg = wish(cluster)
    alice = cluster.alice
    names = (chg, "deployment/checkout", "-n", cluster.namespace)
    done = plugin.script(alice.kubeconfig, "approve", *names, f"--key={alice.key}", *_SCRIPT)
    assert done.code == 0, done.err
    assert done.out.count("approved (") == 1
    assert list(approvals(cluster)) == ["alice"]


def test_each_of_several_wishes_for_one_object_keeps_its_quorum(cluster: Cluster, plugin: Plugin) -> None:
    """What is told as approved stands on the object, whoever approves what in which order."""
    cluster.policy(f"two-{cluster.namespace}", approvals={"required": 2})
    cluster.deployment()
    asked = wishes(cluster, _PAUSED)
    for person, reached, order in ((cluster.alice, 1, asked), (cluster.bob, 2, asked[::-1])):
        done = plugin.script(person.kubeconfig, "approve", *order, f"--key={person.key}", *_SCRIPT)
        assert (done.code, done.out.count(f"{reached} of 2")) == (0, 3), done
    assert sorted(approvals(cluster)) == ["alice", "alice-2", "alice-3", "bob", "bob-2", "bob-3"]
    place = ("deployment/checkout", "-n", cluster.namespace)
    assert cluster.agent("patch", *place, "--type=merge", f"-p={_PAUSED}").code == 0
    assert cluster.agent("scale", *place, "--replicas=0").code == 0
    assert cluster.delete(cluster.agent).code == 0


def test_approvals_that_are_put_at_once_all_stand(cluster: Cluster, plugin: Plugin) -> None:
    """One person's, from several terminals: none goes into another's annotation."""
    cluster.deployment()
    asked = wishes(cluster, _PAUSED, '{"spec":{"strategy":{"rollingUpdate":null,"type":"Recreate"}}}')
    with ThreadPoolExecutor(len(asked)) as terminals:
        done = list(terminals.map(lambda chg: approve(plugin, chg), asked))
    assert [each.out.count("1 of 1") for each in done] == [1] * len(asked), done
    found = [json.loads(value.split("\n")[0]) for value in approvals(cluster).values()]
    uids = {cluster.get("chg", chg)["metadata"]["uid"] for chg in asked}
    assert {claims["txn"] for claims in found} == uids
    assert {claims["iss"] for claims in found} == {"alice@example.com"}


def test_what_is_approved_together_is_named_without_doubt(cluster: Cluster, plugin: Plugin) -> None:
    """Each mistake is one line, and nothing is signed."""
    cluster.objects.delete_all("changerequests")
    cluster.deployment()
    chg = wish(cluster)
    one_line(approve(plugin, "--all"), "--requester USER")
    one_line(approve(plugin, "--all", chg, "--requester", AGENT), "or --all")
    one_line(approve(plugin, "--all", "--requester", "nobody"), "nothing of nobody waits")
    alice = cluster.alice
    for also, told in (("deploy/checkout", "approve it by itself"), ("chg-0", "there is no change request")):
        wished = ("--action=Delete",) if also.startswith("deploy") else ()
        one_line(plugin.script(alice.kubeconfig, "approve", chg, also, f"--key={alice.key}", *_SCRIPT, *wished), told)
    assert "approval.seconder.dev/alice" not in annotations(cluster)


def test_a_namespace_is_approved_with_what_it_holds(cluster: Cluster, plugin: Plugin) -> None:
    """What is added between the approval and the deletion makes it void; approved anew, it holds."""
    cluster.deployment()
    chg = wish(cluster, "namespace", cluster.namespace)
    seen = plugin.terminal(
        cluster.alice.kubeconfig,
        "approve",
        chg,
        f"--key={cluster.alice.key}",
        "--reason=INC-2",
        answers={"Approve? [y/N]": "y"},
    )
    assert seen.code == 0, seen
    assert "1 deployments.apps: checkout" in seen.shown
    cluster.deployment("late")
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).refused_with("ImpactChanged")
    assert approve(plugin, chg).code == 0
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).code == 0


def test_a_key_in_the_ssh_agent_signs(cluster: Cluster, plugin: Plugin, ssh_agent: dict[str, str]) -> None:
    """Found by itself, and by its public half; its private half is in no file."""
    cluster.deployment()
    chg = wish(cluster)
    subprocess.run(["ssh-add", "-q", str(cluster.alice.key)], env={**plugin.environment, **ssh_agent}, check=True)
    done = plugin.script(cluster.alice.kubeconfig, "approve", chg, *_SCRIPT, **ssh_agent)
    assert done.code == 0, done.err
    public = plugin.home / "alice.pub"
    public.write_text(cluster.alice.public_key)
    named = plugin.script(cluster.alice.kubeconfig, "approve", chg, f"--key={public}", *_SCRIPT, **ssh_agent)
    assert named.code == 0, named.err
    alone = plugin.script(cluster.alice.kubeconfig, "approve", chg, f"--key={public}", *_SCRIPT)
    one_line(alone, "ssh-keygen did not sign")
    assert cluster.delete(cluster.agent).code == 0


@pytest.fixture
def ssh_agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An ssh-agent of the test's own: what must stand in the environment."""
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        eventually(socket.exists, 5, "the ssh-agent")
        yield {"SSH_AUTH_SOCK": str(socket)}
    finally:
        agent.terminate()
        agent.wait()


def protected_key(plugin: Plugin) -> Path:
    """Give alice's key under a passphrase."""
    key = plugin.home / "protected"
    shutil.copy(plugin.cluster.alice.key, key)
    key.chmod(0o600)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(key)]
    subprocess.run(change, check=True, capture_output=True)
    return key


def test_a_passphrase_is_asked_for_at_the_terminal(cluster: Cluster, plugin: Plugin) -> None:
    """By ssh-keygen itself, without echo; a wrong one is one line, and nothing is half done."""
    cluster.deployment()
    chg = wish(cluster)
    key = protected_key(plugin)
    alice = cluster.alice.kubeconfig
    arguments = ("approve", chg, f"--key={key}", *_SCRIPT)
    wrong = plugin.terminal(alice, *arguments, answers={"Enter passphrase": "open barley"})
    assert wrong.code == 1
    assert "error: ssh-keygen did not sign" in wrong.shown
    assert not [name for name in annotations(cluster) if name.startswith("approval.")]
    seen = plugin.terminal(alice, *arguments, answers={"Enter passphrase": "open sesame"})
    assert seen.code == 0, seen
    assert "open sesame" not in seen.shown


def test_a_passphrase_comes_from_askpass_in_a_script(cluster: Cluster, plugin: Plugin) -> None:
    """And without one it is one line."""
    cluster.deployment()
    chg = wish(cluster)
    key = protected_key(plugin)
    askpass = plugin.home / "askpass"
    askpass.write_text("#!/bin/sh\necho open sesame\n")
    askpass.chmod(0o700)
    arguments = ("approve", chg, f"--key={key}", *_SCRIPT)
    one_line(plugin.script(cluster.alice.kubeconfig, *arguments), "ssh-keygen did not sign", "passphrase")
    done = plugin.script(cluster.alice.kubeconfig, *arguments, SSH_ASKPASS=str(askpass), SSH_ASKPASS_REQUIRE="force")
    assert done.code == 0, done.err


def test_without_a_registered_key_it_says_what_to_do(cluster: Cluster, plugin: Plugin) -> None:
    """No key, a key that is in no Approver, and a file that is no key."""
    cluster.deployment()
    chg = wish(cluster)
    alice = cluster.alice.kubeconfig
    one_line(plugin.script(alice, "approve", chg, *_SCRIPT), "no key of yours", ".ssh", "no ssh-agent", "--key")
    stranger = plugin.home / ".ssh" / "id_ed25519"
    make_ssh_key(stranger, "stranger")
    one_line(plugin.script(alice, "approve", chg, *_SCRIPT), "no key of yours", "1 key in")
    one_line(plugin.script(alice, "approve", chg, f"--key={stranger}", *_SCRIPT), "SHA256:", "in no Approver")
    nothing = plugin.home / "nothing"
    one_line(plugin.script(alice, "approve", chg, f"--key={nothing}", *_SCRIPT), "No such file")
    nothing.write_text("hello")
    one_line(plugin.script(alice, "approve", chg, f"--key={nothing}", *_SCRIPT), "no SSH key")


def test_an_agent_cannot_approve_with_it(cluster: Cluster, plugin: Plugin) -> None:
    """Not even with a peer's key at hand: one line."""
    cluster.deployment()
    chg = wish(cluster)
    agent = cluster.stack.agent_kubeconfig
    one_line(plugin.script(agent, "approve", chg, f"--key={cluster.alice.key}", *_SCRIPT), "is an agent", "a person")
    assert not [name for name in annotations(cluster) if name.startswith("approval.")]


def test_what_is_not_there_is_named(cluster: Cluster, plugin: Plugin) -> None:
    """An unknown change request, object, type, and words that are none of them."""
    cluster.deployment()
    one_line(approve(plugin, "chg-00000000000000000000000000"), "no change request chg-0000", "pending")
    one_line(approve(plugin, "deployment/nobody", "-n", cluster.namespace), "there is no deployment.apps/nobody")
    one_line(approve(plugin, "gadget/checkout"), "'gadget'", "kubectl api-resources")
    one_line(approve(plugin, "checkout"), "neither a change request")
    one_line(approve(plugin, "deployment/checkout", "-n", cluster.namespace), "--requester")
    one_line(
        approve(plugin, "deployment/checkout", "-n", cluster.namespace, "--requester", "dana@example.com"), "no policy"
    )


def test_an_object_made_anew_is_another_one(cluster: Cluster, plugin: Plugin) -> None:
    """What was asked for is gone, and so it is when nothing took its place."""
    cluster.deployment()
    chg = wish(cluster)
    # Without the operator, the change request stays open whatever happens to the object.
    with operator_with(cluster.stack):
        assert cluster.delete(cluster.human).code == 0
        one_line(approve(plugin, chg), "checkout", "is gone")
        cluster.deployment()
        one_line(approve(plugin, chg), "made anew")
        shown = plugin.script(cluster.alice.kubeconfig, "show", chg)
        assert shown.code == 0
        assert "made anew" in shown.out
    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Withdrawn", 30, "the operator's work")
    one_line(approve(plugin, chg), "is over (Withdrawn: the object is gone)")


def test_a_cluster_that_cannot_be_reached_is_one_line(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """For every verb."""
    config = yaml.safe_load(cluster.alice.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    away = tmp_path / "away"
    away.write_text(yaml.safe_dump(config))
    chg = "chg-00000000000000000000000000"
    for arguments in (("approve", chg, *_SCRIPT), ("pending",), ("show", chg), ("revoke", chg), ("keys", "lint")):
        one_line(plugin.script(away, *arguments), "cannot be reached", "--context")


@pytest.mark.parametrize(("seconds", "words"), [(600, "s ahead of"), (-600, "behind"), (30, "")])
def test_a_wrong_clock_is_found_before_anything_is_signed(
    cluster: Cluster, plugin: Plugin, seconds: int, words: str
) -> None:
    """Ten minutes are too much, half a minute is not."""
    cluster.deployment()
    chg = wish(cluster)
    program = (
        f"import sys, time; real = time.time; time.time = lambda: real() + {seconds}\n"
        "from seconder.plugin.main import main\nsys.exit(main())"
    )
    python = str(Path(plugin.environment["PATH"].split(":")[0]) / "python")
    alice = cluster.alice
    done = plugin.run(
        [python, "-c", program, "approve", f"--kubeconfig={alice.kubeconfig}", chg, f"--key={alice.key}", *_SCRIPT]
    )
    if words:
        one_line(done, words, "set the clock")
        assert not [name for name in annotations(cluster) if name.startswith("approval.")]
    else:
        assert done.code == 0, done.err


def test_ones_own_earlier_approval_is_replaced_and_nobody_elses(cluster: Cluster, plugin: Plugin) -> None:
    """One's own for another wish stays, too; the new one gets a name of its own."""
    cluster.deployment()
    chg = wish(cluster)
    cluster.approve(cluster.bob, slug="alice", iss="bob@example.com")
    assert approve(plugin, chg).code == 0
    first = annotations(cluster)
    assert '"iss":"bob@example.com"' in first["approval.seconder.dev/alice"]
    assert '"iss":"alice@example.com"' in first["approval.seconder.dev/alice-2"]
    time.sleep(1.1)
    assert approve(plugin, chg).code == 0
    second = annotations(cluster)
    assert sorted(second) == sorted(first)
    assert second["approval.seconder.dev/alice"] == first["approval.seconder.dev/alice"]
    assert second["approval.seconder.dev/alice-2"] != first["approval.seconder.dev/alice-2"]


def test_what_could_not_count_is_said_before_anything_is_signed(cluster: Cluster, plugin: Plugin) -> None:
    """The requester's own, another team's, a weaker key than demanded, and a policy that is invalid."""
    cluster.deployment()
    what = ("deploy/checkout", "-n", cluster.namespace)
    cluster.policy(f"all-{cluster.namespace}", subjects="Everyone")
    one_line(approve(plugin, *what, "--requester=alice@example.com"), "ask a peer (SelfApproval)")
    cluster.policy(f"team-{cluster.namespace}", approvals={"teams": ["payments"]})
    one_line(approve(plugin, *what, "--requester", AGENT), f"team-{cluster.namespace}", "payments only")
    cluster.policy(f"team-{cluster.namespace}", approvals={"assurance": "Presence"})
    one_line(approve(plugin, *what, "--requester", AGENT), "Presence", "a security key")
    cluster.policy(f"team-{cluster.namespace}", resources=[{"group": "apps", "resources": ["deployment"]}])
    one_line(approve(plugin, *what, "--requester", AGENT), f"team-{cluster.namespace} is invalid")
    assert not [name for name in annotations(cluster) if name.startswith("approval.")]


def test_a_registered_key_that_does_not_count_is_named_with_its_problem(cluster: Cluster, plugin: Plugin) -> None:
    """One that has ended, and one that stands in two Approvers."""
    cluster.deployment()
    chg = wish(cluster)
    names = [f"{name}-{cluster.namespace}"[:60].rstrip("-") for name in ("ended", "one", "two")]
    for name, end in zip(names, ({"notAfter": "2020-01-01T00:00:00Z"}, {}, {}), strict=True):
        key = plugin.home / ("ended" if end else "twice")
        if not key.exists():
            make_ssh_key(key, name)
        public = key.with_suffix(".pub").read_text().strip()
        spec = {"principal": name, "kubernetesUsers": [name], "keys": [{"name": "k", "ssh": public} | end]}
        kind = {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver"}
        cluster.apply(kind | {"metadata": {"name": name}, "spec": spec})
    try:
        alice = cluster.alice.kubeconfig
        one_line(
            plugin.script(alice, "approve", chg, f"--key={plugin.home / 'ended'}", *_SCRIPT), "notAfter has passed"
        )
        one_line(plugin.script(alice, "approve", chg, f"--key={plugin.home / 'twice'}", *_SCRIPT), "Duplicate")
    finally:
        cluster.admin("delete", "approver", *names)


def test_it_takes_the_objects_annotations_no_further_than_kubernetes_does(cluster: Cluster, plugin: Plugin) -> None:
    """One line, not the API server's many."""
    cluster.deployment(annotations={"filling": "x" * (256 * 1024 - 300)})
    one_line(approve(plugin, wish(cluster)), "annotations would have", "262,144", "remove some")


def test_what_is_made_anew_while_somebody_reads_gets_no_approval(cluster: Cluster, plugin: Plugin) -> None:
    """The object that was shown is the one that is annotated, or none."""
    cluster.deployment()
    chg = wish(cluster)

    def anew() -> None:
        assert cluster.delete(cluster.human).code == 0
        eventually(lambda: not cluster.exists("deployment", "checkout"), 10, "gone")
        cluster.deployment()

    alice = cluster.alice
    arguments = ("approve", chg, f"--key={alice.key}", "--reason=x")
    seen = plugin.terminal(alice.kubeconfig, *arguments, answers={"Approve? [y/N]": "y"}, before=anew)
    assert seen.code == 1, seen
    assert "was deleted, or made anew, meanwhile" in seen.shown
    assert not [name for name in annotations(cluster) if name.startswith("approval.")]


def test_what_ssh_keygen_made_is_verified_before_it_is_put_anywhere(cluster: Cluster, plugin: Plugin) -> None:
    """Here it signs with another key than it was told to."""
    cluster.deployment()
    chg = wish(cluster)
    stranger = plugin.home / "stranger"
    make_ssh_key(stranger, "stranger")
    folder = plugin.home / "bin"
    folder.mkdir()
    program = folder / "ssh-keygen"
    program.write_text(
        f"#!/bin/sh\nfor file; do :; done\nexec {shutil.which('ssh-keygen')} -q -Y sign "
        f'-n k8s-approval@seconder.dev -f {stranger} "$file"\n'
    )
    program.chmod(0o700)
    path = f"{folder}:{plugin.environment['PATH']}"
    one_line(approve(plugin, chg, PATH=path), "would not count", "(ApproverUnknown)")
    assert not [name for name in annotations(cluster) if name.startswith("approval.")]


def test_a_flag_that_contradicts_the_change_request_is_an_error(cluster: Cluster, plugin: Plugin) -> None:
    """Nobody approves something else than they typed."""
    cluster.deployment()
    chg = wish(cluster)
    one_line(approve(plugin, chg, "--requester=dana@example.com"), "--requester there is", AGENT)
    one_line(approve(plugin, chg, "--action=ScaleToZero"), "--action there is Delete")
    assert approve(plugin, f"changerequest.seconder.dev/{chg}", f"--requester={AGENT}", "--action=Delete").code == 0


def test_a_change_request_that_seconder_did_not_write_is_not_approved(cluster: Cluster, plugin: Plugin) -> None:
    """Its name tells what it is for; somebody with many rights may have made one that says otherwise."""
    cluster.deployment()
    chg = wish(cluster)
    document = cluster.get("chg", chg)
    forged = "chg-11111111111111111111111111"
    cluster.apply({key: document[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": forged}})
    try:
        one_line(approve(plugin, forged), "did not write it")
    finally:
        cluster.admin("delete", "chg", forged)
