"""Agents give a protected object an owner only with approval."""

from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    CONFIG_MAPS,
    GHOST,
    PERSON,
    approved,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.request import Caller, Owner, Request
from seconder.api import constants
from seconder.api.policy import Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import Action

OWNER = Owner("apps/v1", "Deployment", "owner", "uid-2")


def _given(*owners: Owner, user: Caller = AGENT, **fields: Any) -> Request:
    return update(user=user, old=fields, new={"owners": owners} | fields)


@pytest.mark.parametrize("owners", [(OWNER,), (GHOST,), (OWNER, GHOST)])
def test_an_owner_that_is_protected_too_takes_approval_as_well(owners: tuple[Owner, ...]) -> None:
    """It may go itself one day, and nobody would be asked about this object then; so it is not even looked at."""
    answers = Answers(objects=live(target(name="owner", uid="uid-2")))
    decided = decide(_given(*owners), state(policy()), answers=answers)
    assert (decided.reason, decided.action) == (Reason.APPROVAL_MISSING, Action.CHANGE_OWNERS)
    assert answers.read == []
    held = approved(detail={"actions": ["ChangeOwners"]})
    assert decide(_given(*owners, annotations=held), state(policy())).reason is Reason.APPROVED


@pytest.mark.parametrize("name", ["..", "a/b", "a%2fb", "", "-a", "x" * 254, "a\n", "a b"])
def test_an_owners_name_that_is_no_name_is_not_looked_up(name: str) -> None:
    """It is a client's own words, and would become part of a path."""
    answers = Answers()
    decided = decide(_given(OWNER._replace(name=name)), state(policy()), answers=answers)
    assert decided.reason is Reason.APPROVAL_MISSING
    assert answers.read == []


def test_owners_that_people_and_their_controllers_set_need_no_approval() -> None:
    """Under a policy for everyone, too, as long as they exist; what is tagged as an agent's is asked about anyway."""
    everyone = state(policy(subjects=Subjects.EVERYONE))
    assert decide(_given(GHOST, user=PERSON), everyone).reason is Reason.NOT_COVERED
    tagged = _given(GHOST, user=PERSON, annotations={constants.AGENT_KEY: "kiro"})
    assert decide(tagged, everyone).reason is Reason.APPROVAL_MISSING
    assert decide(_given(GHOST), everyone).reason is Reason.APPROVAL_MISSING


def test_an_object_that_nothing_protects_may_be_given_away() -> None:
    """To whomever."""
    request = update(target(CONFIG_MAPS), new={"owners": [GHOST]})
    assert decide(request, state(policy())).reason is Reason.NOT_COVERED
