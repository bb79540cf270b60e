"""What a Deployment would start of what somebody left stopped is an agent's to start, or it is refused."""

from typing import Any, Final

import msgspec
import pytest
from tests.support.builders import (
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    WIDGETS,
    creation,
    deletion,
    document,
    policy,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.indirect import scaling
from seconder.admission.lookups import ControlledIn, FirstRight, ReadWhole, ReplicaSet, ReplicaSets, Right, Selecting
from seconder.admission.request import Owner, Request
from seconder.api.reasons import Reason
from seconder.api.resources import REPLICA_SETS, GroupResource, Target

MAY: Final = Right("delete", "apps", "deployments", "", "prod")
SELECTED: Final = {"selector": {"matchLabels": {"app": "checkout"}}}
WAITS: Final = "agents may not have a paused Deployment size what it finds: it has no ReplicaSet of its own that runs"
TAKES: Final = "agents may not take from a paused Deployment what runs: it would size another ReplicaSet"
SIZED: Final = "agents may not have an autoscaler size a paused Deployment of size 0: it sizes what it finds"
POWERFUL: Final = "agents may not act as ServiceAccount payments/janitor, which may delete deployments.apps"
ABOVE: Final = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "name": DEPLOYMENT.name,
    "uid": DEPLOYMENT.uid,
    "controller": True,
}
SET: Final = target(REPLICA_SETS, "checkout-5d", uid="uid-set")


def _pods(account: str = "") -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"serviceAccountName": account}))


def _above(object_: Target, **false: str) -> Owner:
    """The reference to an owner. ``false``: what it says otherwise."""
    return Owner("apps/v1", object_.kind, object_.name, object_.uid)._replace(**false)


RUNS: Final = ReplicaSet(_above(DEPLOYMENT), 1, _pods())
ANOTHER: Final = _above(DEPLOYMENT, uid="another")


def _spec(size: int, *, paused: bool, **more: Any) -> dict[str, Any]:
    return {"spec": {**SELECTED, "replicas": size, "paused": paused, **more}}


def _said(asked: Request, *sets: ReplicaSet, **answers: Any) -> str:
    """What the agent is told, where nothing of it is protected, and janitor may delete what is."""
    given = Answers(replica_sets=sets, accounts=("default", "janitor"), **answers)
    # Nobody else than janitor has the right.
    given.may = [MAY] if any(b"janitor" in bytes(each.pods) for each in sets) or "janitor" in str(asked.body) else []
    return refusal(decide(asked, state(policy(namespaces=frozenset({"prod"}))), answers=given))


def test_no_agent_makes_a_deployment_that_is_paused_and_has_a_size() -> None:
    """It makes no pods, and takes whatever comes; at size 0, or not paused, it is ordinary. People are not asked."""
    assert _said(creation(DEPLOYMENT, new=_spec(1, paused=True))) == WAITS
    assert _said(creation(DEPLOYMENT, new={"spec": {**SELECTED, "paused": True}})) == WAITS
    assert _said(creation(DEPLOYMENT, new=_spec(0, paused=True))) == ""
    assert _said(creation(DEPLOYMENT, PERSON, new=_spec(1, paused=True))) == ""
    ordinary = Answers()
    assert decide(creation(DEPLOYMENT, new=_spec(1, paused=False)), state(), answers=ordinary).allowed
    assert ordinary.questions(ReplicaSets) == []


@pytest.mark.parametrize("before", [_spec(0, paused=True), _spec(0, paused=False)])
def test_a_stopped_deployment_is_not_sized_while_it_is_paused(before: dict[str, Any]) -> None:
    """Nothing of its own runs, whatever the template says that comes with it."""
    assert _said(update(old=before, new=_spec(1, paused=True)), RUNS) == WAITS
    assert _said(update(old=before, new=_spec(1, paused=False)), RUNS) == ""
    assert _said(update(old=before, new=_spec(0, paused=True)), RUNS) == ""


@pytest.mark.parametrize(
    "waits",
    [
        creation(DEPLOYMENT, new=_spec(0, paused=True)),
        update(old=_spec(0, paused=False), new=_spec(0, paused=True)),
        update(old=_spec(1, paused=False), new=_spec(0, paused=True)),
    ],
    ids=["made", "paused", "stopped and paused"],
)
def test_what_waits_paused_of_size_0_has_nothing_that_is_not_an_agents_to_start(waits: Request) -> None:
    """Whose hand sizes it later, nobody asks. One that runs and is taken is stopped, and waits alike."""
    for size in (0, 1):
        theirs = ReplicaSet(None, size, _pods("janitor"))
        assert _said(waits, theirs) == POWERFUL
        assert _said(waits, theirs._replace(pods=_pods())) == _said(waits, theirs._replace(controller=ANOTHER)) == ""
    again = update(old=_spec(0, paused=True), new=_spec(0, paused=True, template={"spec": {}}))
    stopping = update(old=_spec(1, paused=True), new=_spec(0, paused=True))
    for free in (again, stopping, creation(DEPLOYMENT, new=_spec(0, paused=False))):
        answers = Answers(replica_sets=[ReplicaSet(None, 0, _pods("janitor"))])
        assert decide(free, state(), answers=answers).allowed
        assert answers.questions(ReplicaSets) == []


EVENTS: Final = target(scaling.SCALED_OBJECTS, "so")


def _scaler(kind: str = "Deployment", **more: Any) -> dict[str, Any]:
    named = {"apiVersion": "apps/v1", "kind": kind, "name": DEPLOYMENT.name}
    return {"spec": {"scaleTargetRef": named, "minReplicas": 1, "minReplicaCount": 1, "maxReplicas": 2, **more}}


@pytest.mark.parametrize("sizer", scaling.SIZERS)
def test_no_autoscaler_sizes_what_waits_paused(sizer: GroupResource) -> None:
    """Made, or changed in whatever is not free of it; what has a size or is not paused sizes what is its own."""
    object_ = target(sizer, "h")
    asked = [
        creation(object_, new=_scaler()),
        update(object_, old=_scaler("StatefulSet"), new=_scaler()),
        update(object_, old=_scaler(), new=_scaler(maxReplicas=3)),
    ]
    for each in asked:
        assert _said(each, whole=document(DEPLOYMENT, **_spec(0, paused=True))) == SIZED
        for other in (_spec(1, paused=True), _spec(0, paused=False)):
            assert _said(each, whole=document(DEPLOYMENT, **other)) == ""
        assert _said(each) == ""
    elsewhere = creation(object_, new=_scaler("StatefulSet"))
    assert _said(elsewhere, whole=document(DEPLOYMENT, **_spec(0, paused=True))) == ""


def test_nor_does_one_go_back_to_a_former_size_of_it() -> None:
    """As KEDA's do where they say so, when they go."""
    waits = document(DEPLOYMENT, **_spec(0, paused=True))
    back = _scaler(advanced={"restoreToOriginalReplicaCount": True})
    assert _said(deletion(EVENTS, stored=back), whole=waits) == SIZED
    assert _said(deletion(EVENTS, stored=_scaler()), whole=waits) == ""


def test_by_its_scale_it_is_not_sized_either() -> None:
    """Whether it is paused is read; not where it has a size already, or gets none."""
    stored = document(DEPLOYMENT, **_spec(0, paused=True))
    assert _said(scale(0, 1), whole=stored) == WAITS
    assert _said(scale(0, 1), whole=document(DEPLOYMENT, **_spec(0, paused=False))) == ""
    assert _said(scale(1, 3), whole=stored) == _said(scale(1, 0), whole=stored) == ""


PAUSES: Final = update(old=_spec(1, paused=False), new=_spec(1, paused=True))


def test_what_runs_may_be_paused() -> None:
    """While a ReplicaSet of its own does, and has no end; the look-up is one, by its selector."""
    assert _said(PAUSES, RUNS) == ""
    assert _said(PAUSES) == WAITS
    for other in (RUNS._replace(size=0), RUNS._replace(controller=ANOTHER), RUNS._replace(ending=True)):
        assert _said(PAUSES, other) == WAITS
    answers = Answers(replica_sets=[RUNS])
    assert decide(PAUSES, state(), answers=answers).allowed
    assert answers.questions(ReplicaSets) == [ReplicaSets("payments", "app in (checkout)")]
    again = update(old=_spec(1, paused=True), new=_spec(3, paused=True, template={"spec": {}}))
    assert _said(again) == ""


def test_what_it_has_taken_may_be_an_agents_to_start() -> None:
    """Of what is stopped and is its own or nobody's; but as whom it runs already, that may run again."""
    stopped = ReplicaSet(None, 0, _pods("janitor"))
    assert _said(PAUSES, RUNS, stopped) == POWERFUL
    assert _said(PAUSES, RUNS, stopped._replace(controller=_above(DEPLOYMENT))) == POWERFUL
    assert _said(PAUSES, RUNS, stopped._replace(controller=ANOTHER)) == ""
    assert _said(PAUSES, RUNS, stopped._replace(size=1)) == ""
    assert _said(PAUSES, RUNS._replace(pods=_pods("janitor")), stopped) == ""


def test_what_is_left_to_other_deployments_is_asked_about() -> None:
    """By an orphaning deletion; of an ordinary one nothing is asked."""
    left = ReplicaSet(_above(DEPLOYMENT), 0, _pods("janitor"))
    stored = _spec(0, paused=False)
    assert _said(deletion(stored=stored, options={"propagationPolicy": "Orphan"}), left) == POWERFUL
    assert _said(deletion(stored=stored, options={"propagationPolicy": "Background"}), left) == ""


ROLL: Final = target(WIDGETS, "roll", uid="uid-roll")
KEPT: Final = {"finalizers": ["orphan"]}


def test_what_another_object_leaves_to_deployments_is_asked_about() -> None:
    """Of whatever kind: by an orphaning deletion, or by the finalizer that has every deletion be one."""
    left = ReplicaSet(_above(ROLL), 0, _pods("janitor"))
    orphans = {"propagationPolicy": "Orphan"}
    for leaves in (
        deletion(ROLL, options=orphans),
        deletion(ROLL, stored=KEPT),
        update(ROLL, old={}, new=KEPT),
        update(ROLL, old={}, new=KEPT, subResource="status"),
    ):
        assert _said(leaves, left) == POWERFUL
        assert _said(leaves, left._replace(pods=_pods())) == _said(leaves, left._replace(size=1)) == ""
        assert _said(leaves, left._replace(controller=ANOTHER)) == ""
    assert _said(update(old=_spec(1, paused=False), new=_spec(1, paused=False) | KEPT), RUNS, left) == ""
    theirs = left._replace(controller=_above(DEPLOYMENT))
    assert _said(update(old=_spec(1, paused=False), new=_spec(1, paused=True) | KEPT), RUNS, theirs) == POWERFUL
    for free in (deletion(ROLL), update(ROLL, old=KEPT, new=KEPT | {"labels": {"a": "b"}}), creation(ROLL, new=KEPT)):
        answers = Answers(replica_sets=[left])
        assert decide(free, state(), answers=answers).allowed
        assert answers.questions(ReplicaSets) == []
    anywhere = Target(WIDGETS, "Widget", "", "roll", ROLL.uid)
    leaves, size = deletion(anywhere, options=orphans), {"metadata": {}, "spec": {"replicas": 0}}
    assert "in whatever namespaces" in _said(leaves, left, whole=size)
    assert _said(leaves, left, whole=size | {"spec": {"replicas": 2}}) == _said(leaves, left, whole=None) == ""
    assert _said(leaves, left, whole=size | {"metadata": {"deletionTimestamp": "now"}}) == ""
    assert _said(leaves, RUNS) == ""
    assert "more than 16 ReplicaSets" in _said(leaves, *[left] * 17)


@pytest.mark.parametrize("place", ["", "payments"])
def test_the_replica_sets_of_others_are_not_read(place: str) -> None:
    """Whoever makes large ones, and many, makes nobody else's deletion slow: their metadata is listed."""
    leaves = deletion(Target(WIDGETS, "Widget", place, "roll", ROLL.uid), options={"propagationPolicy": "Orphan"})
    answers = Answers(unknown=[ReplicaSets, ReadWhole])
    assert decide(leaves, state(policy(namespaces=frozenset({"prod"}))), answers=answers).allowed
    assert [each.by for each in answers.questions(ControlledIn)] == [ROLL.uid]


def test_what_runs_beside_what_is_left_says_nothing_of_it() -> None:
    """Whoever takes one alone starts it: as whom others of the same controller run is not as whom that one does."""
    left = ReplicaSet(_above(ROLL), 0, _pods("janitor"))
    leaves = deletion(ROLL, options={"propagationPolicy": "Orphan"})
    assert _said(leaves, left, left._replace(size=1)) == POWERFUL


@pytest.mark.parametrize("false", [{"api_version": "example.com/v1"}, {"kind": "Foo"}, {"name": "other"}])
def test_what_the_garbage_collector_takes_for_nobodys_does_not_run_on(false: dict[str, str]) -> None:
    """It looks for the owner that a reference names: a Deployment of such alone is not paused, nor for their sake."""
    told_falsely = RUNS._replace(controller=_above(DEPLOYMENT, **false), pods=_pods("janitor"))
    assert _said(PAUSES, told_falsely) == WAITS
    assert _said(PAUSES, told_falsely, RUNS) == ""
    stopped = ReplicaSet(told_falsely.controller, 0, _pods("janitor"))
    assert _said(PAUSES, told_falsely, RUNS, stopped) == POWERFUL
    version = RUNS._replace(controller=_above(DEPLOYMENT, api_version="apps/v1beta2"))
    assert _said(PAUSES, version) == ""


def _set(size: int, account: str = "", **more: Any) -> dict[str, Any]:
    return {"spec": {"replicas": size, "template": {"spec": {"serviceAccountName": account}}}, **more}


@pytest.mark.parametrize(
    "joining",
    [
        {"labels": {"app": "other"}},
        {"ownerReferences": [ABOVE]},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "holder", "uid": "uid-holder"}]},
    ],
    ids=["labels", "a controller", "an owner by which it stays"],
)
@pytest.mark.parametrize("subresource", ["", "status"])
def test_who_gives_a_replica_set_away_starts_it(joining: dict[str, Any], subresource: str) -> None:
    """By its labels, or an owner; annotations give it to nobody."""

    def given(account: str, change: dict[str, Any]) -> Request:
        return update(SET, old=_set(0, account), new=_set(0, account, **change), subResource=subresource)

    assert _said(given("janitor", joining)) == POWERFUL
    assert _said(given("default", joining)) == ""
    assert _said(given("janitor", {"annotations": {"a": "b"}})) == ""
    taken = update(SET, old=_set(0, "janitor", **joining), new=_set(0, "janitor"), subResource=subresource)
    assert _said(taken) == POWERFUL


TAKING: Final = [
    deletion(SET, stored=_set(1, ownerReferences=[ABOVE])),
    update(SET, old=_set(1, ownerReferences=[ABOVE]), new=_set(0, ownerReferences=[ABOVE])),
    update(SET, old=_set(1, ownerReferences=[ABOVE]), new=_set(1, ownerReferences=[ABOVE], labels={"a": "b"})),
    update(SET, old=_set(1, ownerReferences=[ABOVE]), new=_set(1)),
]


@pytest.mark.parametrize("taking", TAKING)
def test_what_runs_of_a_paused_deployment_is_not_taken_from_it(taking: Request) -> None:
    """It would size another one; where it is not paused, or has no size, or is gone, it would not."""
    assert _said(taking, whole=document(DEPLOYMENT, **_spec(1, paused=True))) == TAKES
    for other in (_spec(1, paused=False), _spec(0, paused=True)):
        assert _said(taking, whole=document(DEPLOYMENT, **other)) == ""
    assert _said(taking) == ""


@pytest.mark.parametrize("false", [{"apiVersion": "example.com/v1"}, {"kind": "Foo"}, {"name": "other"}])
def test_its_deployment_is_known_by_uid_whatever_else_the_reference_says(false: dict[str, str]) -> None:
    """And by the labels: one that does not select it lets go of it."""
    asked = deletion(SET, stored=_set(1, ownerReferences=[ABOVE | false], labels={"app": "checkout"}))
    other = document(target(DEPLOYMENTS, "other", uid="other"), **_spec(1, paused=True))
    assert _said(asked, whole=other, selecting=[DEPLOYMENT]) == TAKES
    assert _said(asked, whole=other, selecting=[target(DEPLOYMENTS, "other", uid="other")]) == ""
    assert _said(asked, whole=other) == ""
    unknown = Answers(whole=other, unknown=[Selecting])
    assert decide(asked, state(), answers=unknown).reason is Reason.INTERNAL_ERROR


def test_nothing_is_asked_of_what_does_not_run() -> None:
    """A former ReplicaSet may be deleted, and one be sized, whatever is above."""
    for free in (
        deletion(SET, stored=_set(0, ownerReferences=[ABOVE])),
        update(SET, old=_set(1, ownerReferences=[ABOVE]), new=_set(3, ownerReferences=[ABOVE])),
    ):
        answers = Answers(whole=document(DEPLOYMENT, **_spec(1, paused=True)))
        assert decide(free, state(), answers=answers).allowed
        assert answers.questions(ReadWhole) == []


@pytest.mark.parametrize("unknown", [ReplicaSets, FirstRight])
def test_what_is_not_known_is_refused(unknown: Any) -> None:
    """Which ReplicaSets there are, and what their account may do."""
    answers = Answers(replica_sets=[RUNS, ReplicaSet(None, 0, _pods("janitor"))], unknown=[unknown])
    assert decide(PAUSES, state(), answers=answers).reason is Reason.INTERNAL_ERROR
