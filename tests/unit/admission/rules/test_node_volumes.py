"""No agent makes a volume of what is on a node."""

import pytest
from tests.support.builders import PERSON, creation, deletion, state, target, update
from tests.support.resolving import decide, refusal

from seconder.admission.policy_index import Installation
from seconder.admission.request import Malformed
from seconder.api.resources import GroupResource

VOLUME = target(GroupResource("", "persistentvolumes"), "v", "")
LIFTED = state(installation=Installation(node_pods=True))


def test_no_volume_of_a_nodes_files_is_made() -> None:
    """Which a claim, and a pod with it, would then have. Others are free, and so is the rest of a person's."""
    root = {"path": "/"}
    node, local, net = {"spec": {"hostPath": root}}, {"spec": {"local": root}}, {"spec": {"nfs": root}}
    for asked in (creation(VOLUME, new=node), creation(VOLUME, new=local), update(VOLUME, old=net, new=node)):
        assert refusal(decide(asked, state())) == "agents may not make volumes of their nodes' files"
        assert decide(asked, LIFTED).allowed
    for asked in (
        creation(VOLUME, new=net),
        update(VOLUME, old=node, new=node | {"labels": {"a": "b"}}),
        deletion(VOLUME, stored=node),
        creation(VOLUME, PERSON, new=node),
    ):
        assert decide(asked, state()).allowed


def test_a_volume_that_is_not_understood_is_refused() -> None:
    """It is the review's own."""
    with pytest.raises(Malformed, match="the volume is not understood"):
        decide(creation(VOLUME, new={"spec": {"hostPath": "/"}}), state())
