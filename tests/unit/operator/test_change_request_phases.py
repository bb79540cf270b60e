"""Where a change request stands, from what is found of its object."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.support import signing

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.state import ClusterState
from seconder.api import change_request
from seconder.api.change_request import ChangeRequest, ChangeRequestStatus, Phase, stamp
from seconder.api.policy import AgentTags, Mode, Policy, Requirement
from seconder.api.resources import Action, GroupResource
from seconder.approvals import change_requests
from seconder.approvals.change import Change
from seconder.approvals.verification import Memo
from seconder.operator.change_request_status import Found, following, in_force, over, path_of, place, to_be_looked_at

NOW = datetime.fromtimestamp(signing.NOW, UTC)
_NONE: frozenset[str] = frozenset()
_OTHERS = AgentTags(groups=frozenset({"others"}), service_account_namespaces=_NONE, extra_keys=_NONE)
POLICY = Policy("p", resources=frozenset({GroupResource("apps", "deployments")}))


def _world(*policies: Policy) -> ClusterState:
    return ClusterState(PolicyIndex(policies), signing.registry(), {}, signing.AUDIENCE, Installation())


def _change(*policies: Policy) -> Change:
    return Change(
        requester=signing.REQUESTER,
        by_agent=True,
        agent=signing.AGENT,
        operators=frozenset(),
        target=signing.DEPLOYMENT,
        version="v1",
        action=Action.DELETE,
        claimed="",
        policies=policies or (POLICY,),
    )


def _refused(before: ChangeRequestStatus, change: Change, now: datetime = NOW) -> ChangeRequestStatus:
    return change_requests.refused(
        before,
        change,
        times=1,
        reason="ApprovalMissing",
        audience=signing.AUDIENCE,
        txn="txn-1",
        impact=None,
        now=now,
    )


def _request(*policies: Policy, **status: Any) -> ChangeRequest:
    change = _change(*policies)
    document = change_requests.document(change, None)
    document["metadata"] |= {"uid": "txn-1", "resourceVersion": "1"}
    found = change_request.parse(document)
    written = msgspec.structs.replace(_refused(ChangeRequestStatus(), change), **status)
    return msgspec.structs.replace(found, status=written)


def _found(**changes: Any) -> Found:
    given: dict[str, Any] = {"uid": signing.DEPLOYMENT.uid, "annotations": {}, "leaving": False}
    return Found(**(given | changes))


def _approved(**changes: Any) -> Found:
    return _found(annotations={"approval.seconder.dev/alice": signing.approval(**changes)})


def _following(
    request: ChangeRequest, found: Found | None, *policies: Policy, now: datetime = NOW
) -> ChangeRequestStatus:
    return following(request, found, _world(*(policies or (POLICY,))), now, Memo(8), copies=False)


def test_it_is_pending_while_nobody_has_approved() -> None:
    """And nothing else changes."""
    request = _request()
    assert _following(request, _found()) == request.status


def test_it_is_approved_while_the_object_carries_enough() -> None:
    """With the approver's name, key and the approval's end."""
    status = _following(_request(), _approved())
    assert (status.phase, status.progress) == (Phase.APPROVED, "1/1")
    (approval,) = status.approvals
    assert (approval.approver, approval.reason) == ("alice@example.com", "")
    assert approval.fingerprint.startswith("SHA256:")
    assert approval.expires_at == stamp(datetime.fromtimestamp(signing.NOW + 800, UTC))


def test_it_is_pending_again_when_the_approval_ends() -> None:
    """An approval is nothing that stays."""
    approved = msgspec.structs.replace(_request(), status=_following(_request(), _approved()))
    status = _following(approved, _approved(), now=NOW + timedelta(seconds=900))
    assert (status.phase, status.progress) == (Phase.PENDING, "0/1")
    assert [each.reason for each in status.approvals] == ["ApprovalExpired"]


def test_one_of_two_is_not_enough() -> None:
    """The most demanding policy counts."""
    two = Policy("two", resources=POLICY.resources, requirement=Requirement(required=2))
    status = _following(_request(POLICY, two), _approved(txn="txn-1"), POLICY, two)
    assert (status.phase, status.progress) == (Phase.PENDING, "1/2")


@pytest.mark.parametrize(
    "found", [None, _found(uid="another"), _found(leaving=True)], ids=["gone", "recreated", "leaving"]
)
def test_without_its_object_it_is_used_if_it_was_let_through_and_withdrawn_if_not(found: Found | None) -> None:
    """Whoever took the object away otherwise has settled it."""
    status = _following(_request(), found)
    assert (status.phase, status.message, status.ended_at) == (Phase.WITHDRAWN, "the object is gone", stamp(NOW))
    used = _following(_request(allowed_at=stamp(NOW)), found)
    assert (used.phase, used.message, used.ended_at) == (Phase.USED, "", stamp(NOW))


def test_a_use_that_is_noted_late_is_a_use_still() -> None:
    """The webhook's note and the object's end come in any order."""
    ended = {"phase": Phase.WITHDRAWN, "ended_at": stamp(NOW), "allowed_at": stamp(NOW)}
    assert _following(_request(**ended, message="the object is gone"), None).phase is Phase.USED
    assert _following(_request(**ended, message="no policy asks"), None).phase is Phase.WITHDRAWN


def _update(action: Action, **status: Any) -> ChangeRequest:
    request = _request(**status)
    return msgspec.structs.replace(request, spec=msgspec.structs.replace(request.spec, action=action))


def test_the_removal_of_finalizers_waits_although_the_object_is_under_deletion() -> None:
    """That is when it is asked about."""
    assert _following(_update(Action.REMOVE_FINALIZERS), _found(leaving=True)).phase is Phase.PENDING


@pytest.mark.parametrize("action", [Action.SCALE_TO_ZERO, Action.REMOVE_FINALIZERS, Action.CHANGE_OWNERS])
def test_an_update_is_used_when_it_was_let_through(action: Action) -> None:
    """Its object stays, so that nothing else will ever tell."""
    status = _following(_update(action, allowed_at=stamp(NOW)), _found())
    assert (status.phase, status.ended_at) == (Phase.USED, stamp(NOW))


def test_it_is_not_said_that_nobody_approved_what_was_approved() -> None:
    """Approved in the last minutes of its day, and not used."""
    approved = _request(phase=Phase.APPROVED)
    expired = _following(approved, _found(), now=NOW + timedelta(hours=24))
    assert (expired.phase, expired.message) == (Phase.EXPIRED, "it was not used in time")


def test_it_waits_for_24_hours() -> None:
    """From the refusal that opened it."""
    request = _request()
    assert _following(request, _found(), now=NOW + timedelta(hours=24, seconds=-1)).phase is Phase.PENDING
    expired = _following(request, _found(), now=NOW + timedelta(hours=24))
    assert (expired.phase, expired.message) == (Phase.EXPIRED, "nobody approved it in time")


@pytest.mark.parametrize(
    "policies",
    [
        (Policy("other", resources=frozenset({GroupResource("", "services")})),),
        (Policy("p", resources=POLICY.resources, mode=Mode.AUDIT),),
    ],
    ids=["removed", "only watching"],
)
def test_it_is_withdrawn_when_no_policy_asks_any_more(policies: tuple[Policy, ...]) -> None:
    """There is nothing to approve."""
    assert _following(_request(), _found(), *policies).phase is Phase.WITHDRAWN


@pytest.mark.parametrize("phase", [Phase.USED, Phase.EXPIRED, Phase.WITHDRAWN])
def test_what_has_ended_stays_as_it_ended_for_an_hour(phase: Phase) -> None:
    """To be read; then it is removed."""
    ended = _request(phase=phase, ended_at=stamp(NOW))
    assert _following(ended, _approved()).phase is phase
    assert not over(ended.status, NOW + timedelta(minutes=60))
    assert over(ended.status, NOW + timedelta(minutes=60, seconds=1))


def test_an_open_one_is_never_removed() -> None:
    """However old it is; it has to end first."""
    assert not over(_request().status, NOW + timedelta(days=30))


@pytest.mark.parametrize("phase", [Phase.USED, Phase.EXPIRED, Phase.WITHDRAWN])
def test_refused_again_after_its_end_it_is_pending_again(phase: Phase) -> None:
    """The same one, with all that it takes, for another 24 hours."""
    ended = _request(phase=phase, ended_at=stamp(NOW), allowed_at=stamp(NOW), message="x", attempts=3)
    later = NOW + timedelta(hours=2)
    status = _refused(ended.status, _change(), later)
    assert (status.phase, status.attempts, status.ended_at, status.message) == (Phase.PENDING, 4, "", "")
    assert (status.allowed_at, status.expires_at) == ("", stamp(later + timedelta(hours=24)))
    assert status.first_refused_at == stamp(NOW)


def test_refused_again_while_open_it_gains_no_time() -> None:
    """Nobody keeps a wish open for ever by repeating it."""
    request = _request()
    status = _refused(request.status, _change(), NOW + timedelta(hours=23))
    assert status.expires_at == request.status.expires_at
    assert status.last_refused_at == stamp(NOW + timedelta(hours=23))


def test_a_record_without_a_status_gets_one() -> None:
    """Its writer may have been stopped between the two writes."""
    bare = msgspec.structs.replace(_request(), status=ChangeRequestStatus())
    status = _following(bare, _found())
    assert (status.phase, status.expires_at) == (Phase.PENDING, stamp(NOW + timedelta(hours=24)))
    assert '"txn":"txn-1"' in status.statement


def test_what_a_policy_that_came_later_asks_is_asked_too() -> None:
    """Else it would be called approved although the webhook refuses."""
    late = Policy("late", resources=POLICY.resources, requirement=Requirement(required=3))
    assert [policy.name for policy in in_force(_request(), _world(POLICY, late))] == ["p", "late"]
    status = _following(_request(), _approved(txn="txn-1"), POLICY, late)
    assert (status.phase, status.progress) == (Phase.PENDING, "1/3")


@pytest.mark.parametrize(
    "late",
    [
        Policy("late", resources=frozenset({GroupResource("", "services")})),
        Policy("late", resources=POLICY.resources, actions=frozenset({Action.SCALE_TO_ZERO})),
        Policy("late", resources=POLICY.resources, namespaces=frozenset({"elsewhere"})),
        Policy("late", resources=POLICY.resources, mode=Mode.AUDIT),
        Policy("late", resources=POLICY.resources, agents=_OTHERS),
    ],
    ids=["another resource", "another action", "another namespace", "only watching", "other agents"],
)
def test_a_later_policy_that_does_not_bind_the_request_asks_nothing(late: Policy) -> None:
    """Nobody would ever satisfy it."""
    assert in_force(_request(), _world(POLICY, late)) == [POLICY]


def test_an_object_is_looked_at_only_where_it_makes_a_difference() -> None:
    """Rights to read what no policy names any more are gone."""
    assert to_be_looked_at(_request(), _world(POLICY))
    assert not to_be_looked_at(_request(), _world())
    assert not to_be_looked_at(_request(phase=Phase.USED), _world(POLICY))


def test_an_invalid_policy_is_not_judged_by() -> None:
    """It refuses, and no approval changes that."""
    broken = Policy("p", resources=POLICY.resources, problem="misspelt")
    assert _following(_request(), _approved(), broken).phase is Phase.PENDING


def test_the_objects_path_is_that_of_its_own_api() -> None:
    """Group, version, namespace, plural, name."""
    assert path_of(_request()) == "/apis/apps/v1/namespaces/payments/deployments/checkout"


def test_the_objects_path_leads_to_no_other_object() -> None:
    """Whatever a record says that somebody wrote by hand."""
    request = _request()
    odd = {
        "version": "v1/namespaces/x",
        "name": "checkout?dryRun=All",
        "namespace": "a/b#c",
        "resource": "deployments/x",
    }
    spec = msgspec.structs.replace(request.spec, object=msgspec.structs.replace(request.spec.object, **odd))
    expected = "/apis/apps/v1%2Fnamespaces%2Fx/namespaces/a%2Fb%23c/deployments%2Fx/checkout%3FdryRun%3DAll"
    assert path_of(msgspec.structs.replace(request, spec=spec)) == expected


def test_a_name_from_outside_is_shown_without_what_turns_a_line_round() -> None:
    """Names of some built-in kinds may hold anything but a slash and a percent sign."""
    change = _change()
    odd = dataclasses.replace(change, target=dataclasses.replace(change.target, name="a\u202eb\nc"))
    assert _refused(ChangeRequestStatus(), odd).object == "deployments.apps payments/abc"


def test_a_copy_never_takes_the_place_of_an_approval_that_has_not_ended() -> None:
    """It may be of another request, or of somebody else; one that has ended makes room."""
    state, value, other = _world(POLICY), signing.approval(), signing.approval(sub="somebody else")
    assert place("alice", value, {}, state, signing.NOW, Memo(8)) == "alice"
    assert place("alice", value, {"alice": "rubbish"}, state, signing.NOW, Memo(8)) == "alice"
    beside = place("a" * 63, value, {"a" * 63: other}, state, signing.NOW, Memo(8))
    assert beside.startswith("a" * 54 + "-")
    assert len(beside) == 63
    assert place("alice", value, {"alice": other}, state, signing.NOW + 3600, Memo(8)) == "alice"
