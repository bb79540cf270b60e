"""Pods are made by ControllerRevisions, so that no agent makes one."""

from tests.support.builders import PERSON, creation, deletion, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.api.resources import CONTROLLER_REVISIONS

REVISION = target(CONTROLLER_REVISIONS, "web-1")
DATA = {"data": {"spec": {"template": {"$patch": "replace", "spec": {"serviceAccountName": "worker"}}}}, "revision": 1}
OWNER = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u", "controller": True}


def test_no_agent_makes_a_revision_or_gives_it_to_another_set() -> None:
    """What its template runs as was never asked."""
    for asked in (
        creation(REVISION, new=DATA),
        creation(REVISION, new=DATA | {"ownerReferences": [OWNER]}),
        update(REVISION, old=DATA, new=DATA | {"ownerReferences": [OWNER]}),
    ):
        assert refusal(decide(asked, state(), answers=Answers())).startswith("agents may not make revisions")


def test_notes_on_revisions_and_their_end_are_decided_elsewhere() -> None:
    """And people write what they like."""
    for asked in (
        update(REVISION, old=DATA, new=DATA | {"annotations": {"a": "b"}}),
        deletion(REVISION),
        creation(REVISION, PERSON, new=DATA),
    ):
        assert decide(asked, state(), answers=Answers()).allowed
