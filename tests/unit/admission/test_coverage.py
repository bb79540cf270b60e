"""Which policies cover an effect, and what is looked up to know it."""

from dataclasses import replace

import pytest
from tests.support import signing
from tests.support.builders import (
    DEPLOYMENTS,
    PERSON,
    WIDGETS,
    deletion,
    policy,
    resolved,
    state,
    target,
)
from tests.support.resolving import Answers

from seconder.admission import coverage, lookups
from seconder.admission.lookups import HeldResource, NamespaceContents, Unknown
from seconder.admission.review import ReviewContext
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.resources import DEFINITIONS, NAMESPACES, NODES, Action, Presence, Target
from seconder.approvals.impact import Item

NAMESPACE = target(NAMESPACES, "payments")


def _covering(on: Target, *policies: Policy, answers: Answers | None = None) -> list[str]:
    context = ReviewContext(deletion(on), state(*policies), Mode.ENFORCE, signing.NOW, signing.memo())
    asking = coverage.policies_for(context, context.effect(Action.DELETE))
    return [covering.name for covering in lookups.drive(asking, answers or Answers())]


def test_contents_are_asked_about_for_namespaces_alone() -> None:
    """And only where the policy protects."""
    here, there = (policy(name=name, namespaces=frozenset({name})) for name in ("payments", "other"))
    answers = Answers(holds={DEPLOYMENTS: [Item("x", "1")]})
    assert _covering(NAMESPACE, here, there, answers=answers) == ["payments"]
    assert answers.asked == [NamespaceContents("payments", (HeldResource(here.resolved[DEPLOYMENTS], whole=False),))]
    assert _covering(target(NAMESPACES, "third"), here, there, answers=Answers(unknown=[NamespaceContents])) == []
    assert _covering(target(), here, there, answers=Answers(unknown=[NamespaceContents])) == ["payments"]


def test_nothing_is_asked_where_nothing_is_held() -> None:
    """Cluster-scoped kinds lie in no namespace."""
    answers = Answers()
    assert _covering(NAMESPACE, policy(NODES), answers=answers) == []
    assert _covering(NAMESPACE, answers=answers) == []
    assert answers.asked == []


def test_one_object_is_enough_to_hold() -> None:
    """Of each kind once, whatever many policies name it."""
    answers = Answers(holds={WIDGETS: [Item("x", "1")]})
    both = (policy(DEPLOYMENTS, WIDGETS, name="a"), policy(WIDGETS, NODES, name="b"))
    assert _covering(NAMESPACE, *both, answers=answers) == ["a", "b"]
    held = tuple(HeldResource(resolved(resource), whole=False) for resource in (DEPLOYMENTS, WIDGETS))
    assert answers.asked == [NamespaceContents("payments", held)]


def test_a_policy_that_names_the_namespace_needs_no_look_into_it() -> None:
    """Whatever else it names; the others beside it do."""
    both = policy(NAMESPACES, DEPLOYMENTS, name="both")
    assert _covering(NAMESPACE, both, answers=Answers(unknown=[NamespaceContents])) == ["both"]
    answers = Answers(holds={WIDGETS: [Item("x", "1")]})
    assert _covering(NAMESPACE, both, policy(WIDGETS, name="held"), answers=answers) == ["both", "held"]
    assert _covering(NAMESPACE, both, policy(WIDGETS, name="held")) == ["both"]


def test_what_is_not_looked_up_yet_covers_nobody_knows_what() -> None:
    """Neither everything nor nothing."""
    with pytest.raises(Unknown):
        _covering(NAMESPACE, policy(resolved={}, resolution_current=False))


@pytest.mark.parametrize("presence", [Presence.UNSERVED, Presence.UNDEFINED])
def test_a_namespace_that_may_hold_what_nobody_sees_is_unknown_to_agents_and_empty_to_people(
    presence: Presence,
) -> None:
    """Whether another policy names the namespace or not: an approval would not tell what goes down with it."""
    hidden = {WIDGETS: replace(resolved(WIDGETS), presence=presence)}
    everyone = Subjects.EVERYONE
    for policies in (
        [policy(WIDGETS, resolved=hidden, subjects=everyone)],
        [policy(NAMESPACES, WIDGETS, resolved=hidden, subjects=everyone)],
        [policy(NAMESPACES, subjects=everyone), policy(WIDGETS, name="more", resolved=hidden)],
    ):
        with pytest.raises(Unknown, match=r"widgets\..*cannot be seen"):
            _covering(NAMESPACE, *policies)
        context = ReviewContext(
            deletion(NAMESPACE, PERSON), state(*policies), Mode.ENFORCE, signing.NOW, signing.memo()
        )
        asking = coverage.policies_for(context, context.effect(Action.DELETE))
        covering = [each.name for each in lookups.drive(asking, Answers(unknown=[NamespaceContents]))]
        assert covering == [each.name for each in policies if NAMESPACES in each.resources]


def test_a_definition_is_covered_for_what_it_defines() -> None:
    """In all namespaces, and for its own name once."""
    definition = target(DEFINITIONS, "widgets.example.com")
    limited = policy(WIDGETS, name="limited", namespaces=frozenset({"elsewhere"}))
    assert _covering(definition, limited, policy(DEFINITIONS, WIDGETS, name="both"), policy()) == ["both", "limited"]
