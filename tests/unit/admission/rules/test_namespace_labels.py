"""Labels by which policies select namespaces are not for agents."""

import json
from typing import Any

import msgspec
import pytest
from tests.support.builders import PERSON, creation, policy, state, target, update
from tests.support.resolving import decide

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.rules import namespace_labels
from seconder.api.label_selector import Operator, Requirement
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, GroupResource

PROD = Requirement("tier", Operator.IN, frozenset({"prod"}))


@pytest.mark.parametrize("resource", [NAMESPACES, GroupResource("project.openshift.io", "projects")])
def test_agents_write_no_label_by_which_a_policy_selects(resource: GroupResource) -> None:
    """Set, changed or removed, through any subresource, at creation too; other labels are theirs."""
    on = msgspec.structs.replace(target(resource, "payments", uid="uid-ns"), namespace="")
    cluster = state(policy(selector=(PROD, Requirement("team", Operator.NOT_IN, frozenset({"x"})))))
    prod, mine = {"labels": {"tier": "prod", "mine": "a"}}, {"labels": {"tier": "prod", "mine": "b"}}
    refused = [
        creation(on, new={"labels": {"tier": "dev"}}),
        update(on, old={}, new={"labels": {"team": "x"}}),
        update(on, old=prod, new={"labels": {"tier": "dev"}}),
        update(on, old=prod, new={}),
        update(on, old=prod, new={}, subResource="status"),
    ]
    assert [decide(each, cluster).reason for each in refused] == [Reason.PROTECTED_CONFIGURATION] * len(refused)
    for free in (creation(on, new={"labels": {"mine": "a"}}), update(on, old=prod, new=mine)):
        assert decide(free, cluster).allowed
    assert decide(update(on, PERSON, old=prod, new={}), cluster).allowed
    assert decide(refused[0], state(policy())).allowed


def _applied(*labels: str) -> dict[str, str]:
    held = {"metadata": {"name": "payments", "labels": dict.fromkeys(labels, "x")}}
    return {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(held)}


def test_agents_have_no_apply_of_others_take_such_a_label_away() -> None:
    """By what was applied last, at creation too, or by who owns it; whether a policy names the namespace or not."""
    on = target(NAMESPACES, "payments", uid="uid-ns")
    cluster = state(policy(selector=(PROD,)))
    prod = {"labels": {"tier": "prod", "mine": "a"}}
    owner = {"manager": "people", "operation": "Update", "apiVersion": "v1"}
    owned: dict[str, Any] = owner | {"fieldsV1": {"f:metadata": {"f:labels": {"f:tier": {}}}}}
    refused = [
        creation(on, new={"labels": {"mine": "a"}, "annotations": _applied("tier")}),
        update(on, old=prod, new=prod | {"annotations": _applied("mine", "tier")}),
        update(on, old=prod, new=prod | {"annotations": _applied("mine")}),
        update(on, old=prod | {"managedFields": [owned]}, new=prod | {"managedFields": []}),
        update(on, old=prod, new=prod | {"managedFields": [owned | {"manager": "flux", "operation": "Apply"}]}),
    ]
    assert [decide(each, cluster).reason for each in refused] == [Reason.PROTECTED_CONFIGURATION] * len(refused)
    had = prod | {"annotations": _applied("tier")}
    for free in (
        creation(on, new={"labels": {"mine": "a"}, "annotations": _applied("mine")}),
        update(on, old=had, new=prod | {"annotations": _applied("mine", "tier")}),
        update(on, old=had, new=prod),
    ):
        assert decide(free, cluster).allowed
    assert all(decide(each, state(policy())).allowed for each in refused)


def test_nothing_is_asked_about_namespaces_while_no_policy_selects_by_labels() -> None:
    """Their updates are frequent, by controllers and people."""
    assert namespace_labels.prefilters(PolicyIndex([policy()]), Installation()) == []
