"""An autoscaler that may take a protected workload to nothing is decided on as that."""

from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    approved,
    creation,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import ReadObjects
from seconder.admission.request import Caller, Malformed, Request
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, Action

WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
SCALER = target(AUTOSCALERS, "h")


def _spec(least: Any, workload: Any = WORKLOAD) -> dict[str, Any]:
    return {"spec": {"minReplicas": least, "maxReplicas": 3, "scaleTargetRef": workload}}


def _made(least: Any = 0, workload: Any = WORKLOAD, user: Caller = AGENT) -> Request:
    return creation(SCALER, user, new=_spec(least, workload))


@pytest.mark.parametrize(
    ("request_", "empties"),
    [
        (_made(0), True),
        (update(SCALER, old=_spec(1), new=_spec(0)), True),
        (update(SCALER, old=_spec(0), new=_spec(0)), False),
        (_made(1), False),
        (_made(None), False),
        (update(SCALER, old=_spec(1), new=_spec(0), subResource="status"), False),
    ],
)
def test_what_an_autoscaler_may_not_do_yet_is_what_counts(request_: Request, *, empties: bool) -> None:
    """A write that leaves its least number at nothing changes nothing."""
    answers = Answers(objects=live(DEPLOYMENT))
    decided = decide(request_, state(policy()), answers=answers)
    assert decided.reason is (Reason.APPROVAL_MISSING if empties else Reason.NOT_COVERED)
    assert answers.read == ([(DEPLOYMENTS, "payments", "checkout")] if empties else [])


@pytest.mark.parametrize(
    "request_",
    [_made("0"), creation(SCALER, new={"spec": None}), update(SCALER, old={"spec": None}, new=_spec(0))],
)
def test_an_autoscaler_whose_numbers_are_none_is_malformed(request_: Request) -> None:
    """What it may do, or might before, could not be told."""
    with pytest.raises(Malformed, match="the autoscaler is not understood"):
        decide(request_, state(policy()))


def test_the_approvals_are_the_workloads_own() -> None:
    """For the action that the autoscaler would take."""
    refused = decide(_made(), state(policy()), answers=Answers(objects=live(DEPLOYMENT)))
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.SCALE_TO_ZERO)
    assert refused.change is not None
    assert refused.change.target == DEPLOYMENT
    held = live(DEPLOYMENT, annotations=approved(detail={"actions": ["ScaleToZero"]}))
    assert decide(_made(), state(policy()), answers=Answers(objects=held)).reason is Reason.APPROVED


def test_a_workload_that_is_not_there_or_not_known_is_refused() -> None:
    """An autoscaler that waits for it would empty it later."""
    assert decide(_made(), state(policy())).reason is Reason.APPROVAL_MISSING
    unknown = Answers(unknown=[ReadObjects])
    assert decide(_made(), state(policy()), answers=unknown).reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize(
    "other",
    [policy(actions=frozenset({Action.DELETE})), policy(namespaces=frozenset({"elsewhere"}))],
    ids=["another action", "another place"],
)
def test_what_no_policy_protects_from_it_is_free(other: Policy) -> None:
    """As for any other action."""
    assert decide(_made(), state(other)).reason is Reason.NOT_COVERED


@pytest.mark.parametrize("named", [{"kind": "StatefulSet"}, {"apiVersion": "example.com/v1"}, {"name": "../x"}])
def test_what_it_names_is_taken_exactly_and_steers_no_path(named: dict[str, Any]) -> None:
    """Another kind, another group, and no name at all."""
    answers = Answers()
    assert decide(_made(workload=WORKLOAD | named), state(policy()), answers=answers).reason is Reason.NOT_COVERED
    assert answers.asked == []


def test_people_set_their_autoscalers_as_they_like() -> None:
    """A policy for agents binds agents."""
    assert decide(_made(user=PERSON), state(policy())).reason is Reason.NOT_COVERED
