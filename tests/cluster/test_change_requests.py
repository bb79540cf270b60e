"""What was refused stands in a ChangeRequest, for approvers to see, and its phase is true."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.cluster import AGENT, Cluster, Result, eventually

_NAME = re.compile(r"^change request: (chg-[0-9a-z]{26})$", re.MULTILINE)
_SOON = 5.0


def _named(text: str) -> str:
    found = _NAME.search(text)
    assert found, text
    return found[1]


def refused(cluster: Cluster, kind: str = "deployment", name: str = "checkout") -> str:
    """Have the agent refused; give the name of the change request."""
    return refused_to(cluster, cluster.agent, kind, name)


def refused_to(cluster: Cluster, who: Callable[..., Result], kind: str = "deployment", name: str = "checkout") -> str:
    """Have somebody refused; give the name of the change request."""
    answer = cluster.delete(who, kind, name)
    assert answer.refused, answer.err
    chg = _named(answer.err)
    assert f"Ask an approver: kubectl seconder approve {chg}" in answer.err
    eventually(lambda: cluster.there("chg", chg), _SOON, "the change request")
    # The operator writes the phase and the webhook the refusal, in either order.
    eventually(lambda: all(map(_status(cluster, chg).get, ("phase", "lastReason"))), _SOON, "its status")
    return chg


def _status(cluster: Cluster, chg: str) -> dict[str, Any]:
    status: dict[str, Any] = cluster.get("chg", chg).get("status", {})
    return status


def _phase_is(cluster: Cluster, chg: str, phase: str) -> None:
    eventually(
        lambda: _status(cluster, chg).get("phase") == phase, _SOON, f"{phase}: {json.dumps(_status(cluster, chg))}"
    )


def test_a_refusal_is_recorded_with_who_what_and_what_it_takes(cluster: Cluster) -> None:
    """All that an approver wants to know, and the statement to sign."""
    uid = cluster.deployment(annotations={"seconder.dev/reason": "the pods crash\u202e"})
    chg = refused(cluster)
    document = cluster.get("chg", chg)
    spec, status = document["spec"], document["status"]
    assert (spec["requester"], spec["agent"], spec["action"]) == (AGENT, "kiro", "Delete")
    assert spec["reason"] == "the pods crash"
    assert spec["object"] == {
        "group": "apps",
        "version": "v1",
        "resource": "deployments",
        "kind": "Deployment",
        "namespace": cluster.namespace,
        "name": "checkout",
        "uid": uid,
    }
    assert [(each["name"], each["required"]) for each in spec["policies"]] == [("default", 1)]
    assert (status["phase"], status["lastReason"]) == ("Pending", "ApprovalMissing")
    assert status["attempts"] >= 1
    statement = json.loads(status["statement"])
    assert statement["txn"] == document["metadata"]["uid"]
    assert statement["authorization_details"][0]["identifier"] == uid
    assert sorted(statement) == ["act", "aud", "authorization_details", "sub", "txn"]
    line = cluster.admin("get", "chg", chg, "--no-headers")
    for word in ("Pending", "Delete", f"{cluster.namespace}/checkout", AGENT, "0/1", status["expiresAt"]):
        assert word in line


def test_a_dry_run_is_not_recorded(cluster: Cluster) -> None:
    """And the refusal says how to approve without a record."""
    cluster.deployment()
    answer = cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server")
    assert answer.refused_with("ApprovalMissing")
    assert "change request:" not in answer.err
    assert f"approve deployment.apps/checkout -n {cluster.namespace} --requester {AGENT}" in answer.err


def test_refused_again_it_is_the_same_one_and_counted(cluster: Cluster) -> None:
    """One record for one wish, however often it is uttered. The API server may ask twice about one request."""
    cluster.deployment()
    first = refused(cluster)
    for _ in range(3):
        assert refused(cluster) == first
    eventually(lambda: _status(cluster, first)["attempts"] >= 4, 15, "four attempts")


def test_its_phase_follows_the_approval_and_the_use(cluster: Cluster) -> None:
    """Pending, Approved with the approver's name, Pending when it is withdrawn, Used when the change went through."""
    cluster.deployment()
    chg = refused(cluster)
    cluster.approve(cluster.alice)
    _phase_is(cluster, chg, "Approved")
    status = _status(cluster, chg)
    assert status["progress"] == "1/1"
    assert [(each["name"], each["approver"]) for each in status["approvals"]] == [("alice", "alice@example.com")]
    cluster.annotate("deployment", "checkout", "approval.seconder.dev/alice-")
    _phase_is(cluster, chg, "Pending")
    cluster.approve(cluster.alice)
    assert cluster.delete(cluster.agent).code == 0
    _phase_is(cluster, chg, "Used")
    status = _status(cluster, chg)
    assert (status["progress"], status["approvals"][0]["approver"]) == ("1/1", "alice@example.com")


def test_an_approval_that_does_not_count_is_listed_with_its_reason(cluster: Cluster) -> None:
    """So that its maker need not guess."""
    cluster.deployment()
    chg = refused(cluster)
    cluster.approve(cluster.alice, sub="system:serviceaccount:seconder-agents:other")

    def reasons() -> list[str]:
        return [each["reason"] for each in _status(cluster, chg).get("approvals", [])]

    eventually(lambda: reasons() == ["WrongRequester"], _SOON, "the reason")
    assert _status(cluster, chg)["phase"] == "Pending"


def test_it_is_withdrawn_when_somebody_else_takes_the_object_away(cluster: Cluster) -> None:
    """Nothing is left to approve."""
    cluster.deployment()
    chg = refused(cluster)
    assert cluster.delete(cluster.human).code == 0
    _phase_is(cluster, chg, "Withdrawn")
    assert _status(cluster, chg)["message"] == "the object is gone"


def test_a_quorum_is_counted_as_it_grows(cluster: Cluster) -> None:
    """The statement in the status is what each of them signs."""
    cluster.policy(f"two-{cluster.namespace}", approvals={"required": 2})
    cluster.deployment()
    chg = refused(cluster)
    uid = cluster.get("chg", chg)["metadata"]["uid"]
    assert _status(cluster, chg)["progress"] == "0/2"
    cluster.approve(cluster.alice, txn=uid)
    eventually(lambda: _status(cluster, chg)["progress"] == "1/2", _SOON, "one of two")
    assert _status(cluster, chg)["phase"] == "Pending"
    cluster.approve(cluster.bob, slug="bob", iss="bob@example.com", txn=uid)
    _phase_is(cluster, chg, "Approved")
    assert cluster.delete(cluster.agent).code == 0


def test_a_namespaces_record_says_what_goes_down_with_it(cluster: Cluster) -> None:
    """In words on its line, and as the digest in the statement, which follows what is added."""
    cluster.deployment()
    chg = refused(cluster, "namespace", cluster.namespace)
    eventually(lambda: _status(cluster, chg).get("statement"), _SOON, "the statement")
    assert _status(cluster, chg)["impact"] == "1 deployments"
    before = json.loads(_status(cluster, chg)["statement"])["authorization_details"][0]["impact"]
    assert before["counts"]["deployments"] == 1
    cluster.deployment("another")
    assert refused(cluster, "namespace", cluster.namespace) == chg
    eventually(lambda: _status(cluster, chg)["impact"] == "2 deployments", 15, "two deployments")
    after = json.loads(_status(cluster, chg)["statement"])["authorization_details"][0]["impact"]
    assert after["sha256"] != before["sha256"]


def test_the_spec_cannot_be_changed(cluster: Cluster) -> None:
    """Not even by an administrator: it is a record."""
    cluster.deployment()
    chg = refused(cluster)
    patched = cluster.human("patch", "chg", chg, "--type=merge", '--patch={"spec":{"requester":"dana"}}')
    assert patched.code != 0
    assert "its spec cannot be changed" in patched.err


def test_an_agent_writes_no_change_request(cluster: Cluster) -> None:
    """Neither its spec nor its status nor an approval on it, and it cannot remove one."""
    cluster.deployment()
    chg = refused(cluster)
    for attempt in (
        ("annotate", "chg", chg, "approval.seconder.dev/alice=x"),
        ("patch", "chg", chg, "--subresource=status", "--type=merge", '--patch={"status":{"phase":"Used"}}'),
        ("delete", "chg", chg, "--wait=false"),
    ):
        assert cluster.agent(*attempt).refused_with("ProtectedConfiguration"), attempt


def test_refusals_and_approvals_are_events_on_the_object(cluster: Cluster) -> None:
    """One of each, with a count, for whoever describes the object."""
    cluster.deployment()
    chg = refused(cluster)
    refused(cluster)
    cluster.approve(cluster.alice)

    def events() -> dict[str, dict[str, Any]]:
        found = cluster.admin("get", "events", "-n", cluster.namespace, "-o", "json")
        return {each["reason"]: each for each in json.loads(found)["items"] if chg in each["message"]}

    eventually(lambda: events().keys() >= {"NeedsApproval", "Approved"}, _SOON, "both events")
    eventually(lambda: events()["NeedsApproval"]["count"] >= 2, 15, "two refusals in one event")
    found = events()
    assert found["NeedsApproval"]["type"] == "Warning"
    assert "alice@example.com" in found["Approved"]["message"]
    assert found["Approved"]["involvedObject"]["name"] == "checkout"
    described = cluster.human("describe", "deployment", "checkout", "-n", cluster.namespace)
    assert chg in described.out


def test_a_person_under_a_policy_for_everyone_gets_one_too(cluster: Cluster) -> None:
    """Without an agent's name."""
    cluster.policy(f"all-{cluster.namespace}", subjects="Everyone")
    cluster.deployment()
    eventually(
        lambda: cluster.delete(cluster.human, "deployment", "checkout", "--dry-run=server").refused, 5, "in force"
    )
    answer = cluster.delete(cluster.human)
    assert answer.refused_with("ApprovalMissing")
    chg = _named(answer.err)
    eventually(lambda: cluster.there("chg", chg), _SOON, "the change request")
    spec = cluster.get("chg", chg)["spec"]
    assert (spec["requester"], spec["agent"], spec["byAgent"]) == ("dana@example.com", "", False)


def test_a_refusal_is_counted_once_whoever_writes_it_down_first(cluster: Cluster) -> None:
    """The operator fills in a record that it finds without a status; the webhook writes the same a moment later."""
    names = [f"d{number}" for number in range(20)]
    for name in names:
        cluster.deployment(name)
    # Each by itself: so the operator sees each as it comes.
    for name in names:
        refused(cluster, name=name)

    def recorded() -> list[dict[str, Any]]:
        found = json.loads(cluster.admin("get", "changerequests", "--output=json"))["items"]
        ours = [each for each in found if each["spec"]["object"].get("namespace") == cluster.namespace]
        return [each["status"] for each in ours if each.get("status", {}).get("lastReason")]

    eventually(lambda: len(recorded()) == len(names), 20, "all of them recorded")
    assert [each["attempts"] for each in recorded()] == [1] * len(names)


@pytest.mark.parametrize("names", [60])
def test_one_requester_has_a_bounded_number_of_open_ones(cluster: Cluster, names: int) -> None:
    """The rest are refused all the same, and told how to go on without a record."""
    for number in range(names):
        cluster.deployment(f"d{number}")
    answer = cluster.agent("delete", "deployments", "--all", "-n", cluster.namespace, "--wait=false")
    assert answer.err.count("needs approval by 1 peer") == names
    recorded = answer.err.count("change request: chg-")
    assert 0 < recorded <= 50
    assert answer.err.count("--requester") == names - recorded
    listed = json.loads(cluster.admin("get", "chg", "-o", "json"))["items"]
    open_ = [each for each in listed if each.get("status", {}).get("phase", "Pending") in {"Pending", "Approved"}]
    assert len([each for each in open_ if each["spec"]["requester"] == AGENT]) <= 50
