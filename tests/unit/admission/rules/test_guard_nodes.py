"""A node on which the guard's own pods run is neither ended nor emptied by agents, approvals or not."""

from typing import Any

import pytest
from tests.support.builders import PERSON, creation, deletion, policy, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.lookups import Placed, PodsOn
from seconder.admission.request import Request
from seconder.api.reasons import Reason
from seconder.api.resources import NODES, GroupResource

NODE = target(NODES, "n1")
LEASE = target(GroupResource("coordination.k8s.io", "leases"), "n1", "kube-node-lease")
OWN = Placed("seconder-system", "seconder-webhook-1", "uid-own")
WHAT = "agents may not end the pods on a node on which the guard runs"


def _node(effect: str = "", ready: str = "True") -> dict[str, Any]:
    taints = [{"key": "k", "effect": effect}] if effect else []
    return {"spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.mark.parametrize(
    "asked",
    [
        deletion(NODE),
        update(NODE, old=_node(), new=_node("NoExecute")),
        update(NODE, old=_node(), new=_node(ready="False"), subResource="status"),
        update(LEASE, new={"spec": {"renewTime": "2100"}}),
        deletion(LEASE),
    ],
)
def test_an_agent_ends_no_node_on_which_the_guard_runs(asked: Request) -> None:
    """Whatever policies say, without any as well; a node without such a pod is theirs to say."""
    answers = Answers(pods=[OWN])
    assert refusal(decide(asked, state(), answers=answers)) == WHAT
    assert answers.questions(PodsOn) == [PodsOn("n1", namespace="seconder-system")]
    assert not decide(asked, state(policy(NODES)), answers=Answers(pods=[OWN])).allowed
    assert decide(asked, state(), answers=Answers()).allowed
    assert decide(asked, state(), answers=Answers(unknown=[PodsOn])).reason is Reason.INTERNAL_ERROR


def test_what_ends_no_pods_is_not_looked_into() -> None:
    """Labels, another taint, a node that is not scheduled to any more; and whatever people do."""
    for asked in (
        update(NODE, old=_node(), new=_node("NoSchedule")),
        update(NODE, old=_node(), new=_node() | {"labels": {"a": "b"}}),
        update(NODE, old={"spec": {}}, new={"spec": {"unschedulable": True}}),
        deletion(NODE, PERSON),
    ):
        answers = Answers(pods=[OWN])
        assert decide(asked, state(), answers=answers).allowed
        assert answers.questions(PodsOn) == []


def test_an_agent_makes_no_node() -> None:
    """What is scheduled to one that does not run never runs. People make what they like."""
    asked = creation(NODE, new=_node())
    assert refusal(decide(asked, state())) == "agents may not make nodes"
    assert decide(creation(NODE, PERSON, new=_node()), state()).allowed
