"""Evicting a pod is deleting it: the API server deletes it then, and asks nobody about that."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.support.cluster import Cluster, Result, eventually

_PODS: Final = [{"group": "", "resources": ["pods"]}]
_SOON: Final = 5.0
_NAMED: Final = re.compile(r"^change request: (chg-[0-9a-z]{26})$", re.MULTILINE)


def _pod(cluster: Cluster, name: str = "web", node: str = "", **metadata: Any) -> str:
    """Make a pod as a person; give its uid."""
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": "none:0"}], "serviceAccountName": "default"}
    spec |= {"nodeName": node} if node else {}
    eventually(lambda: cluster.exists("serviceaccount", "default"), 10, "the ServiceAccount")
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": cluster.namespace} | metadata,
        "spec": spec,
    }
    made = cluster.human("create", "--filename=-", stdin=json.dumps(document))
    assert made.code == 0, made.err
    return str(cluster.get("pod", name)["metadata"]["uid"])


def _evict(who: Callable[..., Result], cluster: Cluster, name: str = "web", query: str = "", **options: Any) -> Result:
    """Evict a pod. ``query`` is of the request, ``options`` are its deleteOptions."""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/eviction{query}"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    eviction |= {"deleteOptions": options} if options else {}
    return who("create", f"--raw={path}", "--filename=-", stdin=json.dumps(eviction))


def _protect_pods(cluster: Cluster, **spec: Any) -> None:
    """Name the pods of this namespace, and wait until their deletion is decided by that."""
    cluster.policy(f"pods-{cluster.namespace[-6:]}", resources=_PODS, **spec)
    attempt = ("delete", "pod", "web", "--dry-run=server", f"--namespace={cluster.namespace}")
    eventually(lambda: cluster.agent(*attempt).refused_with("ApprovalMissing"), _SOON, "the policy is in force")


def _first_line(answer: Result) -> str:
    return answer.err.strip().partition("\n")[0].partition(" denied the request: ")[2]


def test_evicting_a_pod_that_a_policy_names_needs_approval(cluster: Cluster) -> None:
    """It is refused in the words of a deletion, and the pod stays."""
    uid = _pod(cluster)
    _protect_pods(cluster)
    answer = _evict(cluster.agent, cluster)
    assert answer.refused_with("ApprovalMissing"), answer
    assert _first_line(answer) == f"Delete of pods {cluster.namespace}/web needs approval by 1 peer (ApprovalMissing)"
    assert cluster.get("pod", "web")["metadata"]["uid"] == uid


def test_a_refused_eviction_leaves_the_change_request_of_the_deletion(cluster: Cluster) -> None:
    """One wish, whichever way it is uttered; the review itself tells neither the pod's uid nor its kind."""
    uid = _pod(cluster)
    _protect_pods(cluster)
    answer = _evict(cluster.agent, cluster)
    found = _NAMED.search(answer.err)
    assert found, answer
    eventually(lambda: cluster.there("chg", found[1]), _SOON, "the change request")
    spec = cluster.get("chg", found[1])["spec"]
    assert spec["action"] == "Delete"
    wanted = {"group": "", "resource": "pods", "kind": "Pod", "name": "web", "namespace": cluster.namespace, "uid": uid}
    assert spec["object"].items() >= wanted.items()
    deleted = cluster.delete(cluster.agent, "pod", "web")
    assert f"change request: {found[1]}" in deleted.err, deleted.err


def test_an_approval_of_the_pods_deletion_lets_it_be_evicted(cluster: Cluster) -> None:
    """It stands on the pod; and the change request is used then."""
    _pod(cluster)
    _protect_pods(cluster)
    found = _NAMED.search(_evict(cluster.agent, cluster).err)
    cluster.approve(cluster.alice, "pod", "web", resource="pods", group="")
    evicted = _evict(cluster.agent, cluster)
    assert evicted.code == 0, evicted.err
    eventually(lambda: not cluster.exists("pod", "web"), _SOON, "the pod is gone")
    assert found, "it was refused before"
    phase = ("get", "chg", found[1], "-o", "jsonpath={.status.phase}")
    eventually(lambda: cluster.admin(*phase) == "Used", 10, "the change request is used")


def test_an_approval_of_another_pod_lets_none_be_evicted(cluster: Cluster) -> None:
    """Of one of the same name, which was there before."""
    before = _pod(cluster)
    _protect_pods(cluster)
    assert cluster.human("delete", "pod", "web", "--force", f"--namespace={cluster.namespace}").code == 0
    _pod(cluster)
    cluster.approve(cluster.alice, "pod", "web", resource="pods", group="", detail={"identifier": before})
    answer = _evict(cluster.agent, cluster)
    assert answer.refused_with("WrongObject"), answer
    assert cluster.exists("pod", "web")


@pytest.mark.parametrize(
    ("query", "options"), [("?dryRun=All", {}), ("", {"dryRun": ["All"]})], ids=["of the request", "of the deletion"]
)
def test_a_dry_run_of_an_eviction_is_decided_as_the_eviction_is(
    cluster: Cluster, query: str, options: dict[str, Any]
) -> None:
    """Refused, and let through when it is approved; the pod stays either way."""
    _pod(cluster)
    _protect_pods(cluster)
    answer = _evict(cluster.agent, cluster, query=query, **options)
    assert answer.refused_with("ApprovalMissing"), answer
    cluster.approve(cluster.alice, "pod", "web", resource="pods", group="")
    tried = _evict(cluster.agent, cluster, query=query, **options)
    assert tried.code == 0, tried.err
    assert cluster.exists("pod", "web")


def test_a_dry_run_of_an_eviction_is_not_recorded(cluster: Cluster) -> None:
    """And the refusal says how to approve without a record."""
    _pod(cluster)
    _protect_pods(cluster)
    answer = _evict(cluster.agent, cluster, query="?dryRun=All")
    assert answer.refused_with("ApprovalMissing"), answer
    assert "change request:" not in answer.err
    assert f"kubectl seconder approve pod/web -n {cluster.namespace} --requester " in answer.err


def test_evicting_a_pod_that_owns_what_a_policy_names_needs_approval(cluster: Cluster) -> None:
    """The garbage collector takes it along, as with a deletion; no policy names pods."""
    uid = _pod(cluster)
    cluster.deployment(ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid}])
    attempt = ("delete", "pod", "web", "--dry-run=server", f"--namespace={cluster.namespace}")
    eventually(lambda: cluster.agent(*attempt).refused_with("ApprovalMissing"), _SOON, "the owner is known")
    answer = _evict(cluster.agent, cluster)
    assert answer.refused_with("ApprovalMissing"), answer
    assert f"Delete of deployments.apps {cluster.namespace}/checkout needs approval" in answer.err
    assert cluster.exists("pod", "web")


def test_people_need_approval_of_an_eviction_under_a_policy_for_everyone(cluster: Cluster) -> None:
    """As of a deletion; and an approval for one of them lets that one go on."""
    _pod(cluster)
    _protect_pods(cluster, subjects="Everyone")
    answer = _evict(cluster.human, cluster)
    assert answer.refused_with("ApprovalMissing"), answer
    assert cluster.exists("pod", "web")
    cluster.approve(cluster.alice, "pod", "web", resource="pods", group="", sub="dana@example.com", act=None)
    evicted = _evict(cluster.human, cluster)
    assert evicted.code == 0, evicted.err


def test_an_audit_policy_on_pods_warns_of_an_eviction(cluster: Cluster) -> None:
    """And lets it through."""
    _pod(cluster)
    cluster.policy(f"pods-{cluster.namespace[-6:]}", resources=_PODS, mode="Audit")
    attempt = ("delete", "pod", "web", "--dry-run=server", f"--namespace={cluster.namespace}")
    warning = f"audit: would be refused: Delete of pods {cluster.namespace}/web needs approval"
    eventually(lambda: warning in cluster.agent(*attempt).err, _SOON, "the policy is in force")
    evicted = _evict(cluster.agent, cluster)
    assert evicted.code == 0, evicted.err
    assert warning in evicted.err


def test_evictions_are_free_where_no_policy_names_pods(cluster: Cluster) -> None:
    """For agents too."""
    _pod(cluster)
    evicted = _evict(cluster.agent, cluster)
    assert evicted.code == 0, evicted.err
    eventually(lambda: not cluster.exists("pod", "web"), _SOON, "the pod is gone")


def test_evictions_are_free_outside_the_namespaces_that_a_policy_names(cluster: Cluster) -> None:
    """It names the pods of another one."""
    _pod(cluster)
    cluster.policy(f"pods-{cluster.namespace[-6:]}", resources=_PODS, namespaces=["default"])
    # Who owns what is not known for a moment, and agents are refused until then.
    eventually(lambda: _evict(cluster.agent, cluster).code == 0, 10, "evicted")


def test_a_person_drains_a_node_under_a_policy_for_agents(cluster: Cluster) -> None:
    """With the real kubectl drain, which evicts."""
    node = f"node-{cluster.namespace[-6:]}"
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    try:
        _pod(cluster, node=node)
        _protect_pods(cluster)
        drained = cluster.human("drain", node, "--force", "--grace-period=0", "--timeout=20s")
        assert drained.code == 0, drained.err
        assert not cluster.exists("pod", "web")
    finally:
        cluster.admin("delete", "node", node)


def test_people_evict_freely_under_a_policy_for_agents(cluster: Cluster) -> None:
    """None of this is asked of them."""
    _pod(cluster)
    _protect_pods(cluster)
    evicted = _evict(cluster.human, cluster)
    assert evicted.code == 0, evicted.err
    eventually(lambda: not cluster.exists("pod", "web"), _SOON, "the pod is gone")
