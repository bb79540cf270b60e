"""A protected object is deleted only with approval, and so is what holds or defines it."""

import pytest
from tests.support.builders import (
    AGENT,
    DEPLOYMENT,
    DEPLOYMENTS,
    WIDGETS,
    deletion,
    document,
    policy,
    request,
    state,
    target,
)
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import NamespaceContents
from seconder.admission.request import Operation
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NAMESPACES, PODS, Action, GroupResource
from seconder.approvals.impact import Item

NAMESPACE = deletion(target(NAMESPACES, "payments"))
HOLDS = {DEPLOYMENTS: [Item("x", "1")]}


def test_a_policy_limits_itself_to_its_namespaces() -> None:
    """By name, a Namespace's own included."""
    limited = state(policy(DEPLOYMENTS, NAMESPACES, namespaces=frozenset({"payments"})))
    for on, allowed in (
        (target(), False),
        (target(namespace="other"), True),
        (target(NAMESPACES, "payments"), False),
        (target(NAMESPACES, "other"), True),
    ):
        assert decide(deletion(on), limited).allowed is allowed


@pytest.mark.parametrize(
    ("named", "pods"),
    [
        (GroupResource("*", "*"), False),
        (GroupResource("apps", "*"), True),
        (GroupResource("*", "deployments"), True),
    ],
)
def test_wildcards_name_what_they_stand_for(named: GroupResource, pods: bool) -> None:
    """Group, resource, or both."""
    wide = state(policy(named))
    assert not decide(deletion(), wide).allowed
    assert decide(deletion(target(PODS)), wide).allowed is pods


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (Answers(holds=HOLDS), Reason.APPROVAL_MISSING),
        (Answers(), Reason.NOT_COVERED),
        (Answers(unknown=[NamespaceContents]), Reason.INTERNAL_ERROR),
    ],
)
def test_a_namespace_is_covered_for_what_it_holds(answers: Answers, reason: Reason) -> None:
    """And a look-up that fails refuses."""
    decided = decide(NAMESPACE, state(policy()), answers=answers)
    assert (decided.reason, decided.action) == (reason, Action.DELETE)


def test_a_policy_that_is_not_looked_up_yet_refuses_namespaces_to_agents() -> None:
    """What it covers is not known."""
    unseen = state(policy(resolved={}, resolution_current=False))
    assert decide(NAMESPACE, unseen).reason is Reason.INTERNAL_ERROR


def test_a_definition_is_covered_for_what_it_defines() -> None:
    """Its objects are deleted with it, without any admission of their own."""
    on = target(DEFINITIONS, "widgets.example.com")
    assert decide(deletion(on), state(policy(WIDGETS))).reason is Reason.APPROVAL_MISSING
    assert decide(deletion(on), state(policy())).reason is Reason.NOT_COVERED


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE, Operation.CONNECT])
def test_other_operations_are_free(operation: Operation) -> None:
    """And so is the deletion of a subresource."""
    objects = {"object": document(DEPLOYMENT), "oldObject": document(DEPLOYMENT)}
    assert decide(request(operation, DEPLOYMENT, AGENT, **objects), state(policy())).reason is Reason.NOT_COVERED
    assert decide(deletion(subResource="status"), state(policy())).reason is Reason.NOT_COVERED


def test_a_policy_without_delete_protects_from_no_deletion() -> None:
    """It says so on its status."""
    assert decide(deletion(), state(policy(actions=frozenset({Action.SCALE_TO_ZERO})))).allowed
