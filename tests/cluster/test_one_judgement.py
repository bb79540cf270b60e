"""explain, approve and the phases of change requests say what the webhook says, whatever a request reaches."""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from tests.cluster.test_change_requests import refused
from tests.cluster.test_namespaces import impact
from tests.cluster.test_plugin_approve import approve
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.plugin import Plugin

_SOON: Final = 20.0
_COMMAND: Final = re.compile(r"^Ask an approver: kubectl seconder approve (.+)$", re.MULTILINE)
_QUOTAS: Final = [{"group": "", "resources": ["resourcequotas"]}]
"""What nobody puts into a namespace by himself, and no impact counts."""


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in an empty home directory."""
    return Plugin(cluster, tmp_path)


@pytest.fixture
def widgets(cluster: Cluster) -> Iterator[str]:
    """A kind that a policy protects in this namespace, with one object; the name of its definition."""
    group = f"{cluster.namespace[-6:]}.example.com"
    schema = {"type": "object"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    cluster.apply(definition)
    cluster.established(f"widgets.{group}")
    cluster.policy(f"widgets-{cluster.namespace[-6:]}", resources=[{"group": group, "resources": ["widgets"]}])
    metadata = {"name": "one", "namespace": cluster.namespace}
    cluster.apply({"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": metadata})
    yield f"widgets.{group}"
    cluster.admin("delete", "crd", f"widgets.{group}", "--ignore-not-found", "--wait=false")


def _replica_set(cluster: Cluster) -> str:
    """Make a Deployment as a person; give the name of its ReplicaSet once it is there."""
    cluster.deployment()
    names = ("get", "replicasets", f"--namespace={cluster.namespace}", "--output=jsonpath={.items[*].metadata.name}")
    eventually(lambda: cluster.admin(*names), _SOON, "the ReplicaSet")
    return cluster.admin(*names).strip()


def _owner(cluster: Cluster) -> str:
    """Give a Deployment to a ConfigMap that no policy names; give the name of that once the webhook knows."""
    place = f"--namespace={cluster.namespace}"
    cluster.admin("create", "configmap", "owner", place)
    uid = cluster.get("configmap", "owner")["metadata"]["uid"]
    cluster.deployment(ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}])
    attempt = ("delete", "configmap", "owner", "--dry-run=server", place)
    eventually(lambda: cluster.agent(*attempt).refused_with("ApprovalMissing"), _SOON, "the owner is known")
    return "owner"


def _attempt(cluster: Cluster, kind: str, name: str) -> Result:
    """Have the agent try to delete something, without a change request."""
    place = () if kind in {"crd", "namespace"} else (f"--namespace={cluster.namespace}",)
    return cluster.agent("delete", kind, name, "--dry-run=server", *place)


def _explained(plugin: Plugin, kubeconfig: Path, kind: str, name: str, *more: str) -> dict[str, Any]:
    place = () if kind in {"crd", "namespace"} else ("-n", plugin.cluster.namespace)
    done = plugin.script(kubeconfig, "explain", f"{kind}/{name}", "-o", "json", *place, *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def _denied(answer: Result) -> str:
    """Give the first line of the webhook's own message."""
    assert answer.refused, answer
    return answer.err.strip().partition("\n")[0].partition(" denied the request: ")[2]


def _agrees(plugin: Plugin, kind: str, name: str) -> None:
    """Check that it is refused, and that explain says so in the same words: to the agent, and to who asks for it."""
    cluster = plugin.cluster
    first = _denied(_attempt(cluster, kind, name))
    own = _explained(plugin, cluster.stack.agent_kubeconfig, kind, name)
    asked = _explained(plugin, cluster.stack.human_kubeconfig, kind, name, "--requester", AGENT)
    for told in (own, asked):
        assert not told["allowed"], told
        assert told["reason"] == "ApprovalMissing"
        assert told["message"].partition("\n")[0] == first
        assert told["asked"]


def test_a_protected_deployments_replica_set_is_explained_as_it_is_decided(cluster: Cluster, plugin: Plugin) -> None:
    """While a Deployment is paused it does not come back, and so it counts as the Deployment."""
    name = _replica_set(cluster)
    _agrees(plugin, "replicaset", name)
    place = ("-n", cluster.namespace)
    text = plugin.script(cluster.stack.agent_kubeconfig, "explain", f"rs/{name}", *place).out
    assert text.splitlines()[1].startswith("Refused (ApprovalMissing): "), text


def test_the_definition_of_a_protected_kind_is_explained_as_it_is_decided(plugin: Plugin, widgets: str) -> None:
    """All objects of the kind go with it."""
    _agrees(plugin, "crd", widgets)


def test_what_owns_a_protected_object_is_explained_as_it_is_decided(cluster: Cluster, plugin: Plugin) -> None:
    """The garbage collector takes that one along."""
    _agrees(plugin, "configmap", _owner(cluster))


def test_a_namespace_that_holds_a_protected_object_is_explained_as_it_is_decided(
    cluster: Cluster, plugin: Plugin
) -> None:
    """By the policy that names the object alone, beside the one that names namespaces."""
    cluster.policy(f"two-{cluster.namespace[-6:]}", resources=_QUOTAS, approvals={"required": 2})
    cluster.admin("create", "quota", "limits", f"--namespace={cluster.namespace}")
    eventually(
        lambda: "needs approval by 2 peers" in _attempt(cluster, "namespace", cluster.namespace).err, _SOON, "in force"
    )
    _agrees(plugin, "namespace", cluster.namespace)
    told = _explained(plugin, cluster.stack.agent_kubeconfig, "namespace", cluster.namespace)
    assert [each["name"] for each in told["policies"]] == ["default", f"two-{cluster.namespace[-6:]}"]


def test_an_approval_turns_the_verdict_on_a_replica_set_as_it_turns_the_webhooks(
    cluster: Cluster, plugin: Plugin
) -> None:
    """It stands on the Deployment."""
    name = _replica_set(cluster)
    cluster.approve(cluster.alice)
    assert _attempt(cluster, "replicaset", name).code == 0
    told = _explained(plugin, cluster.stack.agent_kubeconfig, "replicaset", name)
    assert (told["allowed"], told["reason"]) == (True, "Approved")


def _printed(answer: Result) -> list[str]:
    """Give the arguments of the command that a refusal printed, where it left no change request."""
    assert answer.refused_with("ApprovalMissing"), answer.err
    assert "change request:" not in answer.err
    found = _COMMAND.search(answer.err)
    assert found, answer.err
    return shlex.split(found[1])


_REACHED: Final[Mapping[str, Callable[[Cluster], str]]] = {
    "deployment": lambda cluster: cluster.deployment() and "checkout",
    "replicaset": _replica_set,
    "configmap": _owner,
    "namespace": lambda cluster: cluster.namespace,
}


@pytest.mark.parametrize("kind", _REACHED)
def test_the_command_that_a_refusal_printed_approves(cluster: Cluster, plugin: Plugin, kind: str) -> None:
    """As it stands there, for what a dry run was refused; then the agent goes on."""
    name = _REACHED[kind](cluster)
    what, *more = _printed(_attempt(cluster, kind, name))
    done = approve(plugin, what, *more)
    assert done.code == 0, done.err
    assert _attempt(cluster, kind, name).code == 0
    assert cluster.delete(cluster.agent, kind, name).code == 0


def test_the_command_that_a_definitions_refusal_printed_approves(
    cluster: Cluster, plugin: Plugin, widgets: str
) -> None:
    """The policy names the kind, not the definition."""
    what, *more = _printed(_attempt(cluster, "crd", widgets))
    assert what == f"customresourcedefinition.apiextensions.k8s.io/{widgets}"
    done = approve(plugin, what, *more)
    assert done.code == 0, done.err
    deleted = cluster.agent("delete", "crd", widgets, "--wait=false")
    assert deleted.code == 0, deleted.err


@pytest.mark.parametrize("kind", ["replicaset", "configmap"])
def test_whoever_names_what_was_refused_is_led_to_what_needs_the_approval(
    cluster: Cluster, plugin: Plugin, kind: str
) -> None:
    """The agent was refused for the Deployment behind it: there is something to approve, and that is where."""
    name = _REACHED[kind](cluster)
    done = approve(plugin, f"{kind}/{name}", "-n", cluster.namespace, "--requester", AGENT)
    assert "nothing to approve" not in done.err
    assert "deployment.apps/checkout" in done.out + done.err


def test_a_definition_of_a_kind_that_no_policy_names_has_nothing_to_approve(
    cluster: Cluster, plugin: Plugin, widgets: str
) -> None:
    """The reason is said before anything is signed."""
    cluster.admin("delete", "protectionpolicy", f"widgets-{cluster.namespace[-6:]}")
    eventually(lambda: _attempt(cluster, "crd", widgets).code == 0, _SOON, "it is free")
    done = approve(plugin, f"customresourcedefinition/{widgets}", "--requester", AGENT)
    assert done.code == 1
    assert "nothing to approve" in done.err


def _phase(cluster: Cluster, chg: str) -> str:
    return str(cluster.get("chg", chg)["status"]["phase"])


def _unapproved_again(cluster: Cluster, chg: str, kind: str, name: str) -> None:
    """Check that the webhook refuses under a policy that was added since, and that the change request says so too."""
    eventually(lambda: _attempt(cluster, kind, name).refused_with("QuorumNotReached"), _SOON, "the new one is in force")
    eventually(lambda: _phase(cluster, chg) == "Pending", _SOON, "it is pending again")
    assert cluster.get("chg", chg)["status"]["progress"] == "1/2"


def _approve_namespace(cluster: Cluster, chg: str) -> None:
    uid = cluster.get("chg", chg)["metadata"]["uid"]
    approval = {"resource": "namespaces", "group": "", "detail": {"impact": impact(cluster)}, "txn": uid}
    cluster.approve(cluster.alice, "namespace", cluster.namespace, **approval)


def test_a_policy_added_since_on_what_a_namespace_holds_makes_it_pending(cluster: Cluster) -> None:
    """An approver who looks at it would else take it for done, while the agent is refused."""
    cluster.admin("create", "quota", "limits", f"--namespace={cluster.namespace}")
    chg = refused(cluster, "namespace", cluster.namespace)
    _approve_namespace(cluster, chg)
    eventually(lambda: _phase(cluster, chg) == "Approved", _SOON, "it is approved")
    cluster.policy(f"two-{cluster.namespace[-6:]}", resources=_QUOTAS, approvals={"required": 2})
    _unapproved_again(cluster, chg, "namespace", cluster.namespace)


def test_a_policy_on_what_a_namespace_does_not_hold_any_more_waits_for_nobody(cluster: Cluster) -> None:
    """The agent is let through with the one approval, and so the change request is approved."""
    place = f"--namespace={cluster.namespace}"
    cluster.admin("create", "quota", "limits", place)
    cluster.policy(f"two-{cluster.namespace[-6:]}", resources=_QUOTAS, approvals={"required": 2})
    attempt = ("namespace", cluster.namespace)
    eventually(lambda: "by 2 peers" in _attempt(cluster, *attempt).err, _SOON, "the policy is in force")
    chg = refused(cluster, *attempt)
    _approve_namespace(cluster, chg)
    eventually(lambda: cluster.get("chg", chg)["status"]["progress"] == "1/2", _SOON, "one of two has approved")
    cluster.admin("delete", "quota", "limits", place)
    assert _attempt(cluster, *attempt).code == 0
    eventually(lambda: _phase(cluster, chg) == "Approved", _SOON, "it is approved")


def test_a_policy_added_since_on_the_kind_of_a_definition_makes_it_pending(cluster: Cluster, widgets: str) -> None:
    """It names the kind, and the change request the definition."""
    answer = cluster.agent("delete", "crd", widgets, "--wait=false")
    assert answer.refused_with("ApprovalMissing"), answer.err
    chg = answer.err.partition("change request: ")[2].split()[0]
    eventually(lambda: cluster.there("chg", chg), _SOON, "the change request")
    uid = cluster.get("chg", chg)["metadata"]["uid"]
    definitions = {"resource": "customresourcedefinitions", "group": "apiextensions.k8s.io", "txn": uid}
    cluster.approve(cluster.alice, "crd", widgets, **definitions)
    eventually(lambda: _phase(cluster, chg) == "Approved", _SOON, "it is approved")
    resources = [{"group": widgets.partition(".")[2], "resources": ["widgets"]}]
    cluster.policy(f"two-{cluster.namespace[-6:]}", resources=resources, approvals={"required": 2})
    _unapproved_again(cluster, chg, "crd", widgets)
