"""What agents define under a policy's wildcard stays within what can be followed."""

import pytest
from tests.support.builders import PERSON, creation, policy, state, target
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.lookups import Definitions
from seconder.admission.request import Caller, Request
from seconder.api.policy import Mode, Policy
from seconder.api.resources import ANY, DEFINITIONS, Action, GroupResource

ALL = policy(GroupResource(ANY, ANY), namespaces=frozenset({"prod"}))


def _made(*user: Caller) -> Request:
    return creation(target(DEFINITIONS, "gears.example.com", namespace=""), *user, new={"spec": {}})


def test_nearly_as_many_as_can_be_followed_are_enough() -> None:
    """Agents define no more then; people do."""
    assert decide(_made(), state(ALL), answers=Answers(definitions=175)).allowed
    refused = decide(_made(), state(ALL), answers=Answers(definitions=176))
    assert refusal(refused).startswith("agents may not define more kinds where a policy names kinds by a wildcard")
    assert decide(_made(PERSON), state(ALL), answers=Answers(definitions=500)).allowed


@pytest.mark.parametrize(
    "other",
    [
        policy(GroupResource("example.org", ANY)),
        policy(GroupResource("example.com", "gears")),
        policy(GroupResource(ANY, ANY), mode=Mode.AUDIT),
        policy(GroupResource(ANY, ANY), actions=frozenset({Action.SCALE_TO_ZERO})),
    ],
)
def test_what_no_wildcard_stands_for_is_not_counted(other: Policy) -> None:
    """Nor asked about."""
    answers = Answers(definitions=500)
    decided = decide(_made(), state(other), answers=answers)
    assert not answers.questions(Definitions)
    assert decided.allowed
