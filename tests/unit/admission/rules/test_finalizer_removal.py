"""An object under deletion loses a finalizer only with approval."""

import pytest
from tests.support.builders import AGENT, DEPLOYMENT, PERSON, approved, policy, state, target, update
from tests.support.resolving import decide

from seconder.admission.request import Caller, Request
from seconder.api.policy import Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action, Target

LEAVING = {"deletionTimestamp": "2026-11-22T00:00:00Z"}


def _freed(user: Caller = AGENT, on: Target = DEPLOYMENT, **fields: object) -> Request:
    return update(on, user, old={"finalizers": ["a"]} | LEAVING | fields, new=LEAVING | fields)


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        ([], Reason.APPROVAL_MISSING),
        (["ScaleToZero"], Reason.WRONG_ACTION),
        (["RemoveFinalizers"], Reason.APPROVED),
        (["Delete"], Reason.APPROVED),
    ],
)
def test_it_needs_an_approval_of_its_own_action(actions: list[str], reason: Reason) -> None:
    """Or of the deletion, which it brings to its end."""
    held = approved(detail={"actions": actions}) if actions else {}
    decided = decide(_freed(annotations=held), state(policy()))
    assert (decided.reason, decided.action) == (reason, Action.REMOVE_FINALIZERS)


def test_people_and_controllers_end_what_they_began() -> None:
    """Under a policy for agents; one for everyone binds people, and another action binds nobody."""
    controller = Caller("system:serviceaccount:kube-system:namespace-controller")
    everyone = policy(subjects=Subjects.EVERYONE)
    assert decide(_freed(PERSON), state(policy())).reason is Reason.NOT_COVERED
    assert decide(_freed(PERSON), state(everyone)).reason is Reason.APPROVAL_MISSING
    assert decide(_freed(controller), state(everyone)).reason is Reason.EXEMPT
    deleting = policy(actions=frozenset({Action.DELETE}))
    assert decide(_freed(), state(deleting)).reason is Reason.NOT_COVERED


def test_a_namespace_under_deletion_is_decided_by_its_name_alone() -> None:
    """What it holds was decided on when its deletion began."""
    namespace = target(NAMESPACES, "payments")
    assert decide(_freed(on=namespace), state(policy())).reason is Reason.NOT_COVERED
    assert decide(_freed(on=namespace), state(policy(NAMESPACES))).reason is Reason.APPROVAL_MISSING
