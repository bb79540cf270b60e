"""Whoever makes a claim that a protected volume may be bound to ends the volume, whatever ends the claim."""

from typing import Any

import pytest
from tests.support.builders import PERSON, approved_for, creation, live, policy, state, target, update
from tests.support.resolving import Answers, decide

from seconder.admission.indirect import claiming
from seconder.admission.lookups import FreeVolume, FreeVolumes
from seconder.admission.request import Request
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import JOBS, PODS, GroupResource, Target

CLAIMS = GroupResource("", "persistentvolumeclaims")
VOLUMES = GroupResource("", "persistentvolumes")
VOLUME = Target(VOLUMES, "PersistentVolume", "", "pv-1", "uid-pv")
FREE = FreeVolume("pv-1", "uid-pv", ("fast",), None)
CLAIM = target(CLAIMS, "mine", uid="")
SET = target(GroupResource("apps", "statefulsets"), "db", uid="")
PROTECTED = policy(VOLUMES)


def _lost(asked: Request, *volumes: FreeVolume, one: Policy = PROTECTED) -> bool:
    answers = Answers(objects=live(VOLUME), volumes=volumes or (FREE,))
    decided = decide(asked, state(one), answers=answers)
    assert decided.reason in {Reason.APPROVAL_MISSING, Reason.NOT_COVERED}
    assert [part.effect.target for part in decided.parts] == [VOLUME] * (not decided.allowed)
    return not decided.allowed


def _claim(**spec: Any) -> Request:
    return creation(CLAIM, new={"spec": spec})


def test_whoever_makes_a_claim_ends_the_volumes_that_it_may_have() -> None:
    """By its name or its class, whatever its size. People are free, and so is an agent where nobody names volumes."""
    assert _lost(_claim(volumeName="pv-1", storageClassName="other"))
    assert _lost(_claim(storageClassName="fast", resources={"requests": {"storage": "1Pi"}}))
    assert _lost(_claim(), FREE._replace(classes=()))
    assert _lost(_claim()), "it gets the default class later"
    assert not _lost(_claim(storageClassName=""))
    assert not _lost(_claim(storageClassName="slow"))
    assert not _lost(_claim(volumeName="pv-2", storageClassName="fast"))
    by_annotation = creation(
        CLAIM, new={"annotations": {claiming._CLASS: "fast"}, "spec": {"storageClassName": "slow"}}
    )
    assert _lost(by_annotation)
    assert not _lost(_claim(volumeName="pv-1"), one=policy(CLAIMS))
    unknown = Answers(unknown=[FreeVolumes])
    asked = _claim(storageClassName="fast")
    assert decide(asked, state(PROTECTED), answers=unknown).reason is Reason.INTERNAL_ERROR
    assert decide(creation(CLAIM, PERSON, new={"spec": {}}), state(PROTECTED), answers=unknown).allowed
    signed = Answers(objects=live(VOLUME, annotations=approved_for(VOLUME)), volumes=[FREE])
    assert decide(asked, state(PROTECTED), answers=signed).reason is Reason.APPROVED


def test_a_volume_that_is_kept_for_one_claim_is_free_to_others() -> None:
    """By the namespace and the name that it gives."""
    assert _lost(_claim(volumeName="pv-1"), FREE._replace(kept_for=("payments", "mine")))
    assert not _lost(_claim(volumeName="pv-1"), FREE._replace(kept_for=("payments", "theirs")))
    assert not _lost(_claim(storageClassName="fast"), FREE._replace(kept_for=("other", "mine")))


def test_a_claim_that_waits_may_ask_for_another_volume_once() -> None:
    """What has one already keeps that, and what stays as it was asks nobody anew."""

    def changed(old: dict[str, Any], new: dict[str, Any]) -> Request:
        return update(CLAIM, old={"spec": old}, new={"spec": new})

    slow = {"storageClassName": "slow"}
    assert _lost(changed(slow, {**slow, "volumeName": "pv-1"}))
    assert _lost(changed({}, {"storageClassName": "fast"}))
    assert not _lost(changed({"storageClassName": "fast"}, {"storageClassName": "fast", "resources": {}}))
    assert not _lost(changed({"volumeName": "pv-2"}, {"volumeName": "pv-2", "storageClassName": "fast"}))


EPHEMERAL = {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}}]}
PLAIN = {"volumes": [{"name": "v", "emptyDir": {}}]}


@pytest.mark.parametrize(
    ("made", "spec"),
    [
        (SET, {"volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"storageClassName": "fast"}}]}),
        (target(PODS, "p", uid=""), EPHEMERAL),
        (target(uid=""), {"template": {"spec": EPHEMERAL}}),
        (target(JOBS, "j", uid=""), {"template": {"spec": EPHEMERAL}}),
        (
            target(GroupResource("batch", "cronjobs"), "c", uid=""),
            {"jobTemplate": {"spec": {"template": {"spec": EPHEMERAL}}}},
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Target) else "",
)
def test_what_makes_such_claims_counts_as_well(made: Target, spec: dict[str, Any]) -> None:
    """By a template, when it comes; not again while it stays. Its claims may have whatever names one may be."""
    assert _lost(creation(made, new={"spec": spec}))
    assert not _lost(creation(made, new={"spec": spec}), FREE._replace(classes=("slow",)))
    assert _lost(creation(made, new={"spec": spec}), FREE._replace(kept_for=("payments", "d-db-0")))
    assert not _lost(update(made, old={"spec": spec}, new={"spec": spec, "labels": {"a": "b"}}))
    assert not _lost(creation(made, new={"spec": {"template": {"spec": PLAIN}}}))


def test_only_the_volumes_that_are_asked_for_by_name_are_read() -> None:
    """All of them where some claim asks for a class."""
    answers = Answers(volumes=[FREE])
    decide(_claim(volumeName="pv-1"), state(PROTECTED), answers=answers)
    decide(_claim(storageClassName="fast"), state(PROTECTED), answers=answers)
    assert answers.questions(FreeVolumes) == [FreeVolumes(("pv-1",)), FreeVolumes(())]


@pytest.mark.parametrize(
    ("spec", "annotations", "told"),
    [
        ({}, {}, ((), None)),
        ({"storageClassName": "a"}, {claiming._CLASS: "b"}, (("b", "a"), None)),
        ({"claimRef": {"namespace": "n", "name": "c"}}, {}, ((), ("n", "c"))),
        ({"claimRef": {"namespace": "n", "name": "c", "uid": "u"}}, {}, None),
        ({"persistentVolumeReclaimPolicy": "Retain"}, {}, None),
        ({"persistentVolumeReclaimPolicy": "Recycle"}, {}, ((), None)),
    ],
)
def test_a_volume_waits_for_a_claim_until_it_has_had_one(
    spec: dict[str, Any], annotations: dict[str, str], told: Any
) -> None:
    """One that is retained goes with none."""
    found = claiming.free_volume({"metadata": {"name": "v", "uid": "u", "annotations": annotations}, "spec": spec})
    assert found == (None if told is None else FreeVolume("v", "u", *told))
