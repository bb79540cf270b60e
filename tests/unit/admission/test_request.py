"""What a request takes away, as its review tells it: which updates amount to losing an object."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import DEPLOYMENT, GHOST, WIDGETS, creation, references, request, state, target, update

from seconder.admission import codec
from seconder.admission.request import Malformed, Metadata, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.api.policy import Mode
from seconder.api.resources import NAMESPACES, Action
from seconder.approvals.verification import Memo

_SCALE = Path(__file__).parents[2] / "edge" / "reviews" / "update-scale.json"
_LEAVING = {"deletionTimestamp": "2026-11-22T00:00:00Z"}
_OTHER = GHOST._replace(uid="another")


def _scales_to_zero(asked: Request) -> bool:
    return ReviewContext(asked, state(), Mode.ENFORCE, 0.0, Memo(0)).scales_to_zero


def _actions(asked: Request) -> set[Action]:
    taken = {
        Action.SCALE_TO_ZERO: _scales_to_zero(asked),
        Action.REMOVE_FINALIZERS: asked.removes_finalizers,
        Action.CHANGE_OWNERS: bool(asked.added_owners),
    }
    return {action for action, happens in taken.items() if happens}


def _replicas(number: Any) -> dict[str, Any]:
    return {"spec": {"replicas": number}}


def _finalizers(names: str, **more: Any) -> dict[str, Any]:
    return {"finalizers": list(names)} | more


@pytest.mark.parametrize(
    ("before", "after", "actions"),
    [
        (_replicas(3), _replicas(0), {Action.SCALE_TO_ZERO}),
        ({"spec": {}}, _replicas(0), {Action.SCALE_TO_ZERO}),
        (_replicas(3), _replicas(1), set()),
        (_replicas(0), _replicas(0), set()),
        (_replicas(0), _replicas(3), set()),
        (_replicas(3), {"spec": {}}, set()),
        (_finalizers("ab", **_LEAVING), _finalizers("a", **_LEAVING), {Action.REMOVE_FINALIZERS}),
        (_finalizers("ab", **_LEAVING), _finalizers("ac", **_LEAVING), {Action.REMOVE_FINALIZERS}),
        (_finalizers("ab"), _finalizers("a"), set()),
        (_finalizers("a", **_LEAVING), _finalizers("a", **_LEAVING), set()),
        ({}, {"owners": [GHOST]}, {Action.CHANGE_OWNERS}),
        ({"owners": [GHOST]}, {"owners": [GHOST]}, set()),
        ({"owners": [GHOST]}, {}, set()),
        ({"owners": [GHOST]}, {"owners": [_OTHER]}, {Action.CHANGE_OWNERS}),
        (
            _finalizers("a", **_LEAVING) | _replicas(1),
            {"owners": [GHOST]} | _replicas(0),
            {Action.SCALE_TO_ZERO, Action.REMOVE_FINALIZERS, Action.CHANGE_OWNERS},
        ),
    ],
)
def test_an_update_is_what_it_takes_away(before: Any, after: Any, actions: set[Action]) -> None:
    """And ordinary work is nothing."""
    asked = update(old=before, new=after)
    assert _actions(asked) == actions
    assert asked.may_end is bool(actions - {Action.SCALE_TO_ZERO})


def test_finalizers_taken_through_finalize_count_before_any_deletion() -> None:
    """What is finalized first is gone at the next deletion."""
    assert _actions(update(old=_finalizers("a"), subResource="finalize")) == {Action.REMOVE_FINALIZERS}


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.CONNECT])
def test_nothing_is_lost_by_what_is_new(operation: Operation) -> None:
    """A new object may have an owner, and no replicas."""
    new = {"metadata": {"name": "x", "ownerReferences": references([GHOST])}, "spec": {"replicas": 0}}
    asked = request(operation, DEPLOYMENT, object=new, oldObject={"metadata": {"finalizers": ["a"]} | _LEAVING})
    assert (_actions(asked), asked.may_end) == (set(), False)


def test_a_recorded_scale_to_zero_is_one() -> None:
    """The API server leaves the number out of a Scale of nothing."""
    assert _scales_to_zero(codec.decode(_SCALE.read_bytes()))


def test_replicas_that_are_left_out_are_none_but_in_a_scale() -> None:
    """A kind may have no such field."""
    assert not _scales_to_zero(update(old=_replicas(2), new={"spec": {}}))
    assert _scales_to_zero(update(old=_replicas(2), new={"spec": {}}, subResource="scale"))


@pytest.mark.parametrize("spec", ["word", ["a"], 7, None, {"replicas": "0"}, {"replicas": None}, {"replicas": [0]}])
def test_a_spec_of_another_shape_has_no_replicas(spec: Any) -> None:
    """Kinds are free in what they hold."""
    assert _actions(update(target(WIDGETS), old=_replicas(2), new={"spec": spec})) == set()


def test_finalizers_owners_and_the_end_are_read() -> None:
    """From metadata, which every kind has."""
    reference = references([GHOST])[0] | {"blockOwnerDeletion": True, "controller": True}
    asked = update(old=_finalizers("a", **_LEAVING), new={"ownerReferences": [reference]})
    assert asked.old.finalizers == ["a"]
    assert asked.old.deletion_timestamp
    assert asked.new.owners == {GHOST}
    assert asked.new.controller_owner == GHOST
    assert Metadata().controller_owner is None


def test_a_namespaces_own_finalizers_are_read_too() -> None:
    """They are what a namespace is kept by."""
    old = {"spec": {"finalizers": ["kubernetes"]}}
    for resource, actions in ((NAMESPACES, {Action.REMOVE_FINALIZERS}), (WIDGETS, set())):
        assert _actions(update(target(resource), old=old, new={"spec": {}}, subResource="finalize")) == actions


@pytest.mark.parametrize("missing", [None, {}, {"metadata": None}])
@pytest.mark.parametrize("which", ["object", "oldObject"])
def test_an_update_without_both_objects_is_malformed(which: str, missing: Any) -> None:
    """What it takes away could not be told."""
    with pytest.raises(Malformed):
        update(**{which: missing})


@pytest.mark.parametrize("spec", ["text", [1], None, 5, {"expirationSeconds": "x"}])
def test_the_spec_of_anything_else_may_be_anything(spec: Any) -> None:
    """Custom resources choose its shape."""
    for subresource in ("", "token"):
        assert creation(target(WIDGETS), new={"spec": spec}, subResource=subresource).target.resource == WIDGETS
