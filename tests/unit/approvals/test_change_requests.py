"""What a change request gives peers to sign."""

from tests.support import signing
from tests.support.builders import policy, target
from tests.support.change_requests import change

from seconder.api.resources import ENDINGS, NAMESPACES
from seconder.approvals import change_requests
from seconder.approvals.change import Change
from seconder.approvals.impact import Impact


def _statement(refused: Change, impact: Impact | None) -> str:
    return change_requests.statement_of(refused, signing.AUDIENCE, "txn-1", impact)


def test_there_is_nothing_to_sign_while_a_bound_impact_is_not_known() -> None:
    """An approval that names no impact would not count."""
    for action in ENDINGS:
        refused = change(policy(NAMESPACES), target=target(NAMESPACES, "payments"), action=action)
        assert _statement(refused, None) == ""
        assert "0" * 64 in _statement(refused, Impact("0" * 64, {}))


def test_what_binds_no_impact_is_signed_without_one() -> None:
    """A Deployment's deletion is to be signed at once."""
    assert signing.AUDIENCE in _statement(change(policy()), None)
