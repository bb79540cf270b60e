"""explain and report, against the real API server: what they say is what then happens."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.test_plugin_approve import one_line, wish
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.plugin import Plugin


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in an empty home directory."""
    return Plugin(cluster, tmp_path)


def _explain(plugin: Plugin, kubeconfig: Path, what: str, *more: str) -> dict[str, Any]:
    done = plugin.script(kubeconfig, "explain", what, "-o", "json", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def _denied(result: Result) -> str:
    """Give what kubectl prints of the webhook's own message."""
    assert result.refused, result
    return result.err.strip().partition(" denied the request: ")[2]


@pytest.mark.parametrize(
    ("kind", "typed"), [("deployment", "deploy/checkout"), ("namespace", "ns/{namespace}")], ids=["deployment", "ns"]
)
def test_it_says_word_for_word_what_the_agent_then_reads(
    cluster: Cluster, plugin: Plugin, kind: str, typed: str
) -> None:
    """For the agent itself, and for a person who asks on its behalf."""
    cluster.deployment()
    place = ("-n", cluster.namespace) if kind == "deployment" else ()
    what = typed.format(namespace=cluster.namespace)
    own = _explain(plugin, cluster.stack.agent_kubeconfig, what, *place)
    asked = _explain(plugin, cluster.stack.human_kubeconfig, what, *place, "--requester", AGENT)
    name = "checkout" if kind == "deployment" else cluster.namespace
    read = _denied(cluster.delete(cluster.agent, kind, name))
    assert own["message"] == asked["message"] == read
    assert not own["allowed"]
    assert own["reason"] == "ApprovalMissing"
    assert [each["name"] for each in own["policies"]] == ["default"]
    assert own["requester"] == {"username": AGENT, "agent": True, "agentName": "kiro", "operators": []}


def test_an_approval_turns_its_verdict_as_it_turns_the_webhooks(cluster: Cluster, plugin: Plugin) -> None:
    """Refused for an expired one, let through with a good one beside it; each is told with its reason."""
    uid = cluster.deployment()
    cluster.approve(cluster.bob, slug="bob", iss="bob@example.com", exp=1_700_000_600, iat=1_700_000_000)
    where = ("deployment.apps/checkout", "-n", cluster.namespace, "--requester", AGENT)
    before = _explain(plugin, cluster.stack.human_kubeconfig, *where)
    assert before["reason"] == "ApprovalExpired"
    assert before["message"] == _denied(cluster.delete(cluster.agent))
    cluster.approve(cluster.alice)
    after = _explain(plugin, cluster.stack.human_kubeconfig, *where)
    assert (after["allowed"], after["reason"], after["message"]) == (True, "Approved", "")
    assert after["object"]["uid"] == uid
    told = {each["name"]: (each["counts"], each["reason"], each["proven"]) for each in after["approvals"]}
    assert told == {"alice": (True, "", True), "bob": (False, "ApprovalExpired", False)}
    text = plugin.script(cluster.stack.human_kubeconfig, "explain", *where).out
    first, verdict = text.splitlines()[:2]
    assert first.startswith("In force: default")
    assert verdict.startswith("Allowed (Approved): Delete of deployment.apps/checkout by ")
    assert "approved by alice@example.com" in text
    assert "bob: does not count: the approval has expired (ApprovalExpired); it says it is by bob@example.com" in text
    assert cluster.delete(cluster.agent).code == 0


def test_too_few_peers_are_told_as_such(cluster: Cluster, plugin: Plugin) -> None:
    """A valid approval of one, where two are asked for, is neither counted nor called bad."""
    cluster.policy("two", approvals={"required": 2})
    cluster.deployment()
    cluster.approve(cluster.alice, txn="11111111-2222-3333-4444-555555555555")
    eventually(lambda: cluster.delete(cluster.agent).refused_with("QuorumNotReached"), 5, "the policy is in force")
    found = _explain(
        plugin, cluster.stack.human_kubeconfig, "deploy/checkout", "-n", cluster.namespace, "--requester", AGENT
    )
    assert found["reason"] == "QuorumNotReached"
    assert found["message"] == _denied(cluster.delete(cluster.agent))
    assert [(each["counts"], each["proven"], each["message"]) for each in found["approvals"]] == [
        (False, True, "it is valid, but more peers are needed")
    ]


def test_who_set_the_agent_going_is_told_that_their_own_approval_does_not_count(
    cluster: Cluster, plugin: Plugin
) -> None:
    """The operator recorded on the ServiceAccount is read from the cluster."""
    cluster.deployment()
    cluster.approve(cluster.alice)
    place = "--namespace=seconder-agents"
    cluster.admin("annotate", "serviceaccount", "kiro", place, "seconder.dev/operator=alice@example.com")
    try:
        eventually(lambda: cluster.delete(cluster.agent).refused_with("SelfApproval"), 5, "the webhook knows")
        found = _explain(
            plugin, cluster.stack.human_kubeconfig, "deploy/checkout", "-n", cluster.namespace, "--requester", AGENT
        )
        assert found["reason"] == "SelfApproval"
        assert found["requester"]["operators"] == ["alice@example.com"]
    finally:
        cluster.admin("annotate", "serviceaccount", "kiro", place, "seconder.dev/operator-")


def test_it_says_when_nobody_would_even_be_asked(cluster: Cluster, plugin: Plugin) -> None:
    """A kind that no policy names, a person, and a controller of the control plane; and what is asked and let pass."""
    cluster.deployment()
    cluster.human("create", "configmap", "settings", f"--namespace={cluster.namespace}")
    agent, person = cluster.stack.agent_kubeconfig, cluster.stack.human_kubeconfig
    place = ("-n", cluster.namespace)
    unnamed = _explain(plugin, agent, "cm/settings", *place)
    assert (unnamed["allowed"], unnamed["asked"]) == (True, True)
    assert unnamed["notes"] == []
    unnamed = _explain(plugin, person, "cm/settings", *place)
    assert (unnamed["allowed"], unnamed["asked"]) == (True, False)
    assert unnamed["asking"] == "The API server does not ask Seconder: no policy names configmaps"
    assert unnamed["notes"] == []
    human = _explain(plugin, person, "deploy/checkout", *place)
    assert (human["allowed"], human["asked"]) == (True, False)
    assert "dana@example.com is no agent" in human["asking"]
    collector = "system:serviceaccount:kube-system:generic-garbage-collector"
    controller = _explain(plugin, person, "deploy/checkout", *place, "--requester", collector)
    assert (controller["reason"], controller["asked"]) == ("Exempt", False)
    # dana's request is not asked about, and goes through.
    assert cluster.delete(cluster.human).code == 0


def test_what_agents_may_never_touch_is_told_too(cluster: Cluster, plugin: Plugin) -> None:
    """With the message that it leads to."""
    name = cluster.policy("mine")
    found = _explain(plugin, cluster.stack.agent_kubeconfig, f"protectionpolicy/{name}")
    assert (found["reason"], found["asked"]) == ("ProtectedConfiguration", True)
    assert found["message"] == _denied(cluster.agent("delete", "protectionpolicy", name))


def test_policies_that_only_watch_are_told_apart(cluster: Cluster, plugin: Plugin) -> None:
    """What they would refuse is let through, and said."""
    resources = [{"group": "", "resources": ["configmaps"]}]
    cluster.policy("watching", mode="Audit", resources=resources)
    cluster.human("create", "configmap", "settings", f"--namespace={cluster.namespace}")
    found = _explain(plugin, cluster.stack.agent_kubeconfig, "cm/settings", "-n", cluster.namespace)
    assert (found["allowed"], found["asked"]) == (True, True)
    assert (found["audit"]["allowed"], found["audit"]["reason"]) == (False, "ApprovalMissing")
    assert [(each["name"], each["mode"]) for each in found["policies"]] == [("watching", "Audit")]
    text = plugin.script(cluster.stack.agent_kubeconfig, "explain", "cm/settings", "-n", cluster.namespace).out
    assert "Policies in Audit mode only warn and count: Delete of configmaps" in text


def test_somebody_else_is_described_by_groups_and_extra(cluster: Cluster, plugin: Plugin) -> None:
    """A user with the agents' group, or with the agent's extra key, is an agent; without, not."""
    cluster.deployment()
    where = ("deploy/checkout", "-n", cluster.namespace, "--requester", "eve@example.com")
    person = cluster.stack.human_kubeconfig
    assert _explain(plugin, person, *where)["allowed"]
    assert not _explain(plugin, person, *where, "--group", "seconder.dev:agents")["allowed"]
    named = _explain(plugin, person, *where, "--extra", "seconder.dev/agent=amp")
    assert named["requester"]["agentName"] == "amp"
    assert "requester: eve@example.com (agent amp)" in named["message"]


def test_whoami_says_what_one_is_taken_for_and_why(cluster: Cluster, plugin: Plugin) -> None:
    """The agent by the tag of its identity; a person by none; an assistant by what is around the process."""
    agent = json.loads(
        plugin.script(cluster.stack.agent_kubeconfig, "explain", "--whoami", "-o", "json", CLAUDECODE="1").out
    )
    assert (agent["username"], agent["agent"], agent["agentName"]) == (AGENT, True, "kiro")
    assert agent["tags"] == [
        {"tag": "ServiceAccount of namespace seconder-agents", "knownTo": ["the defaults", "policy default"]}
    ]
    assert "system:serviceaccounts:seconder-agents" in agent["groups"]
    assert agent["here"] == {"assistant": "Claude Code", "why": "the environment has CLAUDECODE=1"}
    person = json.loads(plugin.script(cluster.stack.human_kubeconfig, "explain", "--whoami", "-o", "json").out)
    assert (person["username"], person["agent"], person["tags"]) == ("dana@example.com", False, [])
    text = plugin.script(cluster.stack.human_kubeconfig, "explain", "--whoami", CLAUDECODE="1").out
    assert "The API server takes you for dana@example.com" in text
    assert "no tag is on it" in text
    assert "On this machine: Claude Code: the environment has CLAUDECODE=1" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give either TYPE/NAME, --whoami or --prune"),
        (("deploy/checkout", "--whoami"), "give either TYPE/NAME, --whoami or --prune"),
        (("nonsense/checkout",), "no resource type 'nonsense'"),
        (("checkout",), "TYPE/NAME"),
        (("deploy/absent", "-n", "{namespace}"), "there is no deployment.apps/absent"),
        (("ns/{namespace}", "-n", "{namespace}"), "namespaces are in no namespace: leave out -n"),
        (("deploy/absent", "--group", "x"), "--requester"),
        (("deploy/absent", "--requester", "x", "--extra", "x"), "KEY=VALUE"),
        (("deploy/absent", "--action", "Paint"), "--action"),
        (("deploy/absent", "-o", "table"), "-o"),
    ],
)
def test_a_mistake_is_one_line(cluster: Cluster, plugin: Plugin, arguments: tuple[str, ...], words: str) -> None:
    """It says what to do; nothing else is printed."""
    given = [each.format(namespace=cluster.namespace) for each in arguments]
    kubectl = str(cluster.stack.folder / "bin" / "kubectl")
    command = [kubectl, "seconder", "explain", f"--kubeconfig={cluster.stack.human_kubeconfig}", *given]
    one_line(plugin.run(command), words)


def test_who_may_not_read_what_it_rests_on_is_told_so(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """A guess is never given instead."""
    kubeconfig = tmp_path / "carl.kubeconfig"
    cluster.stack.control_plane.client_kubeconfig("carl@example.com", [], kubeconfig)
    cluster.deployment()
    who = "--user=carl@example.com"
    where = ("deploy/checkout", "-n", cluster.namespace, "--requester", AGENT)
    one_line(plugin.script(kubeconfig, "explain", *where), "you may not read", "deployments")
    cluster.admin("create", "rolebinding", "carl", "--clusterrole=view", who, f"--namespace={cluster.namespace}")
    eventually(
        lambda: "protectionpolicies" in plugin.script(kubeconfig, "explain", *where).err, 5, "the object is readable"
    )
    one_line(plugin.script(kubeconfig, "explain", *where), "you may not read", "protectionpolicies")
    taken = plugin.script(kubeconfig, "explain", "--whoami")
    assert taken.code == 0
    assert "takes you for carl@example.com" in taken.out
    assert "note: by the default tags alone: you may not read" in taken.out


def test_no_cluster_is_one_line(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """Not there, or not answering."""
    config = json.loads(
        cluster.stack.control_plane.kubectl.must(
            cluster.stack.human_kubeconfig, "config", "view", "--raw", "-o", "json"
        )
    )
    for each in config["clusters"]:
        each["cluster"]["server"] = "https://127.0.0.1:1"
    away = tmp_path / "away.kubeconfig"
    away.write_text(json.dumps(config))
    for arguments in (("explain", "deploy/x"), ("explain", "--whoami"), ("verify", "deploy/x"), ("report",)):
        one_line(plugin.script(away, *arguments), "cannot be reached", "--context")


def _report(plugin: Plugin, *arguments: str) -> dict[str, Any]:
    done = plugin.script(plugin.cluster.stack.human_kubeconfig, "report", "-o", "json", *arguments)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_the_report_tells_what_was_tried_approved_and_used(cluster: Cluster, plugin: Plugin) -> None:
    """In the order of time, with who approved it; and nothing outside of the span."""
    cluster.deployment()
    cluster.deployment("other")
    chg = wish(cluster)
    wish(cluster, "deployment", "other")
    cluster.approve(cluster.alice)

    def story(*arguments: str) -> list[tuple[str, str]]:
        found = _report(plugin, *arguments)
        assert [each["at"] for each in found["timeline"]] == sorted(each["at"] for each in found["timeline"])
        return [
            (each["what"], each["object"]) for each in found["timeline"] if f"{cluster.namespace}/" in each["object"]
        ]

    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Approved", 5, "approved")
    assert cluster.delete(cluster.agent).code == 0
    eventually(lambda: cluster.get("chg", chg)["status"]["phase"] == "Used", 5, "used")
    ours = f"deployments.apps {cluster.namespace}/checkout"
    told = story()
    assert ("Refused", ours) in told
    assert ("Allowed", ours) in told
    assert ("Used", ours) in told
    assert ("Refused", f"deployments.apps {cluster.namespace}/other") in told
    assert told.index(("Refused", ours)) < told.index(("Allowed", ours))
    found = _report(plugin)
    assert next(each for each in found["approvers"] if each["approver"] == "alice@example.com")["requests"] >= 1
    kiro = next(each for each in found["requesters"] if each["requester"] == f"{AGENT} (agent kiro)")
    assert kiro["refused"] >= 2
    assert kiro["phases"]["Used"] >= 1
    assert story("--since", "48h", "--until", "24h") == []
    text = plugin.script(cluster.stack.human_kubeconfig, "report", "--since=1h").out
    assert chg in text
    assert "REQUESTER" in text.splitlines()[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since=yesterday",), "--since yesterday"),
        (("--until=tomorrow",), "--until tomorrow"),
        (("--since=1h", "--until=2h"), "--since must be before --until"),
    ],
)
def test_a_span_that_is_none_is_one_line(
    cluster: Cluster, plugin: Plugin, arguments: tuple[str, ...], words: str
) -> None:
    """It names the flag."""
    one_line(plugin.script(cluster.stack.human_kubeconfig, "report", *arguments), words)
