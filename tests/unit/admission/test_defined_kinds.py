"""What a definition has served, as ownerReferences name it."""

from typing import Any

import pytest
from tests.support.builders import creation, target

from seconder.admission import defined_kinds
from seconder.admission.dependents import Kind, kind_key
from seconder.admission.request import Malformed
from seconder.api.resources import DEFINITIONS


def _keys(spec: Any) -> frozenset[str]:
    return defined_kinds.keys(creation(target(DEFINITIONS, "foos.example.com", namespace=""), new={"spec": spec}))


def test_each_served_version_counts_by_each_name_that_the_collector_knows_for_the_kind() -> None:
    """The kind, the same in small letters, and two lists; not those of a version that is not served."""
    versions = [{"name": name, "served": served} for name, served in (("v1", True), ("v2", False), ("v3", True))]
    found = _keys({"group": "example.com", "names": {"kind": "Foo", "listKind": "Foos"}, "versions": versions})
    assert found == {
        kind_key(Kind(f"example.com/{version}", kind))
        for version in ("v1", "v3")
        for kind in ("Foo", "foo", "FooList", "List")
    }


@pytest.mark.parametrize("spec", [None, {"versions": []}, {"versions": None}, {"versions": [{"name": "v1"}]}])
def test_what_serves_nothing_has_no_keys(spec: Any) -> None:
    """The API server refuses most of these."""
    assert _keys(spec) == frozenset()


def test_what_is_not_understood_is_not_let_through() -> None:
    """As elsewhere: nobody knows what it would serve."""
    with pytest.raises(Malformed):
        _keys({"versions": "all"})
