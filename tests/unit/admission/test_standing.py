"""What stands under a protected workload is a part of it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support import signing
from tests.support.builders import (
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    approved_for,
    creation,
    deletion,
    document,
    eviction,
    live,
    policy,
    resolved,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, ended

from seconder.admission.dependents import Dependent
from seconder.admission.lookups import Adopting, ReadObjects, ReadWhole, Selected, Selecting
from seconder.admission.request import Metadata, OwnerReference, Request
from seconder.admission.rules import dependents, indirect_deletion
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import JOBS, PODS, REPLICA_SETS, GroupResource, Target

SETS = GroupResource("apps", "statefulsets")
DAEMONS = GroupResource("apps", "daemonsets")
REVISIONS = GroupResource("apps", "controllerrevisions")
CRON_JOBS = GroupResource("batch", "cronjobs")
REPLICA_SET = target(REPLICA_SETS, "checkout-5d", uid="uid-rs")
SET = target(SETS, "db", uid="uid-set")
JOB = target(JOBS, "export", uid="uid-job")
DAEMON = Target(DAEMONS, "DaemonSet", "payments", "log", "uid-daemon")
POD = target(PODS, "mine", uid="uid-mine")
OF_DEPLOYMENT = OwnerReference("apps/v1", "Deployment", DEPLOYMENT.name, DEPLOYMENT.uid, controller=True)
THERE = {
    **live(DEPLOYMENT),
    **live(REPLICA_SET, owner_references=[OF_DEPLOYMENT]),
    **live(SET),
    **live(JOB),
    **live(DAEMON),
}
LABELLED = {"labels": {"app": "web"}}


def _under(owner: Target) -> dict[str, Any]:
    version = f"{owner.resource.group}/v1"
    named = {"apiVersion": version, "kind": owner.kind, "name": owner.name, "uid": owner.uid, "controller": True}
    return {"ownerReferences": [named]}


def _lost(asked: Request, *named: GroupResource, **given: Any) -> list[str]:
    answers = Answers(**({"objects": THERE} | given))
    return ended(decide(asked, state(policy(*named)), answers=answers, rules=[indirect_deletion.RULE]))


@pytest.mark.parametrize(
    ("above", "named", "lost"),
    [
        (REPLICA_SET, DEPLOYMENTS, "checkout"),
        (REPLICA_SET, REPLICA_SETS, "checkout-5d"),
        (JOB, JOBS, "export"),
        (DAEMON, DAEMONS, "log"),
    ],
)
def test_what_comes_to_stand_under_a_protected_workload_counts_as_its_end(
    above: Target, named: GroupResource, lost: str
) -> None:
    """A pod, by labels or by an owner; made so, or labelled so later. One whose labels nobody selects is free.

    A selector may ask that a label is not there: what has none is asked about as well.
    """
    labelled = creation(POD, new=LABELLED)
    assert _lost(labelled, named, selecting=[above]) == [lost]
    assert _lost(creation(POD, new=_under(above)), named) == [lost]
    for below in ("", "status"):
        assert _lost(update(POD, old={}, new=LABELLED, subResource=below), named, selecting=[above]) == [lost]
    assert _lost(creation(POD, new=LABELLED, subResource="binding"), named, selecting=[above]) == []
    assert _lost(labelled, named) == []
    assert _lost(creation(POD), named, selecting=[above]) == [lost]
    assert _lost(update(POD, old=LABELLED, new={}), named, selecting=[above]) == [lost]
    assert _lost(creation(POD), named) == []
    for unknown in (Selecting, ReadObjects):
        answers = Answers(objects=THERE, selecting=[above], unknown=[unknown])
        assert decide(labelled, state(policy(named)), answers=answers).reason is Reason.INTERNAL_ERROR
    answers = Answers(unknown=[Selecting])
    assert decide(creation(POD, PERSON, new=LABELLED), state(policy(named)), answers=answers).allowed
    assert decide(labelled, state(policy(GroupResource("", "secrets"))), answers=answers).allowed


def test_an_annotation_of_a_replica_set_counts_by_what_policies_say_of_its_deployment() -> None:
    """A person's kubectl rollout undo puts it there, or takes it from there."""
    strict = policy(free_changes=("metadata", "!metadata.annotations[example.com/*]"))
    under = _under(DEPLOYMENT)
    plain, marked = (under | {"annotations": each} for each in ({"a": "b"}, {"a": "b", "example.com/ttl": "1h"}))

    def lost(old: dict[str, Any], new: dict[str, Any], *policies: Policy) -> list[str]:
        asked = update(REPLICA_SET, old=old, new=new)
        answers = Answers(objects=THERE)
        return ended(decide(asked, state(*policies), answers=answers, rules=[indirect_deletion.RULE]))

    assert lost(plain, marked, strict) == lost(marked, plain, strict) == ["checkout"]
    assert lost(plain, marked, policy(), strict) == ["checkout"]
    assert lost(plain, marked, policy()) == []
    assert lost(under, plain, strict) == []
    applied = under | {"annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"}}
    assert lost(plain, applied, policy(free_changes=("spec.replicas",))) == [], "nobody copies it"
    assert lost(plain, marked, replace(strict, namespaces=frozenset({"other"}))) == []
    alone = update(REPLICA_SET, old={}, new=marked)
    assert decide(alone, state(strict), answers=Answers(), rules=[indirect_deletion.RULE]).allowed


@pytest.mark.parametrize(
    "false",
    [
        {"apiVersion": "foo.example.com/v1"},
        {"apiVersion": "v1"},
        {"kind": "Foo"},
        {"apiVersion": "v1", "kind": "Node"},
        {"kind": "StatefulSet"},
        {"name": "other"},
    ],
)
def test_a_workload_takes_by_uid_whatever_else_the_reference_says(false: dict[str, str]) -> None:
    """Made so, or relabelled under the same reference; a ReplicaSet under a Deployment as well."""
    for above, named, made in (
        (REPLICA_SET, DEPLOYMENTS, POD),
        (JOB, JOBS, POD),
        (DEPLOYMENT, DEPLOYMENTS, REPLICA_SET),
    ):
        reference = _under(above)["ownerReferences"][0] | false
        new = {**LABELLED, "ownerReferences": [reference]}
        joins = target(made.resource, "planted", uid="uid-planted")
        assert _lost(creation(joins, new=new), named, selecting=[above])[-1] in {"checkout", "export"}
        old = {"ownerReferences": [reference]}
        assert _lost(update(joins, old=old, new=new), named, selecting=[above])[-1:] != []


def test_what_is_under_its_own_controller_is_labelled_freely() -> None:
    """Its reference tells that one by its kind, name and uid; another that fits may take it later."""
    old = {**LABELLED, **_under(REPLICA_SET)}
    new = {"labels": {**LABELLED["labels"], "team": "shop"}, **_under(REPLICA_SET)}
    stored = document(REPLICA_SET, spec={"selector": {"matchLabels": LABELLED["labels"]}})
    relabelled = update(POD, old=old, new=new)
    assert _lost(relabelled, REPLICA_SETS, selecting=[REPLICA_SET], whole=stored) == []
    another = target(REPLICA_SETS, "checkout-6e", uid="uid-other")
    given = {"selecting": [REPLICA_SET, another], "objects": THERE | live(another)}
    assert _lost(relabelled, REPLICA_SETS, whole=stored, **given) == ["checkout-6e"]


def test_a_pod_joins_its_set_by_name_as_well() -> None:
    """A StatefulSet takes no pod of another name. Of a ReplicaSet of no Deployment nobody asks."""
    joins = creation(target(PODS, "db-1", uid=""), new=LABELLED)
    assert _lost(joins, SETS, selecting=[SET])[:1] == ["db"]
    assert _lost(creation(POD, new=LABELLED), SETS, selecting=[SET]) == []
    alone = THERE | live(REPLICA_SET)
    assert _lost(creation(POD, new=LABELLED), DEPLOYMENTS, selecting=[REPLICA_SET], objects=alone) == []
    another = THERE | live(REPLICA_SET, uid="another", owner_references=[OF_DEPLOYMENT])
    assert _lost(creation(POD, new=_under(REPLICA_SET)), DEPLOYMENTS, objects=another) == []


SPEC_OF_WEB: dict[str, Any] = {"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}
ORPHANED: dict[str, Any] = {"options": {"propagationPolicy": "Orphan"}}
MINE = target(REPLICA_SETS, "mine", uid="uid-mine")
CONTROLLER = target(GroupResource("", "replicationcontrollers"), "mine", uid="uid-mine")


def _asked(asked: Request, *named: GroupResource) -> list[Adopting]:
    answers = Answers(objects=THERE)
    decide(asked, state(policy(*named)), answers=answers, rules=[dependents.RULE, indirect_deletion.RULE])
    return answers.questions(Adopting)


def test_what_a_workload_leaves_behind_joins_whoever_selects_it() -> None:
    """Its pods, or a Deployment's ReplicaSets; where it takes them along, nobody does."""
    assert _lost(deletion(MINE, stored=SPEC_OF_WEB, **ORPHANED), DEPLOYMENTS, adopting=[REPLICA_SET]) == ["checkout"]
    assert _lost(deletion(MINE, stored=SPEC_OF_WEB, **ORPHANED), DEPLOYMENTS, adopting=[MINE]) == []
    assert _lost(deletion(MINE, stored=SPEC_OF_WEB), DEPLOYMENTS, adopting=[REPLICA_SET]) == []
    sets = target(DEPLOYMENTS, "mine", uid="uid-mine")
    assert _lost(deletion(sets, stored=SPEC_OF_WEB, **ORPHANED), DEPLOYMENTS, adopting=[DEPLOYMENT]) == ["checkout"]
    unknown = Answers(unknown=[Adopting])
    orphaning = deletion(MINE, stored=SPEC_OF_WEB, **ORPHANED)
    assert decide(orphaning, state(policy(DEPLOYMENTS)), answers=unknown).reason is Reason.INTERNAL_ERROR
    assert decide(orphaning, state(policy(GroupResource("", "secrets"))), answers=unknown).allowed
    by_person = deletion(MINE, PERSON, stored=SPEC_OF_WEB, **ORPHANED)
    assert decide(by_person, state(policy(DEPLOYMENTS)), answers=unknown).allowed


def test_what_is_left_is_told_by_what_is_there_and_by_what_is_made_meanwhile() -> None:
    """That is of the present template; whatever a controller has not seen of that may be made by a former one."""
    (asked,) = _asked(deletion(MINE, stored=SPEC_OF_WEB, **ORPHANED), DEPLOYMENTS)
    assert (asked.uid, asked.labels) == ("uid-mine", (("app", "web"),))
    stored = SPEC_OF_WEB | {"generation": 2}
    for status, reason in ((1, Reason.INTERNAL_ERROR), (None, Reason.INTERNAL_ERROR), (2, Reason.NOT_COVERED)):
        seen = stored | {"status": {} if status is None else {"observedGeneration": status}}
        decided = decide(deletion(MINE, stored=seen, **ORPHANED), state(policy(DEPLOYMENTS)), answers=Answers())
        assert decided.reason is reason
    job = deletion(target(JOBS, "mine"), stored=stored, **ORPHANED)
    assert decide(job, state(policy(DEPLOYMENTS)), answers=Answers()).allowed


def test_a_set_leaves_its_history_as_well() -> None:
    """To other StatefulSets, and DaemonSets. A ReplicaSet has none, and a Deployment leaves ReplicaSets alone."""

    def taken(asked: Request, *named: GroupResource) -> set[str]:
        return {kind.kind for each in _asked(asked, *named) for kind, _ in each.takers}

    for kind in (SETS, DAEMONS):
        leaving = deletion(target(kind, "mine"), stored=SPEC_OF_WEB, **ORPHANED)
        assert taken(leaving, SETS) == taken(leaving, DAEMONS) == {"Pod", "ControllerRevision"}
        assert taken(leaving, DEPLOYMENTS) == {"Pod"}
        assert _lost(leaving, SETS, adopting=[SET]) == ["db"]
    assert taken(deletion(MINE, stored=SPEC_OF_WEB, **ORPHANED), SETS, DEPLOYMENTS) == {"Pod"}
    assert taken(deletion(target(DEPLOYMENTS, "mine"), **ORPHANED), DAEMONS, DEPLOYMENTS) == {"ReplicaSet"}
    assert taken(deletion(target(DEPLOYMENTS, "mine"), **ORPHANED), DAEMONS) == set()


def test_some_kinds_leave_what_they_made_where_nothing_is_said() -> None:
    """Jobs and ReplicationControllers (kubernetes/pkg/registry, DefaultGarbageCollectionPolicy)."""
    for kind in (target(JOBS, "mine", uid="uid-mine"), CONTROLLER):
        assert _lost(deletion(kind, stored=SPEC_OF_WEB), DEPLOYMENTS, adopting=[REPLICA_SET]) == ["checkout"]
        told = deletion(kind, stored=SPEC_OF_WEB, options={"propagationPolicy": "Background"})
        assert _lost(told, DEPLOYMENTS, adopting=[REPLICA_SET]) == []


def test_a_controller_leaves_what_it_selects_no_longer() -> None:
    """A ReplicationController's selector may be changed; no other one may."""
    old, new = ({"spec": {"selector": {"app": name}}} for name in ("mine", "other"))
    assert _lost(update(CONTROLLER, old=old, new=new), DEPLOYMENTS, adopting=[REPLICA_SET]) == ["checkout"]
    assert _lost(update(CONTROLLER, old=old, new=old), DEPLOYMENTS, adopting=[REPLICA_SET]) == []


def test_any_owner_that_leaves_what_it_controls_leaves_it_to_whoever_selects_it() -> None:
    """A custom workload too, wherever it is: its pods, ReplicaSets and revisions."""
    custom = target(GroupResource("example.com", "rollouts"), "mine", uid="uid-mine")
    anywhere = Target(GroupResource("example.com", "tenants"), "Tenant", "", "mine", "uid-mine")
    for owner in (custom, anywhere):
        given: dict[str, Any] = {"answers": Answers(objects=THERE, adopting=[REPLICA_SET])}
        decided = decide(deletion(owner, **ORPHANED), state(policy(DEPLOYMENTS)), **given)
        assert ended(decided) == ["checkout"]
        (asked,) = _asked(deletion(owner, **ORPHANED), DEPLOYMENTS, SETS)
        assert asked == Adopting(owner.namespace, "uid-mine", asked.takers, None)
        assert {kind.kind for kind, _ in asked.takers} == {"Pod", "ReplicaSet", "ControllerRevision"}
        assert _asked(deletion(owner), DEPLOYMENTS) == []


@pytest.mark.parametrize("kind", [REPLICA_SETS, GroupResource("", "configmaps"), GroupResource("a.example", "clones")])
def test_an_agent_gives_nothing_the_finalizer_by_which_it_leaves_what_it_owns(kind: GroupResource) -> None:
    """However it goes: with an owner of the agent's, too. Where nobody protects what would take that, it is free."""
    mine, stays = target(kind, "mine"), {"finalizers": ["example.com/mine", "orphan"]}
    protecting = state(policy(DEPLOYMENTS))
    for asked in (creation(mine, new=stays), update(mine, new=stays), update(mine, new=stays, subResource="status")):
        refused = decide(asked, protecting)
        assert (refused.allowed, refused.reason) == (False, Reason.APPROVAL_MISSING)
        assert "propagationPolicy: Orphan" in refused.advice
        assert decide(asked, state(policy(GroupResource("", "secrets")))).allowed
    assert decide(update(mine, old=stays, new=stays | {"labels": {"a": "b"}}), protecting).allowed
    assert decide(update(mine, old=stays, new={}), protecting).allowed
    assert decide(creation(mine, new={"finalizers": ["example.com/mine"]}), protecting).allowed
    assert decide(creation(mine, PERSON, new=stays), protecting).allowed


MORE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "holder", "uid": "uid-holder"}


@pytest.mark.parametrize(
    ("made", "mine", "above", "named"),
    [
        (PODS, MINE, REPLICA_SET, DEPLOYMENTS),
        (PODS, MINE, DAEMON, DAEMONS),
        (PODS, target(JOBS, "mine", uid="uid-mine"), JOB, JOBS),
        (REPLICA_SETS, target(DEPLOYMENTS, "mine", uid="uid-mine"), DEPLOYMENT, DEPLOYMENTS),
    ],
)
def test_an_owner_more_leaves_it_to_whoever_selects_it(
    made: GroupResource, mine: Target, above: Target, named: GroupResource
) -> None:
    """The garbage collector takes its controller off it, whatever ends that: nobody is asked any more."""
    own = {**LABELLED, **_under(mine)}
    (controller,) = own["ownerReferences"]
    stays = own | {"ownerReferences": [controller, MORE]}
    it = target(made, "mine-x", uid="uid-x")

    def lost(old: dict[str, Any], new: dict[str, Any], **fields: Any) -> list[str]:
        return _lost(update(it, old=old, new=new, **fields), named, selecting=[above])[-1:]

    (protected,) = {DEPLOYMENT.name, DAEMON.name, JOB.name} & set(lost(own, stays))
    assert lost(own, stays, subResource="status") == [protected]
    # As for what is made with two owners, it is the labels by which it goes on.
    assert _lost(creation(it, new=stays), named, selecting=[above])[-1:] == [protected]
    assert lost(own | {"labels": {}}, stays | {"labels": {}}) == [protected]
    assert lost(stays, stays | {"labels": LABELLED["labels"] | {"a": "b"}}) == [protected]
    blocking = own | {"ownerReferences": [{**controller, "blockOwnerDeletion": True}]}
    for old, new in (
        (own, blocking),
        (stays, own),
        (stays, stays),
        (LABELLED, {**LABELLED, "ownerReferences": [MORE]}),
    ):
        assert lost(old, new) == []
    asked = update(it, old=own, new=stays)
    assert _lost(asked, named) == []
    unknown = Answers(objects=THERE, unknown=[Selecting])
    given: dict[str, Any] = {"answers": unknown, "rules": [indirect_deletion.RULE]}
    assert decide(asked, state(policy(named)), **given).reason is Reason.INTERNAL_ERROR
    assert decide(asked, state(policy(GroupResource("", "secrets"))), **given).allowed
    by_person = update(it, PERSON, old=own, new=stays)
    assert decide(by_person, state(policy(named)), answers=unknown).allowed


def test_an_owner_more_is_none_more_of_its_own_controllers() -> None:
    """That has as many as before."""
    kept = LABELLED | _under(MINE)
    stays = kept | {"ownerReferences": [*kept["ownerReferences"], MORE]}
    beside = Dependent(resolved(PODS), "payments", "beside", "uid-beside", REPLICA_SETS)
    asked = update(target(PODS, "mine-x", uid="uid-x"), old=kept, new=stays)
    given: dict[str, Any] = {"objects": THERE | live(MINE) | live(beside.target), "dependents": [beside]}
    assert _lost(asked, PODS, selecting=[MINE], **given) == []
    assert _lost(asked, PODS, selecting=[MINE, REPLICA_SET], **given) == ["beside"]


def test_a_signed_end_of_the_workload_lets_a_pod_in() -> None:
    """Whoever may end it may replace it."""
    held = THERE | live(DEPLOYMENT, annotations=approved_for(DEPLOYMENT))
    answers = Answers(objects=held, selecting=[REPLICA_SET])
    assert decide(creation(POD, new=LABELLED), state(policy()), answers=answers).reason is Reason.APPROVED


@pytest.mark.parametrize(
    ("made", "above", "named"),
    [(REPLICA_SETS, DEPLOYMENT, DEPLOYMENTS), (REVISIONS, SET, SETS), (REVISIONS, DAEMON, DAEMONS)],
)
def test_history_that_is_planted_counts_as_the_workloads_end(
    made: GroupResource, above: Target, named: GroupResource
) -> None:
    """A person may go back to it. So does what is taken from a StatefulSet's or a DaemonSet's."""
    planted = target(made, "planted", uid="uid-planted")
    assert _lost(creation(planted, new=LABELLED), named, selecting=[above]) == [above.name]
    assert _lost(creation(planted, new=_under(above)), named) == [above.name]
    assert _lost(creation(planted, new=LABELLED), named) == []
    if made == REVISIONS:
        assert _lost(deletion(planted, stored=_under(above)), named) == [above.name]


def test_the_name_of_what_a_controller_makes_is_its_own() -> None:
    """A StatefulSet's pods by their number, a CronJob's Jobs by the minute, however old: it makes up for a missed run.

    A run's number, a year and a day are no such minutes.
    """
    cron = target(CRON_JOBS, "nightly", uid="uid-cron")
    there = THERE | live(cron)
    assert _lost(creation(target(PODS, "db-7", uid="")), SETS) == ["db"]
    for name in ("db", "db-", "db-x", "db-01", "other-0"):
        assert _lost(creation(target(PODS, name, uid="")), SETS) == []
    assert _lost(creation(target(PODS, "db-7", uid="")), DEPLOYMENTS) == []
    minute = int(signing.NOW) // 60
    due, free = (minute + 2, minute - 5, minute - 2000, minute - 2_000_000), (1, 2026, 20261129)
    for number, lost in ((each, ["nightly"] if each in due else []) for each in (*due, *free)):
        asked = creation(target(JOBS, f"nightly-{number}", uid=""))
        assert _lost(asked, CRON_JOBS, objects=there) == lost
    by_hand = creation(target(JOBS, "by-hand", uid=""), new=_under(cron))
    assert _lost(by_hand, CRON_JOBS, objects=there) == []


SPEC = {"spec": {"containers": [{"name": "c", "image": "good"}]}}
EVIL = {"spec": {"containers": [{"name": "c", "image": "evil"}]}}


def test_what_a_protected_workload_made_is_a_part_of_it() -> None:
    """Whatever is changed of its pods but labels and annotations that nothing acts by. To look into one is free."""
    kept = _under(REPLICA_SET)
    pod = target(PODS, "checkout-5d-x", uid="uid-pod")

    def changed(old: dict[str, Any], new: dict[str, Any], **fields: Any) -> list[str]:
        there = document(
            REPLICA_SET, spec={"selector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}}
        )
        return _lost(update(pod, old=kept | old, new=kept | new, **fields), DEPLOYMENTS, whole=there)

    assert changed(SPEC, EVIL) == ["checkout"]
    assert changed(SPEC, SPEC | {"status": {"phase": "Failed"}}, subResource="status") == ["checkout"]
    assert changed(SPEC, EVIL, subResource="ephemeralcontainers") == []
    assert changed(SPEC, SPEC | {"labels": {"debug": "yes"}, "annotations": {"a": "b"}}) == []
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "u", "controller": True}
    assert changed({}, {"ownerReferences": [other]}) == ["checkout"]
    assert changed({}, {"ownerReferences": []}) == ["checkout"]
    assert changed({"finalizers": ["example.com/x"]}, {}) == ["checkout"]
    assert changed({}, {"finalizers": ["example.com/x"]}) == ["checkout"]
    for key in ("controller-revision-hash", "pod-template-hash", "apps.kubernetes.io/pod-index"):
        assert changed({"labels": {key: "a"}}, {"labels": {key: "b"}}) == ["checkout"]
    assert changed({}, {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}) == ["checkout"]
    assert _lost(deletion(pod, stored=kept), DEPLOYMENTS) == []
    assert _lost(eviction(pod), DEPLOYMENTS, objects=THERE | live(pod)) == []
    assert _lost(update(pod, old=SPEC, new=EVIL), DEPLOYMENTS) == []


def test_a_replica_set_is_its_deployments_in_template_revision_and_size() -> None:
    """A Deployment puts no size right while its rollout is paused, or stuck: what serves is the former ReplicaSet's."""
    kept = _under(DEPLOYMENT)
    old = kept | {"spec": {"replicas": 1, "template": {"a": 1}}}
    revised = old | {"annotations": {"deployment.kubernetes.io/revision": "50"}}
    assert _lost(update(REPLICA_SET, old=old, new=kept | {"spec": {"replicas": 1, "template": {"a": 2}}})) == [
        "checkout"
    ]
    assert _lost(update(REPLICA_SET, old=old, new=revised)) == ["checkout"]
    assert _lost(update(REPLICA_SET, old=old, new=kept | {"spec": {"replicas": 5, "template": {"a": 1}}})) == [
        "checkout"
    ]
    sized = update(REPLICA_SET, old={"spec": {"replicas": 5}}, new={"spec": {"replicas": 0}}, subResource="scale")
    assert _lost(sized, objects=THERE) == ["checkout"]
    assert _lost(sized, JOBS, objects=THERE) == []
    assert _lost(update(REPLICA_SET, old=old, new=old | {"annotations": {"a": "b"}})) == []


@pytest.mark.parametrize(
    ("above", "named", "lost"),
    [(SET, SETS, "db"), (REPLICA_SET, DEPLOYMENTS, "checkout"), (DAEMON, DAEMONS, "log")],
)
def test_a_pod_that_its_controller_lets_go_of_has_what_the_next_one_needs(
    above: Target, named: GroupResource, lost: str
) -> None:
    """A name, a port, a claim, a place within a quota. By labels that it does not select; others are free."""
    selecting = {"whole": document(above, spec={"selector": {"matchLabels": {"a": "db"}}})}
    pod = target(PODS, "db-0", uid="uid-pod")
    kept = _under(above) | {"labels": {"a": "db"}}
    for new in (_under(above), kept | {"labels": {"a": "other"}}):
        for below in ("", "status"):
            assert _lost(update(pod, old=kept, new=new, subResource=below), named, **selecting) == [lost]
    assert _lost(update(pod, old=kept, new=kept | {"labels": {"a": "db", "b": "c"}}), named, **selecting) == []
    assert _lost(deletion(pod, stored=kept), named, **selecting) == []
    unread = Answers(objects=THERE, unknown=[ReadWhole])
    relabelled = update(pod, old=kept, new=_under(above))
    assert decide(relabelled, state(policy(named)), answers=unread).reason is Reason.INTERNAL_ERROR
    assert decide(relabelled, state(policy(GroupResource("", "secrets"))), answers=unread).allowed
    annotated = update(pod, old=kept, new=kept | {"annotations": {"a": "b"}})
    assert decide(annotated, state(policy(named)), answers=unread).allowed


def test_the_end_of_a_jobs_pod_may_be_the_jobs() -> None:
    """Until the Job has come to its own: by deletion, eviction, or whatever is not free: it decides by all of it."""
    pod = target(PODS, "export-x", uid="uid-pod")
    kept = _under(JOB)
    stored = Metadata(
        uid=pod.uid, owner_references=[OwnerReference("batch/v1", "Job", "export", JOB.uid, controller=True)]
    )
    there = THERE | {(PODS, pod.namespace, pod.name): stored}
    finished = {"conditions": [{"type": "Complete", "status": "True"}]}
    leaving = kept | {"deletionTimestamp": "2026-11-22T09:00:00Z", "finalizers": ["batch.kubernetes.io/job-tracking"]}
    asked = (
        deletion(pod, stored=kept),
        eviction(pod),
        update(pod, old=kept, new=kept | {"labels": {"a": "b"}}),
        update(pod, old=kept, new={}),
        update(pod, old=leaving, new=kept),
        update(pod, old=kept | {"finalizers": ["batch.kubernetes.io/job-tracking"]}, new=kept),
        update(pod, old=kept, new=kept | {"annotations": {"batch.kubernetes.io/job-completion-index": "1"}}),
        update(pod, old=kept, new=kept | {"status": {"phase": "Succeeded"}}, subResource="status"),
    )
    for each in asked:
        running = document(JOB, spec={}, status={"active": 1})
        assert _lost(each, JOBS, objects=there, whole=running) == ["export"]
        assert _lost(each, JOBS, objects=there, whole=document(JOB, status=finished)) == []
        unknown = Answers(objects=there, unknown=[ReadWhole])
        assert decide(each, state(policy(JOBS)), answers=unknown).reason is Reason.INTERNAL_ERROR
    assert _lost(deletion(pod, stored=kept), DEPLOYMENTS, objects=there) == []
    noted = update(pod, old=kept, new=kept | {"annotations": {"team": "shop"}})
    assert _lost(noted, JOBS, objects=there, whole=running) == []


def _owned(by_job: Target) -> Dependent:
    return Dependent(resolved(by_job.resource), by_job.namespace, by_job.name, by_job.uid, JOBS)


def test_what_a_job_owns_goes_with_it_when_its_pod_ends_it() -> None:
    """Though no policy names the Job. Pods are asked about by the policies that name them."""
    pod = target(PODS, "export-x", uid="uid-pod")
    kept = _under(JOB)
    own = _owned(DEPLOYMENT)
    there: dict[str, Any] = {"objects": THERE, "dependents": [own], "whole": document(JOB, spec={}, status={})}
    done = update(pod, old=kept, new=kept | {"status": {"phase": "Succeeded"}}, subResource="status")
    for asked in (done, deletion(pod, stored=kept)):
        assert _lost(asked, DEPLOYMENTS, **there) == ["checkout"]
        finished = document(JOB, status={"conditions": [{"type": "Failed", "status": "True"}]})
        assert _lost(asked, DEPLOYMENTS, **(there | {"whole": finished})) == []
        pods = [_owned(target(PODS, "export-y", uid="uid-y"))]
        assert _lost(asked, PODS, **(there | {"dependents": pods})) == []
        unread = Answers(objects=THERE, dependents=[own], unknown=[ReadWhole])
        decided = decide(asked, state(policy()), answers=unread, rules=[indirect_deletion.RULE])
        assert decided.reason is Reason.INTERNAL_ERROR
    noted = update(pod, old=kept, new=kept | {"annotations": {"team": "shop"}})
    assert _lost(noted, DEPLOYMENTS, **there) == []


def test_a_run_of_a_protected_cron_job_is_a_part_of_it() -> None:
    """One that is held, or given away, keeps the next ones from running. What is over may go, and what is by hand."""
    cron = Target(CRON_JOBS, "CronJob", "payments", "nightly", "uid-cron")
    there = THERE | live(cron)
    kept = _under(cron) | {"spec": {"parallelism": 1}}
    changes: list[dict[str, Any]] = [
        kept | {"spec": {"parallelism": 1, "suspend": True}},
        kept | {"spec": {"parallelism": 0}},
        kept | {"ownerReferences": []},
        kept | {"finalizers": ["a.example/b"]},
        kept | {"annotations": {"cronjob.kubernetes.io/instantiate": "manual"}},
    ]
    for new in changes:
        assert _lost(update(JOB, old=kept, new=new), CRON_JOBS, objects=there) == ["nightly"]
    for new in (kept | {"labels": {"team": "shop"}}, kept | {"annotations": {"a": "b"}}):
        assert _lost(update(JOB, old=kept, new=new), CRON_JOBS, objects=there) == []
    assert _lost(deletion(JOB, stored=kept), CRON_JOBS, objects=there) == ["nightly"]
    over = kept | {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    assert _lost(deletion(JOB, stored=over), CRON_JOBS, objects=there) == []
    by_hand = kept | {"annotations": {"cronjob.kubernetes.io/instantiate": "manual"}}
    for asked in (deletion(JOB, stored=by_hand), update(JOB, old=by_hand, new=by_hand | changes[0])):
        assert _lost(asked, CRON_JOBS, objects=there) == []
    # Who names both asks about the Job.
    for asked in (deletion(JOB, stored=kept), update(JOB, old=kept, new=changes[0])):
        assert _lost(asked, CRON_JOBS, JOBS, objects=there) == []
    assert _lost(deletion(JOB, stored=kept), DEPLOYMENTS, objects=there) == []


def test_a_workload_that_selects_the_pods_of_a_protected_one_counts_as_its_end() -> None:
    """Its autoscaler then scales nothing. One that selects none is free, and so is what selects its own."""
    decoy = creation(target(name="decoy", uid=""), new={"spec": {"selector": {"matchLabels": {"app": "web"}}}})
    web = DEPLOYMENT
    assert _lost(decoy, selected=[web]) == ["checkout"]
    assert _lost(decoy) == []
    itself = creation(DEPLOYMENT, new={"spec": {"selector": {"matchLabels": {"app": "web"}}}})
    assert _lost(itself, selected=[web]) == []
    assert _lost(decoy, JOBS, selected=[web]) == []
    unknown = Answers(unknown=[Selected])
    assert decide(decoy, state(policy()), answers=unknown).reason is Reason.INTERNAL_ERROR
    controller = target(GroupResource("", "replicationcontrollers"), "rc")
    old, new = ({"spec": {"selector": {"app": name}}} for name in ("mine", "web"))
    assert _lost(update(controller, old=old, new=new), DEPLOYMENTS, selected=[web]) == ["checkout"]
    assert _lost(update(controller, old=new, new=new), DEPLOYMENTS, selected=[web]) == []


SCALER = target(GroupResource("autoscaling", "horizontalpodautoscalers"), "web", uid="")


def _sized(name: str, kind: str = "ReplicaSet") -> dict[str, Any]:
    named = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    return {"spec": {"minReplicas": 1, "maxReplicas": 1, "scaleTargetRef": named}}


@pytest.mark.parametrize(
    ("name", "named", "lost"),
    [
        ("checkout-5d", DEPLOYMENTS, ["checkout"]),
        ("checkout-next", DEPLOYMENTS, ["checkout"]),
        ("other-next", DEPLOYMENTS, []),
        ("checkout-5d", SETS, []),
    ],
    ids=["made", "not made yet", "another's", "under another policy"],
)
def test_an_autoscaler_over_what_it_made_ends_a_workload(name: str, named: GroupResource, lost: list[str]) -> None:
    """Its controller puts no size of that right while it rolls out; and how the next one is called is known before."""
    assert _lost(creation(SCALER, new=_sized(name)), named) == lost
    assert _lost(update(SCALER, old=_sized(name), new=_sized(name) | {"labels": {"a": "b"}}), named) == []
    assert _lost(creation(SCALER, PERSON, new=_sized(name)), named) == []
