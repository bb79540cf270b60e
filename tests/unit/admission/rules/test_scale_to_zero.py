"""Scaling a protected workload to nothing, through the object or its scale."""

import pytest
from tests.support import signing
from tests.support.builders import (
    DEPLOYMENT,
    DEPLOYMENTS,
    GHOST,
    approved,
    live,
    policy,
    scale,
    state,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import ReadObjects
from seconder.admission.request import Caller
from seconder.api.policy import Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, Action

BEFORE, AFTER = {"spec": {"replicas": 1}}, {"spec": {"replicas": 0}}
EMPTIES = update(old=BEFORE, new=AFTER)


def test_behind_the_scale_the_object_itself_is_read() -> None:
    """A Scale carries no annotations, and what a request says is no approval."""
    held = live(DEPLOYMENT, annotations=approved(detail={"actions": ["ScaleToZero"]}))
    for objects, reason in ((held, Reason.APPROVED), (live(DEPLOYMENT), Reason.APPROVAL_MISSING)):
        answers = Answers(objects=objects)
        assert decide(scale(3, 0), state(policy()), answers=answers).reason is reason
        assert answers.read == [(DEPLOYMENTS, "payments", "checkout")]
    answers = Answers()
    assert decide(scale(3, 0), state(policy(PODS)), answers=answers).allowed
    assert answers.read == []


@pytest.mark.parametrize(
    "answers",
    [Answers(), Answers(objects=live(DEPLOYMENT, uid="another")), Answers(unknown=[ReadObjects])],
    ids=["not found", "recreated", "not known"],
)
def test_a_scale_whose_object_is_not_known_is_refused(answers: Answers) -> None:
    """Rather than taken for one without approvals that anybody could mend."""
    decided = decide(scale(3, 0), state(policy()), answers=answers)
    assert (decided.reason, decided.action) == (Reason.INTERNAL_ERROR, Action.SCALE_TO_ZERO)
    assert decided.change is None


def test_each_action_of_one_update_needs_its_own_approval() -> None:
    """An approval of a deletion covers them all."""

    def reason(*actions: str) -> Reason:
        held = {"annotations": approved(detail={"actions": list(actions)})}
        request = update(old=BEFORE | held, new=AFTER | held | {"owners": [GHOST]})
        return decide(request, state(policy())).reason

    assert reason("ScaleToZero") is Reason.WRONG_ACTION
    assert reason("ChangeOwners") is Reason.WRONG_ACTION
    assert reason("ScaleToZero", "ChangeOwners") is Reason.APPROVED
    assert reason("Delete") is Reason.APPROVED


def test_a_controller_of_the_control_plane_scales_as_it_must() -> None:
    """The autoscaler's own requests are free; who may tell it what to do is another question."""
    autoscaler = Caller("system:serviceaccount:kube-system:horizontal-pod-autoscaler")
    answers = Answers()
    decided = decide(scale(3, 0, autoscaler), state(policy(subjects=Subjects.EVERYONE)), answers=answers)
    assert decided.reason is Reason.EXEMPT
    assert answers.asked == []


def test_with_a_stale_view_no_deed_is_let_through() -> None:
    """Not by a policy that is not there."""
    decided = decide(EMPTIES, state(policy(PODS)), answers=Answers(fresh=False))
    assert decided.reason is Reason.INTERNAL_ERROR


def test_the_command_to_approve_names_the_action() -> None:
    """Where there is no change request; a deletion is what it approves by itself."""
    decided = decide(EMPTIES, state(policy()))
    assert decided.text().endswith(f"--requester {signing.REQUESTER} --action ScaleToZero")
    assert decided.change is not None
    assert decided.change.action is Action.SCALE_TO_ZERO


def test_a_target_keeps_its_own_names() -> None:
    """The change request is for the object, not for its scale."""
    for request in (EMPTIES, scale(1, 0)):
        decided = decide(request, state(policy()), answers=Answers(objects=live(DEPLOYMENT)))
        assert decided.change is not None
        assert decided.change.target == DEPLOYMENT
