"""When a change request that could not be looked at is looked at again."""

from typing import Any

import pytest

from seconder.admission.lookups import Unknown
from seconder.api.change_request import ChangeRequest, Phase, parse
from seconder.client.api import ApiError
from seconder.operator import change_request_controller as controller


def _unanswered(cause: Exception) -> Unknown:
    unknown = Unknown("what the namespace holds could not be looked up")
    unknown.__cause__ = cause
    return unknown


@pytest.mark.parametrize(
    "error", [Unknown("what a policy names is not known yet"), _unanswered(ApiError(503, "away")), ApiError(0, "away")]
)
def test_what_passes_by_itself_is_tried_again_soon(error: Exception) -> None:
    """A policy that was just changed is resolved within a second, and an API server comes back."""
    assert controller._after(error) <= 3


@pytest.mark.parametrize("error", [_unanswered(ApiError(403, "forbidden")), ApiError(403, "forbidden")])
def test_what_lacks_a_right_is_tried_again_seldom(error: Exception) -> None:
    """There may be a thousand that all lack the same one."""
    assert controller._after(error) >= 30


def _request(phase: Phase, first: str) -> ChangeRequest:
    object_ = {"version": "v1", "resource": "pods", "kind": "Pod", "name": "p", "uid": "u"}
    document: dict[str, Any] = {
        "metadata": {"name": "chg-1"},
        "spec": {"requester": "kiro", "object": object_, "action": "Delete"},
        "status": {"phase": phase.value, "firstRefusedAt": first},
    }
    return parse(document)


def test_only_what_waits_for_a_peer_counts_as_waiting() -> None:
    """Since its first refusal; an approved one waits for its requester, and an ended one for nobody."""
    assert controller._since(_request(Phase.PENDING, "2026-11-28T00:00:00Z")) == 1795824000
    assert controller._since(_request(Phase.PENDING, "")) is None
    assert [
        controller._since(_request(phase, "2026-11-28T00:00:00Z")) for phase in Phase if phase is not Phase.PENDING
    ] == [None] * (len(Phase) - 1)
    let_through = _request(Phase.PENDING, "2026-11-28T00:00:00Z")
    let_through.status.allowed_at = "2026-11-28T00:01:00Z"
    assert controller._since(let_through) is None
