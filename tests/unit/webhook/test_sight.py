"""What a record rests on: the object as it is stored, and not what a review says of it."""

from typing import Any

import msgspec
import pytest
from tests.support.builders import DEPLOYMENT, DEPLOYMENTS, approved, live, policy
from tests.support.change_requests import change
from tests.support.resolving import Answers

from seconder.admission.changes import differences, free_changes
from seconder.admission.decision import Verdict
from seconder.admission.lookups import ReadObjects, ReadWhole, Unknown
from seconder.admission.review import Effect
from seconder.api import constants
from seconder.api.reasons import Reason
from seconder.api.resources import Action
from seconder.webhook import sight

POLICY = policy()
META = {"name": "checkout", "namespace": "payments", "uid": DEPLOYMENT.uid}
STORED = {"metadata": META, "spec": {"replicas": 2, "paused": False}, "status": {"replicas": 2}}
WANTED = {**STORED, "spec": {"replicas": 2, "paused": True}}


def _changing(stored: Any = STORED, wanted: Any = WANTED) -> Any:
    free = free_changes.of_all([POLICY], DEPLOYMENTS)
    return change(POLICY, action=Action.CHANGE, difference=differences.between(DEPLOYMENTS, stored, wanted, free))


def test_an_object_that_is_there_is_seen() -> None:
    """With what a record keeps of it."""
    answers = Answers(objects=live(DEPLOYMENT, finalizers=["example.com/a"]))
    found = sight.seen(change(POLICY), answers)
    assert found is not None
    assert found.finalizers == ["example.com/a"]


@pytest.mark.parametrize("uid", ["another", ""])
def test_another_object_of_the_name_is_not_it(uid: str) -> None:
    """Nor does one without a uid pass."""
    another = msgspec.structs.replace(DEPLOYMENT, uid=uid)
    assert sight.seen(change(POLICY), Answers(objects=live(another))) is None


def test_what_is_gone_is_not_seen() -> None:
    """In both ways of reading."""
    assert sight.seen(change(POLICY), Answers()) is None
    assert sight.seen(_changing(), Answers()) is None


@pytest.mark.parametrize(
    "now",
    [
        STORED,
        {**STORED, "status": {"replicas": 1}},
        {**STORED, "spec": {"replicas": 5, "paused": False}},
        {**STORED, "metadata": {**META, "labels": {"a": "b"}, "resourceVersion": "7", "annotations": approved()}},
    ],
    ids=["as it was", "its controller went on", "it was scaled", "labels and approvals"],
)
def test_free_work_in_between_leaves_a_change_what_it_was(now: Any) -> None:
    """The digest holds none of that."""
    assert sight.seen(_changing(), Answers(whole=now)) is not None


@pytest.mark.parametrize(
    "now",
    [
        WANTED,
        {**STORED, "spec": {"replicas": 2, "paused": False, "revisionHistoryLimit": 1}},
        {**STORED, "metadata": {**META, "uid": "another"}},
    ],
    ids=["done already", "otherwise", "another object"],
)
def test_a_change_of_another_state_is_not_seen(now: Any) -> None:
    """A review that somebody made up would have to know the object as it is."""
    assert sight.seen(_changing(), Answers(whole=now)) is None


def test_a_made_up_old_object_is_not_seen() -> None:
    """Whatever it is made to become."""
    made_up = {**STORED, "spec": {"paused": False, "strategy": {"type": "Recreate"}}}
    assert sight.seen(_changing(made_up), Answers(whole=STORED)) is None


def test_what_nests_too_deeply_to_be_compared_is_not_seen() -> None:
    """And ends no thread."""
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    assert sight.seen(_changing(), Answers(whole={**STORED, "spec": deep})) is None


@pytest.mark.parametrize(("made", "lookup"), [(change(POLICY), ReadObjects), (_changing(), ReadWhole)])
def test_what_cannot_be_read_is_neither(made: Any, lookup: Any) -> None:
    """It is asked again."""
    with pytest.raises(Unknown):
        sight.seen(made, Answers(whole=STORED, unknown=[lookup]))


def _passed(annotations: Any, uid: str = DEPLOYMENT.uid, glass: str = "INC-1") -> bool:
    stored = {constants.BREAK_GLASS: "2026-11-22T04:30:00Z INC-1"}
    effect = Effect(Action.DELETE, DEPLOYMENT, "v1", stored)
    verdict = Verdict(allowed=True, reason=Reason.BREAK_GLASS, effect=effect, broken_glass=glass)
    there = msgspec.structs.replace(DEPLOYMENT, uid=uid)
    return sight.emergency([verdict], Answers(objects=live(there, annotations=annotations)))


def test_an_emergency_is_what_stands_on_the_object() -> None:
    """The very words, on the very object."""
    words = {constants.BREAK_GLASS: "2026-11-22T04:30:00Z INC-1"}
    assert _passed(words)
    assert not _passed({constants.BREAK_GLASS: "2026-11-22T04:30:00Z INC-2"})
    assert not _passed(None)
    assert not _passed(words, uid="another")
    assert _passed(None, glass=""), "this effect passed by nothing"
