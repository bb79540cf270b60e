"""Agents finalize no namespace, under deletion or not."""

import pytest
from tests.support.builders import PERSON, WIDGETS, state, target, update
from tests.support.resolving import decide, refusal

from seconder.admission.request import Caller
from seconder.api.resources import NAMESPACES

NAMESPACE = target(NAMESPACES, "payments")
CONTROLLER = Caller("system:serviceaccount:kube-system:namespace-controller")


@pytest.mark.parametrize("new", [{"spec": {"finalizers": ["kubernetes"]}}, {"spec": {}}], ids=["kept", "taken"])
def test_an_agent_finalizes_no_namespace(new: dict[str, object]) -> None:
    """Whatever it leaves there: what is finalized first is gone at the next deletion, its content left behind."""
    asked = update(NAMESPACE, old={"spec": {"finalizers": ["kubernetes"]}}, new=new, subResource="finalize")
    assert refusal(decide(asked, state())) == "agents may not change the finalizers of namespaces"


def test_others_finalize_and_agents_update_namespaces() -> None:
    """And a kind of one's own may have such a subresource."""
    for asked in (
        update(NAMESPACE),
        update(NAMESPACE, subResource="status"),
        update(NAMESPACE, PERSON, subResource="finalize"),
        update(NAMESPACE, CONTROLLER, subResource="finalize"),
        update(target(WIDGETS), subResource="finalize"),
    ):
        assert decide(asked, state()).allowed
