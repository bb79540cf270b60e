"""What an update's review tells of the object before and after."""

import json
from pathlib import Path
from typing import Any

import pytest

from seconder.admission import codec
from seconder.admission.request import Owner, State

_SCALE = Path(__file__).parents[2] / "edge" / "reviews" / "update-scale.json"


def _decoded(old: Any, new: Any, **request: Any) -> tuple[State | None, State | None]:
    document: dict[str, Any] = json.loads(_SCALE.read_text())
    document["request"] |= {"subResource": "", "oldObject": old, "object": new} | request
    found = codec.decode(json.dumps(document).encode())
    return found.before, found.after


def _object(spec: Any = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "checkout", "uid": "u"} | metadata, "spec": spec}


def test_a_recorded_scale_to_zero_is_one() -> None:
    """The API server leaves the number out of a Scale of nothing."""
    found = codec.decode(_SCALE.read_bytes())
    assert found.before is not None
    assert found.after is not None
    assert found.before.replicas
    assert found.after.replicas == 0


def test_replicas_that_are_left_out_are_none_but_in_a_scale() -> None:
    """A kind may have no such field."""
    assert _decoded(_object({"replicas": 2}), _object({})) == (State(replicas=2), State(replicas=None))
    assert _decoded(_object({"replicas": 2}), _object({}), subResource="scale")[1] == State(replicas=0)


@pytest.mark.parametrize("spec", ["word", ["a"], 7, None, {"replicas": "0"}, {"replicas": None}, {"replicas": [0]}])
def test_a_spec_of_another_shape_has_no_replicas(spec: Any) -> None:
    """Kinds are free in what they hold."""
    widgets = {"group": "example.com", "version": "v1", "resource": "widgets"}
    assert _decoded(_object({"replicas": 2}), _object(spec), resource=widgets)[1] == State()


def test_finalizers_owners_and_the_end_are_read() -> None:
    """From metadata, which every kind has."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "o", "uid": "2", "blockOwnerDeletion": True}
    before, after = _decoded(
        _object(finalizers=["a"], deletionTimestamp="2026-11-22T00:00:00Z"), _object(ownerReferences=[reference])
    )
    assert before == State(finalizers=frozenset("a"), leaving=True)
    assert after == State(owners=frozenset({Owner("apps/v1", "Deployment", "o", "2")}))


def test_a_namespaces_own_finalizers_are_read_too() -> None:
    """They are what a namespace is kept by."""
    resource = {"group": "", "version": "v1", "resource": "namespaces"}
    before, after = _decoded(
        _object({"finalizers": ["kubernetes"]}), _object({}), resource=resource, subResource="finalize", namespace="x"
    )
    assert before == State(finalizers=frozenset({"spec.finalizers/kubernetes"}))
    assert after == State()


@pytest.mark.parametrize("old", [None, {}, {"metadata": None}])
def test_an_update_without_both_objects_is_malformed(old: Any) -> None:
    """What it takes away could not be told."""
    with pytest.raises(codec.Malformed):
        _decoded(old, _object())
    with pytest.raises(codec.Malformed):
        _decoded(_object(), old)
