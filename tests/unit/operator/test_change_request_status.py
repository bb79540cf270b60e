"""Where a change request stands, from what is found of its object and what the pipeline says of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.support import signing, ssh_ca
from tests.support.builders import CONFIG_MAPS, approved, policy, state
from tests.support.change_requests import NOW, change, recorded, refused
from tests.support.resolving import Answers

from seconder.admission import lookups, pipeline
from seconder.admission.changes import differences
from seconder.admission.recorded import context_of, effect_of, mark
from seconder.admission.request import Metadata, OwnerReference
from seconder.api import change_request
from seconder.api.change_request import ChangeRequest, ChangeRequestStatus, Phase, stamp
from seconder.api.policy import Mode, Policy, Requirement
from seconder.api.resources import Action, Target
from seconder.approvals.difference import Difference
from seconder.approvals.registry import Approver, Registry, denying
from seconder.approvals.verification import Memo
from seconder.operator.change_request_status import (
    begun,
    changed,
    denied,
    ended,
    judged,
    marked,
    over,
    overdue,
    place,
    presented,
    scaled_to_zero,
    settled,
    untried_since,
)
from seconder.operator.change_request_status import done as done_on

POLICY = policy()
THERE = Metadata(uid=signing.DEPLOYMENT.uid)
LEAVING = msgspec.structs.replace(THERE, deletion_timestamp="2026-11-22T03:00:00Z")


def approved_object(**claims: Any) -> Metadata:
    """The object with an approval on it."""
    return msgspec.structs.replace(THERE, annotations=approved(**claims))


def following(
    request: ChangeRequest, stored: Metadata | None, *policies: Policy, now: datetime = NOW
) -> ChangeRequestStatus:
    """The status that it should have, as the controller puts it together."""
    cluster = state(*(policies or (POLICY,)))
    started = begun(request, cluster, now)
    used = stored is not None and done_on(request.spec.action, started, stored)
    done = ended(request, started, stored, now, used=used)
    if done is not None or stored is None:
        assert done is not None
        return done
    context = context_of(request, cluster, now.timestamp(), signing.memo())
    asking = pipeline.judge(context, effect_of(request, stored))
    return judged(started, lookups.drive(asking, Answers()), now)


def test_it_is_pending_while_nobody_hasapproved_object() -> None:
    """And nothing else changes."""
    request = recorded(POLICY)
    assert following(request, THERE) == request.status


def test_it_is_approved_while_the_object_carries_enough() -> None:
    """With the approver's name, key and the approval's end."""
    status = following(recorded(POLICY), approved_object())
    assert (status.phase, status.progress) == (Phase.APPROVED, "1/1")
    (approval,) = status.approvals
    assert (approval.approver, approval.reason) == ("alice@example.com", "")
    assert approval.fingerprint.startswith("SHA256:")
    assert approval.expires_at == stamp(datetime.fromtimestamp(signing.NOW + 800, UTC))


def test_it_is_pending_again_when_the_approval_ends() -> None:
    """An approval is nothing that stays."""
    approved_before = msgspec.structs.replace(recorded(POLICY), status=following(recorded(POLICY), approved_object()))
    status = following(approved_before, approved_object(), now=NOW + timedelta(seconds=900))
    assert (status.phase, status.progress) == (Phase.PENDING, "0/1")
    assert [each.reason for each in status.approvals] == ["ApprovalExpired"]


def test_one_of_two_is_not_enough() -> None:
    """The most demanding policy counts."""
    two = policy(name="two", requirement=Requirement(required=2))
    status = following(recorded(POLICY, two), approved_object(txn="txn-1"), POLICY, two)
    assert (status.phase, status.progress) == (Phase.PENDING, "1/2")


LET_THROUGH = {"allowed_at": stamp(NOW), "progress": "1/1"}
"""What the webhook notes of a request that enough approvals let through."""


@pytest.mark.parametrize("stored", [None, Metadata(uid="another"), LEAVING], ids=["gone", "recreated", "leaving"])
def test_without_its_object_it_is_used_if_it_was_let_through_and_withdrawn_if_not(stored: Metadata | None) -> None:
    """Whoever took the object away otherwise has settled it."""
    status = following(recorded(POLICY), stored)
    assert (status.phase, status.message, status.ended_at) == (Phase.WITHDRAWN, "the object is gone", stamp(NOW))
    used = following(recorded(POLICY, status=LET_THROUGH), stored)
    assert (used.phase, used.message, used.ended_at) == (Phase.USED, "", stamp(NOW))


def test_a_use_that_is_noted_late_is_a_use_still() -> None:
    """The webhook's note and the object's end come in any order."""
    status = LET_THROUGH | {"phase": Phase.WITHDRAWN, "ended_at": stamp(NOW)}
    gone = recorded(POLICY, status=status | {"message": "the object is gone"})
    assert following(gone, None).phase is Phase.USED
    unasked = recorded(POLICY, status=status | {"message": "no policy asks"})
    assert following(unasked, None).phase is Phase.WITHDRAWN


def _seen_again(let_through: ChangeRequest, stored: Metadata) -> ChangeRequest:
    """A change request after the operator has looked at its object."""
    return msgspec.structs.replace(let_through, status=following(let_through, stored))


def test_what_came_to_nothing_is_used_by_nobody_once_its_approval_is_gone() -> None:
    """A request may be given up after it was let through, its approval taken back, and the object ended by a person."""
    let_through = recorded(POLICY, status=LET_THROUGH)
    approved, revoked = _seen_again(let_through, approved_object(txn="txn-1")), _seen_again(let_through, THERE)
    assert (approved.status.phase, following(approved, None).phase) == (Phase.APPROVED, Phase.USED)
    assert (revoked.status.phase, revoked.status.progress) == (Phase.PENDING, "0/1")
    gone = following(revoked, None)
    assert gone.phase is Phase.WITHDRAWN
    assert "no approval let it through any more" in gone.message
    # Approved anew, and used at once: the webhook's note of that may come later.
    noted = msgspec.structs.replace(gone, progress="1/1")
    assert following(msgspec.structs.replace(revoked, status=noted), None).phase is Phase.USED
    again = msgspec.structs.replace(revoked.status, progress="1/1")
    assert following(msgspec.structs.replace(revoked, status=again), None).phase is Phase.USED


@pytest.mark.parametrize("action", [Action.REMOVE_FINALIZERS, Action.CHANGE_OWNERS])
def test_an_update_is_used_by_nobody_once_its_approval_is_gone(action: Action) -> None:
    """Somebody else's change of finalizers or owners, later, is not the one that was let through."""
    given = LET_THROUGH | {"seen": mark(action, HELD)}
    revoked = _seen_again(recorded(POLICY, action=action, status=given), HELD)
    changed = FREED if action is Action.REMOVE_FINALIZERS else ORPHANED
    assert following(revoked, changed).phase is Phase.WITHDRAWN


def test_a_change_that_another_hand_makes_once_its_approval_is_gone_is_used_by_nobody() -> None:
    """It is as it was asked to be, all the same."""
    made = recorded(POLICY, status=LET_THROUGH)
    phases = [settled(each.status, differences.Standing(True, None), NOW) for each in (made, _seen_again(made, THERE))]
    assert [each and each.phase for each in phases] == [Phase.USED, Phase.WITHDRAWN]


def test_the_removal_of_finalizers_waits_although_the_object_is_under_deletion() -> None:
    """That is when it is asked about."""
    assert following(recorded(POLICY, action=Action.REMOVE_FINALIZERS), LEAVING).phase is Phase.PENDING


HELD = msgspec.structs.replace(
    THERE,
    finalizers=["example.com/a", "example.com/b"],
    owner_references=[OwnerReference(api_version="v1", kind="ConfigMap", name="owner", uid="1")],
)
FREED = msgspec.structs.replace(HELD, finalizers=["example.com/b"])
ORPHANED = msgspec.structs.replace(HELD, owner_references=None)


@pytest.mark.parametrize(
    ("action", "changed_object", "another"),
    [(Action.REMOVE_FINALIZERS, FREED, ORPHANED), (Action.CHANGE_OWNERS, ORPHANED, FREED)],
)
def test_an_update_is_used_when_it_was_let_through_and_is_seen(
    action: Action, changed_object: Metadata, another: Metadata
) -> None:
    """Not by the word of the webhook alone, which rests on a review; nor by another change of the object."""
    seen = mark(action, HELD)
    let_through = recorded(POLICY, action=action, status=LET_THROUGH | {"seen": seen})
    assert following(let_through, HELD).phase is Phase.PENDING
    assert following(let_through, another).phase is Phase.PENDING
    used = following(let_through, changed_object)
    assert (used.phase, used.ended_at) == (Phase.USED, stamp(NOW))
    unasked = recorded(POLICY, action=action, status={"seen": seen})
    assert following(unasked, changed_object).phase is Phase.PENDING, "somebody else's doing"


def test_an_object_that_went_after_it_was_let_through_was_used() -> None:
    """A last finalizer takes the object along."""
    let_through = recorded(POLICY, action=Action.REMOVE_FINALIZERS, status=LET_THROUGH)
    assert following(let_through, None).phase is Phase.USED


def test_what_the_use_is_seen_by_is_noted_once_and_never_after_the_use() -> None:
    """Where the webhook left no mark. Later the object may have been changed already."""
    action = Action.REMOVE_FINALIZERS
    status = recorded(POLICY, action=action).status
    noted = marked(action, status, HELD)
    assert noted.seen == mark(action, HELD) != ""
    assert marked(action, noted, FREED) == noted
    let_through = msgspec.structs.replace(status, allowed_at=stamp(NOW))
    assert marked(action, let_through, FREED).seen == ""
    assert marked(Action.DELETE, status, HELD).seen == "", "that it is gone tells"


@pytest.mark.parametrize(
    ("document", "zero"),
    [
        ({"spec": {"replicas": 0}}, True),
        ({"spec": {}}, True),
        ({}, True),
        ({"spec": {"replicas": 1}}, False),
        ({"spec": "what"}, True),
    ],
)
def test_what_asks_for_no_replicas_is_scaled_to_zero(document: dict[str, Any], zero: bool) -> None:
    """As the API server writes it."""
    assert scaled_to_zero(document) is zero


def test_it_is_not_said_that_nobody_approved_what_was_approved() -> None:
    """Approved in the last minutes of its day, and not used."""
    approved_before = recorded(POLICY, status={"phase": Phase.APPROVED})
    expired = following(approved_before, THERE, now=NOW + timedelta(hours=24))
    assert (expired.phase, expired.message) == (Phase.EXPIRED, "it was not used in time")


def test_it_is_not_said_that_nobody_approved_what_was_let_through() -> None:
    """A size of nothing may be taken back before anybody looks; it is no use that was seen, nor one that nobody had."""
    let_through = recorded(POLICY, action=Action.SCALE_TO_ZERO, status=LET_THROUGH)
    undone = _seen_again(let_through, THERE)
    assert (undone.status.phase, undone.status.progress) == (Phase.PENDING, "0/1"), "its approval has ended"
    told = f"{stamp(NOW)}, and not seen on the object since"
    assert change_request.let_through(undone.status) == told
    over_ = following(undone, THERE, now=NOW + timedelta(hours=24))
    assert (over_.phase, over_.message) == (Phase.EXPIRED, f"it was let through at {told}")
    assert change_request.let_through(over_) == stamp(NOW), "why it ended tells the rest"
    assert change_request.let_through(recorded(POLICY).status) == ""
    otherwise = msgspec.structs.replace(undone.status, let_through="CREATE of backups.velero.io velero/bk")
    told = f"{stamp(NOW)}, as CREATE of backups.velero.io velero/bk, and not seen on the object since"
    assert change_request.let_through(otherwise) == told


def test_what_was_let_through_waits_for_nobody_until_it_is_refused_again() -> None:
    """Whoever asked had what was asked for."""
    status = msgspec.structs.replace(recorded(POLICY).status, last_refused_at=stamp(NOW - timedelta(seconds=9)))
    let_through = msgspec.structs.replace(status, allowed_at=stamp(NOW))
    again = msgspec.structs.replace(let_through, last_refused_at=stamp(NOW + timedelta(seconds=1)))
    assert [each.answered for each in (status, let_through, again)] == [False, True, False]


def test_a_no_of_an_approver_is_shown_and_decides_nothing() -> None:
    """Of those who are registered; taken back, it waits again; what is approved stays so."""
    status = refused(ChangeRequestStatus(), change(policy()))
    alice = Registry([Approver("alice", "alice@example.com", frozenset({"alice"}))])
    said = {"denial.seconder.dev/alice": "not on\u202e Fridays", "denial.seconder.dev/mallory": "no", "other": "x"}
    no = denied(status, said, alice)
    assert (no.phase, [(each.name, each.reason) for each in no.denials]) == (
        Phase.DENIED,
        [("alice", "not on Fridays")],
    )
    assert change_request.denial_of(no) == "alice: not on Fridays"
    assert refused(no, change(policy())).phase is Phase.DENIED, "refused again, it asks nobody again"
    waiting = msgspec.structs.replace(no, phase=Phase.PENDING)
    assert denied(waiting, {}, alice).phase is Phase.PENDING
    assert denied(waiting, {}, alice).denials == []
    agreed = msgspec.structs.replace(no, phase=Phase.APPROVED)
    assert denied(agreed, said, alice).phase is Phase.APPROVED


def test_a_no_of_an_authoritys_principal_is_shown_too() -> None:
    """Under the authority's name, since its principals stand in no Approver."""
    status = refused(ChangeRequestStatus(), change(policy()))
    issued = ssh_ca.issue(signing.key("ca"), signing.key("alice").line, "alice@example.com")
    key = ssh_ca.registry().certified(issued.blob)
    assert key is not None
    name = denying(key)
    assert name == "engineering.alice-example-com"
    said = {f"denial.seconder.dev/{name}": "no", "denial.seconder.dev/engineer.alice": "no"}
    assert [each.name for each in denied(status, said, ssh_ca.registry()).denials] == [name]
    assert denied(status, said, Registry([])).denials == []


def test_it_waits_for_24_hours() -> None:
    """From the refusal that opened it."""
    request = recorded(POLICY)
    assert following(request, THERE, now=NOW + timedelta(hours=24, seconds=-1)).phase is Phase.PENDING
    expired = following(request, THERE, now=NOW + timedelta(hours=24))
    assert (expired.phase, expired.message) == (Phase.EXPIRED, "nobody approved it in time")


@pytest.mark.parametrize(
    "policies",
    [
        (policy(CONFIG_MAPS, name="other"),),
        (policy(mode=Mode.AUDIT),),
    ],
    ids=["removed", "only watching"],
)
def test_it_is_withdrawn_when_no_policy_asks_any_more(policies: tuple[Policy, ...]) -> None:
    """There is nothing to approve."""
    assert following(recorded(POLICY), THERE, *policies).phase is Phase.WITHDRAWN


@pytest.mark.parametrize("phase", [Phase.USED, Phase.EXPIRED, Phase.WITHDRAWN])
def test_what_has_ended_stays_as_it_ended_for_an_hour(phase: Phase) -> None:
    """To be read; then it is removed."""
    done = recorded(POLICY, status={"phase": phase, "ended_at": stamp(NOW)})
    assert following(done, approved_object()).phase is phase
    assert not over(done.status, NOW + timedelta(minutes=60))
    assert over(done.status, NOW + timedelta(minutes=60, seconds=1))


def test_an_open_one_is_never_removed() -> None:
    """However old it is; it has to end first."""
    assert not over(recorded(POLICY).status, NOW + timedelta(days=30))


@pytest.mark.parametrize("phase", [Phase.USED, Phase.EXPIRED, Phase.WITHDRAWN])
def test_refused_again_after_its_end_it_is_pending_again(phase: Phase) -> None:
    """The same one, with all that it takes, for another 24 hours."""
    before = {"phase": phase, "ended_at": stamp(NOW), "message": "x", "attempts": 3}
    before |= {"allowed_at": stamp(NOW), "let_through": "DELETE of x"}
    done = recorded(POLICY, status=before)
    later = NOW + timedelta(hours=2)
    status = refused(done.status, change(POLICY), later)
    assert (status.phase, status.attempts, status.ended_at, status.message) == (Phase.PENDING, 4, "", "")
    assert (status.allowed_at, status.let_through, status.expires_at) == ("", "", stamp(later + timedelta(hours=24)))
    assert status.first_refused_at == stamp(NOW)


def test_refused_again_while_open_it_gains_no_time() -> None:
    """Nobody keeps a wish open for ever by repeating it."""
    request = recorded(POLICY)
    status = refused(request.status, change(POLICY), NOW + timedelta(hours=23))
    assert status.expires_at == request.status.expires_at
    assert status.last_refused_at == stamp(NOW + timedelta(hours=23))


def test_a_record_without_a_status_gets_one() -> None:
    """Its maker may have been stopped between the two writes."""
    bare = msgspec.structs.replace(recorded(POLICY), status=ChangeRequestStatus())
    status = following(bare, THERE)
    assert (status.phase, status.expires_at) == (Phase.PENDING, stamp(NOW + timedelta(hours=24)))
    assert '"txn":"txn-1"' in status.statement


def test_an_invalid_policy_is_not_judged_by() -> None:
    """It refuses, and no approval changes that."""
    status = following(recorded(POLICY), approved_object(), policy(problem="misspelt"))
    assert (status.phase, status.progress) == (Phase.PENDING, "0/1")


def test_a_name_from_outside_is_shown_without_what_turns_a_line_round() -> None:
    """Names of some built-in kinds may hold anything but a slash and a percent sign."""
    odd = Target(signing.DEPLOYMENT.resource, "Deployment", "payments", "a\u202eb\nc", "uid-1")
    status = refused(ChangeRequestStatus(), change(POLICY, target=odd))
    assert status.object == 'deployments.apps "payments/abc"'


def test_a_copy_never_takes_the_place_of_an_approval_that_has_not_ended() -> None:
    """It may be of another request, or of somebody else; one that has ended makes room."""
    cluster, value, other = state(POLICY), signing.approval(), signing.approval(sub="somebody else")
    assert place("alice", value, {}, cluster, signing.NOW, Memo(8)) == "alice"
    assert place("alice", value, {"alice": "rubbish"}, cluster, signing.NOW, Memo(8)) == "alice"
    beside = place("a" * 63, value, {"a" * 63: other}, cluster, signing.NOW, Memo(8))
    assert beside.startswith("a" * 54 + "-")
    assert len(beside) == 63
    assert place("alice", value, {"alice": other}, cluster, signing.NOW + 3600, Memo(8)) == "alice"


def test_of_approvals_on_the_request_those_that_fit_it_count() -> None:
    """They are copied to its object; nobody else's are."""
    offered = {"alice": signing.approval(), "bob": signing.approval(sub="somebody else"), "eve": "rubbish"}
    shown = presented(recorded(POLICY), None, offered, state(POLICY), signing.NOW, Memo(8))
    assert [approval.slug for approval in shown.approvals] == ["alice"]


def test_approvals_of_a_change_are_of_the_object_as_it_stands() -> None:
    """As for the webhook: one of the state that was recorded is one of another change, once that state is gone."""
    then, now, wanted = (digit * 64 for digit in "abc")
    request = recorded(POLICY, action=Action.CHANGE, difference=Difference(then, wanted, ("spec",), "{}"))

    def of(before: str) -> str:
        return signing.approval(detail={"actions": ["Change"], "change": {"from": before, "to": wanted}})

    offered = {"before": of(then), "moved": of(now)}
    for stands, counts in ((then, "before"), (now, "moved")):
        shown = presented(request, Difference(stands, wanted), offered, state(POLICY), signing.NOW, Memo(8))
        assert [approval.slug for approval in shown.approvals] == [counts]


def test_it_is_overdue_once_its_day_is_over_and_never_after_its_end() -> None:
    """What cannot be looked at ends by that alone."""
    status = recorded(POLICY).status
    assert not overdue(status, NOW + timedelta(hours=24, seconds=-1))
    assert overdue(status, NOW + timedelta(hours=24))
    assert not overdue(msgspec.structs.replace(status, phase=Phase.USED), NOW + timedelta(hours=24))


def test_only_another_status_is_written() -> None:
    """Else each look would wake the next one."""
    request = recorded(POLICY)
    assert not changed(request, following(request, THERE))
    assert changed(request, following(request, approved_object()))


def test_what_is_approved_is_untried_until_it_is_tried() -> None:
    """Since its approval, not since its refusal; a later refusal and a use are tries."""
    later = NOW + timedelta(minutes=5)
    first = following(recorded(POLICY), approved_object(), now=NOW)
    assert (first.phase, untried_since(first)) == (Phase.APPROVED, NOW)
    still = following(
        recorded(POLICY, status={"phase": Phase.APPROVED, "approved_at": stamp(NOW)}), approved_object(), now=later
    )
    assert untried_since(still) == NOW
    assert untried_since(msgspec.structs.replace(still, last_refused_at=stamp(later))) is None
    assert untried_since(msgspec.structs.replace(still, allowed_at=stamp(later))) is None
    gone = following(recorded(POLICY, status={"phase": Phase.APPROVED, "approved_at": stamp(NOW)}), THERE, now=later)
    assert (gone.phase, gone.approved_at, untried_since(gone)) == (Phase.PENDING, "", None)
