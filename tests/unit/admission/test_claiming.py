"""Whoever makes a claim that a protected volume may be bound to ends the volume, whatever ends the claim."""

from typing import Any

import pytest
from tests.support.builders import PERSON, approved_for, creation, live, policy, state, target, update
from tests.support.resolving import Answers, decide

from seconder.admission.indirect import claiming
from seconder.admission.lookups import Claim, Claims, FreeVolume, FreeVolumes
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
    kept = FREE._replace(kept_for=("payments", "mine"), classes=("fast",))
    for spec in ({"storageClassName": "other"}, {"storageClassName": ""}, {}):
        assert _lost(_claim(**spec), kept), "it is bound whatever class either is of"
    assert not _lost(_claim(volumeName="pv-other"), kept)


def test_a_claim_that_waits_may_ask_for_another_volume_once() -> None:
    """What has one already keeps that, and what stays as it was asks nobody anew."""

    def changed(old: dict[str, Any], new: dict[str, Any]) -> Request:
        return update(CLAIM, old={"spec": old}, new={"spec": new})

    slow = {"storageClassName": "slow"}
    assert _lost(changed(slow, {**slow, "volumeName": "pv-1"}))
    assert _lost(changed({}, {"storageClassName": "fast"}))
    assert not _lost(changed({"storageClassName": "fast"}, {"storageClassName": "fast", "resources": {}}))
    assert not _lost(changed({"volumeName": "pv-2"}, {"volumeName": "pv-2", "storageClassName": "fast"}))


def test_a_retained_volume_is_taken_by_a_claim_that_names_it() -> None:
    """It stays, as nobody's; those of a class are there to be taken."""
    kept = FREE._replace(retained=True)
    assert _lost(_claim(volumeName="pv-1"), kept)
    assert not _lost(_claim(storageClassName="fast"), kept)
    assert not _lost(_claim(), kept)


def test_a_retained_volume_that_is_kept_for_a_claim_is_taken_by_the_claim_of_that_name() -> None:
    """Whichever of the two names the other; a claim of another name or place takes nothing."""
    kept = FREE._replace(retained=True, kept_for=("payments", "mine"))
    assert _lost(_claim(storageClassName="fast"), kept)
    assert _lost(_claim(), kept)
    assert _lost(_claim(volumeName="pv-1"), kept)
    assert _lost(_claim(storageClassName="slow"), kept)
    assert not _lost(_claim(volumeName="pv-2", storageClassName="fast"), kept)
    for other in (("payments", "theirs"), ("other", "mine")):
        assert not _lost(_claim(storageClassName="fast"), kept._replace(kept_for=other))


EPHEMERAL = {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}}]}
PLAIN = {"volumes": [{"name": "v", "emptyDir": {}}]}


@pytest.mark.parametrize(
    ("made", "spec", "named", "others"),
    [
        (
            SET,
            {"volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"storageClassName": "fast"}}]},
            ["d-db-0", "d-db-17"],
            ["e-db-0", "d-dbs", "d"],
        ),
        (SET, {"template": {"spec": EPHEMERAL}}, ["db-0-v"], ["d-db-0", "dbv", "db-0-w"]),
        (target(PODS, "p", uid=""), EPHEMERAL, ["p-v"], ["p-w", "q-v", "p-0-v"]),
        (target(uid=""), {"template": {"spec": EPHEMERAL}}, ["whichever-v"], ["whichever-w"]),
        (target(JOBS, "j", uid=""), {"template": {"spec": EPHEMERAL}}, ["whichever-v"], ["whichever-w"]),
        (
            target(GroupResource("batch", "cronjobs"), "c", uid=""),
            {"jobTemplate": {"spec": {"template": {"spec": EPHEMERAL}}}},
            ["whichever-v"],
            ["whichever-w"],
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Target) else "",
)
def test_what_makes_such_claims_counts_as_well(
    made: Target, spec: dict[str, Any], named: list[str], others: list[str]
) -> None:
    """By a template, when it comes; not again while it stays. Names tell where controllers give none by chance."""
    assert _lost(creation(made, new={"spec": spec}))
    assert not _lost(creation(made, new={"spec": spec}), FREE._replace(classes=("slow",)))
    assert not _lost(creation(made, new={"spec": spec}), FREE._replace(retained=True))
    for retained in (False, True):
        kept = FREE._replace(retained=retained)
        for name in named:
            assert _lost(creation(made, new={"spec": spec}), kept._replace(kept_for=("payments", name)))
            assert not _lost(creation(made, new={"spec": spec}), kept._replace(kept_for=("other", name)))
        for name in others:
            assert not _lost(creation(made, new={"spec": spec}), kept._replace(kept_for=("payments", name)))
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
        ({"persistentVolumeReclaimPolicy": "Retain"}, {}, ((), None, True)),
        ({"persistentVolumeReclaimPolicy": "Recycle"}, {}, ((), None)),
    ],
)
def test_a_volume_waits_for_a_claim_until_it_has_had_one(
    spec: dict[str, Any], annotations: dict[str, str], told: Any
) -> None:
    """Whether it is retained is told."""
    found = claiming.free_volume({"metadata": {"name": "v", "uid": "u", "annotations": annotations}, "spec": spec})
    assert found == (None if told is None else FreeVolume("v", "u", *told))


UID = "0b6e5d9c-1c1f-4d4e-9d3a-6a5f0e7b2c11"
WAITING = Target(CLAIMS, "PersistentVolumeClaim", "payments", "data", UID)
WAITS = Claim(WAITING.namespace, WAITING.name, WAITING.uid, "", ("fast",))
HAS = Claim(WAITING.namespace, "has", "uid-has", "pv-2", ("fast",))
NEW = Target(VOLUMES, "PersistentVolume", "", "pv-9", "")


def _offered(
    spec: dict[str, Any],
    *claims: Claim,
    one: Policy | None = None,
    old: dict[str, Any] | None = None,
    name: str = NEW.name,
    **metadata: Any,
) -> str:
    """What an agent's volume ends: ``claim``, what nobody can approve (``next``), or nothing."""
    retained = {"spec": {"persistentVolumeReclaimPolicy": "Retain", **spec}, **metadata}
    if old is None:
        asked = creation(Target(VOLUMES, "PersistentVolume", "", name, ""), new=retained)
    else:
        asked = update(NEW, old={"spec": {"persistentVolumeReclaimPolicy": "Retain", **old}}, new=retained)
    answers = Answers(objects=live(WAITING), claims=claims or (WAITS, HAS))
    decided = decide(asked, state(one or policy(CLAIMS)), answers=answers)
    assert decided.reason in {Reason.APPROVAL_MISSING, Reason.NOT_COVERED}
    if decided.allowed:
        return ""
    return "claim" if [part.effect.target for part in decided.parts] == [WAITING] else "next"


@pytest.mark.parametrize("name", [f"pvc-{UID}", f"vol-{UID.replace('-', '')[:12]}"])
def test_a_volume_of_the_name_that_a_claim_waits_for_counts_as_the_claims_end(name: str) -> None:
    """A provisioner names it after the claim's uid, and takes it for made. It may be kept for another meanwhile."""
    slow = {"storageClassName": "slow"}
    for spec in (slow, {**slow, "claimRef": {"namespace": "elsewhere", "name": "mine"}}):
        for_claims = policy(CLAIMS, namespaces=[WAITING.namespace])
        assert _offered(spec, WAITS, name=name, one=for_claims) == "claim"
        assert _offered(spec, WAITS._replace(volume="pv-8"), name=name, one=for_claims) == ""
        assert _offered(spec, WAITS._replace(uid="uid-other"), name=name, one=for_claims) == ""
        assert _offered(spec, WAITS, name=name, one=policy(VOLUMES)) == ""


def test_whoever_makes_a_volume_ends_the_claims_that_may_be_bound_to_it() -> None:
    """By its class, its name or the claim that it names. Other classes and other claims are free, and so are people."""
    assert _offered({"storageClassName": "fast"}) == "claim"
    assert _offered({}) == "claim", "a class may come later"
    assert _offered({"storageClassName": "slow"}) == ""
    assert _offered({"storageClassName": "slow"}, WAITS._replace(volume="pv-9")) == "claim"
    assert _offered({"storageClassName": "fast"}, one=policy(VOLUMES)) == ""
    named = {"claimRef": {"namespace": WAITING.namespace, "name": WAITING.name}}
    assert _offered({"storageClassName": "slow", **named}) == "claim"
    elsewhere = {"claimRef": {"namespace": "mine", "name": "mine"}}
    assert _offered({"storageClassName": "fast", **elsewhere}, one=policy(CLAIMS, namespaces=["payments"])) == ""
    unknown = Answers(unknown=[Claims])
    by_person = creation(NEW, PERSON, new={"spec": {"storageClassName": "fast"}})
    assert decide(by_person, state(policy(CLAIMS)), answers=unknown).allowed
    by_agent = creation(NEW, new={"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    assert decide(by_agent, state(policy(CLAIMS)), answers=unknown).reason is Reason.INTERNAL_ERROR


def test_a_volume_that_the_next_claim_would_have_is_a_persons_to_make() -> None:
    """Nobody can approve on what is not there yet."""
    assert _offered({"storageClassName": "fast"}, HAS) == "next"
    assert _offered({"storageClassName": ""}, HAS._replace(classes=())) == "next"
    assert _offered({"storageClassName": "slow"}, HAS) == ""
    named = {"claimRef": {"namespace": WAITING.namespace, "name": "data-db-1"}}
    assert _offered({"storageClassName": "slow", **named}) == "next"


def test_a_volume_counts_again_when_what_it_offers_changes() -> None:
    """Its class, its labels, whom it names; not what is free, nor while it is bound."""
    slow, fast = {"storageClassName": "slow"}, {"storageClassName": "fast"}
    assert _offered(fast, old=slow) == "claim"
    assert _offered(fast, old=fast, labels={"use": "x"}) == "claim"
    assert _offered(fast, old=fast, annotations={"note": "x"}) == ""
    named = {"claimRef": {"namespace": WAITING.namespace, "name": WAITING.name}}
    assert _offered({**slow, **named}, old=slow) == "claim"
    bound = {"claimRef": {"namespace": "mine", "name": "mine", "uid": "u"}}
    assert _offered({**fast, **bound}, old={**slow, **bound}) == ""


def test_whoever_makes_a_class_ends_the_claims_that_wait_for_it() -> None:
    """Those that have a volume, or wait for another class, do not."""

    def made(name: str, *claims: Claim) -> bool:
        asked = creation(
            Target(GroupResource("storage.k8s.io", "storageclasses"), "StorageClass", "", name, ""), new={}
        )
        return decide(asked, state(policy(CLAIMS)), answers=Answers(objects=live(WAITING), claims=claims)).allowed

    assert not made("fast", WAITS)
    assert made("slow", WAITS)
    assert made("fast", HAS)


def test_whoever_makes_a_class_of_attributes_ends_the_claims_that_name_it() -> None:
    """Their volumes get what it says. Those of another, or of none, keep what they have."""
    class_ = Target(GroupResource("storage.k8s.io", "volumeattributesclasses"), "VolumeAttributesClass", "", "slow", "")

    def made(claim: Claim) -> bool:
        answers = Answers(objects=live(WAITING), claims=[claim])
        return decide(creation(class_, new={}), state(policy(CLAIMS)), answers=answers).allowed

    assert not made(WAITS._replace(attributes="slow"))
    assert made(WAITS._replace(attributes="quick"))
    assert made(WAITS)
    named = {"metadata": {"namespace": "payments", "name": "c", "uid": "u"}}
    assert claiming.stored_claim(named | {"spec": {"volumeAttributesClassName": "slow"}}).attributes == "slow"


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        (GroupResource("storage.k8s.io", "storageclasses"), "storageclass.beta.kubernetes.io/is-default-class"),
        (GroupResource("networking.k8s.io", "ingressclasses"), "ingressclass.kubernetes.io/is-default-class"),
        (GroupResource("scheduling.k8s.io", "priorityclasses"), ""),
    ],
    ids=str,
)
def test_an_agent_makes_no_class_that_everybody_gets(kind: GroupResource, mark: str) -> None:
    """Nor makes one that; where a policy names it, a peer can approve that it becomes so. People may."""
    class_ = Target(kind, "Class", "", "mine", "uid-class")
    default: dict[str, Any] = {"annotations": {mark: "true"}} if mark else {"globalDefault": True}
    plain: dict[str, Any] = {"annotations": {mark: "false"}} if mark else {"globalDefault": False}
    one = state(policy())
    assert decide(creation(class_, new=default), one).reason is Reason.APPROVAL_MISSING
    assert decide(update(class_, old=plain, new=default), one).reason is Reason.APPROVAL_MISSING
    assert decide(creation(class_, new=plain), one).allowed
    assert decide(update(class_, old=default, new=default | {"labels": {"a": "b"}}), one).allowed
    assert decide(update(class_, old=default, new=plain), one).allowed
    assert decide(creation(class_, PERSON, new=default), one).allowed
    named = decide(update(class_, old=plain, new=default), state(policy(kind)))
    assert [part.effect.target for part in named.parts] == [class_]


def test_what_asks_for_very_many_kinds_of_claims_is_refused() -> None:
    """Each would be compared with each volume. Of one class there may be as many as there are."""

    def asked(*classes: str) -> Request:
        templates = [
            {"metadata": {"name": f"n{at}"}, "spec": {"storageClassName": each}} for at, each in enumerate(classes)
        ]
        return creation(SET, new={"spec": {"volumeClaimTemplates": templates}})

    def reason(made: Request) -> Reason:
        return decide(made, state(PROTECTED), answers=Answers(objects=live(VOLUME), volumes=[FREE])).reason

    assert reason(asked(*(f"c{number}" for number in range(64)))) is Reason.NOT_COVERED
    assert reason(asked(*["slow"] * 200)) is Reason.NOT_COVERED
    assert reason(asked(*(f"c{number}" for number in range(65)))) is Reason.APPROVAL_MISSING
