"""Losing an object by the end of what owns it: an agent deletes an owner, and the garbage collector does the rest."""

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.operator import operator_with

_ORPHANED_SECONDS = 2.0
"""For how long an object must outlive its owner: the garbage collector takes it within a tenth of that."""


@pytest.fixture
def stacks(cluster: Cluster) -> Iterator[str]:
    """A kind of its own that no policy names."""
    group = f"g{secrets.token_hex(4)}.example.com"
    schema = {"type": "object"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"stacks.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "stacks", "singular": "stack", "kind": "Stack", "listKind": "StackList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    cluster.apply(crd)
    cluster.established(f"stacks.{group}")
    yield f"stacks.{group}"
    cluster.admin("delete", "crd", f"stacks.{group}", "--ignore-not-found")


def _owner(cluster: Cluster, name: str = "owner", kind: str = "configmap", **metadata: Any) -> dict[str, Any]:
    """Make an owner as a person; give the reference to it."""
    version, kind_name = ("v1", "ConfigMap") if kind == "configmap" else (f"{kind.partition('.')[2]}/v1", "Stack")
    cluster.apply(
        {
            "apiVersion": version,
            "kind": kind_name,
            "metadata": {"name": name, "namespace": cluster.namespace} | metadata,
        }
    )
    uid = cluster.get(kind, name)["metadata"]["uid"]
    return {"apiVersion": version, "kind": kind_name, "name": name, "uid": uid}


def _give(cluster: Cluster, owner: dict[str, Any], name: str = "checkout") -> None:
    """Give a Deployment to an owner, as a person does, and wait until the webhook has seen it."""
    owners = [*(cluster.get("deployment", name)["metadata"].get("ownerReferences") or []), owner]
    patch = json.dumps({"metadata": {"ownerReferences": owners}})
    place = f"--namespace={cluster.namespace}"
    give = ("patch", "deployment", name, "--type=merge", f"--patch={patch}", place)
    # An owner of a kind that is new may be read a moment later.
    eventually(lambda: cluster.human(*give).code == 0, 5, "given")
    _followed(cluster, owner)


def _followed(cluster: Cluster, owner: dict[str, Any]) -> None:
    group = owner["apiVersion"].rpartition("/")[0]
    kind = f"{owner['kind']}.v1.{group}" if group else owner["kind"]
    attempt = ("delete", kind, owner["name"], "--dry-run=server", f"--namespace={cluster.namespace}")
    eventually(lambda: cluster.agent(*attempt).refused_with("ApprovalMissing"), 5, "the owner is known")


def _refused(cluster: Cluster, *attempt: str) -> str:
    place = () if "crd" in attempt else (f"--namespace={cluster.namespace}",)
    answer = cluster.agent(*attempt, *place)
    assert answer.refused_with("ApprovalMissing"), answer.err
    assert f"Delete of deployments.apps {cluster.namespace}/checkout needs approval" in answer.err
    time.sleep(0.5)
    assert cluster.exists("deployment", "checkout")
    return answer.err


def test_deleting_one_of_two_owners(cluster: Cluster) -> None:
    """It counts, although the other one would keep the object: an agent could go on to that one."""
    cluster.deployment()
    _give(cluster, _owner(cluster, "one"))
    _give(cluster, _owner(cluster, "two"))
    _refused(cluster, "delete", "configmap", "one")
    _refused(cluster, "delete", "configmap", "two")


def test_deleting_the_owner_of_an_owner(cluster: Cluster) -> None:
    """Through an object that is protected itself; and an agent cannot put another kind between."""
    cluster.deployment()
    middle = cluster.deployment("middle")
    _give(cluster, {"apiVersion": "apps/v1", "kind": "Deployment", "name": "middle", "uid": middle})
    _give(cluster, _owner(cluster), "middle")
    answer = cluster.agent("delete", "configmap", "owner", "-n", cluster.namespace)
    assert answer.refused_with("ApprovalMissing")
    assert all(f"deployments.apps {cluster.namespace}/{name}" in answer.err for name in ("middle", "checkout"))


def test_orphaning_loses_nothing(cluster: Cluster) -> None:
    """The collector takes the reference away and leaves the object."""
    cluster.deployment()
    _give(cluster, _owner(cluster))
    done = cluster.agent("delete", "configmap", "owner", "--cascade=orphan", "-n", cluster.namespace)
    assert done.code == 0, done.err
    eventually(lambda: not cluster.exists("configmap", "owner"), 10, "the owner is gone")
    time.sleep(_ORPHANED_SECONDS)
    assert "ownerReferences" not in cluster.get("deployment", "checkout")["metadata"]


def test_an_approval_of_the_owned_object_lets_the_owner_go(cluster: Cluster) -> None:
    """It is signed for what is lost. The change request is that object's, and the collector is free to follow."""
    cluster.deployment()
    _give(cluster, _owner(cluster))
    said = _refused(cluster, "delete", "configmap", "owner")
    change = said.partition("change request: ")[2].split()[0]
    target = cluster.recorded(change)["spec"]["object"]
    assert (target["resource"], target["name"]) == ("deployments", "checkout")
    cluster.approve(cluster.alice)
    done = cluster.agent("delete", "configmap", "owner", "-n", cluster.namespace)
    assert done.code == 0, done.err
    eventually(lambda: not cluster.exists("deployment", "checkout"), 10, "the collector took it")
    status = ("get", "changerequest", change, "-o", "jsonpath={.status.phase}")
    eventually(lambda: cluster.admin(*status) == "Used", 10, "the change request is used")


def test_an_approval_of_one_owned_object_is_none_of_the_other(cluster: Cluster) -> None:
    """Each needs its own; both get a change request at once."""
    cluster.deployment()
    cluster.deployment("other")
    owner = _owner(cluster)
    _give(cluster, owner)
    _give(cluster, owner, "other")
    cluster.approve(cluster.alice)
    answer = cluster.agent("delete", "configmap", "owner", "-n", cluster.namespace)
    assert answer.refused_with("ApprovalMissing")
    assert f"Delete of deployments.apps {cluster.namespace}/other needs approval" in answer.err
    cluster.approve(cluster.alice, name="other")
    assert cluster.agent("delete", "configmap", "owner", "-n", cluster.namespace).code == 0


def test_an_approval_on_the_owner_is_worth_nothing(cluster: Cluster) -> None:
    """It names an object that no policy protects."""
    cluster.deployment()
    _give(cluster, _owner(cluster))
    cluster.approve(cluster.alice, "configmap", "owner", resource="configmaps", group="")
    _refused(cluster, "delete", "configmap", "owner")


def test_owners_of_very_many_are_refused(cluster: Cluster) -> None:
    """With their number; they can be deleted one by one."""
    owner = _owner(cluster)
    for number in range(9):
        cluster.deployment(f"d{number}", ownerReferences=[owner])
    _followed(cluster, owner)
    count = "9 protected objects go with it"
    attempt = ("delete", "configmap", "owner", "-n", cluster.namespace)
    eventually(lambda: count in cluster.agent(*attempt, "--dry-run=server").err, 5, "all are known")
    answer = cluster.agent(*attempt)
    assert answer.refused_with("ApprovalMissing"), answer.err


def test_an_owner_of_a_namespace(cluster: Cluster) -> None:
    """A cluster-scoped owner takes the whole namespace along; the approval names what goes down with it."""
    cluster.deployment()
    name = f"tenant-{cluster.namespace}"
    cluster.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}})
    try:
        uid = cluster.get("clusterrole", name)["metadata"]["uid"]
        owner = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": name, "uid": uid}
        patch = json.dumps({"metadata": {"ownerReferences": [owner]}})
        cluster.admin("patch", "namespace", cluster.namespace, "--type=merge", f"--patch={patch}")
        attempt = ("delete", "clusterrole", name, "--dry-run=server")
        eventually(lambda: cluster.namespace in cluster.agent(*attempt).err, 5, "the owner is known")
        answer = cluster.agent("delete", "clusterrole", name)
        assert answer.refused, answer.err
        assert cluster.there("clusterrole", name)
    finally:
        cluster.admin(
            "patch", "namespace", cluster.namespace, "--type=merge", '-p={"metadata":{"ownerReferences":null}}'
        )
        cluster.admin("delete", "clusterrole", name)


def test_right_after_a_restart_of_the_webhook(cluster: Cluster) -> None:
    """From its first answer on: what is not known yet is refused, never let through."""
    cluster.deployment()
    _give(cluster, _owner(cluster))
    seconder = cluster.stack.seconder
    seconder.stop_webhook()
    try:
        attempt = ("delete", "configmap", "owner", "--wait=false", "-n", cluster.namespace)
        answer = cluster.agent(*attempt)
        assert answer.code != 0
    finally:
        seconder.start_webhook()
    deadline = time.monotonic() + 20
    while not answer.refused_with("ApprovalMissing"):
        answer = cluster.agent(*attempt)
        assert answer.code != 0
        assert time.monotonic() < deadline, answer.err
    seconder.wait_ready()
    assert cluster.exists("configmap", "owner")


def test_a_webhook_that_is_ready_knows_who_owns_what(cluster: Cluster) -> None:
    """While it may not even list them it says so; then an agent's first request is decided, not put off."""
    cluster.deployment()
    _give(cluster, _owner(cluster))
    seconder = cluster.stack.seconder
    role = ("clusterrole", "seconder-webhook-lookups")
    with operator_with(cluster.stack):
        cluster.admin("patch", *role, "--type=merge", '--patch={"rules":[]}')
        seconder.stop_webhook()
        seconder.start_webhook()
        eventually(lambda: _unready(seconder.webhook_metrics_address) == "who owns what is not loaded", 10, "waits")
    seconder.wait_ready()
    _refused(cluster, "delete", "configmap", "owner")
    assert _unready(seconder.webhook_metrics_address) == ""


def _unready(address: str) -> str:
    """Ask the webhook what it waits for; empty once it is ready."""
    try:
        urllib.request.urlopen(f"http://{address}/readyz", timeout=5).close()
    except urllib.error.HTTPError as unready:
        return str(unready.read().decode().strip())
    except OSError:
        return "it does not answer"
    return ""


def test_people_delete_owners_freely(cluster: Cluster) -> None:
    """And the collector follows, without a word from the webhook."""
    cluster.deployment()
    _give(cluster, _owner(cluster))
    assert cluster.human("delete", "configmap", "owner", "-n", cluster.namespace).code == 0
    eventually(lambda: not cluster.exists("deployment", "checkout"), 10, "the collector took it")


def test_agents_delete_what_owns_nothing_that_is_protected(cluster: Cluster) -> None:
    """Also what owns an object of a kind that no policy names."""
    owner = _owner(cluster)
    owned = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "owned", "namespace": cluster.namespace, "ownerReferences": [owner]},
    }
    cluster.apply(owned)
    cluster.agent("create", "configmap", "alone", "-n", cluster.namespace)
    for name in ("alone", "owner"):
        done = cluster.agent("delete", "configmap", name, "-n", cluster.namespace)
        assert done.code == 0, done.err
    eventually(lambda: not cluster.exists("configmap", "owned"), 10, "the collector took it")


def test_a_reference_taken_away_frees_the_owner(cluster: Cluster) -> None:
    """What is followed is what stands there now."""
    cluster.deployment()
    _give(cluster, _owner(cluster))
    place = f"--namespace={cluster.namespace}"
    patch = '--patch={"metadata":{"ownerReferences":null}}'
    assert cluster.human("patch", "deployment", "checkout", "--type=merge", patch, place).code == 0
    attempt = ("delete", "configmap", "owner", place)
    eventually(lambda: cluster.agent(*attempt, "--dry-run=server").code == 0, 5, "the owner is free")
    assert cluster.agent(*attempt).code == 0


def test_the_owner_of_a_kind_that_a_new_policy_protects(cluster: Cluster) -> None:
    """Followed as soon as the policy is in force; until then refused, where it is asked about."""
    owner = _owner(cluster)
    job = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "checkout", "namespace": cluster.namespace, "ownerReferences": [owner]},
    }
    cluster.apply(job)
    cluster.policy(f"secrets-{cluster.namespace}", resources=[{"group": "", "resources": ["secrets"]}])
    attempt = ("delete", "configmap", "owner", "-n", cluster.namespace)
    eventually(lambda: cluster.agent(*attempt, "--dry-run=server").refused_with("ApprovalMissing"), 5, "followed")
    answer = cluster.agent(*attempt)
    assert f"Delete of secrets {cluster.namespace}/checkout needs approval" in answer.err


def test_a_policy_that_only_watches_refuses_no_owner(cluster: Cluster) -> None:
    """Nor does one that does not name deletions."""
    owner = _owner(cluster)
    resources = [{"group": "apps", "resources": ["statefulsets"]}]
    cluster.policy(f"a-{cluster.namespace}", mode="Audit", resources=resources)
    cluster.policy(f"s-{cluster.namespace}", actions=["ScaleToZero"], resources=resources)
    document = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": cluster.namespace, "ownerReferences": [owner]},
        "spec": {
            "serviceName": "db",
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "m", "image": "none:0"}]},
            },
        },
    }
    cluster.apply(document)
    assert cluster.agent("delete", "configmap", "owner", "-n", cluster.namespace).code == 0


def test_an_approved_deployment_takes_its_own_replica_sets_along(cluster: Cluster) -> None:
    """Under a policy that names both: what its own controller made needs no approval beside it."""
    cluster.policy(
        f"all-{cluster.namespace}", resources=[{"group": "apps", "resources": ["deployments", "replicasets"]}]
    )
    cluster.deployment()
    made = lambda: cluster.admin("get", "replicasets", "-o", "name", "-n", cluster.namespace).split()  # noqa: E731
    eventually(made, 10, "there is a ReplicaSet")
    cluster.approve(cluster.alice)

    eventually(lambda: cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").code == 0, 5, "free")
    assert cluster.delete(cluster.agent).code == 0


def test_under_a_wildcard_it_becomes_known_who_owns_what(cluster: Cluster) -> None:
    """Although some of what it names can be neither listed nor watched."""
    cluster.policy(f"wild-{cluster.namespace}", resources=[{"group": "*", "resources": ["*"]}])
    _owner(cluster, "alone")
    cluster.approve(cluster.alice, "configmap", "alone", resource="configmaps", group="")
    attempt = ("delete", "configmap", "alone", "-n", cluster.namespace)
    eventually(lambda: cluster.agent(*attempt, "--dry-run=server").code == 0, 20, "everything is known")
    assert cluster.agent(*attempt).code == 0


def test_giving_others_the_right_to_delete_an_owner_is_refused(cluster: Cluster, stacks: str) -> None:
    """By a role, by a role for everywhere, and by binding one that is there; where it owns nothing, it is free."""
    place, elsewhere = f"--namespace={cluster.namespace}", "--namespace=default"
    right = (f"--resource={stacks}", "--verb=delete")
    cluster.deployment()
    free = cluster.agent_with_all_rights("create", "role", "deleter", *right, place, "--dry-run=server")
    assert free.code == 0, free.err
    _give(cluster, _owner(cluster, kind=stacks))
    words = f"to delete or change {stacks}, which own what policies protect"
    refused = cluster.agent_with_all_rights("create", "role", "deleter", *right, place)
    assert refused.refused_with("ProtectedConfiguration"), refused.err
    assert f"agents may not put the right {words} into a role" in refused.err
    everywhere = cluster.agent_with_all_rights("create", "clusterrole", cluster.namespace, *right)
    assert everywhere.refused_with("ProtectedConfiguration"), everywhere.err
    free = cluster.agent_with_all_rights("create", "role", "deleter", *right, elsewhere, "--dry-run=server")
    assert free.code == 0, free.err
    cluster.admin("create", "role", "deleter", *right, place)
    bind = ("create", "rolebinding", "deleter", "--role=deleter", place)
    bound = cluster.agent_with_all_rights(*bind, "--serviceaccount=default:default")
    assert bound.refused_with("ProtectedConfiguration"), bound.err
    assert f"agents may not give others than agents the right {words}" in bound.err
    assert cluster.agent_with_all_rights(*bind, "--serviceaccount=seconder-agents:kiro").code == 0


def test_a_pod_as_somebody_who_may_delete_an_owner_is_refused(cluster: Cluster, stacks: str) -> None:
    """What the pod deletes as its ServiceAccount no review takes for an agent's."""
    place = f"--namespace={cluster.namespace}"
    cluster.admin("create", "serviceaccount", "deployer", place)
    cluster.admin("create", "role", "deleter", f"--resource={stacks}", "--verb=delete", place)
    cluster.admin(
        "create", "rolebinding", "deleter", "--role=deleter", f"--serviceaccount={cluster.namespace}:deployer", place
    )
    spec = {"serviceAccountName": "deployer", "containers": [{"name": "main", "image": "none:0"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker", "namespace": cluster.namespace}}
    body = json.dumps(pod | {"spec": spec})
    free = cluster.agent("create", "--dry-run=server", "--filename=-", stdin=body)
    assert free.code == 0, free.err
    cluster.deployment()
    _give(cluster, _owner(cluster, kind=stacks))
    refused = cluster.agent("create", "--filename=-", stdin=body)
    assert refused.refused_with("ProtectedConfiguration"), refused.err
    assert f"deployer, which may delete {stacks}" in refused.err


def test_a_pod_as_somebody_who_may_delete_what_owns_a_namespace_is_refused(cluster: Cluster) -> None:
    """Neither is in a namespace, so that the right to delete the owner works from wherever the pod is."""
    group = f"g{secrets.token_hex(4)}.example.com"
    name = cluster.namespace[-12:]
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "tenants", "singular": "tenant", "kind": "Tenant", "listKind": "TenantList"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"tenants.{group}"},
        "spec": {"group": group, "scope": "Cluster", "names": names, "versions": [version]},
    }
    cluster.apply(crd)
    try:
        cluster.established(f"tenants.{group}")
        cluster.admin("create", "serviceaccount", name, "--namespace=default")
        cluster.admin("create", "clusterrole", name, f"--resource=tenants.{group}", "--verb=delete")
        whom = f"--serviceaccount=default:{name}"
        cluster.admin("create", "clusterrolebinding", name, f"--clusterrole={name}", whom)
        spec = {"serviceAccountName": name, "containers": [{"name": "main", "image": "none:0"}]}
        metadata = {"name": name, "namespace": "default"}
        body = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        attempt = ("create", "--dry-run=server", "--filename=-")
        free = cluster.agent(*attempt, stdin=body)
        assert free.code == 0, free.err
        cluster.apply({"apiVersion": f"{group}/v1", "kind": "Tenant", "metadata": {"name": name}})
        owner = {"apiVersion": f"{group}/v1", "kind": "Tenant", "name": name}
        owner["uid"] = cluster.get(f"tenants.{group}", name)["metadata"]["uid"]
        patch = json.dumps({"metadata": {"ownerReferences": [owner]}})
        give = ("patch", "namespace", cluster.namespace, "--type=merge", f"--patch={patch}")
        eventually(lambda: cluster.human(*give).code == 0, 5, "given")
        cluster.deployment()
        delete = ("delete", f"tenants.{group}", name, "--dry-run=server")
        eventually(lambda: cluster.agent(*delete).refused_with("ApprovalMissing"), 5, "the owner is known")
        refused = cluster.agent("create", "--filename=-", stdin=body)
        assert refused.refused_with("ProtectedConfiguration"), refused.err
        assert f"{name}, which may delete tenants.{group}" in refused.err
    finally:
        free_it = '--patch={"metadata":{"ownerReferences":null}}'
        cluster.admin("patch", "namespace", cluster.namespace, "--type=merge", free_it)
        cluster.admin("delete", "crd", f"tenants.{group}")
        cluster.admin("delete", f"clusterrolebinding/{name}", f"clusterrole/{name}", "--ignore-not-found")
        cluster.admin("delete", f"pod/{name}", f"serviceaccount/{name}", "--namespace=default", "--ignore-not-found")
