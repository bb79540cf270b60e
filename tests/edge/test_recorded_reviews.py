"""AdmissionReviews as a real API server sent them, decided as an agent's and as a person's."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import DEPLOYMENTS, live, policy, state
from tests.support.resolving import Answers, decide

from seconder.admission import codec
from seconder.admission.decision import Decision
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action
from seconder.approvals.impact import Item

_REVIEWS = Path(__file__).with_name("reviews")
_AGENT = {
    "username": "system:serviceaccount:seconder-agents:kiro",
    "uid": "1",
    "groups": ["system:serviceaccounts", "system:authenticated"],
}


def _decide(name: str, caller: dict[str, Any] | None, *policies: Policy, holds: bool = False) -> Decision:
    document = json.loads((_REVIEWS / f"{name}.json").read_text())
    if caller is not None:
        document["request"]["userInfo"] = caller
    request = codec.decode(json.dumps(document).encode())
    held = {DEPLOYMENTS: [Item("x", "1")]} if holds else {}
    return decide(request, state(*policies), answers=Answers(objects=live(request.target), holds=held))


@pytest.mark.parametrize("name", sorted(path.stem for path in _REVIEWS.glob("*.json")))
def test_a_persons_request_is_not_covered(name: str) -> None:
    """Whatever a person did when these were recorded; the one that carried an agent's tag is an agent's."""
    decision = _decide(name, None, policy(NAMESPACES, DEPLOYMENTS))
    expected = Reason.APPROVAL_MISSING if name == "delete-impersonated" else Reason.NOT_COVERED
    assert decision.reason is expected


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("delete-deployment", True),
        ("deletecollection-deployments", True),
        ("delete-dry-run", True),
        ("delete-namespace", True),
        ("update-annotate", False),
        ("update-scale", True),
        ("update-status", False),
        ("create-configmap", False),
    ],
)
def test_an_agents_deletions_need_approval(name: str, covered: bool) -> None:
    """Every form of a DELETE, and a scale to zero; no other update."""
    decision = _decide(name, _AGENT, policy(NAMESPACES, DEPLOYMENTS))
    assert decision.allowed is not covered
    assert decision.reason is (Reason.APPROVAL_MISSING if covered else Reason.NOT_COVERED)
    action = Action.SCALE_TO_ZERO if name == "update-scale" else Action.DELETE
    assert decision.action is (action if covered else None)


def test_an_agent_gets_no_token_of_another_serviceaccount() -> None:
    """That a person asked for, when this was recorded."""
    assert _decide("create-token", _AGENT).reason is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize("holds", [True, False])
def test_a_recorded_namespace_is_covered_for_what_it_holds(holds: bool) -> None:
    """The API server names a Namespace as its own namespace; what it holds is looked up there."""
    decision = _decide("delete-namespace", _AGENT, policy(), holds=holds)
    assert decision.allowed is not holds
