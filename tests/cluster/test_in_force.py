"""What policies say of their being in force, while others write to the webhook configuration, or refuse it."""

import contextlib
import functools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.enforcer import EXCLUSIONS, Enforcer
from tests.support.operator import operator_with
from tests.support.plugin import Plugin

pytestmark = pytest.mark.core

_CONFIGURATION = "validatingwebhookconfiguration"


def test_an_enforcer_that_narrows_nothing_is_left_alone_soon_and_helps_no_agent(cluster: Cluster) -> None:
    """For a minute: few repairs, no deletion through, and policies in force at its end; its labels are the guard's."""
    cluster.deployment()
    repairs = operator_metric(cluster, "seconder_webhook_configuration_repairs_total")
    with Enforcer(cluster, EXCLUSIONS) as enforcer:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for label in ("control-plane=true", "kubernetes.azure.com/managedby=aks"):
                labelled = cluster.agent("label", "namespace", cluster.namespace, label)
                assert "agents may not" in labelled.err, labelled
            assert cluster.delete(cluster.agent).code == 1
        eventually(lambda: _in_force(cluster, "default")["status"] == "True", 10, "it is in force beside the enforcer")
        stored = cluster.get(_CONFIGURATION, "seconder")["webhooks"]
        assert all(entry["namespaceSelector"] for entry in stored), "what the enforcer wrote was not left alone"
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
        # The key is the guard's from now on, whatever the value.
        other = cluster.agent("label", "namespace", cluster.namespace, "control-plane=controller-manager")
        assert "agents may not change labels" in other.err
        assert operator_metric(cluster, "seconder_webhook_configuration_repairs_total") - repairs <= 10
        assert enforcer.writes >= 1
    people = cluster.human("label", "namespace", cluster.namespace, "control-plane=controller-manager")
    assert people.code == 0, people.err
    _put_back(cluster)


def test_what_leaves_out_a_protected_namespace_is_put_right_always_and_said(cluster: Cluster, tmp_path: Path) -> None:
    """Status, plugin and metric name who wrote it, until that stops."""
    cluster.deployment()
    cluster.human("label", "namespace", cluster.namespace, "control-plane=true")
    repairs = operator_metric(cluster, "seconder_webhook_configuration_repairs_total")
    with Enforcer(cluster, EXCLUSIONS):
        eventually(lambda: _in_force(cluster, "default")["status"] == "False", 20, "it is told")
        eventually(lambda: "admissionsenforcer" in _in_force(cluster, "default")["message"], 20, "by whom")
        ready = _condition(cluster, "default", "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "NotInForce")
        place = ("-n", cluster.namespace)
        told = Plugin(cluster, tmp_path).script(
            cluster.stack.human_kubeconfig, "explain", "deployment/checkout", *place
        )
        assert told.out.startswith("NOT IN FORCE: policy default: "), told
        assert "admissionsenforcer" in told.out.partition("\n")[0]
        said = 'seconder_policy_in_force{policy="default",reason="NamespacesLeftOut",writer="admissionsenforcer"} 0'
        eventually(lambda: said in _metrics(cluster), 15, "the metric says so")
        code, words = _readyz(cluster)
        assert (code, "policy default is not in force: " in words) == (503, True)
    eventually(lambda: _in_force(cluster, "default")["status"] == "True", 30, "it is in force again")
    assert operator_metric(cluster, "seconder_webhook_configuration_repairs_total") > repairs
    assert not any(entry["namespaceSelector"] for entry in cluster.get(_CONFIGURATION, "seconder")["webhooks"])


@pytest.mark.parametrize("restarted", [False, True], ids=["by now", "from the start"])
def test_rules_are_written_out_where_the_api_server_refuses_wildcards(cluster: Cluster, restarted: bool) -> None:
    """The same guard, kept current as kinds come, with a policy in force that could not be written otherwise.

    Also where they were taken when the operator started, and what it had written then is deleted.
    """
    with _refusing(cluster, "!object.webhooks.exists(w, w.rules.exists(r, '*' in r.apiGroups))"):
        with operator_with(cluster.stack) if restarted else contextlib.nullcontext():
            cluster.admin("delete", _CONFIGURATION, "seconder")
        eventually(lambda: cluster.there(_CONFIGURATION, "seconder"), 15 if restarted else 3, "it is back")
        eventually(lambda: _in_force(cluster, "default")["status"] == "True", 20, "it is in force")
        rules = [rule for entry in _webhooks(cluster) for rule in entry["rules"]]
        assert not any("*" in rule["apiGroups"] for rule in rules)
        cluster.deployment()
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
        bound = cluster.agent_with_all_rights(
            "create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=hal"
        )
        assert bound.refused_with("ProtectedConfiguration"), bound
        cluster.policy("rooms", resources=[{"group": "apps", "resources": ["statefulsets"]}])
        eventually(lambda: _in_force(cluster, "rooms")["status"] == "True", 10, "a new policy is in force")
        cluster.objects.delete("protectionpolicies", "rooms")
    with operator_with(cluster.stack, "--configuration-label=example.com/kept=yes"):
        eventually(lambda: any("*" in rule["apiGroups"] for e in _webhooks(cluster) for rule in e["rules"]), 15, "back")
        cluster.admin("delete", _CONFIGURATION, "seconder")
        eventually(lambda: cluster.there(_CONFIGURATION, "seconder"), 2, "it is back")
        assert cluster.get(_CONFIGURATION, "seconder")["metadata"]["labels"]["example.com/kept"] == "yes"


def test_kinds_that_no_rule_may_name_are_left_out_and_said(cluster: Cluster) -> None:
    """As GKE Autopilot takes no rules for nodes. A policy that names one by itself is not in force, and spoils none."""
    named = "r.resources.exists(x, x.split('/')[0] in ['nodes', 'certificatesigningrequests'])"
    with _refusing(cluster, f"!object.webhooks.exists(w, w.rules.exists(r, '*' in r.apiGroups || {named}))"):
        cluster.admin("delete", _CONFIGURATION, "seconder")
        eventually(lambda: _in_force(cluster, "default")["reason"] == "SomeKindsUnasked", 20, "it is said")
        told = _in_force(cluster, "default")
        assert told["status"] == "True"
        assert told["message"].endswith(": nodes, certificatesigningrequests.certificates.k8s.io")
        cluster.deployment()
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
        cluster.policy("machines", resources=[{"group": "", "resources": ["nodes"]}], namespaces=[])
        eventually(lambda: _in_force(cluster, "machines")["reason"] == "RefusedByAPIServer", 10, "its words are told")
        assert "not taken here" in _in_force(cluster, "machines")["message"]
        assert _in_force(cluster, "default")["status"] == "True"
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
        cluster.objects.delete("protectionpolicies", "machines")
    with operator_with(cluster.stack, "--configuration-label=example.com/kept=yes"):
        eventually(lambda: any("*" in rule["apiGroups"] for e in _webhooks(cluster) for rule in e["rules"]), 15, "back")


def test_a_configuration_that_nobody_may_write_is_said_to_be_missing_at_once(cluster: Cluster) -> None:
    """In the API server's own words, though it was in force a moment ago; and it is, when it may be written again."""
    with _refusing(cluster, "object.metadata.name != 'seconder'"):
        cluster.admin("delete", _CONFIGURATION, "seconder")
        eventually(lambda: _in_force(cluster, "default")["status"] == "False", 5, "it is said")
        assert "not taken here" in _in_force(cluster, "default")["message"]
        eventually(lambda: "not taken here" in _readyz(cluster)[1], 5, "the operator says so too")
    eventually(lambda: _in_force(cluster, "default")["status"] == "True", 10, "it is in force")
    assert cluster.there(_CONFIGURATION, "seconder")


def test_roles_that_a_tool_empties_are_filled_within_a_second(cluster: Cluster) -> None:
    """By the replacement of each by what the chart holds, as a GitOps tool does it."""
    cluster.deployment()
    for name in ("seconder-webhook-lookups", "seconder-operator-objects"):
        before = cluster.get("clusterrole", name)["rules"]
        assert before
        emptied = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
        # RBAC lets a person take rules away who does not hold them.
        cluster.admin("replace", "--filename=-", stdin=json.dumps(emptied))
        filled = functools.partial(_has_rules, cluster, name, before)
        eventually(filled, 1.5, f"{name} is filled")


def test_roles_that_somebody_deletes_are_put_back_within_a_second(cluster: Cluster) -> None:
    """With what stood in them, so that deletions of namespaces can be decided; and so that they go with the guard."""
    cluster.deployment()
    for name in ("seconder-webhook-lookups", "seconder-operator-objects"):
        before = cluster.get("clusterrole", name)["rules"]
        cluster.admin("delete", "clusterrole", name)
        eventually(functools.partial(cluster.there, "clusterrole", name), 1.5, f"{name} is back")
        made = cluster.get("clusterrole", name)
        assert made["rules"] == before
        (owner,) = made["metadata"]["ownerReferences"]
        assert owner["uid"] == cluster.get("clusterrole", "seconder-operator")["metadata"]["uid"]
    assert cluster.delete(cluster.agent, "namespace", cluster.namespace).refused_with("ApprovalMissing")


def test_a_role_that_the_operator_may_not_put_back_is_told(cluster: Cluster) -> None:
    """By /readyz, in the API server's own words, until somebody does."""
    name = "seconder-operator-objects"
    before = cluster.get("clusterrole", "seconder-operator")["rules"]
    less = [_without_create(rule) for rule in before]
    cluster.objects.apply({**_CLUSTER_ROLE, "metadata": {"name": "seconder-operator"}, "rules": less})
    try:
        cluster.admin("delete", "clusterrole", name)
        eventually(lambda: f"the ClusterRole {name} cannot be kept: " in _readyz(cluster)[1], 5, "it is told")
    finally:
        cluster.objects.apply({**_CLUSTER_ROLE, "metadata": {"name": "seconder-operator"}, "rules": before})
    eventually(lambda: cluster.there("clusterrole", name), 20, "it is back")
    eventually(lambda: _readyz(cluster) == (200, "ok"), 10, "nothing is wanting")


def test_a_configuration_that_somebody_holds_by_a_finalizer_is_made_anew(cluster: Cluster) -> None:
    """Deleted and held, it is asked by still, until whoever holds it lets go: when that is, is not for them to say."""
    before = cluster.get(_CONFIGURATION, "seconder")["metadata"]["uid"]
    held = '--patch={"metadata":{"finalizers":["example.com/held"]}}'
    cluster.admin("patch", _CONFIGURATION, "seconder", "--type=merge", held)
    eventually(lambda: not _metadata(cluster).get("finalizers"), 2, "nobody holds it")
    assert _metadata(cluster)["uid"] == before
    cluster.deployment()
    with operator_with(cluster.stack):
        cluster.admin("patch", _CONFIGURATION, "seconder", "--type=merge", held)
        cluster.admin("delete", _CONFIGURATION, "seconder", "--wait=false")
        assert "deletionTimestamp" in _metadata(cluster)
        # What the API server does with one on its way out.
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    eventually(lambda: _metadata(cluster)["uid"] != before, 5, "there is another")
    assert _metadata(cluster).keys().isdisjoint({"deletionTimestamp", "finalizers"})
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    eventually(lambda: _in_force(cluster, "default")["status"] == "True", 10, "it is in force")


_CLUSTER_ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}


def _without_create(rule: dict[str, Any]) -> dict[str, Any]:
    """Give a rule on roles without create, and any other as it is."""
    if "clusterroles" not in rule.get("resources", ()):
        return rule
    return rule | {"verbs": [verb for verb in rule["verbs"] if verb != "create"]}


def _metadata(cluster: Cluster) -> dict[str, Any]:
    stored = cluster.objects.find(_CONFIGURATION, "seconder")
    return dict(stored["metadata"]) if stored else {"uid": ""}


def _has_rules(cluster: Cluster, role: str, rules: Any) -> bool:
    return bool(cluster.get("clusterrole", role)["rules"] == rules)


def _webhooks(cluster: Cluster) -> list[dict[str, Any]]:
    stored = cluster.objects.find(_CONFIGURATION, "seconder")
    return list(stored["webhooks"]) if stored else []


@contextmanager
def _refusing(cluster: Cluster, expression: str) -> Iterator[None]:
    """Have the API server take no webhook configuration that this expression (CEL) is not true of."""
    rule = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["validatingwebhookconfigurations"],
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "refusing"}}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "reason": "Forbidden", "message": "not taken here"}],
    }
    binding = {"policyName": "refusing", "validationActions": ["Deny"]}
    cluster.apply(
        kind | {"kind": "ValidatingAdmissionPolicy", "spec": policy},
        kind | {"kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    )
    try:
        eventually(lambda: _is_refused(cluster), 15, "it is refused")
        yield
    finally:
        cluster.admin("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "refusing")
    eventually(lambda: not _is_refused(cluster), 15, "it is taken again")


def _is_refused(cluster: Cluster) -> bool:
    entry = {
        "name": "x.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1"},
        "sideEffects": "None",
        "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}],
    }
    document = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "seconder"},
        "webhooks": [entry],
    }
    tried = cluster.human("create", "--dry-run=server", "--filename=-", stdin=json.dumps(document))
    return "not taken here" in tried.err


def _condition(cluster: Cluster, policy: str, kind: str) -> dict[str, Any]:
    conditions = cluster.get("protectionpolicy", policy).get("status", {}).get("conditions", [])
    return next((found for found in conditions if found["type"] == kind), {"status": "", "reason": "", "message": ""})


def _in_force(cluster: Cluster, policy: str) -> dict[str, Any]:
    return _condition(cluster, policy, "InForce")


def operator_metric(cluster: Cluster, name: str) -> float:
    """Give a counter of the operator."""
    return sum(float(line.split()[-1]) for line in _metrics(cluster).splitlines() if line.startswith(name))


def _metrics(cluster: Cluster) -> str:
    address = cluster.stack.seconder.operator_metrics_address
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def _readyz(cluster: Cluster) -> tuple[int, str]:
    address = cluster.stack.seconder.operator_metrics_address
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _put_back(cluster: Cluster) -> None:
    """Have the configuration as compiled, without what an enforcer left in it."""
    cluster.human("label", "namespace", cluster.namespace, "control-plane-")
    cluster.admin("delete", _CONFIGURATION, "seconder")
    eventually(lambda: cluster.there(_CONFIGURATION, "seconder"), 2, "it is back")
