"""What the operator lets the webhook read."""

import pytest
from tests.support.builders import CONFIG_MAPS, policy

from seconder.admission.kinds import BY_SELECTOR, OF_PODS
from seconder.admission.policy_index import PolicyIndex
from seconder.api.resources import PODS, GroupResource
from seconder.operator import reconciler

VOLUMES = GroupResource("", "persistentvolumes")


@pytest.mark.parametrize("named", [VOLUMES, PODS, *(kind.resource for kind in OF_PODS)], ids=str)
def test_pods_and_what_takes_them_are_listed_wherever_their_end_matters(named: GroupResource) -> None:
    """Without the right to that, what an agent makes beside them is refused for want of an answer."""
    index = PolicyIndex([policy(named)])
    listed = {kind.resource for kind in (*reconciler.listed_for_pods(index), *index.followed)}
    assert listed >= {PODS, *BY_SELECTOR}
    assert not reconciler.listed_for_pods(PolicyIndex([policy(CONFIG_MAPS)]))
