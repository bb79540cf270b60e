"""Change requests under attack, on a real API server: phases that would lie, and an operator that would be misled."""

import json
import re
from typing import Any

import pytest
from tests.cluster.test_change_requests import refused
from tests.support.cluster import AGENT, Cluster, Result, eventually, sign
from tests.support.operator import operator_with

_SOON = 8.0
_SLUGS = "approval.seconder.dev/"


def _status(cluster: Cluster, chg: str) -> dict[str, Any]:
    status: dict[str, Any] = cluster.get("chg", chg).get("status", {})
    return status


def _phase_is(cluster: Cluster, chg: str, phase: str) -> None:
    eventually(lambda: _status(cluster, chg).get("phase") == phase, _SOON, f"{phase}: {_status(cluster, chg)}")


def _recorded(cluster: Cluster, answer: Result) -> str:
    """Give the change request that a refusal names, once the operator has looked at it."""
    found = re.search(r"^change request: (chg-[0-9a-z]{26})$", answer.err, re.MULTILINE)
    assert found, answer
    eventually(lambda: cluster.there("chg", found[1]), _SOON, "the change request")
    eventually(lambda: _status(cluster, found[1]).get("phase"), _SOON, "its status")
    return found[1]


def _freed(cluster: Cluster) -> Result:
    patch = '{"metadata":{"finalizers":null}}'
    return cluster.agent("patch", "deployment/checkout", "-n", cluster.namespace, "--type=merge", f"--patch={patch}")


def test_the_removal_of_finalizers_can_be_approved(cluster: Cluster) -> None:
    """Its object is under deletion already, which is no end of the request: it waits, is approved, and is used."""
    cluster.deployment(finalizers=["example.com/hold"])
    assert cluster.delete(cluster.human).code == 0
    chg = _recorded(cluster, _freed(cluster))
    cluster.approve(cluster.alice, detail={"actions": ["RemoveFinalizers"]})
    _phase_is(cluster, chg, "Approved")
    assert _freed(cluster).code == 0
    _phase_is(cluster, chg, "Used")


def test_a_scale_to_zero_that_went_through_is_used(cluster: Cluster) -> None:
    """Its object stays; without a look at the webhook's note it would wait a day and end as never approved."""
    cluster.deployment()
    scale = ("scale", "deployment", "checkout", "-n", cluster.namespace, "--replicas=0")
    chg = _recorded(cluster, cluster.agent(*scale))
    cluster.approve(cluster.alice, detail={"actions": ["ScaleToZero"]})
    _phase_is(cluster, chg, "Approved")
    assert cluster.agent(*scale).code == 0
    _phase_is(cluster, chg, "Used")


def test_it_is_not_called_approved_where_a_later_policy_asks_for_more(cluster: Cluster) -> None:
    """What it says is what the webhook says."""
    cluster.deployment()
    chg = refused(cluster)
    cluster.approve(cluster.alice)
    _phase_is(cluster, chg, "Approved")
    cluster.policy(f"two-{cluster.namespace}", approvals={"required": 2})
    _phase_is(cluster, chg, "Pending")
    assert cluster.delete(cluster.agent).refused_with("QuorumNotReached")
    assert _status(cluster, chg)["progress"] == "0/2"


def test_two_requests_on_one_object_are_approved_side_by_side(cluster: Cluster) -> None:
    """By one approver under one slug on each: neither copy pushes the other out, over and over."""
    cluster.deployment()
    with operator_with(cluster.stack, "--copy-approvals"):
        one = refused(cluster)
        two = _recorded(cluster, cluster.delete(cluster.agent_with_all_rights))
        stored = cluster.get("deployment", "checkout")
        first = sign(cluster.alice.key, cluster.claims(stored, "deployments", "apps"))
        second = sign(cluster.alice.key, cluster.claims(stored, "deployments", "apps", sub="hal", act=None))
        cluster.annotate("chg", one, f"{_SLUGS}alice={first}")
        cluster.annotate("chg", two, f"{_SLUGS}alice={second}")

        def there() -> set[str]:
            annotations = cluster.get("deployment", "checkout")["metadata"]["annotations"]
            return {value for key, value in annotations.items() if key.startswith(_SLUGS)}

        eventually(lambda: there() == {first, second}, _SOON, "both")
        written = _written_by_operator(cluster)
        assert written >= 2
        looked = [cluster.get("chg", each)["metadata"]["resourceVersion"] for each in (one, two)]
        for each in (one, two):
            _phase_is(cluster, each, "Approved")
        # Another sign of the operator's having been round: it takes what is written anew up at once.
        cluster.annotate("chg", one, f"{_SLUGS}rubbish=x")
        assert looked != [cluster.get("chg", each)["metadata"]["resourceVersion"] for each in (one, two)]
        assert there() == {first, second}
        assert _written_by_operator(cluster) == written


def _written_by_operator(cluster: Cluster) -> int:
    """How often the operator has written to the Deployment of the test, by the API server's own audit log."""
    log = cluster.stack.control_plane.audit_log.read_bytes()
    place = f'"objectRef":{{"resource":"deployments","namespace":"{cluster.namespace}"'.encode()
    return sum(place in line and b":seconder-operator" in line for line in log.splitlines())


def test_a_copying_operator_may_patch_what_policies_name_and_nothing_else(cluster: Cluster) -> None:
    """What an impact counts beside it is read only."""
    with operator_with(cluster.stack, "--copy-approvals"):
        rules = json.loads(cluster.admin("get", "clusterrole", "seconder-operator-objects", "-o", "json"))["rules"]
    patched = {
        (group, resource)
        for rule in rules
        if "patch" in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert patched == {("", "namespaces"), ("apps", "deployments")}


def test_a_record_by_hand_leads_the_operator_to_no_other_object(cluster: Cluster) -> None:
    """Nor does it keep it from looking after the others."""
    uid = cluster.deployment()
    odd: tuple[dict[str, str], ...] = (
        {"name": "checkout?x=y"},
        {"name": "checkout#x"},
        {"version": "v1/namespaces/x/../.."},
        {"name": "%zz"},
        {"name": ""},
        {"resource": "secrets", "group": ""},
        {"group": "no.such"},
    )
    policy = {"name": "default", "required": 1, "assurance": "Software", "maxTTLSeconds": 900, "bindImpact": True}
    for number, changes in enumerate(odd):
        target = {"group": "apps", "version": "v1", "resource": "deployments", "kind": "Deployment", "uid": uid}
        target |= {"namespace": cluster.namespace, "name": "checkout"} | changes
        spec = {"requester": AGENT, "action": "Delete", "object": target, "policies": [policy]}
        document = {
            "apiVersion": "seconder.dev/v1alpha1",
            "kind": "ChangeRequest",
            "metadata": {"name": f"hand-{number}"},
            "spec": spec,
        }
        made = cluster.human("create", "--filename=-", stdin=json.dumps(document))
        assert made.code == 0, made.err
    for number in (0, 1):
        _phase_is(cluster, f"hand-{number}", "Withdrawn")
    chg = refused(cluster)
    cluster.approve(cluster.alice)
    _phase_is(cluster, chg, "Approved")


def test_the_deletion_of_a_definition_is_followed_too(cluster: Cluster) -> None:
    """No policy names the definition itself, but what it defines."""
    group = f"g{cluster.namespace[-6:]}.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gizmos.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    cluster.apply(definition)
    cluster.established(f"gizmos.{group}")
    cluster.policy(f"gizmos-{cluster.namespace}", resources=[{"group": group, "resources": ["gizmos"]}])
    chg = _recorded(cluster, cluster.delete(cluster.agent, "crd", f"gizmos.{group}"))
    plural, of = "customresourcedefinitions", "apiextensions.k8s.io"
    cluster.approve(cluster.alice, "crd", f"gizmos.{group}", resource=plural, group=of)
    _phase_is(cluster, chg, "Approved")
    assert cluster.delete(cluster.agent, "crd", f"gizmos.{group}").code == 0
    _phase_is(cluster, chg, "Used")


@pytest.mark.parametrize("tag", ["users", "groups"])
def test_an_agent_outside_the_agents_namespace_keeps_its_operator_and_its_end(cluster: Cluster, tag: str) -> None:
    """Else whoever set it going has it forget that, and approves it."""
    account = f"system:serviceaccount:{cluster.namespace}:bot"
    tags = {"users": [account], "groups": [f"system:serviceaccounts:{cluster.namespace}"]}
    cluster.policy(f"bots-{cluster.namespace}", agents={tag: tags[tag]})
    metadata = {"name": "bot", "namespace": cluster.namespace}
    noted = {"seconder.dev/operator": "alice@example.com"}
    made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata | {"annotations": noted}}
    cluster.apply(made)

    def forgets() -> Result:
        change = ("annotate", "serviceaccount", "bot", "-n", cluster.namespace, "--overwrite", "--dry-run=server")
        return cluster.agent_with_all_rights(*change, "seconder.dev/operator=bob@example.com")

    eventually(lambda: forgets().refused_with("ProtectedConfiguration"), 5, f"refused: {forgets()}")


def test_what_was_announced_is_recorded_after_an_outage_of_the_api_server(cluster: Cluster) -> None:
    """Whoever was told the names of 30 records finds them, although the API server went away in between."""
    resources = [{"group": "", "resources": ["configmaps"]}]
    cluster.policy(f"config-{cluster.namespace}", resources=resources)
    made = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}", "namespace": cluster.namespace}}
        for number in range(30)
    ]
    cluster.apply(*made)
    answer = cluster.agent("delete", "configmaps", "--all", "-n", cluster.namespace, "--wait=false")
    announced = set(re.findall(r"change request: (chg-[0-9a-z]{26})", answer.err))
    assert len(announced) >= len(made)
    cluster.stack.control_plane.stop_apiserver()
    cluster.stack.control_plane.restart_apiserver()

    def missing() -> set[str]:
        return announced - set(cluster.admin("get", "chg", "-o", "jsonpath={.items[*].metadata.name}").split())

    eventually(lambda: not missing(), 30, "all of them")
    cluster.wait_for_records()
