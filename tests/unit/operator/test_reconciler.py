"""What the operator lets the webhook read."""

import pytest
from tests.support.builders import CONFIG_MAPS, policy

from seconder.admission.kinds import BY_SELECTOR, MADE_FOR_PODS, POD_RUNNERS
from seconder.admission.policy_index import PolicyIndex
from seconder.api.resources import CONTROLLER_REVISIONS, PODS, REPLICA_SETS, GroupResource
from seconder.operator import reconciler

VOLUMES = GroupResource("", "persistentvolumes")


@pytest.mark.parametrize(
    "named", [VOLUMES, *sorted(POD_RUNNERS), CONTROLLER_REVISIONS, *sorted(MADE_FOR_PODS)], ids=str
)
def test_pods_and_what_takes_them_are_listed_wherever_their_end_matters(named: GroupResource) -> None:
    """Without the right to that, what an agent makes beside them is refused for want of an answer."""
    index = PolicyIndex([policy(named)])
    listed = {kind.resource for kind in (*reconciler.listed_for_pods(index), *index.followed)}
    assert listed >= {PODS, *BY_SELECTOR, CONTROLLER_REVISIONS}
    elsewhere = reconciler.listed_for_pods(PolicyIndex([policy(CONFIG_MAPS)]))
    assert [kind.resource for kind in elsewhere] == [REPLICA_SETS]
