"""A withdrawal holds wherever copies of the approval stand: on the object, and on its change requests."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import test_approving_without_write_access
from tests.cluster.test_change_requests import refused
from tests.cluster.test_plugin_verbs import revoked
from tests.support.cluster import Cluster, eventually, sign
from tests.support.operator import operator_with
from tests.support.plugin import Plugin

frank = test_approving_without_write_access.frank

_ALICE = "approval.seconder.dev/alice"
_BOB = "approval.seconder.dev/bob"
_COPIES = "--copy-approvals"


@pytest.fixture
def copying(cluster: Cluster) -> Iterator[None]:
    """An operator that copies approvals, in place of the stack's own."""
    with operator_with(cluster.stack, _COPIES):
        yield


def _on_object(cluster: Cluster) -> set[str]:
    annotations = cluster.get("deployment", "checkout")["metadata"].get("annotations") or {}
    return {key for key in annotations if key.startswith("approval.seconder.dev/")}


def _status(cluster: Cluster, chg: str) -> dict[str, Any]:
    status: dict[str, Any] = cluster.get("chg", chg)["status"]
    return status


def _approved(cluster: Cluster, kubeconfig: Path, chg: str, who: str = "alice") -> None:
    """Have somebody's approval annotated on the change request, and wait for its copy."""
    person = getattr(cluster, who)
    deployment = cluster.get("deployment", "checkout")
    value = sign(person.key, cluster.claims(deployment, "deployments", "apps", iss=f"{who}@example.com"))
    key = f"approval.seconder.dev/{who}"
    done = cluster.kubectl(kubeconfig, "annotate", "--overwrite", "chg", chg, f"{key}={value}")
    assert done.code == 0, done.err
    eventually(lambda: key in _on_object(cluster), 5, "the copy")
    eventually(lambda: _status(cluster, chg)["phase"] == "Approved", 5, "approved")


def _taken_off(cluster: Cluster, key: str = _ALICE) -> None:
    """Take an approval off the object, as the README tells."""
    done = cluster.human("annotate", "deployment", "checkout", f"--namespace={cluster.namespace}", f"{key}-")
    assert done.code == 0, done.err


def _withdrawn(cluster: Cluster, chg: str) -> bool:
    status = _status(cluster, chg)
    told = {each["name"]: each["reason"] for each in status["approvals"]}
    return status["phase"] == "Pending" and told.get("alice") == "ApprovalWithdrawn"


def test_an_approval_that_is_taken_off_the_object_is_not_copied_again(
    cluster: Cluster, frank: Path, copying: None
) -> None:
    """The change request says so, the agent is refused, and another peer's approval is copied as ever."""
    cluster.deployment()
    chg = refused(cluster)
    _approved(cluster, frank, chg)
    _taken_off(cluster)
    eventually(lambda: _withdrawn(cluster, chg), 5, "it is said")
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    _approved(cluster, frank, chg, "bob")
    assert _on_object(cluster) == {_BOB}
    _taken_off(cluster, _BOB)
    # Who signs anew has made another approval, under the same name too.
    _approved(cluster, frank, chg)
    assert cluster.delete(cluster.agent).code == 0


def test_an_approval_that_is_taken_off_while_no_operator_runs_is_not_copied_again(
    cluster: Cluster, frank: Path
) -> None:
    """What was copied stands in the change request, for whichever operator leads next."""
    cluster.deployment()
    with operator_with(cluster.stack, _COPIES):
        chg = refused(cluster)
        _approved(cluster, frank, chg)
    with operator_with(cluster.stack):
        _taken_off(cluster)
    with operator_with(cluster.stack, _COPIES):
        eventually(lambda: _withdrawn(cluster, chg), 10, "it is said")
        _approved(cluster, frank, chg, "bob")
        assert _on_object(cluster) == {_BOB}


def test_an_approval_that_is_taken_off_the_change_request_goes_from_the_object_too(
    cluster: Cluster, frank: Path, copying: None
) -> None:
    """By an approver who may write to no object; put there once more it is copied no more."""
    cluster.deployment()
    chg = refused(cluster)
    _approved(cluster, frank, chg)
    value = cluster.get("chg", chg)["metadata"]["annotations"][_ALICE]
    assert cluster.kubectl(frank, "annotate", "chg", chg, f"{_ALICE}-").code == 0
    eventually(lambda: not _on_object(cluster), 5, "the copy is gone")
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    assert cluster.kubectl(frank, "annotate", "chg", chg, f"{_ALICE}={value}").code == 0
    eventually(lambda: _withdrawn(cluster, chg), 5, "it is said")
    assert _on_object(cluster) == set()


def test_revoke_takes_it_from_the_change_request_too_when_it_is_told_the_object(
    cluster: Cluster, frank: Path, plugin: Plugin, copying: None
) -> None:
    """From there first; and it says what it has taken where."""
    cluster.deployment()
    chg = refused(cluster)
    _approved(cluster, frank, chg)
    done = plugin.script(cluster.alice.kubeconfig, "revoke", "deployment/checkout", "-n", cluster.namespace)
    assert done.code == 0, done.err
    assert revoked(done) == [
        f"changerequest.seconder.dev/{chg} approval alice revoked",
        "deployment.apps/checkout approval alice revoked",
    ]
    assert _ALICE not in cluster.get("chg", chg)["metadata"].get("annotations", {})
    assert _on_object(cluster) == set()
    eventually(lambda: _status(cluster, chg)["phase"] == "Pending", 5, "it waits again")
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_revoke_by_who_may_not_write_to_the_object_waits_until_the_copy_is_gone(
    cluster: Cluster, frank: Path, plugin: Plugin, copying: None
) -> None:
    """It is the operator that takes it off."""
    cluster.deployment()
    chg = refused(cluster)
    _approved(cluster, frank, chg)
    done = plugin.script(frank, "revoke", chg, f"--key={cluster.alice.key}")
    assert done.code == 0, done.err
    assert revoked(done) == [
        f"changerequest.seconder.dev/{chg} approval alice revoked",
        "deployment.apps/checkout approval alice revoked",
    ]
    assert _on_object(cluster) == set()


def test_revoke_takes_it_from_what_the_object_may_be_taken_back_to(cluster: Cluster, plugin: Plugin) -> None:
    """A Deployment's ReplicaSets keep its annotations, and a rollback gives them to it again."""
    cluster.deployment()
    chg = refused(cluster)
    cluster.approve(cluster.alice)
    eventually(lambda: _on_replica_sets(cluster), 10, "the ReplicaSet has it too")
    done = plugin.script(cluster.alice.kubeconfig, "revoke", chg)
    assert done.code == 0, done.err
    assert [line.partition("/")[0] for line in done.out.splitlines()] == ["deployment.apps", "replicaset.apps"]
    assert not _on_replica_sets(cluster)
    _rolled_back(cluster)
    assert _on_object(cluster) == set()
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_an_approval_that_comes_back_with_a_rollback_is_taken_off_again(
    cluster: Cluster, frank: Path, copying: None
) -> None:
    """As kubectl alone leaves it on the ReplicaSets."""
    cluster.deployment()
    chg = refused(cluster)
    _approved(cluster, frank, chg)
    eventually(lambda: _on_replica_sets(cluster), 10, "the ReplicaSet has it too")
    _taken_off(cluster)
    eventually(lambda: _withdrawn(cluster, chg), 5, "it is said")
    _rolled_back(cluster)
    eventually(lambda: not _on_object(cluster), 5, "it is gone again")
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_an_agent_rolls_back_past_an_approval_that_is_over(cluster: Cluster) -> None:
    """It goes with the annotations of one ReplicaSet, and comes back with those of another."""
    cluster.deployment()
    _image_changed(cluster, 2)
    _approved_until(cluster, ends=-600)
    eventually(lambda: _on_replica_sets(cluster), 10, "the ReplicaSet has it too")
    _undone(cluster)
    assert _on_object(cluster) == set()
    _undone(cluster)
    assert _on_object(cluster) == {_ALICE}


def test_an_agent_rolls_back_past_no_approval_that_counts(cluster: Cluster) -> None:
    """Not even one that is for itself: the update that takes it off might use it."""
    cluster.deployment()
    _image_changed(cluster, 2)
    _approved_until(cluster, ends=600)
    _not_undone(cluster, "takes off")


def test_an_agent_rolls_back_to_no_approval_that_counts(cluster: Cluster) -> None:
    """To get it back the agent would have to be approved anew."""
    cluster.deployment()
    _approved_until(cluster, ends=600)
    eventually(lambda: _on_replica_sets(cluster), 10, "the ReplicaSet has it too")
    _taken_off(cluster)
    _image_changed(cluster, 2)
    _not_undone(cluster, "brings back")
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_an_agent_takes_no_approval_of_somebody_else_off(cluster: Cluster) -> None:
    """It is told what it can do instead, which works."""
    cluster.deployment()
    image = cluster.get("deployment", "checkout")["spec"]["template"]["spec"]["containers"][0]["image"]
    _image_changed(cluster, 2)
    _approved_until(cluster, ends=600, sub="dana@example.com", act=None)
    _not_undone(cluster, "takes off")
    here = f"--namespace={cluster.namespace}"
    changed = cluster.agent("set", "image", "deployment/checkout", f"*={image}", here)
    assert changed.code == 0, changed.err
    assert _on_object(cluster) == {_ALICE}


def _approved_until(cluster: Cluster, ends: int, **claims: Any) -> None:
    """Have the deletion approved by alice, for whom these claims say, until so many seconds from now."""
    now = int(time.time())
    cluster.approve(cluster.alice, iat=now + ends - 900, exp=now + ends, **claims)


def _undone(cluster: Cluster) -> None:
    undone = cluster.agent("rollout", "undo", "deployment/checkout", f"--namespace={cluster.namespace}")
    assert undone.code == 0, undone.err


def _not_undone(cluster: Cluster, why: str) -> None:
    refused = cluster.agent("rollout", "undo", "deployment/checkout", f"--namespace={cluster.namespace}")
    assert refused.refused_with("ProtectedConfiguration"), refused.err
    assert f"It {why} an approval that is not over" in refused.err
    assert "kubectl set image" in refused.err


def _on_replica_sets(cluster: Cluster) -> bool:
    """Whether alice's approval stands on a ReplicaSet."""
    listed = cluster.admin("get", "replicasets", f"--namespace={cluster.namespace}", "-o", "json")
    return any(_ALICE in (each["metadata"].get("annotations") or {}) for each in json.loads(listed)["items"])


def _rolled_back(cluster: Cluster) -> None:
    """Have the agent change the image, which is free, and a person take that back."""
    here = f"--namespace={cluster.namespace}"
    _image_changed(cluster, 2)
    undone = cluster.human("rollout", "undo", "deployment/checkout", here)
    assert undone.code == 0, undone.err


def _image_changed(cluster: Cluster, revisions: int) -> None:
    here = f"--namespace={cluster.namespace}"
    eventually(lambda: _revisions(cluster) == revisions - 1, 10, "the ReplicaSets before")
    changed = cluster.agent("set", "image", "deployment/checkout", "*=registry.invalid/broken", here)
    assert changed.code == 0, changed.err
    eventually(lambda: _revisions(cluster) == revisions, 10, "another ReplicaSet")


def _revisions(cluster: Cluster) -> int:
    listed = cluster.admin("get", "replicasets", f"--namespace={cluster.namespace}", "-o", "json")
    return len(json.loads(listed)["items"])
