"""What peers have signed for a namespace's deletion is not made void by an agent that makes things there."""

from typing import Any

import pytest
from tests.support import signing
from tests.support.builders import (
    CONFIG_MAPS,
    PERSON,
    REAL,
    WIDGETS,
    approved,
    approved_for,
    creation,
    deletion,
    live,
    policy,
    references,
    resolved,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.lookups import ReadObjects
from seconder.api.policy import Policy, Requirement
from seconder.api.resources import NAMESPACES, SERVICES, Action

SERVICE = target(SERVICES, "web")
NAMESPACE = target(NAMESPACES, "payments", namespace="", uid="uid-ns")
ALL = policy(NAMESPACES)
SAID = "a peer has approved that namespace payments goes with what it holds, which agents leave as it is"


def _answers(**annotations: str) -> Answers:
    return Answers(objects=live(NAMESPACE, annotations=annotations or approved_for(NAMESPACE)))


def test_agents_leave_it_as_it_is_while_an_approval_stands() -> None:
    """Whoever it is for; what no impact counts is free, and so are updates, and whatever people do."""
    for actions in (["Delete", "ChangeOwners"], ["Delete"], ["ChangeOwners"]):
        theirs = approved_for(NAMESPACE, actions=actions)
        for asked in (creation(SERVICE), deletion(SERVICE)):
            assert refusal(decide(asked, state(ALL), answers=_answers(**theirs))) == SAID
    given = update(SERVICE, new={"ownerReferences": references([REAL])})
    assert refusal(decide(given, state(ALL), answers=_answers())) == SAID
    for free in (
        creation(target(CONFIG_MAPS, "mine")),
        update(SERVICE, new={"labels": {"a": "b"}}),
        creation(SERVICE, PERSON),
        creation(target(SERVICES, "web", "elsewhere")),
    ):
        assert decide(free, state(ALL), answers=_answers()).allowed


@pytest.mark.parametrize(
    "annotations",
    [
        {"seconder.dev/team": "shop"},
        approved(),
        approved_for(NAMESPACE, identifier="another"),
        approved_for(NAMESPACE, actions=["RemoveFinalizers"]),
        {"approval.seconder.dev/alice": "nonsense"},
    ],
)
def test_what_is_no_approval_of_its_deletion_holds_up_nothing(annotations: dict[str, str]) -> None:
    """Nor one that is over."""
    assert decide(creation(SERVICE), state(ALL), answers=_answers(**annotations)).allowed


def test_a_namespace_that_is_going_holds_up_nothing() -> None:
    """Whoever lets go of what keeps it may."""
    going = live(NAMESPACE, annotations=approved_for(NAMESPACE), deletion_timestamp="2026-11-28T12:00:00Z")
    old, new = {"deletionTimestamp": "x", "finalizers": ["example.com/x"]}, {"deletionTimestamp": "x"}
    for asked in (update(SERVICE, old=old, new=new), deletion(SERVICE)):
        assert decide(asked, state(ALL), answers=Answers(objects=going)).allowed


def test_an_approval_that_is_over_holds_up_nothing() -> None:
    """Agents wait for an hour at most."""
    decided = decide(creation(SERVICE), state(ALL), answers=_answers(), now=signing.NOW + 3600)
    assert decided.allowed


@pytest.mark.parametrize(
    ("one", "asks"),
    [
        (policy(NAMESPACES, namespaces=frozenset({"prod"})), False),
        (policy(NAMESPACES, requirement=Requirement(bind_impact=False)), False),
        (policy(NAMESPACES, actions=frozenset({Action.CHANGE})), False),
        (policy(namespaces=frozenset({"payments"})), True),
    ],
)
def test_it_is_looked_up_where_an_impact_may_be_bound(one: Policy, *, asks: bool) -> None:
    """By one question."""
    answers = _answers()
    decide(creation(SERVICE), state(one), answers=answers)
    assert [ref.resource.resource for lookup in answers.questions(ReadObjects) for ref in lookup.refs] == (
        [NAMESPACES] if asks else []
    )


def test_custom_resources_that_a_policy_names_count_as_well() -> None:
    """As they do in an impact."""
    custom: dict[str, Any] = {"resolved": {WIDGETS: resolved(WIDGETS), NAMESPACES: resolved(NAMESPACES)}}
    asked = creation(target(WIDGETS, "w"))
    assert refusal(decide(asked, state(policy(WIDGETS, NAMESPACES, **custom)), answers=_answers())) == SAID
