"""What goes along takes others along itself, by the rows of the table of indirect deleters."""

from typing import Any

import pytest
from tests.support.builders import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSON,
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

from seconder.admission.dependents import Dependent
from seconder.admission.indirect import along
from seconder.admission.lookups import Dependents, Holder, Holders, Lookup, Placed, ReadObjects, ReadWhole, Tokens
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import OwnerReference, Request
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, PODS, REPLICA_SETS, SECRETS, SERVICE_ACCOUNTS, GroupResource, Target
from seconder.approvals.impact import Item

CLAIMS = GroupResource("", "persistentvolumeclaims")
VOLUMES = GroupResource("", "persistentvolumes")
CONTENTS = GroupResource("snapshot.storage.k8s.io", "volumesnapshotcontents")
SETS = GroupResource("apps", "statefulsets")
OWNER = target(CONFIG_MAPS, "owner", uid="uid-of-owner")
SET = target(SETS, "db", uid="uid-set")
CLAIM = target(CLAIMS, "data-db-0", uid="uid-claim")
VOLUME = Target(VOLUMES, "PersistentVolume", "", "pv-1", "uid-pv")
TOKEN = target(SECRETS, "worker-token", uid="uid-token")
PLACE = target(NAMESPACES, "payments", uid="uid-ns")
RETAINED = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}


def _owned(object_: Target) -> list[Dependent]:
    return [Dependent(resolved(object_.resource), object_.namespace, object_.name, object_.uid, CONFIG_MAPS)]


def _set(when_deleted: str) -> dict[str, Any]:
    retention = {"whenDeleted": when_deleted}
    templates = [{"metadata": {"name": "data"}}]
    return document(SET, spec={"volumeClaimTemplates": templates, "persistentVolumeClaimRetentionPolicy": retention})


def _lost(asked: Request, named: GroupResource, answers: Answers) -> list[str]:
    return ended(decide(asked, state(policy(named)), answers=answers))


def test_a_set_that_goes_with_its_owner_deletes_its_claims() -> None:
    """Where it says so, as if it were deleted itself."""
    given: dict[str, Any] = {
        "objects": live(CLAIM),
        "dependents": _owned(SET),
        "holds": {CLAIMS: [Item(CLAIM.name, CLAIM.uid)]},
    }
    answers = Answers(whole=_set("Delete"), **given)
    assert _lost(deletion(OWNER), CLAIMS, answers) == ["data-db-0"]
    assert _lost(deletion(OWNER), CLAIMS, Answers(whole=_set("Retain"), **given)) == []
    signed = Answers(whole=_set("Delete"), **given | {"objects": live(CLAIM, annotations=approved_for(CLAIM))})
    assert decide(deletion(OWNER), state(policy(CLAIMS)), answers=signed).reason is Reason.APPROVED
    unknown = Answers(**given, unknown=[ReadWhole])
    assert decide(deletion(OWNER), state(policy(CLAIMS)), answers=unknown).reason is Reason.INTERNAL_ERROR
    assert decide(deletion(OWNER, PERSON), state(policy(CLAIMS)), answers=unknown).allowed


def test_a_claim_that_goes_with_its_owner_has_its_volume_deleted() -> None:
    """One that was there before the claim, and is not retained."""

    def answers(**spec: Any) -> Answers:
        # The claim and its volume are read as one document.
        both = {"volumeName": "pv-1", "persistentVolumeReclaimPolicy": "Delete"} | spec
        return Answers(objects=live(VOLUME), dependents=_owned(CLAIM), whole=document(CLAIM, spec=both))

    assert _lost(deletion(OWNER), VOLUMES, answers()) == ["pv-1"]
    assert _lost(deletion(OWNER), VOLUMES, answers(persistentVolumeReclaimPolicy="Retain")) == []
    assert _lost(deletion(OWNER), VOLUMES, answers(volumeName="")) == []
    assert _lost(deletion(OWNER), VOLUMES, answers(volumeName=f"pvc-{CLAIM.uid}")) == []


def test_a_service_account_that_goes_with_its_owner_takes_its_tokens() -> None:
    """Nobody asks where no policy names Secrets."""
    account = target(SERVICE_ACCOUNTS, "worker", uid="uid-account")
    tokens = [Placed(TOKEN.namespace, TOKEN.name, TOKEN.uid)]
    answers = Answers(objects=live(TOKEN), dependents=_owned(account), tokens=tokens)
    assert _lost(deletion(OWNER), SECRETS, answers) == ["worker-token"]
    assert _lost(deletion(OWNER), CLAIMS, Answers(dependents=_owned(account), unknown=[Tokens])) == []


@pytest.mark.parametrize("named", [VOLUMES, CONTENTS])
def test_a_namespace_takes_the_storage_that_is_held_in_it(named: GroupResource) -> None:
    """Of claims and of snapshots, unless it was made for these."""
    storage = Target(named, "PersistentVolume", "", "one", "uid-one")
    held = [Holder("uid-holder", "one")]
    answers = Answers(objects=live(storage), holders=held, whole={"spec": {"deletionPolicy": "Delete"}})
    assert _lost(deletion(PLACE), named, answers) == ["one"]
    assert len(answers.questions(Holders)) == 1
    assert _lost(deletion(PLACE), CONFIG_MAPS, Answers(holders=held, unknown=[Holders])) == []
    assert _lost(deletion(PLACE), named, Answers(holders=held)) == [], "what is gone already"
    unknown = Answers(unknown=[Holders])
    assert decide(deletion(PLACE), state(policy(named)), answers=unknown).reason is Reason.INTERNAL_ERROR


def test_volumes_that_were_made_for_their_claims_are_not_read() -> None:
    """A namespace may hold thousands of them."""
    held = [Holder(f"uid-{number}", f"pvc-uid-{number}") for number in range(1000)]
    answers = Answers(holders=held, unknown=[ReadWhole])
    assert _lost(deletion(PLACE), VOLUMES, answers) == []


def test_more_than_can_be_followed_is_refused() -> None:
    """No chain is too long, and nothing too much, to be asked about."""
    many = [each for number in range(along._MOST + 1) for each in _owned(target(SETS, f"s{number}", uid=f"u{number}"))]
    decided = decide(deletion(OWNER), state(policy(CLAIMS)), answers=Answers(dependents=many))
    assert decided.reason is Reason.INTERNAL_ERROR


def test_a_row_is_followed_from_what_a_row_ends() -> None:
    """A set's deletion deletes its claims, and these the volumes."""
    both = _set("Delete")
    both["spec"] |= {"volumeName": "pv-1", "persistentVolumeReclaimPolicy": "Delete"}
    holds = {CLAIMS: [Item(CLAIM.name, CLAIM.uid)]}
    answers = Answers(objects=live(VOLUME) | live(CLAIM), holds=holds, whole=both)
    gone = deletion(SET, stored={"spec": both["spec"]})
    assert _lost(gone, VOLUMES, answers) == ["pv-1"]
    assert _lost(gone, CLAIMS, answers) == ["data-db-0"]
    kept = deletion(SET, stored={"spec": _set("Retain")["spec"]})
    assert _lost(kept, VOLUMES, answers) == []


POD = target(PODS, "web-5d-x", uid="uid-pod")
OF_POD = target(CLAIMS, "web-5d-x-cache", uid="uid-cache")
REPLICA_SET = target(REPLICA_SETS, "web-5d", uid="uid-rs")
DEPLOYMENT = target(DEPLOYMENTS, "web", uid="uid-web")


def _by(owner: Target, version: str) -> dict[str, Any]:
    return {"owner_references": [OwnerReference(version, owner.kind, owner.name, owner.uid, controller=True)]}


def _ephemeral(**more: Any) -> Answers:
    objects = {
        **live(OF_POD, **_by(POD, "v1")),
        **live(POD, **_by(REPLICA_SET, "apps/v1")),
        **live(REPLICA_SET, **_by(DEPLOYMENT, "apps/v1")),
    }
    owned = Dependent(resolved(CLAIMS), OF_POD.namespace, OF_POD.name, OF_POD.uid, DEPLOYMENTS)
    return Keyed(**({"objects": objects, "dependents": [owned]} | more))


class Keyed(Answers):
    """Knows of nothing but what pods own."""

    def __call__(self, lookup: Lookup[Any]) -> Any:
        """Answer."""
        found = super().__call__(lookup)
        return () if isinstance(lookup, Dependents) and lookup.keys != along._OF_PODS else found


ROLLED_OUT = update(DEPLOYMENT, old={"spec": {"template": {"a": 1}}}, new={"spec": {"template": {"a": 2}}})


@pytest.mark.parametrize(
    "asked", [deletion(DEPLOYMENT), ROLLED_OUT, scale(2, 1, object_=DEPLOYMENT), deletion(REPLICA_SET)]
)
def test_the_claims_of_ephemeral_volumes_end_with_the_pods(asked: Request) -> None:
    """Of a workload that goes, is rolled out, or is made smaller: pods are not followed, and their claims are."""
    assert _lost(asked, CLAIMS, _ephemeral()) == ["web-5d-x-cache"]
    for unknown in (Dependents, ReadObjects):
        decided = decide(asked, state(policy(CLAIMS)), answers=_ephemeral(unknown=[unknown]))
        assert decided.reason is Reason.INTERNAL_ERROR
    assert decide(asked, state(policy(SECRETS)), answers=_ephemeral()).allowed


def test_the_claims_of_other_pods_stay() -> None:
    """What is not below the workload, or elsewhere; and what leaves pods as they are ends none."""
    other = target(DEPLOYMENTS, "other", uid="uid-other")
    assert _lost(deletion(other), CLAIMS, _ephemeral()) == []
    assert _lost(scale(1, 2, object_=DEPLOYMENT), CLAIMS, _ephemeral()) == []
    elsewhere = target(DEPLOYMENTS, "web", namespace="elsewhere", uid="uid-web")
    assert _lost(deletion(elsewhere), CLAIMS, _ephemeral()) == []
    assert _lost(deletion(DEPLOYMENT), CLAIMS, _ephemeral(dependents=_owned(target(CLAIMS, "gone", uid="u")))) == []
    many = [each for number in range(65) for each in _owned(target(CLAIMS, f"c{number}", uid=f"u{number}"))]
    decided = decide(deletion(DEPLOYMENT), state(policy(CLAIMS)), answers=_ephemeral(dependents=many))
    assert decided.reason is Reason.INTERNAL_ERROR


def test_what_stands_between_is_followed() -> None:
    """Claims for volumes, StatefulSets for claims, ServiceAccounts for their tokens."""

    def followed(*named: GroupResource) -> set[str]:
        return {kind.resource.resource for kind in PolicyIndex([policy(*named)]).followed} - {"namespaces"}

    assert followed(VOLUMES) == {"persistentvolumes", "persistentvolumeclaims", "statefulsets"}
    assert followed(CLAIMS) == {"persistentvolumeclaims", "statefulsets"}
    assert followed(SECRETS) == {"secrets", "serviceaccounts"}
    assert followed(CONFIG_MAPS) == {"configmaps"}
    assert decide(creation(OWNER), state(policy(VOLUMES))).allowed
