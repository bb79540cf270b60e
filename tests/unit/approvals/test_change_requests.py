"""What a change request gives peers to sign, and what it keeps of what it was let through for."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace
from tests.support import signing
from tests.support.builders import approved, deletion, policy, state, target
from tests.support.change_requests import NOW, change, refused
from tests.support.resolving import decide

from seconder.api.change_request import MOST_USES, ChangeRequestStatus, Phase, stamp
from seconder.api.resources import ENDINGS, NAMESPACES
from seconder.approvals import change_requests
from seconder.approvals.change import Change
from seconder.approvals.impact import Impact
from seconder.approvals.verification import Approval


def _statement(wanted: Change, impact: Impact | None) -> str:
    return change_requests.statement_of(wanted, signing.AUDIENCE, "txn-1", impact)


def test_there_is_nothing_to_sign_while_a_bound_impact_is_not_known() -> None:
    """An approval that names no impact would not count."""
    for action in ENDINGS:
        wanted = change(policy(NAMESPACES), target=target(NAMESPACES, "payments"), action=action)
        assert _statement(wanted, None) == ""
        assert "0" * 64 in _statement(wanted, Impact("0" * 64, {}))


def test_what_binds_no_impact_is_signed_without_one() -> None:
    """A Deployment's deletion is to be signed at once."""
    assert signing.AUDIENCE in _statement(change(policy()), None)


def _counted(expires: int) -> Sequence[Approval]:
    stored = {"annotations": approved(exp=signing.NOW + expires)}
    return decide(deletion(stored=stored), state(policy())).counted


def _used(before: ChangeRequestStatus, round_: int) -> ChangeRequestStatus:
    """The status after one more refusal, an approval, its use, and that this was seen."""
    wanted, now = change(policy()), NOW + timedelta(minutes=round_)
    asked = refused(before, wanted, now)
    allowed = change_requests.let_through(asked, wanted.name, wanted, _counted(600 + round_), now)
    return replace(allowed, phase=Phase.USED, ended_at=stamp(now), message=f"gone {round_}")


def test_who_asks_again_wipes_out_no_use() -> None:
    """Whatever becomes of that: it stays known when it was let through, by whose approval, and how that ended."""
    once = _used(ChangeRequestStatus(), 1)
    again = refused(once, change(policy()), NOW + timedelta(hours=1))
    assert (again.phase, again.allowed_at, again.approvals, again.ended_at) == (Phase.PENDING, "", [], "")
    for later in (again, refused(again, change(policy())), replace(again, phase=Phase.DENIED, ended_at=stamp(NOW))):
        (use,) = later.former_uses
        assert (use.allowed_at, use.peers) == (once.allowed_at, ["alice@example.com"])
        assert (use.phase, use.ended_at, use.message) == ("Used", once.ended_at, "gone 1")
        assert later.history == later.uses
    twice = _used(again, 2)
    assert [use.allowed_at for use in twice.uses] == [once.allowed_at, twice.allowed_at]
    assert [use.allowed_at for use in twice.former_uses] == [once.allowed_at]
    assert len(twice.counted) == 2


def test_what_is_used_by_another_approval_without_a_refusal_wipes_out_no_use() -> None:
    """Nor does another use of the same one, which is told by its last time."""
    once, wanted, later = _used(ChangeRequestStatus(), 1), change(policy()), NOW + timedelta(hours=1)
    other = change_requests.let_through(once, wanted.name, wanted, _counted(3000), later)
    assert [(use.allowed_at, use.message) for use in other.uses] == [(once.allowed_at, "gone 1"), (stamp(later), "")]
    same = change_requests.let_through(once, wanted.name, wanted, _counted(601), later)
    assert [use.allowed_at for use in same.uses] == [stamp(later)]


def test_a_use_that_was_recorded_before_uses_were_is_kept() -> None:
    """As the other fields tell it."""
    old = replace(_used(ChangeRequestStatus(), 1), uses=[])
    assert old.history[0].peers == ["alice@example.com"]
    assert refused(old, change(policy())).uses[0].ended_at == old.ended_at


def test_of_very_many_uses_the_last_ones_are_kept() -> None:
    """Each took approvals of its own."""
    status = ChangeRequestStatus()
    for round_ in range(MOST_USES + 4):
        status = _used(status, round_)
    assert len(status.uses) == MOST_USES
    assert status.uses[0].allowed_at == stamp(NOW + timedelta(minutes=4))
