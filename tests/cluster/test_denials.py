"""An approver says no: the agent reads who and why, nobody is asked again, and nothing is decided by it."""

import threading
from pathlib import Path

import pytest
from tests.cluster.test_change_requests import refused
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.plugin import Plugin


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin with a home of its own."""
    return Plugin(cluster, tmp_path)


def _phase(cluster: Cluster, chg: str) -> str:
    return str(cluster.get("chg", chg)["status"].get("phase", ""))


def test_a_denial_is_read_by_the_agent_and_taken_back(cluster: Cluster, plugin: Plugin) -> None:
    """And an approval counts all the same. ``wait`` ends with the exit code for each."""
    cluster.deployment()
    chg = refused(cluster)
    alice = cluster.alice.kubeconfig
    waited: list[Result] = []
    waiting = threading.Thread(target=lambda: waited.append(plugin.script(alice, "wait", chg, "--timeout=60s")))
    waiting.start()
    no = plugin.script(alice, "deny", chg, "--reason=not on a Friday", f"--key={cluster.alice.key}")
    assert (no.code, no.out) == (0, f"{chg} denied by alice\n"), no.err
    waiting.join(70)
    assert (waited[0].code, waited[0].out) == (3, f"{chg} Denied: alice: not on a Friday\n"), waited[0].err

    def told() -> bool:
        return "Denied by alice: not on a Friday" in cluster.delete(cluster.agent).err

    eventually(told, 10, "the agent is told")
    answer = cluster.delete(cluster.agent)
    assert "Ask an approver" not in answer.err
    assert f"change request: {chg}" in answer.err
    assert chg not in plugin.script(alice, "pending").out
    assert 'alice: "not on a Friday"' in plugin.script(alice, "show", chg).out

    event = (
        "get",
        "events",
        "-n",
        cluster.namespace,
        "--field-selector=reason=Denied",
        "-ojsonpath={.items[*].message}",
    )
    eventually(lambda: cluster.admin(*event), 10, "it is an event on the object, too")
    assert cluster.admin(*event) == f"Delete for {AGENT} denied: alice: not on a Friday, change request {chg}"
    raw = cluster.agent("delete", "deployment", "checkout", "-n", cluster.namespace, "-v=9").err.replace(" ", "")
    for cause in (
        '{"reason":"Approvals","message":"0/1"}',
        f'{{"reason":"ChangeRequest","field":"{chg}"}}',
        '{"reason":"Denied","message":"alice:notonaFriday"}',
    ):
        assert cause in raw.replace("\\", ""), cause

    back = plugin.script(alice, "deny", chg, "--take-back", f"--key={cluster.alice.key}")
    assert back.code == 0, back.err
    eventually(lambda: _phase(cluster, chg) == "Pending", 10, "it waits again")
    assert plugin.script(alice, "wait", chg, "--timeout=1s").code == 5
    cluster.approve(cluster.alice)
    done = plugin.script(alice, "wait", chg, "--timeout=30s")
    assert (done.code, done.out) == (0, f"{chg} Approved\n"), done.err
    assert cluster.delete(cluster.agent).code == 0
    eventually(lambda: _phase(cluster, chg) == "Used", 20, "used")
    assert plugin.script(alice, "wait", chg).code == 0


def test_agents_deny_nothing_and_others_only_in_their_own_name(cluster: Cluster, plugin: Plugin) -> None:
    """An agent may not write change requests; a name that is no approver's is passed over."""
    cluster.deployment()
    chg = refused(cluster)
    tried = cluster.agent("annotate", "chg", chg, "denial.seconder.dev/alice=no")
    assert tried.refused_with("ProtectedConfiguration"), tried.err
    assert plugin.script(cluster.scene.agent_kubeconfig, "deny", chg, "--reason=x").code == 1
    cluster.admin("annotate", "chg", chg, "denial.seconder.dev/mallory=no")
    cluster.admin("annotate", "chg", chg, "denial.seconder.dev/alice=because")
    eventually(lambda: _phase(cluster, chg) == "Denied", 10, "denied")
    assert [each["name"] for each in cluster.get("chg", chg)["status"]["denials"]] == ["alice"]
    cluster.approve(cluster.alice)
    assert cluster.delete(cluster.agent).code == 0, "a denial decides nothing"


def test_a_requester_states_its_reason_on_its_own_change_request(cluster: Cluster, plugin: Plugin) -> None:
    """Without writing to the object first. Nothing else there, and on nobody else's."""
    cluster.deployment()
    chg = refused(cluster)
    agent = cluster.scene.agent_kubeconfig
    waited = plugin.script(agent, "wait", chg, "--reason=checkout is moved to another cluster", "--timeout=1s")
    assert waited.code == 5, waited.err
    shown = plugin.script(agent, "show", chg).out
    assert '"checkout is moved to another cluster" (the requester\'s own words' in shown
    for change in (
        ["annotate", "chg", chg, "denial.seconder.dev/alice=no"],
        ["annotate", "chg", chg, "seconder.dev/reason-", "extra=1"],
        ["label", "chg", chg, "extra=1"],
        ["annotate", "chg", chg, "--overwrite", f"seconder.dev/reason={'a' * 401}"],
        ["patch", "chg", chg, "--type=merge", '-p={"metadata":{"finalizers":["example.com/kept"]}}'],
    ):
        tried = cluster.agent(*change)
        assert tried.refused_with("ProtectedConfiguration"), (change, tried.err)
    assert cluster.agent("annotate", "chg", chg, "seconder.dev/reason-").code == 0
    other = cluster.agent_with_all_rights("annotate", "chg", chg, "seconder.dev/reason=another's")
    assert other.refused_with("ProtectedConfiguration"), other.err
