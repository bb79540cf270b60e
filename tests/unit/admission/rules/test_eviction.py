"""The eviction of a pod that a policy names is its deletion."""

from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    PERSON,
    WIDGETS,
    approved_for,
    connection,
    eviction,
    live,
    policy,
    state,
    target,
)
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import ReadObjects
from seconder.admission.request import Caller
from seconder.api import constants
from seconder.api.policy import Policy, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, Action, Target

POD = target(PODS, "checkout-1")
PROTECTED = state(policy(PODS))
KUBELET = Caller("system:node:n1", frozenset({"system:nodes"}))


def _reason(user: Caller = AGENT, one: Policy | None = None, on: Target = POD, **metadata: object) -> Reason:
    answers = Answers(objects=live(on, **metadata))
    return decide(eviction(on, user), state(one or policy(PODS)), answers=answers).reason


def test_it_needs_the_approval_of_the_pods_deletion() -> None:
    """On the pod, which is read, since the review holds the Eviction alone."""
    answers = Answers(objects=live(POD))
    refused = decide(eviction(POD), PROTECTED, answers=answers)
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    assert refused.change is not None
    assert (refused.change.target, refused.change.version) == (POD, "v1")
    assert answers.read == [(PODS, "payments", "checkout-1")]
    assert _reason(annotations=approved_for(POD)) is Reason.APPROVED
    another = target(PODS, "checkout-1", uid="another")
    assert _reason(annotations=approved_for(another)) is Reason.WRONG_OBJECT


def test_an_approval_on_the_eviction_is_none() -> None:
    """It is the client's own words, and agents write none."""
    held: dict[str, Any] = {"object": {"metadata": {"name": POD.name, "annotations": approved_for(POD)}}}
    answers = Answers(objects=live(POD))
    decided = decide(eviction(POD, PERSON, **held), state(policy(PODS, subjects=Subjects.EVERYONE)), answers=answers)
    assert decided.reason is Reason.APPROVAL_MISSING
    assert decide(eviction(POD, **held), PROTECTED, answers=answers).reason is Reason.PROTECTED_CONFIGURATION


def test_people_and_kubelets_evict_as_they_like() -> None:
    """Unless a policy binds people too, or the pod is tagged as an agent's."""
    everyone = policy(PODS, subjects=Subjects.EVERYONE)
    assert _reason(PERSON) is Reason.NOT_COVERED
    assert _reason(PERSON, everyone) is Reason.APPROVAL_MISSING
    assert _reason(KUBELET, everyone) is Reason.EXEMPT
    assert _reason(PERSON, annotations={constants.AGENT_KEY: "kiro"}) is Reason.APPROVAL_MISSING


@pytest.mark.parametrize(
    "one",
    [
        policy(),
        policy(PODS, namespaces=frozenset({"elsewhere"})),
        policy(PODS, actions=frozenset({Action.CHANGE_OWNERS})),
    ],
)
def test_what_no_policy_protects_is_evicted_freely(one: Policy) -> None:
    """Other kinds, other places, other actions."""
    assert _reason(one=one) is Reason.NOT_COVERED


def test_a_pod_that_is_gone_is_free_and_one_that_is_not_known_is_refused() -> None:
    """What is not known is never taken for absent."""
    assert decide(eviction(POD), PROTECTED).reason is Reason.NOT_COVERED
    assert decide(eviction(POD), PROTECTED, answers=Answers(unknown=[ReadObjects])).reason is Reason.INTERNAL_ERROR


def test_nothing_else_is_an_eviction() -> None:
    """Neither another subresource of pods, nor one of this name of another kind."""
    widget = target(WIDGETS)
    for asked in (eviction(POD, subResource="binding"), connection(POD, "log")):
        assert decide(asked, PROTECTED).allowed
    assert decide(eviction(widget), state(policy(WIDGETS))).reason is Reason.NOT_COVERED


def test_a_dry_run_leaves_no_record() -> None:
    """As for the deletion."""
    decided = decide(eviction(POD, dryRun=True), PROTECTED, answers=Answers(objects=live(POD)))
    assert (decided.reason, decided.change) == (Reason.APPROVAL_MISSING, None)
