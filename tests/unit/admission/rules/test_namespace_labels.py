"""Labels by which policies select namespaces are not for agents."""

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


def test_nothing_is_asked_about_namespaces_while_no_policy_selects_by_labels() -> None:
    """Their updates are frequent, by controllers and people."""
    assert namespace_labels.prefilters(PolicyIndex([policy()]), Installation()) == []
