"""What goes along with an object: an owner is not let go before each protected object that it owns may go itself."""

import json
from typing import Any

import msgspec
import pytest
from tests.support.builders import (
    CONFIG_MAPS,
    DEPLOYMENT,
    DEPLOYMENTS,
    GHOST,
    PERSON,
    approved,
    approved_for,
    creation,
    deletion,
    eviction,
    live,
    policy,
    resolved,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission import codec
from seconder.admission.decision import Decision
from seconder.admission.dependents import Dependent
from seconder.admission.lookups import (
    Adopting,
    ControlledIn,
    Dependents,
    NamespaceContents,
    NamingOwners,
    OwnsGuard,
    ReadObjects,
    ViewIsFresh,
)
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Metadata, Request
from seconder.api.policy import AgentTags, Mode, Policy, Requirement
from seconder.api.reasons import Reason
from seconder.api.resources import (
    DEFINITIONS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    Action,
    GroupResource,
    Target,
)
from seconder.approvals import impact
from seconder.approvals.impact import Item

OWNER = target(CONFIG_MAPS, "owner", uid="uid-of-owner")
TENANT = Target(GroupResource("example.com", "tenants"), "Tenant", "", "tenant", "uid-tenant")


def _dependent(object_: Target = DEPLOYMENT, through: GroupResource = CONFIG_MAPS) -> Dependent:
    return Dependent(resolved(object_.resource), object_.namespace, object_.name, object_.uid, through)


def _named(name: str, resource: GroupResource = DEPLOYMENTS) -> Target:
    return target(resource, name, uid=f"uid-{name}")


def _decide(
    *owned: Dependent,
    policies: tuple[Policy, ...] = (),
    request: Request | None = None,
    annotations: dict[str, dict[str, str]] | None = None,
    **more: Any,
) -> Decision:
    """Decide with every object as it was found, its annotations by name."""
    objects: dict[Any, Metadata] = {}
    for dependent in owned:
        objects |= live(dependent.target, annotations=(annotations or {}).get(dependent.name))
    answers = Answers(**({"objects": objects, "dependents": owned} | more))
    return decide(request or deletion(OWNER), state(*(policies or (policy(),))), answers=answers)


def _asked(request: Request, *policies: Policy, mode: Mode = Mode.ENFORCE) -> list[Dependents]:
    answers = Answers()
    decide(request, state(*(policies or (policy(),))), mode, answers)
    return answers.questions(Dependents)


def test_an_owner_does_not_go_before_what_it_owns_may() -> None:
    """The refusal is that of the owned object, by name; and so is what would be recorded."""
    decided = _decide(_dependent())
    assert decided.reason is Reason.APPROVAL_MISSING
    assert decided.message.startswith("Delete of deployments.apps payments/checkout needs approval")
    assert "DELETE of configmaps payments/owner takes along what it owns" in decided.message
    assert decided.change is not None
    assert decided.change.target == DEPLOYMENT
    assert (decided.change.action, decided.change.version) == (Action.DELETE, "v1")


def test_an_approval_on_the_owned_object_lets_the_owner_go() -> None:
    """What was used is that object's approval, and it is told as such."""
    decided = _decide(_dependent(), annotations={"checkout": approved()})
    assert (decided.allowed, decided.reason) == (True, Reason.APPROVED)
    assert [approval.statement.iss for approval in decided.counted] == ["alice@example.com"]
    assert [part.change.target.name for part in decided.parts if part.change] == ["checkout"]


def test_an_approval_on_the_owner_is_none_of_what_it_owns() -> None:
    """It stands on another object."""
    decided = _decide(_dependent(), request=deletion(OWNER, stored={"annotations": approved()}))
    assert decided.reason is Reason.APPROVAL_MISSING


def test_each_owned_object_needs_its_own_approval() -> None:
    """All that lack one are named, and each is to be recorded."""
    owned = [_dependent(), _dependent(_named("b")), _dependent(_named("c"))]
    decided = _decide(*owned, annotations={"checkout": approved(), "b": approved()})
    assert decided.reason is Reason.WRONG_OBJECT
    assert "this object, deployments.apps payments/c" in decided.message
    assert [part.change.target.name for part in decided.parts if part.change] == ["b", "c"]


def test_what_is_not_known_is_refused() -> None:
    """Who owns what, the objects' approvals, or that the policies are recent."""
    for unknown in (Dependents, ReadObjects):
        assert _decide(_dependent(), unknown=[unknown]).reason is Reason.INTERNAL_ERROR
    stale = _decide(_dependent(), annotations={"checkout": approved()}, fresh=False)
    assert stale.reason is Reason.INTERNAL_ERROR
    assert _decide(fresh=False).reason is Reason.INTERNAL_ERROR
    assert _decide().reason is Reason.NOT_COVERED


def test_an_object_that_took_the_name_meanwhile_is_not_judged() -> None:
    """What stands there now may be owned as well; one that is simply gone is lost already."""
    other = live(DEPLOYMENT, uid="another-uid", annotations=approved())
    assert _decide(_dependent(), objects=other).reason is Reason.INTERNAL_ERROR
    assert _decide(_dependent(), objects={}).reason is Reason.NOT_COVERED


def test_very_many_are_refused_together_and_not_read() -> None:
    """With their number; eight can be approved at once."""
    nine = [_named(f"d{number}") for number in range(9)]
    for count, read in ((8, 8), (9, 0)):
        answers = Answers(dependents=[_dependent(object_) for object_ in nine[:count]])
        for object_ in nine[:count]:
            answers.objects = {**answers.objects, **live(object_)}
        decided = decide(deletion(OWNER), state(policy()), answers=answers)
        assert decided.reason is Reason.APPROVAL_MISSING
        assert len(answers.read) == read
        assert ("9 protected objects go with it" in refusal(decided)) is (count == 9)


def test_objects_that_no_policy_protects_do_not_count() -> None:
    """The kind is followed for another namespace's sake, or only watched, or for other actions."""
    for other in (
        policy(namespaces=frozenset({"elsewhere"})),
        policy(mode=Mode.AUDIT),
        policy(actions=frozenset({Action.SCALE_TO_ZERO})),
    ):
        decided = _decide(*[_dependent()] * 20, policies=(other, policy(PODS, name="q")))
        assert decided.reason is Reason.NOT_COVERED


def test_a_policy_binds_on_owned_objects_whom_it_binds_otherwise() -> None:
    """Others' agents are none of its business."""
    tags = AgentTags(groups=frozenset({"bots"}), service_account_namespaces=frozenset(), annotations=frozenset())
    policies = (policy(agents=tags),)
    assert _decide(_dependent(), policies=policies).reason is Reason.NOT_COVERED
    bot = deletion(OWNER, Caller("bot", frozenset({"bots"})))
    assert _decide(_dependent(), policies=policies, request=bot).reason is Reason.APPROVAL_MISSING


def test_an_invalid_policy_refuses_on_owned_objects_too() -> None:
    """Whatever approvals there are; it tells of the object that the policy names."""
    policies = (policy(problem="misspelt"),)
    decided = _decide(_dependent(), policies=policies, annotations={"checkout": approved()})
    assert decided.reason is Reason.POLICY_INVALID
    assert decided.message.startswith("Delete of deployments.apps payments/checkout is refused: policy p is invalid")
    assert "\nobject: deployments.apps payments/checkout" in decided.message


def test_a_dry_run_is_refused_and_leaves_no_record() -> None:
    """As for the object itself."""
    decided = _decide(_dependent(), request=deletion(OWNER, dryRun=True))
    assert (decided.allowed, decided.change) == (False, None)


def test_the_owner_itself_is_decided_first() -> None:
    """Where it is protected too, both need approval."""
    owner = target(DEPLOYMENTS, "owner", uid="uid-of-owner")
    owned = _dependent(through=DEPLOYMENTS)
    decided = _decide(owned, request=deletion(owner))
    assert decided.change is not None
    assert decided.change.target.name == "owner"
    itself = deletion(owner, stored={"annotations": approved_for(owner)})
    other = _decide(owned, request=itself)
    assert other.change is not None
    assert other.change.target.name == "checkout"
    both = _decide(owned, request=itself, annotations={"checkout": approved()})
    assert both.allowed
    assert [part.change.target.name for part in both.parts if part.change] == ["owner", "checkout"]
    assert len(both.counted) == 2


def test_what_a_controller_makes_of_an_approved_object_goes_with_it() -> None:
    """Under the policies that cover both; under another's it needs that one's approval."""
    everything = policy(DEPLOYMENTS, REPLICA_SETS, PODS)
    owned = [
        _dependent(_named("checkout-1", REPLICA_SETS), DEPLOYMENTS),
        *(_dependent(_named(f"x{n}", PODS), REPLICA_SETS) for n in range(20)),
    ]
    request = deletion(stored={"annotations": approved()})
    assert _decide(*owned, policies=(everything,), request=request).allowed
    also = policy(REPLICA_SETS, name="q", requirement=Requirement(required=2))
    refused = _decide(*owned, policies=(everything, also), request=request)
    assert refused.reason is Reason.APPROVAL_MISSING
    assert "replicasets.apps payments/checkout-1" in refused.message
    given = _dependent(_named("given"), DEPLOYMENTS)
    assert not _decide(given, policies=(everything,), request=request).allowed, "this one was given to it"


def test_pods_of_an_unprotected_replica_set_count() -> None:
    """Their owner needs no approval, so theirs are asked for."""
    owned = _dependent(_named("x", PODS), REPLICA_SETS)
    request = deletion(target(REPLICA_SETS, "checkout-1"))
    assert _decide(owned, policies=(policy(PODS),), request=request).reason is Reason.APPROVAL_MISSING


@pytest.mark.parametrize("bind_impact", [True, False])
def test_a_namespace_goes_along_with_what_goes_down_with_it(bind_impact: bool) -> None:
    """An approval of it names that; a policy on what it holds asks too."""
    namespace = target(NAMESPACES, "payments", uid="uid-ns")
    owned, holding = _dependent(namespace, TENANT.resource), policy(requirement=Requirement(bind_impact=bind_impact))
    holds: dict[GroupResource, list[Item]] = {DEPLOYMENTS: [Item("checkout", "uid-1")]}

    def decided(**more: Any) -> Decision:
        return _decide(owned, policies=(holding,), request=deletion(TENANT), **more)

    assert decided().reason is Reason.NOT_COVERED
    assert decided(holds=holds, unknown=[NamespaceContents]).reason is Reason.INTERNAL_ERROR
    refused = decided(holds=holds)
    assert refused.change is not None
    assert refused.change.target == namespace
    detail: dict[str, Any] = {}
    if bind_impact:
        none: dict[GroupResource, list[Item]] = {counted.resource: [] for counted in impact.counted([holding])}
        digest = impact.impact([holding], none | holds)
        detail["impact"] = {"counts": dict(digest.counts), "sha256": digest.sha256}
    annotations = {"payments": approved_for(namespace, **detail)}
    assert decided(holds=holds, annotations=annotations).allowed
    more = {DEPLOYMENTS: [*holds[DEPLOYMENTS], Item("new", "uid-2")]}
    assert decided(holds=more, annotations=annotations).reason is (
        Reason.IMPACT_CHANGED if bind_impact else Reason.APPROVED
    )


def test_two_namespaces_at_once_are_refused() -> None:
    """Two deletions of namespaces are two matters, whichever of them the request names."""
    one, two = (_dependent(target(NAMESPACES, name, uid=f"uid-{name}"), TENANT.resource) for name in ("one", "two"))
    assert "2 protected objects go with it" in _decide(one, two, policies=(policy(NAMESPACES),)).message
    request = deletion(target(NAMESPACES, "n"))
    assert not _decide(one, policies=(policy(NAMESPACES),), request=request).allowed


@pytest.mark.parametrize(
    "request_",
    [
        deletion(OWNER),
        update(OWNER, old={"finalizers": ["orphan"], "deletionTimestamp": "x"}, new={"deletionTimestamp": "x"}),
        update(OWNER, new={"owners": [GHOST]}),
    ],
    ids=["delete", "finalizers", "owners"],
)
def test_whatever_may_end_the_owner_counts(request_: Request) -> None:
    """Its deletion, a finalizer taken from it under deletion, and an owner that would take it along."""
    assert _asked(request_) == [Dependents(frozenset({"uid-of-owner"}), OWNER)]
    assert _decide(_dependent(), request=request_).reason is Reason.APPROVAL_MISSING


def test_what_goes_along_with_a_pod_that_is_evicted_counts() -> None:
    """Its claims and what else it owns. The review does not hold its uid: it is read; one that is gone ends nothing."""
    pod = target(PODS, "checkout-1", uid="uid-of-pod")
    there = live(pod) | live(DEPLOYMENT)
    answers = Answers(objects=there, dependents=[_dependent(through=PODS)])
    assert decide(eviction(pod), state(policy()), answers=answers).reason is Reason.APPROVAL_MISSING
    (asked,) = answers.questions(Dependents)
    assert (asked.keys, asked.target.uid) == (frozenset({pod.uid}), pod.uid)
    approved_ = Answers(objects=live(pod) | live(DEPLOYMENT, annotations=approved()), dependents=answers.dependents)
    assert decide(eviction(pod), state(policy()), answers=approved_).reason is Reason.APPROVED
    gone = Answers(unknown=[Dependents])
    assert decide(eviction(pod), state(policy()), answers=gone).reason is Reason.NOT_COVERED
    unread = Answers(unknown=[ReadObjects])
    assert decide(eviction(pod), state(policy()), answers=unread).reason is Reason.INTERNAL_ERROR
    assert decide(eviction(pod, PERSON), state(policy()), answers=answers).reason is Reason.NOT_COVERED


def test_ordinary_updates_of_an_owner_are_free() -> None:
    """Nobody asks what it owns."""
    labelled = update(OWNER, new={"labels": {"a": "b"}})
    assert _asked(labelled) == []
    assert _decide(_dependent(), request=labelled, unknown=[Dependents]).allowed


@pytest.mark.parametrize("user", [PERSON, *map(Caller, sorted(BUILTIN_CONTROLLERS))])
def test_people_and_the_collector_itself_delete_owners_freely(user: Caller) -> None:
    """Even while nothing is known of who owns what."""
    assert _asked(deletion(OWNER, user)) == []
    assert _decide(request=deletion(OWNER, user), unknown=[Dependents]).allowed


def test_without_a_policy_that_refuses_deletions_nobody_asks() -> None:
    """Audit, or other actions alone; but a policy that discovery has not looked at may name anything."""
    for other in (policy(mode=Mode.AUDIT), policy(actions=frozenset({Action.SCALE_TO_ZERO}))):
        assert _asked(deletion(OWNER), other) == []
    unseen = policy(resolved={}, resolution_current=False)
    assert _asked(deletion(OWNER), unseen) == [Dependents(frozenset({"uid-of-owner"}), OWNER)]
    assert _asked(deletion(OWNER), unseen, mode=Mode.AUDIT) == []


def test_an_owner_that_leaves_what_it_owns_is_free() -> None:
    """It is asked who takes that, and what stopped ReplicaSets are among it; no more."""
    answers, leaves = Answers(), deletion(OWNER, options={"propagationPolicy": "Orphan"})
    assert decide(leaves, state(policy()), answers=answers).allowed
    assert not {type(each) for each in answers.asked} - {
        Adopting,
        ControlledIn,
        Dependents,
        OwnsGuard,
        ViewIsFresh,
    }
    assert OWNER not in {each.target for each in answers.questions(Dependents)}


def test_an_owner_that_is_marked_for_a_programs_deletion_takes_along_what_it_owns() -> None:
    """As by its deletion."""
    marked = update(OWNER, new={"annotations": {"janitor/ttl": "1m"}})
    refused = _decide(_dependent(), request=marked)
    assert (refused.allowed, refused.reason) == (False, Reason.APPROVAL_MISSING)
    assert _decide(_dependent(), request=update(OWNER, new={"annotations": {"a": "b"}})).allowed


def test_a_finalizer_that_leaves_what_is_owned_hides_nothing_else_of_an_update() -> None:
    """Whoever deletes the object may say that nothing stays. And no workload is protected that would take it."""
    secret = target(GroupResource("", "secrets"), "key", uid="uid-key")
    marks = {"annotations": {"janitor/ttl": "1m"}}
    protected = policy(secret.resource)
    for new in (marks, marks | {"finalizers": ["orphan"]}):
        decided = _decide(_dependent(secret), policies=(protected,), request=update(OWNER, new=new))
        assert decided.reason is Reason.APPROVAL_MISSING


def test_an_owner_that_leaves_pods_to_other_controllers_ends_them() -> None:
    """One of these takes them for its own, and ends what is too much. What nobody takes stays what it is."""
    orphans = {"propagationPolicy": "Orphan"}
    leaves = deletion(_named("web", REPLICA_SETS), options=orphans)
    refused = _decide(_pod(), policies=(policy(PODS),), request=leaves)
    assert (refused.allowed, refused.reason) == (False, Reason.APPROVAL_MISSING)
    assert not _decide(OF_DEPLOYMENT, policies=(policy(PODS),), request=leaves).allowed
    of_cron_job = _pod(JOBS, above=(CRON_JOBS,))
    assert _decide(of_cron_job, policies=(policy(PODS),), request=leaves).allowed
    assert _decide(_dependent(), policies=(policy(PODS, DEPLOYMENTS),), request=leaves).allowed
    unseen = policy(resolved={}, resolution_current=False)
    assert [each.target for each in _asked(deletion(OWNER, options=orphans), unseen)].count(OWNER) == 1


JOB = target(JOBS, "short", uid="uid-job")


@pytest.mark.parametrize("before", [None, 60])
def test_a_job_that_gets_a_time_to_live_goes_by_itself(before: int | None) -> None:
    """And with it what it owns; whoever leaves the time as it is ends nothing."""
    old: dict[str, Any] = {"spec": {} if before is None else {"ttlSecondsAfterFinished": before}}
    new: dict[str, Any] = {"spec": {"ttlSecondsAfterFinished": 5}}
    owned = _dependent(through=JOBS)
    assert _decide(owned, request=update(JOB, old=old, new=new)).reason is Reason.APPROVAL_MISSING
    assert _decide(owned, request=update(JOB, old=new, new=new | {"labels": {"a": "b"}})).allowed
    assert _decide(owned, request=update(JOB, PERSON, old=old, new=new)).allowed


SETS = GroupResource("apps", "statefulsets")
SET = target(SETS, "db", uid="uid-set")
CRON_JOBS = GroupResource("batch", "cronjobs")
CONTROLLER = target(GroupResource("", "replicationcontrollers"), "web", uid="uid-web")
POD = target(PODS, "checkout-1", uid="uid-pod")
ITS_SET = target(REPLICA_SETS, "checkout-1", uid="uid-of-set")


def _pod(through: GroupResource = REPLICA_SETS, above: tuple[GroupResource, ...] = ()) -> Dependent:
    return Dependent(resolved(PODS), POD.namespace, POD.name, POD.uid, through, above)


OF_DEPLOYMENT = _pod(above=(DEPLOYMENTS,))


def _update(object_: Target, old: dict[str, Any], new: dict[str, Any], **more: Any) -> Request:
    return update(object_, old={"spec": old}, new={"spec": new}, **more)


ENDING: list[tuple[Request, Dependent]] = [
    (_update(DEPLOYMENT, {"replicas": 3}, {"replicas": 2}), OF_DEPLOYMENT),
    (scale(3, 2), OF_DEPLOYMENT),
    (_update(DEPLOYMENT, {"template": {"image": "a"}}, {"template": {"image": "b"}}), OF_DEPLOYMENT),
    (_update(DEPLOYMENT, {}, {"revisionHistoryLimit": 0}), OF_DEPLOYMENT),
    (_update(DEPLOYMENT, {}, {"minReadySeconds": 5}), OF_DEPLOYMENT),
    (update(DEPLOYMENT, old={"annotations": {"deprecated.deployment.rollback.to": "1"}}), OF_DEPLOYMENT),
    (update(DEPLOYMENT, old={"status": {}}, new={"status": {"a": 1}}, subResource="status"), OF_DEPLOYMENT),
    (scale(3, 2, object_=ITS_SET), _pod()),
    (update(ITS_SET, old={"labels": {"a": "1"}}, new={"labels": {"a": "2"}}), _pod()),
    (_update(ITS_SET, {"template": {"image": "a"}}, {"template": {"image": "b"}}), _pod()),
    (_update(SET, {"replicas": 3}, {"replicas": 2}), _pod(SETS)),
    (_update(JOB, {"suspend": False}, {"suspend": True}), _pod(JOBS)),
    (_update(JOB, {}, {"activeDeadlineSeconds": 1}), _pod(JOBS)),
    (_update(target(CRON_JOBS, "nightly"), {}, {"successfulJobsHistoryLimit": 0}), _pod(JOBS, (CRON_JOBS,))),
    (_update(TENANT, {"size": 3}, {"size": 1}), _pod(TENANT.resource)),
    (scale(1, 2, object_=TENANT), _pod(TENANT.resource)),
]
STAYING: list[tuple[Request, Dependent]] = [
    (_update(DEPLOYMENT, {"replicas": 2}, {"replicas": 3}), OF_DEPLOYMENT),
    (scale(2, 3), OF_DEPLOYMENT),
    (update(DEPLOYMENT, old={"labels": {"a": "1"}}, new={"labels": {"a": "2"}}), OF_DEPLOYMENT),
    (_update(DEPLOYMENT, {}, {"progressDeadlineSeconds": 5}), OF_DEPLOYMENT),
    (_update(CONTROLLER, {"template": {"image": "a"}}, {"template": {"image": "b"}}), _pod(CONTROLLER.resource)),
    (_update(target(NODES, "n1"), {}, {"unschedulable": True}), _pod(NODES)),
]


@pytest.mark.parametrize(("asked", "owned"), ENDING)
def test_what_a_parents_controller_ends_on_its_word_counts_as_deleted(asked: Request, owned: Dependent) -> None:
    """Where a policy names the pods and not the parent: by whatever is not free, a rollout, or a smaller number."""
    pods = policy(PODS)
    decided = _decide(owned, policies=(pods,), request=asked)
    assert decided.reason is Reason.APPROVAL_MISSING
    assert decided.message.startswith("Delete of pods payments/checkout-1 needs approval")
    assert _decide(owned, policies=(pods,), request=asked, annotations={"checkout-1": approved_for(POD)}).allowed
    assert _decide(owned, policies=(pods,), request=asked, unknown=[Dependents]).reason is Reason.INTERNAL_ERROR
    assert _decide(policies=(pods,), request=asked).allowed


@pytest.mark.parametrize(("asked", "owned"), STAYING)
def test_what_ends_nothing_of_a_parents_is_free(asked: Request, owned: Dependent) -> None:
    """Nobody asks what it owns."""
    assert _decide(owned, policies=(policy(PODS),), request=asked, unknown=[Dependents]).allowed


@pytest.mark.parametrize(("asked", "owned"), ENDING)
def test_people_change_parents_freely(asked: Request, owned: Dependent) -> None:
    """As they delete them."""
    request = msgspec.structs.replace(asked, caller=PERSON)
    assert _decide(owned, policies=(policy(PODS),), request=request, unknown=[Dependents]).allowed


def test_what_is_free_on_a_parent_stays_free_under_a_policy_that_names_both() -> None:
    """The policy says itself what may change of the parent, and asks about the rest there."""
    both = policy(PODS, DEPLOYMENTS)
    rollout = _update(DEPLOYMENT, {"template": {"image": "a"}}, {"template": {"image": "b"}})
    assert _decide(OF_DEPLOYMENT, policies=(both,), request=rollout).allowed
    assert _decide(OF_DEPLOYMENT, policies=(both,), request=scale(3, 2)).allowed
    paused = _decide(OF_DEPLOYMENT, policies=(both,), request=_update(DEPLOYMENT, {}, {"paused": True}))
    assert paused.message.startswith("Change of deployments.apps payments/checkout needs approval")
    deleted = _decide(OF_DEPLOYMENT, policies=(both,), request=deletion())
    assert [part.change.target.name for part in deleted.parts if part.change] == ["checkout"]


def test_another_policy_on_the_parent_says_nothing_of_what_it_owns() -> None:
    """Each policy on the pods must be satisfied; a size is free under that on the Deployment alone."""
    policies = (policy(PODS), policy(DEPLOYMENTS, name="other"))
    assert _decide(OF_DEPLOYMENT, policies=policies, request=scale(3, 2)).reason is Reason.APPROVAL_MISSING


def test_a_policy_that_asks_about_deletions_alone_sees_no_other_change_of_the_parent() -> None:
    """What is not free there counts as the deletion of what it ends; what is free does not."""
    both = policy(PODS, DEPLOYMENTS, actions=frozenset({Action.DELETE}))
    limit = _update(DEPLOYMENT, {}, {"revisionHistoryLimit": 0})
    assert _decide(OF_DEPLOYMENT, policies=(both,), request=limit).reason is Reason.APPROVAL_MISSING
    assert _decide(OF_DEPLOYMENT, policies=(both,), request=scale(3, 2)).allowed
    assert _decide(OF_DEPLOYMENT, policies=(both,), request=scale(3, 0)).reason is Reason.APPROVAL_MISSING


def test_a_smaller_number_ends_pods_alone() -> None:
    """The ReplicaSet of a Deployment that shrinks stays, and is as good as it was."""
    owned = _dependent(ITS_SET, DEPLOYMENTS)
    sets = policy(REPLICA_SETS)
    assert _decide(owned, policies=(sets,), request=scale(3, 2)).allowed
    assert _decide(owned, policies=(sets,), request=scale(3, 0)).reason is Reason.APPROVAL_MISSING


def test_with_pods_goes_what_belongs_to_them() -> None:
    """By a smaller number too. What belongs to the ReplicaSet stays."""
    lease, named = target(CONFIG_MAPS, "lease", uid="uid-lease"), (policy(CONFIG_MAPS),)
    of_pod = Dependent(resolved(CONFIG_MAPS), "payments", lease.name, lease.uid, PODS, (REPLICA_SETS, DEPLOYMENTS))
    assert _decide(of_pod, policies=named, request=scale(3, 2)).reason is Reason.APPROVAL_MISSING
    beside = of_pod._replace(through=REPLICA_SETS, above=(DEPLOYMENTS,))
    assert _decide(beside, policies=named, request=scale(3, 2)).allowed


LOSSES_ALONE = frozenset({Action.DELETE, Action.SCALE_TO_ZERO, Action.REMOVE_FINALIZERS})
VOLUME = Target(GroupResource("", "persistentvolumes"), "PersistentVolume", "", "pv-1", "uid-pv")
TOKEN = target(GroupResource("", "secrets"), "token", uid="uid-token")
SLICE = target(GroupResource("discovery.k8s.io", "endpointslices"), "shop-1", uid="uid-slice")
JOB = target(JOBS, "export", uid="uid-job")
MARK = {"labels": {"cleanup.kyverno.io/ttl": "1s"}}

BY_ITSELF = pytest.mark.parametrize(
    ("asked", "since"),
    [
        (update(new={"owners": [GHOST]}), "the garbage collector deletes it with its owners"),
        (update(new={"owners": [GHOST]}, subResource="status"), "the garbage collector deletes it with its owners"),
        (update(new=MARK), "some program or controller ends it on such a word"),
        (update(new={"annotations": {"janitor/ttl": "1m"}}), "some program or controller"),
        (_update(JOB, {}, {"ttlSecondsAfterFinished": 0}), "some program or controller"),
        (_update(VOLUME, {"persistentVolumeReclaimPolicy": "Delete"}, {"claimRef": {"uid": "1"}}), "some program"),
        (update(VOLUME, old={"status": {"phase": "Bound"}}, new={"status": {"phase": "Released"}}), "some program"),
        (_update(POD, {}, {"activeDeadlineSeconds": 1}), "some program or controller"),
        (update(POD, new={"status": {"phase": "Failed"}}, subResource="status"), "some program or controller"),
        (update(TOKEN, new={"annotations": {"kubernetes.io/service-account.uid": "x"}}), "some program"),
        (update(SLICE, new={"labels": {"kubernetes.io/service-name": "x"}}), "some program or controller"),
    ],
    ids=[
        *("owner", "owner by status", "label", "annotation", "time to live", "holder of a volume", "released volume"),
        *("deadline of a pod", "failed pod", "account of a token", "Service of a slice"),
    ],
)


def _holding(asked: Request, annotations: dict[str, str]) -> Request:
    """The same update of an object that has these annotations."""
    review = json.loads(asked.body)
    for document in (review["request"]["oldObject"], review["request"]["object"]):
        document["metadata"].setdefault("annotations", {}).update(annotations)
    return codec.decode(json.dumps(review).encode())


@BY_ITSELF
def test_what_ends_the_object_itself_is_its_deletion_where_the_policy_asks_about_nothing_else(
    asked: Request, since: str
) -> None:
    """An action that is left to another one is left out with that, unless it counts as what it comes to."""
    target_ = asked.target
    written_out = policy(target_.resource, actions=LOSSES_ALONE)
    decided = _decide(policies=(written_out,), request=asked)
    assert (decided.reason, decided.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    told = f"UPDATE of {target_.resource} {target_.path} counts as the end of this object: {since}"
    assert told in decided.message
    assert decided.change is not None
    assert decided.change.target == target_
    assert _decide(policies=(written_out,), request=_holding(asked, approved_for(target_))).reason is Reason.APPROVED
    assert _decide(policies=(policy(target_.resource, actions=LOSSES_ALONE - {Action.DELETE}),), request=asked).allowed
    assert _decide(policies=(written_out,), request=msgspec.structs.replace(asked, caller=PERSON)).allowed


@BY_ITSELF
def test_it_is_asked_about_once_where_the_policy_asks_about_it(asked: Request, since: str) -> None:
    """By the name that it has: as other owners, or as a change."""
    whole = policy(asked.target.resource)
    by_name = Action.CHANGE_OWNERS if asked.added_owners else Action.CHANGE
    assert _decide(policies=(whole,), request=asked).action is by_name
    change = policy(asked.target.resource, actions=frozenset({Action.DELETE, Action.CHANGE}))
    assert _decide(policies=(change,), request=asked).action is Action.CHANGE
    owners = policy(asked.target.resource, actions=frozenset({Action.DELETE, Action.CHANGE_OWNERS}))
    assert _decide(policies=(owners,), request=asked).action is (
        Action.CHANGE_OWNERS if asked.added_owners else Action.DELETE
    )


def test_a_namespace_with_such_objects_gets_no_owner_either() -> None:
    """It goes with what is in it; a policy that asks about changes asks about none of the namespace's."""
    asked = update(target(NAMESPACES, "payments", uid="uid-ns"), new={"owners": [GHOST]})
    holding = {DEPLOYMENTS: [Item("checkout", DEPLOYMENT.uid)]}
    for actions in (LOSSES_ALONE, LOSSES_ALONE | {Action.CHANGE}):
        decided = _decide(policies=(policy(actions=actions),), request=asked, holds=holding)
        assert (decided.reason, decided.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    assert _decide(policies=(policy(actions=LOSSES_ALONE),), request=asked).allowed


@pytest.mark.parametrize(
    "asked",
    [
        update(old={"spec": {"replicas": 2}}, new={"spec": {"replicas": 1, "paused": True}}),
        scale(2, 1),
        update(old={"owners": [GHOST]}, new={}),
        update(old=MARK, new={"labels": {**MARK["labels"], "team": "shop"}}),
        update(new={"finalizers": ["example.com/held"]}),
        _update(JOB, {"ttlSecondsAfterFinished": 5}, {"ttlSecondsAfterFinished": 5, "suspend": True}),
        _update(VOLUME, {}, {"mountOptions": ["ro"]}),
    ],
    ids=["change", "size", "owner taken away", "other label", "finalizer", "suspended job", "options of a volume"],
)
def test_what_leaves_the_object_stays_as_free_as_the_policy_says(asked: Request) -> None:
    """Another change than its end is what the policy says that it does not ask about."""
    written_out = policy(asked.target.resource, actions=frozenset({Action.DELETE}))
    assert _decide(policies=(written_out,), request=asked).allowed


def test_one_that_asks_and_one_that_does_not_each_ask_by_their_own_words() -> None:
    """A deletion's approval is good for both."""
    asked, two = update(new={"owners": [GHOST]}), (policy(), policy(name="q", actions=LOSSES_ALONE))
    assert _decide(policies=two, request=asked).action is Action.CHANGE_OWNERS
    owners = {"annotations": approved(detail={"actions": ["ChangeOwners"]})}
    given = update(old=owners, new={**owners, "owners": [GHOST]})
    assert _decide(policies=two, request=given).action is Action.DELETE
    deletes = {"annotations": approved()}
    assert _decide(policies=two, request=update(old=deletes, new={**deletes, "owners": [GHOST]})).allowed


def test_an_annotation_of_a_deployment_counts_by_what_policies_say_of_its_replica_sets() -> None:
    """Its controller brings it onto them, where a policy's own list takes it back. Of both, the change is told."""
    its_set = Dependent(resolved(REPLICA_SETS), POD.namespace, "checkout-5d", "uid-rs", DEPLOYMENTS)
    lists = ("metadata.annotations", "!metadata.annotations[example.com/*]")
    strict = policy(REPLICA_SETS, free_changes=lists)
    marks = update(DEPLOYMENT, old={}, new={"annotations": {"example.com/ttl": "1h"}})
    refused = _decide(its_set, policies=(strict,), request=marks)
    assert refused.message.startswith("Delete of replicasets.apps payments/checkout-5d needs approval")
    assert _decide(its_set, policies=(policy(REPLICA_SETS),), request=marks).allowed
    assert _decide(its_set, policies=(strict,), request=update(DEPLOYMENT, new={"annotations": {"a": "b"}})).allowed
    both = policy(DEPLOYMENTS, REPLICA_SETS, free_changes=lists)
    assert _decide(its_set, policies=(both,), request=marks).message.startswith("Change of deployments.apps")


TENANTS = Target(DEFINITIONS, "CustomResourceDefinition", "", "tenants.example.com", "uid-definition")
DEFINED = creation(
    TENANTS,
    new={"spec": {"group": "example.com", "names": {"kind": "Tenant"}, "versions": [{"name": "v1", "served": True}]}},
)


def test_whoever_defines_a_kind_ends_what_names_an_owner_of_it() -> None:
    """Nobody could look for that owner, and then it is not there. What goes with that goes, too."""
    checkout = _dependent(through=DEFINITIONS)
    below = Dependent(resolved(DEPLOYMENTS), "payments", "below", "uid-below", DEPLOYMENTS, (DEFINITIONS,))
    decided = _decide(checkout, below, request=DEFINED)
    assert decided.reason is Reason.APPROVAL_MISSING
    assert [part.effect.target.name for part in decided.parts] == ["checkout", "below"]
    assert "counts as the end of this object" in decided.message
    assert _decide(checkout, request=DEFINED, annotations={"checkout": approved()}).allowed
    assert _decide(request=DEFINED).allowed
    assert _decide(checkout, request=DEFINED, policies=(policy(PODS),)).allowed
    assert _decide(unknown=[NamingOwners], request=DEFINED).reason is Reason.INTERNAL_ERROR
    by_person = creation(TENANTS, PERSON, new={"spec": {}})
    assert _decide(unknown=[NamingOwners], request=by_person).allowed


def test_whoever_defines_a_kind_ends_the_namespaces_that_name_an_owner_of_it() -> None:
    """With what policies protect in it."""
    namespace = _dependent(target(NAMESPACES, "payments", uid="uid-ns"), DEFINITIONS)
    holding = {DEPLOYMENTS: [Item("checkout", DEPLOYMENT.uid)]}
    assert _decide(namespace, request=DEFINED, holds=holding).reason is Reason.APPROVAL_MISSING
    assert _decide(namespace, request=DEFINED).allowed


def test_defining_once_more_what_is_there_ends_nothing() -> None:
    """The API server refuses it, and helm, which tries that first, goes on. One on its way out may be gone by then."""
    owned = _dependent(through=DEFINITIONS)
    there = live(DEPLOYMENT) | live(TENANTS)
    assert _decide(owned, request=DEFINED, objects=there).allowed
    ending = {
        where: msgspec.structs.replace(each, deletion_timestamp="2026-01-01T00:00:00Z")
        for where, each in live(TENANTS).items()
    }
    assert _decide(owned, request=DEFINED, objects=live(DEPLOYMENT) | ending).reason is Reason.APPROVAL_MISSING


def test_a_definition_on_which_nothing_rests_takes_one_question_that_is_at_hand() -> None:
    """Agents install programs with their kinds, and that is free."""
    answers = Answers()
    assert decide(DEFINED, state(policy()), answers=answers).allowed
    (asked,) = answers.questions(NamingOwners)
    assert "/example.com/v1/Tenant" in asked.keys
    assert not answers.questions(ReadObjects)
