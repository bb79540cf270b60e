"""What goes along takes others along itself, by the rows of the table of indirect deleters."""

from typing import Any

import pytest
from tests.support.builders import (
    CONFIG_MAPS,
    PERSON,
    approved_for,
    creation,
    deletion,
    document,
    live,
    policy,
    resolved,
    state,
    target,
)
from tests.support.resolving import Answers, decide

from seconder.admission.dependents import Dependent
from seconder.admission.indirect import along
from seconder.admission.lookups import Holder, Holders, Placed, ReadWhole, Tokens
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import Request
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, SECRETS, SERVICE_ACCOUNTS, GroupResource, Target
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
    decided = decide(asked, state(policy(named)), answers=answers)
    assert decided.reason in {Reason.APPROVAL_MISSING, Reason.NOT_COVERED}, decided.message
    return [] if decided.allowed else [part.effect.target.name for part in decided.parts]


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


def test_what_stands_between_is_followed() -> None:
    """Claims for volumes, StatefulSets for claims, ServiceAccounts for their tokens."""

    def followed(*named: GroupResource) -> set[str]:
        return {kind.resource.resource for kind in PolicyIndex([policy(*named)]).followed} - {"namespaces"}

    assert followed(VOLUMES) == {"persistentvolumes", "persistentvolumeclaims", "statefulsets"}
    assert followed(CLAIMS) == {"persistentvolumeclaims", "statefulsets"}
    assert followed(SECRETS) == {"secrets", "serviceaccounts"}
    assert followed(CONFIG_MAPS) == {"configmaps"}
    assert decide(creation(OWNER), state(policy(VOLUMES))).allowed
