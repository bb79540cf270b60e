"""What is made for pods alone goes with them: whatever ends pods ends that, where policies name it and not the pods."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from tests.support.builders import (
    BY_POD,
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSON,
    WIDGETS,
    approved_for,
    creation,
    deletion,
    document,
    live,
    policy,
    resolved,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, ended

from seconder.admission import decision
from seconder.admission.decision import Decision
from seconder.admission.dependents import Dependent
from seconder.admission.indirect import scaling, table
from seconder.admission.kinds import OF_PODS, WITH_PODS
from seconder.admission.lookups import (
    ControlledIn,
    Dependents,
    Lookup,
    Placed,
    PodsOn,
    Selecting,
    Uncontrolled,
    ViewIsFresh,
)
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import OwnerReference, Request
from seconder.admission.rules import dependents, indirect_deletion
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, NODES, PODS, REPLICA_SETS, STATEFUL_SETS, Action, GroupResource, Target

VOLUMES = GroupResource("", "persistentvolumes")
LEASES = GroupResource("coordination.k8s.io", "leases")
BINDINGS = GroupResource("", "bindings")
RULES_OF_DEVICES = GroupResource("resource.k8s.io", "devicetaintrules")
MADE = tuple(kind.resource for kind in OF_PODS)
CLAIMS = MADE[0]

POD = target(PODS, "web-5d-x", uid="uid-pod")
REPLICA_SET = target(REPLICA_SETS, "web-5d", uid="uid-rs")
DEPLOYMENT = target(DEPLOYMENTS, "web", uid="uid-web")
ROLLOUT = target(WIDGETS, "rollout", uid="uid-rollout")
NODE = target(NODES, "n1", uid="uid-node")
LABELLED: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}}


def _by(owner: Target, version: str) -> dict[str, Any]:
    return {"owner_references": [OwnerReference(version, owner.kind, owner.name, owner.uid, controller=True)]}


def _held(resource: GroupResource) -> Target:
    return target(resource, "web-5d-x-cache", uid="uid-cache")


class Cluster(Answers):
    """One pod of a Deployment, with what is made for it alone: nobody knows of pods, but of what they own."""

    def __call__(self, lookup: Lookup[Any]) -> Any:
        """Answer."""
        found = super().__call__(lookup)
        known = BY_POD | {POD.uid}
        return () if isinstance(lookup, Dependents) and not lookup.keys & known else found


def _cluster(resource: GroupResource = CLAIMS, **more: Any) -> Cluster:
    held = _held(resource)
    objects = {
        **live(held, **_by(POD, "v1")),
        **live(POD, **_by(REPLICA_SET, "apps/v1")),
        **live(REPLICA_SET, **_by(DEPLOYMENT, "apps/v1")),
        **live(DEPLOYMENT, **_by(ROLLOUT, "example.com/v1")),
        **live(NODE),
    }
    given = {
        "objects": objects,
        "dependents": [Dependent(resolved(resource), held.namespace, held.name, held.uid, PODS)],
        "whole": document(DEPLOYMENT, spec={"replicas": 3}),
        "pods": [Placed(POD.namespace, POD.name, POD.uid)],
        "uncontrolled": {PODS: [Placed(POD.namespace, POD.name, POD.uid)]},
        "selecting": [REPLICA_SET],
        "adopting": [REPLICA_SET],
    }
    return Cluster(**(given | more))


def _scaler(kind: str, version: str = "apps/v1", name: str = "web") -> dict[str, Any]:
    return {"spec": {"minReplicas": 1, "scaleTargetRef": {"apiVersion": version, "kind": kind, "name": name}}}


def _vertical() -> Request:
    named = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return creation(target(scaling.VERTICAL, "v", uid=""), new={"spec": {"targetRef": named}})


MORE: Final = {"apiVersion": "v1", "kind": "ConfigMap", "name": "holder", "uid": "uid-holder"}


def _owned(*more: dict[str, str]) -> dict[str, Any]:
    """A pod of an agent's own ReplicaSet, with these owners more."""
    mine = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "mine", "uid": "uid-set", "controller": True}
    return {"labels": {"app": "web"}, "ownerReferences": [mine, *more]}


_TAINTED = {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}}
_BINDING: dict[str, Any] = {"kind": {"group": "", "version": "v1", "kind": "Binding"}}
_ENDS: dict[str, Request] = {
    "its node is deleted": deletion(NODE),
    "its node is tainted": update(NODE, old={"spec": {}}, new=_TAINTED),
    "its node is labelled": update(NODE, old={}, new={"labels": {"a": "b"}}),
    "the lease of its node": deletion(target(LEASES, NODE.name, "kube-node-lease")),
    "a binding": creation(target(BINDINGS, POD.name, uid=""), **_BINDING),
    "an autoscaler": creation(target(AUTOSCALERS, "h", uid=""), new=_scaler("Deployment")),
    "an autoscaler of a custom kind": creation(
        target(AUTOSCALERS, "h", uid=""), new=_scaler(ROLLOUT.kind, "example.com/v1", ROLLOUT.name)
    ),
    "another autoscaler": creation(
        target(scaling.SCALED_OBJECTS, "k", uid=""), new={"spec": {"scaleTargetRef": {"name": "web"}}}
    ),
    "a vertical one": _vertical(),
    "a workload over it": creation(target(REPLICA_SETS, "mine", uid=""), new={"spec": LABELLED}),
    "a workload over its own": creation(target(DEPLOYMENTS, "mine", uid=""), new={"spec": LABELLED}),
    "one pod more": creation(target(PODS, "mine", uid=""), new={"labels": {"app": "web"}}),
    "one that stays when its controller goes": update(
        target(PODS, "mine", uid="uid-mine"), old=_owned(), new=_owned(MORE)
    ),
    "what leaves it to another": deletion(DEPLOYMENT, options={"propagationPolicy": "Orphan"}),
    "what leaves others to its own": deletion(
        target(REPLICA_SETS, "mine", uid="uid-mine"), options={"propagationPolicy": "Orphan"}
    ),
    "a custom kind that does": deletion(
        target(WIDGETS, "mine", uid="uid-mine"), options={"propagationPolicy": "Orphan"}
    ),
    "a size": scale(2, 1, object_=DEPLOYMENT),
}


@pytest.mark.parametrize("resource", MADE, ids=str)
@pytest.mark.parametrize("by", _ENDS)
def test_whatever_ends_pods_ends_what_is_made_for_them_alone(by: str, resource: GroupResource) -> None:
    """With the approval of that; unknown is refused, and people are not asked."""
    asked, one, held = _ENDS[by], state(policy(resource)), _held(resource)
    assert ended(decide(asked, one, answers=_cluster(resource))) == [held.name]
    signed = _cluster(resource)
    signed.objects = {**signed.objects, **live(held, annotations=approved_for(held), **_by(POD, "v1"))}
    assert decide(asked, one, answers=signed).reason is Reason.APPROVED
    unknown = decide(asked, one, answers=_cluster(resource, unknown=[Dependents]))
    assert unknown.reason is Reason.INTERNAL_ERROR


_RULES = (dependents.RULE, indirect_deletion.RULE)


@pytest.mark.parametrize("by", _ENDS)
def test_where_no_pod_holds_what_is_protected_they_end_as_before(by: str) -> None:
    """One question, of what is in memory, and no other."""
    asked = _ENDS[by]
    answers = Cluster(whole=document(DEPLOYMENT, spec={"replicas": 3}))
    assert ended(decide(asked, state(policy(CLAIMS)), answers=answers, rules=_RULES)) == []
    assert not [each for kind in (PodsOn, Selecting, Uncontrolled) for each in answers.questions(kind)]
    assert POD.resource not in {resource for resource, _, _ in answers.read}
    elsewhere = Dependent(resolved(CLAIMS), "elsewhere", "c", "uid-c", PODS)
    there = policy(CLAIMS, namespaces=frozenset({"payments"}))
    assert ended(decide(asked, state(there), answers=_cluster(dependents=[elsewhere]))) == []
    assert decide(asked, state(policy(CONFIG_MAPS)), answers=_cluster()).allowed


_OWNS: Final = [
    by for by in _ENDS if by not in {"a size", "an autoscaler of a custom kind", "what leaves it to another"}
]
"""Not what is told by the workload's own update or deletion, which follows what policies name and what makes that."""


@pytest.mark.parametrize("by", _OWNS)
def test_whatever_ends_pods_ends_what_else_they_own(by: str) -> None:
    """With the approval of that, too; unknown is refused, and elsewhere they end as before."""
    asked, held = _ENDS[by], _held(CONFIG_MAPS)
    assert ended(decide(asked, state(policy(CONFIG_MAPS)), answers=_cluster(CONFIG_MAPS))) == [held.name]
    unknown = decide(asked, state(policy(CONFIG_MAPS)), answers=_cluster(CONFIG_MAPS, unknown=[Dependents]))
    assert unknown.reason is Reason.INTERNAL_ERROR
    elsewhere = policy(CONFIG_MAPS, namespaces=frozenset({"prod"}))
    assert decide(asked, state(elsewhere), answers=_cluster(CONFIG_MAPS)).allowed


def test_what_a_pod_owns_may_own_what_is_protected() -> None:
    """It is of a kind that policies name elsewhere."""
    one = Dependent(resolved(CONFIG_MAPS), "payments", "lock", "uid-cache", PODS)
    two = Dependent(resolved(DEPLOYMENTS), "payments", "web", "uid-web", CONFIG_MAPS, (PODS,))
    given = _cluster(CONFIG_MAPS, dependents=[one, two])
    given.objects = {**given.objects, **live(target(CONFIG_MAPS, "lock", uid="uid-cache"), **_by(POD, "v1"))}
    named = state(policy(DEPLOYMENTS), policy(CONFIG_MAPS, name="locks", namespaces=frozenset({"elsewhere"})))
    asked = _ENDS["a workload over it"]
    assert ended(decide(asked, named, answers=given)) == ["web"]


def test_a_device_whose_users_nobody_knows_evicts_where_pods_hold_something() -> None:
    """Nowhere else."""
    rule = Target(RULES_OF_DEVICES, "K", "", "r", "uid-r")
    evicts = creation(rule, new={"spec": {"taint": {"key": "k", "effect": "NoExecute"}}})
    assert decide(evicts, state(policy(CLAIMS)), answers=_cluster()).reason is Reason.INTERNAL_ERROR
    assert decide(evicts, state(policy(CLAIMS)), answers=Answers()).allowed
    by_person = creation(rule, PERSON, new={"spec": {"taint": {"key": "k", "effect": "NoExecute"}}})
    assert decide(by_person, state(policy(CLAIMS)), answers=_cluster()).allowed


def test_the_volume_of_such_a_claim_goes_with_the_pods() -> None:
    """One that was there before the claim, and is not retained."""
    volume = Target(VOLUMES, "PersistentVolume", "", "pv-1", "uid-pv")
    # The claim, its volume and the workload are read as one document.
    spec = {"volumeName": volume.name, "persistentVolumeReclaimPolicy": "Delete", "replicas": 3}
    for by in ("its node is deleted", "an autoscaler", "one pod more", "a size", "what leaves it to another"):
        there = _cluster(whole=document(DEPLOYMENT, spec=spec))
        there.objects = {**there.objects, **live(volume)}
        assert ended(decide(_ENDS[by], state(policy(VOLUMES)), answers=there)) == [volume.name], by
        kept = _cluster(whole=document(DEPLOYMENT, spec=spec | {"persistentVolumeReclaimPolicy": "Retain"}))
        kept.objects = {**kept.objects, **live(volume)}
        assert ended(decide(_ENDS[by], state(policy(VOLUMES)), answers=kept)) == [], by


_MAKES: Final[dict[GroupResource, dict[str, Any]]] = {
    MADE[0]: {"volumes": [{"name": "cache", "ephemeral": {"volumeClaimTemplate": {}}}]},
    MADE[1]: {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]},
}


@pytest.mark.parametrize("resource", MADE, ids=str)
def test_an_autoscaler_counts_where_its_workload_would_make_something_for_its_pods(resource: GroupResource) -> None:
    """Whatever its size is now: what nobody has made yet nobody can approve. Of most workloads nothing is made."""
    asked = creation(target(AUTOSCALERS, "h", uid=""), new=_scaler("Deployment"))

    def decided(pod: dict[str, Any], **more: Any) -> Decision:
        spec = {"replicas": 1, "template": {"spec": pod}}
        answers = _cluster(resource, **({"whole": document(DEPLOYMENT, spec=spec)} | more))
        return decide(asked, state(policy(resource)), answers=answers)

    assert ended(decided(_MAKES[resource])) == [_held(resource).name]
    later = decided(_MAKES[resource], dependents=[])
    assert later.change is None
    assert "is not there, so that nobody can approve it" in later.message
    assert decided({"volumes": [{"name": "ephemeral", "emptyDir": {}}]}, dependents=[]).allowed
    # Of one that is not there nobody knows. Where no such claim is, none is waited for.
    assert "the workload that it scales is not there" in decided({}, whole=None).message
    assert decided({}, whole=None, dependents=[]).allowed


def test_each_row_that_ends_pods_ends_what_goes_with_them() -> None:
    """So that rights to it count, and what ends by it is followed."""
    for rows in table.deleters().values():
        for row in rows:
            for kinds in (row.ended, row.deletes):
                # Of Leases see there.
                assert PODS not in kinds or kinds >= WITH_PODS or row.only_in, row.by


def test_what_ends_with_pods_is_all_that_ends_with_that() -> None:
    """By the rows of what goes with pods itself."""
    by_rows = [row for kind in WITH_PODS - {PODS} for row in table.deleters().get(kind, ()) if row.goes_along]
    assert by_rows
    assert {kind for row in by_rows for kind in row.ended} <= WITH_PODS
    for kind in WITH_PODS - {PODS}:
        assert PolicyIndex([policy(kind)]).pods_hold
    assert not PolicyIndex([policy(PODS)]).pods_hold


_OTHERS: dict[str, Callable[[], Request]] = {
    "a pod that nothing selects": lambda: creation(target(PODS, "mine", uid=""), new={"labels": {"app": "web"}}),
    "a set of other pods": lambda: creation(target(STATEFUL_SETS, "db", uid=""), new={"spec": LABELLED}),
}


@pytest.mark.parametrize("by", _OTHERS)
def test_what_ends_no_pods_is_made_as_before(by: str) -> None:
    """Where some hold what is protected as well."""
    answers = _cluster(selecting=[])
    assert decide(_OTHERS[by](), state(policy(CLAIMS)), answers=answers).allowed


def _template(annotation: str, *volumes: dict[str, Any]) -> dict[str, Any]:
    pod = {"metadata": {"annotations": {"a": annotation}}, "spec": {"volumes": list(volumes)}}
    return {"spec": {"replicas": 2, "template": pod}}


_CACHE = {"name": "cache", "ephemeral": {"volumeClaimTemplate": {}}}
_ROLLED_OUT = update(DEPLOYMENT, old=_template("1", _CACHE), new=_template("2", _CACHE))
_SMALLER = scale(2, 1, object_=DEPLOYMENT)


@pytest.mark.parametrize("resource", MADE, ids=str)
@pytest.mark.parametrize("asked", [_ROLLED_OUT, _SMALLER], ids=["rollout", "size"])
def test_what_is_free_of_a_workload_does_not_end_what_its_pods_hold(asked: Request, resource: GroupResource) -> None:
    """Where one policy names both: it frees a rollout and a size, by which pods end, and not the end of the other."""
    both, held = policy(DEPLOYMENTS, resource), _held(resource)
    there = _cluster(resource, whole=document(DEPLOYMENT, **_template("1", _CACHE)))
    assert ended(decide(asked, state(both), answers=there)) == [held.name]
    deletes = policy(DEPLOYMENTS, resource, actions=frozenset({Action.DELETE}))
    assert ended(decide(asked, state(deletes), answers=there)) == [held.name]
    # Whoever approves the change says so to all of it.
    reviewed = policy(DEPLOYMENTS, resource, free_changes=())
    assert decide(asked, state(reviewed), answers=there).action is Action.CHANGE


def test_workloads_whose_pods_hold_nothing_are_rolled_out_and_sized_without_a_look_up() -> None:
    """Others' pods may. Through a Scale, it is read there."""
    both = policy(DEPLOYMENTS, CLAIMS)
    plain = {"name": "plain", "emptyDir": {}}
    for free in (
        update(DEPLOYMENT, old=_template("1", plain), new=_template("2", plain)),
        update(DEPLOYMENT, old={"spec": {"replicas": 3}}, new={"spec": {"replicas": 1}}),
        update(DEPLOYMENT, old=_template("1", _CACHE), new=_template("1", _CACHE) | {"labels": {"a": "b"}}),
        scale(1, 2, object_=DEPLOYMENT),
    ):
        answers = _cluster()
        assert decide(free, state(both), answers=answers).allowed
        assert {type(lookup) for lookup in answers.asked} <= {ViewIsFresh}
    none = Answers()
    assert decide(_SMALLER, state(both), answers=none).allowed
    assert {type(lookup) for lookup in none.asked} == {ViewIsFresh, Dependents}
    many = [Dependent(resolved(CLAIMS), "payments", f"c{number}", f"u{number}", PODS) for number in range(100)]
    crowded = _cluster(dependents=many, whole=document(DEPLOYMENT, **_template("1", plain)))
    assert decide(_SMALLER, state(both), answers=crowded).allowed


_MANY: Final = 100


class Crowded(Answers):
    """Pods of two Deployments: each owns what ``owned`` gives for its uid."""

    owned: Mapping[str, Sequence[Dependent]] = {}

    def __call__(self, lookup: Lookup[Any]) -> Any:
        """Answer, as who owns what is known."""
        answer = super().__call__(lookup)
        if not isinstance(lookup, Dependents):
            return answer
        return [each for uid, held in self.owned.items() if lookup.keys & {uid, *BY_POD} for each in held]


def _crowded(resource: GroupResource, mine: int, others: int, **signed: Any) -> Crowded:
    done = target(PODS, "driver", uid="uid-driver")
    owned = {
        owner.uid: [target(resource, f"{owner.name}-{number}", uid=f"{owner.uid}-{number}") for number in range(many)]
        for owner, many in ((POD, mine), (done, others))
    }
    held = (each for some in owned.values() for each in some)
    there = [live(each) for each in held] + [live(DEPLOYMENT, **signed), live(done)]
    objects = {
        **{place: each for one in there for place, each in one.items()},
        **live(POD, **_by(REPLICA_SET, "apps/v1")),
        **live(REPLICA_SET, **_by(DEPLOYMENT, "apps/v1")),
    }
    answers = Crowded(objects=objects, whole=document(DEPLOYMENT, **_template("1", _CACHE)))
    answers.owned = {
        uid: [Dependent(resolved(resource), each.namespace, each.name, each.uid, PODS) for each in some]
        for uid, some in owned.items()
    }
    return answers


_ALL: Final = (policy(DEPLOYMENTS), policy(CONFIG_MAPS, CLAIMS, name="held"))


@pytest.mark.parametrize("resource", [CONFIG_MAPS, CLAIMS], ids=str)
def test_what_pods_of_nobody_own_hinders_no_workload_however_much_it_is(resource: GroupResource) -> None:
    """Whose pods they are is asked in one question, and not about each thing that they own."""
    signed = {"annotations": approved_for(DEPLOYMENT)}
    for asked in (_ROLLED_OUT, _SMALLER, deletion(DEPLOYMENT, stored=signed)):
        answers = _crowded(resource, 0, _MANY)
        decided = decide(asked, state(*_ALL), answers=answers)
        assert decided.allowed, decided.message
        assert not {each for each in answers.read if each[0] != DEPLOYMENTS}
        assert len(answers.questions(ControlledIn)) == 1, "none of its pods owns anything"
        assert not decide(asked, state(*_ALL), answers=_crowded(resource, 1, _MANY)).allowed


@pytest.mark.parametrize("asked", [_ROLLED_OUT, _SMALLER, deletion(DEPLOYMENT)], ids=["rollout", "size", "deletion"])
def test_more_than_can_be_approved_that_goes_with_its_pods_is_told(asked: Request) -> None:
    """To try again does not help, and no peer is asked to sign for what is refused then."""
    for many in (9, _MANY):
        decided = decide(asked, state(*_ALL), answers=_crowded(CLAIMS, many, 0))
        assert f"{many} protected objects go with it, too many to be approved together" in decided.message
        assert decided.reason is Reason.APPROVAL_MISSING
        assert decision.TRY_AGAIN not in decided.advice
        assert decided.change is None
