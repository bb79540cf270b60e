"""The deletion of a ReplicaSet is decided on as that of the Deployment that made it."""

from typing import Any

import pytest
from tests.support.builders import AGENT, DEPLOYMENT, PERSON, approved, deletion, live, policy, state, target, update
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import ReadObjects
from seconder.admission.request import Caller, Request
from seconder.api.reasons import Reason
from seconder.api.resources import REPLICA_SETS, Action

THERE = Answers(objects=live(DEPLOYMENT))
PROTECTED = state(policy())


def _request(user: Caller = AGENT, **owner: Any) -> Request:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "controller": True}
    stored = {"ownerReferences": [reference | {"uid": DEPLOYMENT.uid} | owner]}
    return deletion(target(REPLICA_SETS, "checkout-5d"), user, stored=stored)


def test_it_needs_the_approval_of_its_deployments_deletion() -> None:
    """On the Deployment, and for its deletion."""
    refused = decide(_request(), PROTECTED, answers=THERE)
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    assert refused.change is not None
    assert refused.change.target == DEPLOYMENT
    held = Answers(objects=live(DEPLOYMENT, annotations=approved()))
    assert decide(_request(), PROTECTED, answers=held).reason is Reason.APPROVED


def test_an_invalid_policy_is_told_of_the_deployment() -> None:
    """It names that, and not the ReplicaSet."""
    decided = decide(_request(), state(policy(problem="misspelt")), answers=THERE)
    assert decided.reason is Reason.POLICY_INVALID
    assert decided.message.startswith("Delete of deployments.apps payments/checkout is refused: policy p is invalid")


@pytest.mark.parametrize("objects", [{}, live(DEPLOYMENT, uid="made anew")], ids=["gone", "made anew"])
def test_one_whose_deployment_is_gone_is_free(objects: Any) -> None:
    """Nobody's any more."""
    assert decide(_request(), PROTECTED, answers=Answers(objects=objects)).reason is Reason.NOT_COVERED


@pytest.mark.parametrize(
    "owner", [{"controller": False}, {"kind": "Rollout"}, {"apiVersion": "example.com/v1"}, {"name": "../x"}]
)
def test_one_that_no_protected_kind_made_is_free(owner: dict[str, Any]) -> None:
    """Kind and group are taken exactly, and a name that is none steers no path."""
    answers = Answers(objects=live(DEPLOYMENT))
    assert decide(_request(**owner), PROTECTED, answers=answers).reason is Reason.NOT_COVERED
    assert answers.read == []


def test_people_delete_them_as_they_like() -> None:
    """A policy for agents binds agents."""
    assert decide(_request(PERSON), PROTECTED, answers=THERE).reason is Reason.NOT_COVERED


def test_a_failed_look_up_refuses() -> None:
    """What is not known is never taken for absent."""
    decided = decide(_request(), PROTECTED, answers=Answers(unknown=[ReadObjects]))
    assert decided.reason is Reason.INTERNAL_ERROR


MADE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "controller": True, "uid": DEPLOYMENT.uid}


@pytest.mark.parametrize("subresource", ["", "status"])
@pytest.mark.parametrize(
    "new", [{"labels": {"a": "b"}, "ownerReferences": [MADE]}, {}, {"ownerReferences": [MADE | {"controller": False}]}]
)
def test_one_that_its_deployment_lets_go_of_counts_as_deleted(new: dict[str, Any], subresource: str) -> None:
    """Other labels, and it is selected no more; without its owner, it is nobody's. A paused Deployment makes none."""
    asked = update(
        target(REPLICA_SETS, "checkout-5d"), old={"ownerReferences": [MADE]}, new=new, subResource=subresource
    )
    assert decide(asked, PROTECTED, answers=THERE).reason is Reason.APPROVAL_MISSING


def test_other_changes_of_one_are_free() -> None:
    """As of whatever stands under a protected workload: what nothing acts by."""
    kept = {"ownerReferences": [MADE]}
    old, new = (kept | {"annotations": {"note": note}} for note in ("a", "b"))
    asked = update(target(REPLICA_SETS, "checkout-5d"), old=old, new=new)
    assert decide(asked, PROTECTED, answers=THERE).allowed
