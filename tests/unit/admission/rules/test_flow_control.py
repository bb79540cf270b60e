"""Whose requests are served first is not an agent's to say."""

import pytest
from tests.support.builders import PERSON, creation, deletion, state, target, update
from tests.support.resolving import decide, refusal

from seconder.api.resources import GroupResource

WHAT = "agents may not change whose requests the API server serves first"


@pytest.mark.parametrize("plural", ["flowschemas", "prioritylevelconfigurations"])
def test_an_agent_writes_no_flow_control(plural: str) -> None:
    """By any operation, with no policy at all; people do."""
    named = target(GroupResource("flowcontrol.apiserver.k8s.io", plural), "seconder", namespace="")
    for asked in (creation(named), update(named), deletion(named)):
        assert refusal(decide(asked, state())) == WHAT
    assert decide(creation(named, PERSON), state()).allowed
