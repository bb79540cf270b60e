"""Labels by which two workloads select one pod, of which no autoscaler scales either."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace
from tests.support.builders import (
    DEPLOYMENT,
    PERSON,
    approved,
    approved_for,
    creation,
    deletion,
    document,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, ended

from seconder.admission.indirect import scaling, selectors
from seconder.admission.kinds import BY_SELECTOR, CRON_JOBS, POD_RUNNERS, SCALED
from seconder.admission.lookups import Lookup, ReadObjects, ReadWhole, Scaled, ScaledBy, Selecting, Sharing
from seconder.admission.request import Metadata, OwnerReference, Request
from seconder.admission.rules import indirect_deletion
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, DEPLOYMENTS, JOBS, PODS, REPLICA_SETS, SECRETS, GroupResource, Target

REPLICA_SET = target(REPLICA_SETS, "checkout-5d", uid="uid-rs")
TRAP = target(REPLICA_SETS, "trap", uid="uid-trap")
HPA = target(AUTOSCALERS, "web", uid="uid-hpa")
POD = target(PODS, "checkout-5d-x", uid="uid-pod")
WEB, HASH, CAUGHT = {"app": "web"}, {"pod-template-hash": "5d"}, {"trap": "yes"}
SELECTORS = {DEPLOYMENT: WEB, REPLICA_SET: WEB | HASH, TRAP: CAUGHT}
OF_DEPLOYMENT = OwnerReference("apps/v1", "Deployment", DEPLOYMENT.name, DEPLOYMENT.uid, controller=True)
THERE = {**live(DEPLOYMENT), **live(REPLICA_SET, owner_references=[OF_DEPLOYMENT]), **live(TRAP)}


@dataclass(eq=False)
class _Selectors(Answers):
    """Answers what selects some labels as the resolver does."""

    there: Mapping[Target, Mapping[str, str]] = field(default_factory=lambda: SELECTORS)
    whole: Mapping[str, Any] | None = field(
        default_factory=lambda: document(REPLICA_SET, spec={"selector": {"matchLabels": WEB}})
    )

    def __call__(self, lookup: Lookup[Any]) -> Any:
        answer = super().__call__(lookup)
        return [each for each in self.there if _selects(lookup, each, self.there)] if _is(lookup) else answer


def _is(lookup: Lookup[Any]) -> bool:
    return isinstance(lookup, Selecting)


def _selects(lookup: Any, each: Target, there: Mapping[Target, Mapping[str, str]]) -> bool:
    plain = each.resource == selectors.BY_LABELS
    spec = {"selector": there[each] if plain else {"matchLabels": there[each]}}
    wanted = each.resource in {kind.resource for kind in lookup.kinds}
    fits, but = selectors.fits(each.resource, spec, dict(lookup.labels)), lookup.but
    return wanted and fits and (but is None or not selectors.fits(each.resource, spec, dict(but)))


def _under(owner: Target) -> dict[str, Any]:
    version = f"{owner.resource.group}/v1"
    named = {"apiVersion": version, "kind": owner.kind, "name": owner.name, "uid": owner.uid, "controller": True}
    return {"ownerReferences": [named]}


def _made(object_: Target, labels: Mapping[str, str], selector: Mapping[str, str] = CAUGHT) -> dict[str, Any]:
    """An object whose pods have these labels."""
    if object_.resource == PODS:
        return {"labels": dict(labels)}
    spec: dict[str, Any] = {"template": {"metadata": {"labels": dict(labels)}}}
    if object_.resource == CRON_JOBS:
        return {"spec": {"jobTemplate": {"spec": spec}}}
    plain = object_.resource == selectors.BY_LABELS
    return {"spec": spec | {"selector": dict(selector) if plain else {"matchLabels": dict(selector)}}}


def _objects(there: Iterable[Target]) -> dict[tuple[GroupResource, str, str], Metadata]:
    return {place: read for each in there for place, read in live(each).items()} | THERE


def _lost(asked: Request, *named: GroupResource, there: Mapping[Target, Mapping[str, str]] = SELECTORS) -> list[str]:
    answers = _Selectors(objects=_objects(there), there=there, scaling=[HPA])
    return sorted(set(ended(decide(asked, state(policy(*named)), answers=answers, rules=[indirect_deletion.RULE]))))


@pytest.mark.parametrize("subresource", ["", "status"])
def test_a_pod_of_a_protected_workload_that_another_one_selects_counts_as_its_end(subresource: str) -> None:
    """By other labels, through its status, too. Those that nobody selects are free, and so are people's."""
    of_it = WEB | HASH

    def labelled(**labels: str) -> Request:
        old, new = (_under(REPLICA_SET) | {"labels": each} for each in (of_it, of_it | labels))
        return update(POD, old=old, new=new, subResource=subresource)

    assert _lost(labelled(trap="yes")) == ["checkout"]
    assert _lost(labelled(trap="no")) == []
    assert _lost(labelled(trap="yes"), REPLICA_SETS) == ["checkout-5d", "trap"]
    assert _lost(labelled(trap="yes"), JOBS) == []
    both = _under(REPLICA_SET) | {"labels": of_it | CAUGHT}
    assert _lost(update(POD, old=both, new=_under(REPLICA_SET) | {"labels": of_it | CAUGHT | {"a": "b"}})) == []
    unknown = Answers(objects=THERE, unknown=[Selecting])
    assert decide(labelled(a="b"), state(policy()), answers=unknown).reason is Reason.INTERNAL_ERROR
    people = update(POD, PERSON, old={"labels": of_it}, new={"labels": of_it | CAUGHT})
    assert decide(people, state(policy()), answers=unknown).allowed


@pytest.mark.parametrize("kind", sorted(SCALED), ids=str)
def test_its_own_template_of_such_labels_counts_as_its_end(kind: GroupResource) -> None:
    """A peer's approval of that lets it through. A label that nobody selects is free."""
    there = {target(kind, "web", uid="uid-web"): WEB, target(DEPLOYMENTS, "mine", uid="uid-mine"): CAUGHT}
    (web, *_) = there
    old, caught, free = (_made(web, each, WEB) for each in (WEB, WEB | CAUGHT, WEB | {"a": "b"}))
    assert "web" in _lost(update(web, old=old, new=caught), kind, there=there)
    assert _lost(update(web, old=old, new=free), kind, there=there) == []
    assert _lost(update(web, old=caught, new=caught | {"labels": {"a": "b"}}), kind, there=there) == []


def test_a_peer_lets_its_own_template_through() -> None:
    """By an approval on it: the request's own object is not read again."""
    old, new = _made(DEPLOYMENT, WEB, WEB), _made(DEPLOYMENT, WEB | CAUGHT, WEB)
    signed = {"annotations": approved()}
    asked = update(DEPLOYMENT, old=old | signed, new=new | signed)
    assert decide(asked, state(policy()), answers=_Selectors(objects=THERE, scaling=[HPA])).reason is Reason.APPROVED


@pytest.mark.parametrize("kind", sorted(POD_RUNNERS), ids=str)
def test_whatever_makes_a_pod_that_two_select_ends_the_protected_one(kind: GroupResource) -> None:
    """Made or changed, whoever controls it. What a protected workload alone selects is about another rule."""
    own = target(kind, "mine", uid="")
    both = _made(own, WEB | CAUGHT, {"mine": "yes"})
    assert _lost(creation(own, new=both)) == ["checkout"]
    assert "checkout" in _lost(update(own, old=_made(own, CAUGHT, {"mine": "yes"}), new=both))
    assert _lost(creation(own, new=both), SECRETS) == []
    assert _lost(creation(own, new=_made(own, CAUGHT, {"mine": "yes"})), JOBS) == []


@pytest.mark.parametrize("kind", sorted({JOBS, CRON_JOBS} | set(BY_SELECTOR) - set(SCALED)), ids=str)
def test_pods_that_only_one_selects_are_free(kind: GroupResource) -> None:
    """Of what no autoscaler scales: a Job beside a workload has its labels, and many have."""
    own = target(kind, "mine", uid="")
    made = _made(own, WEB, {"mine": "yes"})
    assert _lost(creation(own, new=made)) == []


@pytest.mark.parametrize("kind", sorted(SCALED), ids=str)
def test_a_workload_whose_pods_a_protected_one_selects_counts_as_its_end(kind: GroupResource) -> None:
    """It selects them itself, by whichever of their labels."""
    own = target(kind, "mine", uid="")
    assert _lost(creation(own, new=_made(own, WEB | {"mine": "yes"}, {"mine": "yes"}))) == ["checkout"]
    assert _lost(creation(own, new=_made(own, {"mine": "yes"}, {"mine": "yes"}))) == []


def test_what_matters_to_nobody_takes_no_look_up() -> None:
    """Labels where no workload with a size is protected; labels that stay; and what else is done to pods."""
    unknown = Answers(objects=THERE, unknown=[Selecting])
    old, new = (_under(REPLICA_SET) | {"labels": each} for each in (WEB, WEB | CAUGHT))
    labelled, stays = update(POD, old=old, new=new), update(POD, old=old, new=old | {"annotations": {"a": "b"}})
    assert decide(labelled, state(policy(SECRETS)), answers=unknown).allowed
    for free in (stays, deletion(POD, stored=old)):
        assert decide(free, state(policy()), answers=unknown).allowed
    answers = _Selectors(objects=THERE, there={})
    assert decide(labelled, state(policy()), answers=answers).allowed
    # One for a rival of its own, one for another that would take it.
    assert len(answers.questions(Selecting)) == 2


def test_what_no_autoscaler_scales_loses_nothing() -> None:
    """Which autoscalers there are is asked only of what two select."""
    old, new = (_under(REPLICA_SET) | {"labels": WEB | HASH | each} for each in ({}, CAUGHT))
    asked, answers = update(POD, old=old, new=new), _Selectors(objects=THERE)
    assert decide(asked, state(policy()), answers=answers).allowed
    (scaled,) = answers.questions(ScaledBy)
    assert scaled.scaled == (Scaled("apps", "Deployment", "checkout"),)
    unknown = _Selectors(objects=THERE, unknown=[ScaledBy])
    assert decide(asked, state(policy()), answers=unknown).reason is Reason.INTERNAL_ERROR


def test_a_signed_end_of_the_workload_lets_a_rival_in() -> None:
    """Whoever may end it may have it scaled no more."""
    old, new = (_under(REPLICA_SET) | {"labels": WEB | HASH | each} for each in ({}, CAUGHT))
    held = THERE | live(DEPLOYMENT, annotations=approved_for(DEPLOYMENT))
    asked = update(POD, old=old, new=new)
    assert decide(asked, state(policy()), answers=_Selectors(objects=held, scaling=[HPA])).reason is Reason.APPROVED


_MINE = target(DEPLOYMENTS, "mine", uid="uid-mine")


def _scales(name: str = "mine", kind: str = "Deployment") -> dict[str, Any]:
    named = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    return {"spec": {"scaleTargetRef": named, "minReplicas": 1, "maxReplicas": 5}}


def _scaled_beside(asked: Request, *named: GroupResource, **given: Any) -> list[str]:
    stored = document(_MINE, spec=_made(_MINE, WEB | CAUGHT)["spec"])
    own: dict[str, Any] = {
        "objects": _objects([HPA]),
        "whole": stored,
        "sharing": [DEPLOYMENT, REPLICA_SET],
        "scaling": [HPA],
    }
    answers = _Selectors(**(own | given))
    return sorted(set(ended(decide(asked, state(policy(*named)), answers=answers, rules=[indirect_deletion.RULE]))))


@pytest.mark.parametrize("kind", scaling.SIZERS, ids=str)
def test_an_autoscaler_of_what_shares_its_pods_counts_as_the_end_of_a_protected_workload(kind: GroupResource) -> None:
    """Whoever comes second. Of another's pods, or where nothing scales the protected one, it is free."""
    scaler = target(kind, "mine", uid="")
    made = creation(scaler, new=_scales())
    assert _scaled_beside(made) == ["checkout"]
    assert _scaled_beside(update(scaler, old={"spec": {}}, new=_scales())) == ["checkout"]
    assert _scaled_beside(made, sharing=[]) == []
    assert _scaled_beside(made, scaling=[]) == []
    assert _scaled_beside(made, sharing=[_MINE]) == []
    assert _scaled_beside(made, whole=None) == []
    assert _scaled_beside(made, JOBS) == []
    assert _scaled_beside(creation(scaler, new=_scales("web", "Widget"))) == []
    labelled = update(scaler, old=_scales(), new=_scales() | {"labels": {"a": "b"}})
    assert _scaled_beside(labelled) == []
    for unknown in (Sharing, ScaledBy, ReadWhole):
        answers = _Selectors(objects=THERE, sharing=[DEPLOYMENT], unknown=[unknown])
        for named, reason in ((DEPLOYMENTS, Reason.INTERNAL_ERROR), (SECRETS, Reason.NOT_COVERED)):
            decided = decide(made, state(policy(named)), answers=answers, rules=[indirect_deletion.RULE])
            assert decided.reason is reason


@dataclass(eq=False)
class _ScaledAlone(_Selectors):
    """Answers that one workload alone has an autoscaler."""

    alone: Target = DEPLOYMENT

    def __call__(self, lookup: Lookup[Any]) -> Any:
        answer = super().__call__(lookup)
        if not isinstance(lookup, ScaledBy):
            return answer
        return [HPA] if Scaled("apps", self.alone.kind, self.alone.name) in lookup.scaled else []


def test_an_autoscaler_changes_freely_beside_what_nothing_else_scales() -> None:
    """A canary shares pods with it, and so does the ReplicaSet that its own workload makes."""
    stored = document(DEPLOYMENT, spec=_made(DEPLOYMENT, WEB, WEB)["spec"])
    given: dict[str, Any] = {"objects": _objects([_MINE]), "whole": stored, "sharing": [DEPLOYMENT, REPLICA_SET, _MINE]}
    scales = [_scales(DEPLOYMENT.name), _scales(DEPLOYMENT.name)]
    scales[1]["spec"] = scales[1]["spec"] | {"maxReplicas": 9}
    asked = update(HPA, old=scales[0], new=scales[1])

    def lost(alone: Target) -> list[str]:
        answers = _ScaledAlone(**given, alone=alone)
        return ended(decide(asked, state(policy()), answers=answers, rules=[indirect_deletion.RULE]))

    assert lost(DEPLOYMENT) == []
    assert lost(_MINE) == ["mine"]


def test_of_what_two_select_that_is_lost_which_an_autoscaler_scales() -> None:
    """Whoever signs for it signs for nothing that goes on."""
    there = {DEPLOYMENT: WEB, _MINE: CAUGHT}
    asked = creation(target(JOBS, "smoke", uid=""), new=_made(target(JOBS, "smoke"), WEB | CAUGHT))
    answers = _ScaledAlone(objects=_objects([_MINE]), there=there)
    assert ended(decide(asked, state(policy()), answers=answers, rules=[indirect_deletion.RULE])) == ["checkout"]


def test_what_shares_pods_with_a_workload_ends_its_protected_autoscaler() -> None:
    """Though no policy names the workload: by labels of pods, a selector, or an autoscaler of its own."""
    both = _made(_MINE, WEB | CAUGHT, {"mine": "yes"})
    for asked in (
        creation(_MINE, new=both),
        update(POD, old={"labels": WEB}, new={"labels": WEB | CAUGHT}),
        creation(target(AUTOSCALERS, "mine", uid=""), new=_scales()),
        creation(target(REPLICA_SETS, "mine", uid=""), new=_made(_MINE, CAUGHT, CAUGHT)),
    ):
        assert _scaled_beside(asked, AUTOSCALERS, selected=[DEPLOYMENT]) == ["web"]
        assert _scaled_beside(asked, AUTOSCALERS, selected=[DEPLOYMENT], scaling=[]) == []
    alone = creation(_MINE, new=_made(_MINE, {"mine": "yes"}, {"mine": "yes"}))
    assert _scaled_beside(alone, AUTOSCALERS) == []


TAKEN = target(AUTOSCALERS, "front", uid="uid-front")


def _named_by(config: Any, **status: str) -> dict[str, Any]:
    spec = {"scaleTargetRef": {"name": "other"}, "minReplicaCount": 1, "advanced": config}
    return {"spec": spec} | ({"status": status} if status else {})


@pytest.mark.parametrize(
    ("name", "old", "new", "counts"),
    [
        ("so", None, _named_by({"horizontalPodAutoscalerConfig": {"name": "front"}}), True),
        ("so", None, _named_by({"horizontalPodAutoscalerConfig": {"name": "own"}}), False),
        ("so", None, _named_by(None), False),
        ("so", None, _named_by(None, hpaName="front"), True),
        ("so", _named_by(None), _named_by({"horizontalPodAutoscalerConfig": {"name": "front"}}), True),
        ("so", _named_by({"horizontalPodAutoscalerConfig": {"name": "front"}}), _named_by(None), True),
        ("so", _named_by(None), _named_by(None, hpaName="front"), True),
        ("so", _named_by(None, hpaName="front"), _named_by(None, hpaName="front") | {"labels": {"a": "b"}}, False),
    ],
)
def test_the_autoscaler_that_keda_takes_by_its_name_counts(name: str, old: Any, new: Any, counts: bool) -> None:
    """By the name that is told, in its status too, before and after; where no policy is about it nothing is asked."""
    mine = target(scaling.SCALED_OBJECTS, name, uid="uid-so")
    asked = creation(mine, new=new) if old is None else update(mine, old=old, new=new)
    answers = Answers(objects=live(TAKEN))
    assert ended(decide(asked, state(policy(AUTOSCALERS)), answers=answers)) == (["front"] if counts else [])
    elsewhere = state(policy(AUTOSCALERS, namespaces={"elsewhere"}))
    assert decide(asked, elsewhere, answers=Answers(unknown=[ReadObjects])).allowed
    assert decide(asked, state(policy(AUTOSCALERS)), answers=Answers(objects={})).allowed


def test_an_objects_own_autoscaler_is_written_as_its_policies_say() -> None:
    """It keeps the name, and its controller is the object, by uid. Where no policy asks about the object, it counts."""
    mine = target(scaling.SCALED_OBJECTS, "so", uid="uid-so")
    taken = target(AUTOSCALERS, "keda-hpa-so", uid="uid-hpa")
    owner = OwnerReference("keda.sh/v1alpha1", "ScaledObject", "so", "uid-so", controller=True)
    old, new = _named_by(None), _named_by({"other": {}})
    free = ("spec", "metadata")

    def lost(asked: Request, *kinds: GroupResource, owners: Iterable[OwnerReference] = (owner,)) -> list[str]:
        answers = Answers(objects=live(taken, owner_references=list(owners)))
        return ended(decide(asked, state(policy(*kinds, free_changes=free)), answers=answers))

    changed = update(mine, old=old, new=new)
    assert lost(changed, AUTOSCALERS, scaling.SCALED_OBJECTS) == []
    assert lost(changed, AUTOSCALERS) == ["keda-hpa-so"]
    assert lost(changed, AUTOSCALERS, scaling.SCALED_OBJECTS, owners=[]) == ["keda-hpa-so"]
    assert lost(changed, AUTOSCALERS, scaling.SCALED_OBJECTS, owners=[replace(owner, uid="other")]) == ["keda-hpa-so"]
    renamed = update(mine, old=old, new=_named_by({"horizontalPodAutoscalerConfig": {"name": "own"}}))
    assert lost(renamed, AUTOSCALERS, scaling.SCALED_OBJECTS) == ["keda-hpa-so"]


def test_an_autoscaler_is_no_rival_of_what_made_it() -> None:
    """Told by its owner's uid and by the name that its maker gives: one of another name is a second one."""
    owner = OwnerReference("keda.sh/v1alpha1", "ScaledObject", "so", "uid-so", controller=True)
    above = target(scaling.SCALED_OBJECTS, "so", uid="uid-so")
    old, new = (
        {
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": most,
            }
        }
        | {"ownerReferences": [to_builtins(owner)]}
        for most in (5, 7)
    )
    named = policy(AUTOSCALERS, scaling.SCALED_OBJECTS, free_changes=("spec", "metadata"))

    def lost(name: str, uid: str) -> list[str]:
        asked = update(target(AUTOSCALERS, name, uid="uid-hpa"), old=old, new=new)
        there = replace(above, uid=uid)
        answers = Answers(objects=live(DEPLOYMENT) | live(there), scaling=[there])
        return ended(decide(asked, state(named), answers=answers, rules=[indirect_deletion.RULE]))

    assert lost("keda-hpa-so", "uid-so") == []
    assert lost("keda-hpa-so", "uid-other") == lost("mine", "uid-so") == ["so"]


def test_the_autoscaler_that_keda_names_after_an_object_counts() -> None:
    """By the name that it gives where none is told; where that cannot be told, nobody knows."""
    taken = target(AUTOSCALERS, "keda-hpa-so", uid="uid-so")
    mine = target(scaling.SCALED_OBJECTS, "so", uid="uid-so")
    cluster = state(policy(AUTOSCALERS))
    assert ended(decide(creation(mine, new=_named_by(None)), cluster, answers=Answers(objects=live(taken)))) == [
        taken.name
    ]
    odd = creation(mine, new=_named_by({"horizontalPodAutoscalerConfig": "front"}))
    assert decide(odd, cluster, answers=Answers()).reason is Reason.INTERNAL_ERROR
