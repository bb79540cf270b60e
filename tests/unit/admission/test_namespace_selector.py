"""Policies that select namespaces by labels: what they cover, and what where the labels are not known."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.builders import (
    DEPLOYMENT,
    DEPLOYMENTS,
    GHOST,
    PERSON,
    WIDGETS,
    deletion,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.request import Request
from seconder.api.label_selector import NAME_KEY, Operator, Requirement
from seconder.api.policy import Policy, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NAMESPACES
from seconder.approvals.impact import Item
from seconder.operator import webhook_configuration
from seconder.operator.webhook_configuration import Endpoint

PROD = (Requirement("tier", Operator.IN, frozenset({"prod"})),)
PLACE = target(NAMESPACES, "payments", uid="uid-ns")
HOLDS = Answers(holds={DEPLOYMENTS: [Item("x", "1")]})


def _selecting(**fields: Any) -> Policy:
    return policy(**({"selector": PROD} | fields))


def _decided(request: Request, labels: Mapping[str, str] | None, *policies: Policy) -> Reason:
    known = {} if labels is None else {"payments": labels}
    return decide(request, state(*(policies or (_selecting(),)), namespaces=known), answers=HOLDS).reason


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"tier": "prod"}, "ApprovalMissing"),
        ({"tier": "dev"}, "NotCovered"),
        ({}, "NotCovered"),
        (None, "ApprovalMissing"),
    ],
)
def test_what_is_in_a_selected_namespace_is_covered(labels: Mapping[str, str] | None, reason: str) -> None:
    """An agent's deletion; where the labels are not known, it is refused."""
    assert _decided(deletion(), labels).value == reason


def test_people_are_never_refused_for_labels_that_are_not_known() -> None:
    """A policy for everyone binds them where they are, and only there."""
    everyone = _selecting(subjects=Subjects.EVERYONE)
    reasons = [_decided(deletion(user=PERSON), labels, everyone) for labels in ({"tier": "prod"}, {}, None)]
    assert reasons == [Reason.APPROVAL_MISSING, Reason.NOT_COVERED, Reason.NOT_COVERED]


def test_names_count_beside_labels() -> None:
    """A named namespace needs no label, and a labelled one no name."""
    both = _selecting(namespaces=frozenset({"payments", "billing"}))
    assert _decided(deletion(), {}, both) is Reason.APPROVAL_MISSING
    elsewhere = _selecting(namespaces=frozenset({"billing"}))
    assert _decided(deletion(), {"tier": "prod"}, elsewhere) is Reason.APPROVAL_MISSING
    assert _decided(deletion(), {}, elsewhere) is Reason.NOT_COVERED


def test_a_namespaces_deletion_is_judged_by_the_labels_stored() -> None:
    """Those in the review itself, whatever the view tells; for what it holds, and for itself where it is named."""
    for chosen in (_selecting(), _selecting(resources=frozenset({NAMESPACES}))):
        for stored, viewed, reason in (("prod", "dev", Reason.APPROVAL_MISSING), ("dev", "prod", Reason.NOT_COVERED)):
            asked = deletion(PLACE, stored={"labels": {"tier": stored}})
            assert _decided(asked, {"tier": viewed}, chosen) is reason


def test_the_name_that_the_api_server_sets_as_a_label_selects_and_is_not_guarded() -> None:
    """Whoever makes a namespace has it set for them."""
    named = _selecting(selector=(Requirement(NAME_KEY, Operator.IN, frozenset({"payments"})),))
    assert _decided(deletion(), None, named) is Reason.APPROVAL_MISSING
    others = _selecting(selector=(Requirement(NAME_KEY, Operator.NOT_IN, frozenset({"payments"})),))
    assert _decided(deletion(), None, others) is Reason.NOT_COVERED
    assert PolicyIndex([named]).selecting_keys == frozenset()


def test_a_definition_is_covered_wherever_its_objects_are() -> None:
    """With it go those of all namespaces."""
    definition = target(DEFINITIONS, f"{WIDGETS.resource}.{WIDGETS.group}", uid="uid-crd")
    assert _decided(deletion(definition), {}, policy(WIDGETS, selector=PROD)) is Reason.APPROVAL_MISSING


def test_people_give_owners_where_no_policy_is() -> None:
    """An owner that does not exist is refused to them only where its object is protected."""
    given = update(DEPLOYMENT, PERSON, new={"owners": [GHOST]})
    for labels, reason in (({"tier": "prod"}, Reason.PROTECTED_CONFIGURATION), ({}, Reason.NOT_COVERED)):
        cluster = state(_selecting(), namespaces={"payments": labels})
        assert decide(given, cluster, answers=Answers(missing=[GHOST.name])).reason is reason


def test_the_api_server_asks_wherever_a_selected_namespace_may_be() -> None:
    """Labels narrow nothing that is compiled; names alone do."""
    for subjects in Subjects:
        one = _selecting(subjects=subjects, namespaces=frozenset({"billing"}))
        compiled = webhook_configuration.configuration([one], Installation(), Endpoint(url="https://x"), "")
        conditions = [each["expression"] for entry in compiled["webhooks"] for each in entry["matchConditions"]]
        assert conditions
        assert not any("billing" in expression for expression in conditions)
