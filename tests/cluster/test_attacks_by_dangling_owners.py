"""Losing an object to an owner that does not exist, slipped into the requests of people and controllers."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from tests.support.cluster import Cluster, Result, eventually

from localstack.stack import Stack

_GHOST = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "00000000-0000-4000-8000-000000000000"}

_COLLECTED_SECONDS = 3.0
"""For how long an object must outlive the attempt: the garbage collector takes it within a tenth of that."""


@contextmanager
def _webhook_down(stack: Stack) -> Iterator[None]:
    stack.seconder.stop_webhook()
    try:
        yield
    finally:
        stack.seconder.start_webhook()
        stack.seconder.wait_ready()


@contextmanager
def _slipped_in(cluster: Cluster, owner: dict[str, Any]) -> Iterator[None]:
    """Let an agent's mutating policy give an owner to every Deployment that anybody updates."""
    name = f"slip-{cluster.namespace[-6:]}"
    fields = ", ".join(f"{key}: {json.dumps(value)}" for key, value in owner.items())
    patch = (
        '[JSONPatch{op: "add", path: "/metadata/ownerReferences",'
        f" value: [Object.metadata.ownerReferences{{{fields}}}]}}]"
    )
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["deployments", "deployments/status"],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": cluster.namespace}}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    try:
        for document in (policy, binding):
            made = cluster.agent("create", "-f", "-", stdin=json.dumps(document))
            assert made.code == 0, made.err
        yield
    finally:
        for kind in ("mutatingadmissionpolicybinding", "mutatingadmissionpolicy"):
            cluster.admin("delete", kind, name, "--ignore-not-found")


def _annotate(cluster: Cluster, value: str) -> Result:
    return cluster.human("annotate", "deployment", "checkout", f"a={value}", "--overwrite", "-n", cluster.namespace)


def _give(cluster: Cluster, *owners: dict[str, Any], kind: str = "deployment", name: str = "checkout") -> Result:
    patch = json.dumps({"metadata": {"ownerReferences": owners}})
    return cluster.human("patch", kind, name, "--type=merge", f"--patch={patch}", f"--namespace={cluster.namespace}")


def _config_map(cluster: Cluster, name: str = "owner", **metadata: Any) -> dict[str, Any]:
    metadata |= {"name": name, "namespace": cluster.namespace}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": name,
        "uid": cluster.get("configmap", name)["metadata"]["uid"],
    }


@pytest.mark.since("1.36", "mutating admission policies")
def test_a_mutating_policy_that_slips_an_owner_into_everybodys_requests(cluster: Cluster) -> None:
    """A person's annotation is refused and says why; the controllers' writes of its status lose nothing either."""
    cluster.deployment()
    uid = cluster.get("deployment", "checkout")["metadata"]["uid"]
    with _slipped_in(cluster, _GHOST):
        number = iter(range(1000))
        eventually(lambda: _annotate(cluster, str(next(number))).refused, 10, "the policy is in force")
        answer = _annotate(cluster, "once more")
        assert answer.refused_with("ProtectedConfiguration"), answer.err
        assert '"owners.seconder.dev"' in answer.err
        assert "the owner that it would get, ConfigMap ghost, does not exist" in answer.err
        assert "its mutating webhooks and policies" in answer.err
        # Its controller writes its status then.
        cluster.admin("delete", "replicasets", "--all", "-n", cluster.namespace)
        time.sleep(_COLLECTED_SECONDS)
        assert cluster.get("deployment", "checkout")["metadata"]["uid"] == uid
    eventually(lambda: _annotate(cluster, "free").code == 0, 10, "people go on")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"uid": "11111111-0000-4000-8000-000000000000", "name": "owner"},
        {"kind": "Ghost"},
        {"apiVersion": "v9"},
        {"apiVersion": "nowhere.example.com/v1"},
        {"kind": "Namespace", "name": "nowhere"},
        {"name": "../../kube-system/configmaps/kube-root-ca.crt"},
        {"name": ".."},
        {"apiVersion": "../v1"},
    ],
    ids=["name", "uid", "kind", "version", "group", "cluster-scoped", "path", "dots", "version's path"],
)
@pytest.mark.parametrize("subresource", ["", "status"])
def test_no_person_gives_an_owner_that_does_not_exist(
    cluster: Cluster, change: dict[str, str], subresource: str
) -> None:
    """Whatever of it is made up, and through whatever path it comes."""
    cluster.deployment()
    _config_map(cluster)
    patch = json.dumps({"metadata": {"ownerReferences": [_GHOST | change]}})
    more = [f"--subresource={subresource}"] if subresource else []
    answer = cluster.human(
        "patch", "deployment", "checkout", "--type=merge", f"--patch={patch}", "-n", cluster.namespace, *more
    )
    if change.get("apiVersion") == "../v1":
        assert answer.code != 0
    else:
        assert answer.refused_with("ProtectedConfiguration"), answer.err
    assert cluster.exists("deployment", "checkout")


def test_one_that_does_not_exist_among_others_is_enough(cluster: Cluster) -> None:
    """The collector would take that reference away only while the other owner lives."""
    cluster.deployment()
    real = _config_map(cluster)
    assert _give(cluster, real, _GHOST).refused_with("ProtectedConfiguration")


def test_an_owner_on_its_way_out_counts_as_gone(cluster: Cluster) -> None:
    """It takes along what it owns, whoever began its deletion."""
    cluster.deployment()
    going = _config_map(cluster, finalizers=["example.com/hold"])
    cluster.human("delete", "configmap", "owner", "--wait=false", "-n", cluster.namespace)
    assert _give(cluster, going).refused_with("ProtectedConfiguration")
    cluster.admin(
        "patch", "configmap", "owner", "--type=merge", '-p={"metadata":{"finalizers":null}}', "-n", cluster.namespace
    )


def test_an_object_of_very_many_owners(cluster: Cluster) -> None:
    """The API server compares no more than 32 of them each with each, and the webhook knows and looks for all."""
    names = [f"owner-{number:02}" for number in range(66)]
    place = {"namespace": cluster.namespace}
    cluster.apply(*({"apiVersion": "v1", "kind": "ConfigMap", "metadata": place | {"name": name}} for name in names))
    listed = json.loads(cluster.admin("get", "configmaps", "-n", cluster.namespace, "-o", "json"))["items"]
    uids = {each["metadata"]["name"]: each["metadata"]["uid"] for each in listed}
    owners = [{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uids[name]} for name in names]
    cluster.deployment(ownerReferences=owners)
    assert _give(cluster, *owners, _GHOST).refused_with("ProtectedConfiguration")
    fewer = _give(cluster, *owners[:65])
    assert fewer.code == 0, fewer.err
    assert _give(cluster, *owners[:10]).code == 0
    again = _give(cluster, *owners)
    assert again.code == 0, again.err
    assert _give(cluster, *owners, _GHOST).refused_with("ProtectedConfiguration")


def test_people_give_owners_that_exist_and_take_them_away(cluster: Cluster) -> None:
    """In its own namespace or in none; an owner that waits for it, and one that does not."""
    cluster.deployment()
    real = _config_map(cluster)
    uid = cluster.get("namespace", cluster.namespace)["metadata"]["uid"]
    place = {"apiVersion": "v1", "kind": "Namespace", "name": cluster.namespace, "uid": uid}
    for owners in ([real], [real, place], [real | {"blockOwnerDeletion": True}, place], [place], []):
        answer = _give(cluster, *owners)
        assert answer.code == 0, answer.err


def test_an_owner_of_a_kind_that_may_not_be_read_is_refused(cluster: Cluster) -> None:
    """Else that kind would be the one to make up. What the webhook may read of it is for an administrator to say."""
    cluster.deployment()
    owner = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "owner", "namespace": cluster.namespace}}
    cluster.apply(owner | {"spec": {"limits": []}})
    real = {"apiVersion": "v1", "kind": "LimitRange", "name": "owner"}
    real["uid"] = cluster.get("limitrange", "owner")["metadata"]["uid"]
    assert _give(cluster, real).refused_with("InternalError")
    name = f"owners-{cluster.namespace[-6:]}"
    cluster.admin("create", "clusterrole", name, "--verb=get", "--resource=limitranges")
    account = "--serviceaccount=seconder-system:seconder-webhook"
    cluster.admin("create", "clusterrolebinding", name, f"--clusterrole={name}", account)
    try:
        eventually(lambda: _give(cluster, real).code == 0, 5, "it may be read")
    finally:
        cluster.admin("delete", f"clusterrolebinding/{name}", f"clusterrole/{name}")


def test_a_custom_resource_adopts_what_stands_already(cluster: Cluster) -> None:
    """As an operator's controller does; its kind needs no policy, and may be as new as it likes."""
    group = f"g{secrets.token_hex(4)}.example.com"
    cluster.apply(_definition(group))
    try:
        cluster.established(f"stacks.{group}")
        metadata = {"name": "owner", "namespace": cluster.namespace}
        cluster.apply({"apiVersion": f"{group}/v1", "kind": "Stack", "metadata": metadata})
        cluster.deployment()
        owner = {"apiVersion": f"{group}/v1", "kind": "Stack", "name": "owner", "controller": True}
        owner["uid"] = cluster.get(f"stacks.{group}", "owner")["metadata"]["uid"]
        eventually(lambda: _give(cluster, owner).code == 0, 5, "adopted")
        assert _give(cluster, owner | {"uid": _GHOST["uid"]}).refused_with("ProtectedConfiguration")
    finally:
        cluster.admin("delete", "crd", f"stacks.{group}")


def _is_refused(cluster: Cluster, *attempt: str) -> bool:
    return cluster.human(*attempt).refused


def test_a_namespace_or_a_definition_given_to_nobody(cluster: Cluster) -> None:
    """What is in it, or of it, would go with it: refused to people, and to agents without approval.

    Through its status, a definition is no agent's to change at all.
    """
    group = f"g{secrets.token_hex(4)}.example.com"
    cluster.apply(_definition(group))
    try:
        named = [{"group": group, "resources": ["stacks"]}]
        cluster.policy(f"stacks-{cluster.namespace}", resources=named)
        ghost = _GHOST | {"kind": "Namespace"}
        patch = ("--type=merge", f"--patch={json.dumps({'metadata': {'ownerReferences': [ghost]}})}")
        patches = [("patch", "namespace", cluster.namespace, *patch), ("patch", "crd", f"stacks.{group}", *patch)]
        attempts: list[tuple[str, ...]] = [*patches, *((*each, "--subresource=status") for each in patches)]
        for attempt in attempts:
            eventually(partial(_is_refused, cluster, *attempt, "--dry-run=server"), 5, "in force")
            assert cluster.human(*attempt).refused_with("ProtectedConfiguration")
            answer = cluster.agent(*attempt)
            never = "crd" in attempt and "--subresource=status" in attempt
            assert answer.refused_with("ProtectedConfiguration" if never else "ApprovalMissing"), answer.err
        assert cluster.there("crd", f"stacks.{group}")
    finally:
        cluster.admin("delete", "crd", f"stacks.{group}")


def test_a_policy_given_to_nobody(cluster: Cluster) -> None:
    """Seconder's own objects as well: with a policy goes what it protects."""
    name = cluster.policy(f"mine-{cluster.namespace}")
    assert _give(cluster, _GHOST, kind="protectionpolicy", name=name).refused_with("ProtectedConfiguration")
    approver = cluster.get("approver", "alice")
    assert _give(cluster, _GHOST, kind="approver", name="alice").refused_with("ProtectedConfiguration")
    assert cluster.get("approver", "alice")["metadata"]["uid"] == approver["metadata"]["uid"]


@pytest.mark.parametrize("kind", ["clusterrole", "clusterrolebinding"])
def test_a_role_of_the_guard_given_to_nobody(cluster: Cluster, kind: str) -> None:
    """With the operator's role would go the webhook configuration, and nobody could put it back."""
    ghost = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "ghost", "uid": _GHOST["uid"]}
    patch = ("--type=merge", f"--patch={json.dumps({'metadata': {'ownerReferences': [ghost]}})}", "--dry-run=server")
    answer = cluster.human("patch", kind, "seconder-operator", *patch)
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    others = cluster.human("patch", "clusterrole", "view", *patch)
    assert others.code == 0, others.err


def test_what_no_policy_protects_is_given_to_whom_one_likes(cluster: Cluster) -> None:
    """Without a question, let alone an answer."""
    _config_map(cluster, "mine")
    with _webhook_down(cluster.stack):
        answer = _give(cluster, _GHOST, kind="configmap", name="mine")
        assert answer.code == 0, answer.err


def test_a_policy_that_only_watches_says_so_and_lets_it_through(cluster: Cluster) -> None:
    """A warning, and no more."""
    named = [{"group": "", "resources": ["services"]}]
    cluster.policy(f"watch-{cluster.namespace}", mode="Audit", resources=named)
    cluster.human("create", "service", "clusterip", "web", "--tcp=80", "-n", cluster.namespace)
    patch = ("--type=merge", f"--patch={json.dumps({'metadata': {'ownerReferences': [_GHOST]}})}")
    attempt = ("patch", "service", "web", *patch, "-n", cluster.namespace)
    eventually(lambda: "would be refused" in cluster.human(*attempt, "--dry-run=server").err, 5, "in force")
    assert cluster.human(*attempt).code == 0


def test_with_the_webhook_down_only_new_owners_are_refused(cluster: Cluster) -> None:
    """People annotate, edit, scale, take owners away and change how they wait; and controllers go on."""
    cluster.deployment()
    real = _config_map(cluster)
    assert _give(cluster, real).code == 0
    here = ("-n", cluster.namespace)
    with _webhook_down(cluster.stack):
        for attempt in (
            ("annotate", "deployment", "checkout", "a=b"),
            ("label", "deployment", "checkout", "a=b"),
            ("set", "image", "deployment/checkout", "main=none:1"),
            ("scale", "deployment", "checkout", "--replicas=0"),
        ):
            answer = cluster.human(*attempt, *here)
            assert answer.code == 0, answer.err
        for owners in ([real | {"blockOwnerDeletion": True, "controller": True}], []):
            answer = _give(cluster, *owners)
            assert answer.code == 0, answer.err
        answer = _give(cluster, real)
        assert 'failed calling webhook "owners.seconder.dev"' in answer.err
        wanted = cluster.get("deployment", "checkout")["metadata"]["generation"]
        seen = ("get", "deployment", "checkout", "-o", "jsonpath={.status.observedGeneration}", *here)
        eventually(lambda: int(cluster.admin(*seen)) >= wanted, 10, "the controller writes its status")
    assert _give(cluster, real).code == 0


def test_with_the_webhook_down_controllers_orphan_and_adopt(cluster: Cluster) -> None:
    """A ReplicaSet that a policy names is left by one Deployment and taken by the next; and a namespace goes."""
    cluster.policy(
        f"sets-{cluster.namespace}", resources=[{"group": "apps", "resources": ["deployments", "replicasets"]}]
    )
    cluster.deployment()
    owned = (
        "get",
        "replicasets",
        "-n",
        cluster.namespace,
        "-o",
        "jsonpath={.items[*].metadata.ownerReferences[*].uid}",
    )
    eventually(lambda: cluster.admin(*owned), 10, "a ReplicaSet")
    made = cluster.admin("get", "replicasets", "-n", cluster.namespace, "-o", "name")
    with _webhook_down(cluster.stack):
        orphaned = cluster.human("delete", "deployment", "checkout", "--cascade=orphan", "-n", cluster.namespace)
        assert orphaned.code == 0, orphaned.err
        eventually(lambda: not cluster.admin(*owned), 10, "orphaned")
        uid = cluster.deployment()
        eventually(lambda: cluster.admin(*owned) == uid, 10, "adopted")
        assert cluster.admin("get", "replicasets", "-n", cluster.namespace, "-o", "name") == made
        gone = cluster.human("delete", "namespace", cluster.namespace, "--timeout=20s")
        assert gone.code == 0, gone.err


def _definition(group: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"stacks.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "stacks", "singular": "stack", "kind": "Stack", "listKind": "StackList"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
