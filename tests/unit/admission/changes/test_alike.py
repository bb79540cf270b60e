"""Whether parts of two objects are the same JSON, and what it costs to ask about each level of them."""

import copy
import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import CONFIG_MAPS, policy, state, target, update
from tests.support.calls import counted
from tests.support.resolving import decide

from seconder.admission.changes import alike, differences, place
from seconder.admission.changes.alike import Alike, same
from seconder.admission.changes.free_paths import ABSENT
from seconder.api.reasons import Reason
from seconder.api.resources import GroupResource

THINGS = GroupResource("example.com", "things")
MUCH: dict[str, Any] = {f"k{n}": {"b": [n, str(n), n % 2 == 0, None]} for n in range(200)}

_LEAVES = st.one_of(
    st.sampled_from((None, True, False, 0, 1, -1, "", "1", "true", ABSENT)),
    st.sampled_from(("1.0", "1.00", "0.0", "-0.0", "1e0", "1")).map(differences.exact.decode),
    st.sampled_from((1.0, 0.0, -0.0)),
)
_VALUES = st.recursive(
    _LEAVES.filter(lambda leaf: leaf is not ABSENT),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=6,
)


@settings(max_examples=2000, deadline=None)
@given(_VALUES | _LEAVES, _VALUES | _LEAVES)
def test_level_by_level_the_same_is_alike(one: Any, other: Any) -> None:
    """As the canonical JSON tells it, for two values and for whatever is in them, asked in any order."""
    asking = Alike()
    pairs = [(one, other)]
    for one_of, other_of in pairs:
        assert asking(one_of, other_of) == asking(one_of, other_of) == same(one_of, other_of)
        if isinstance(one_of, dict) and isinstance(other_of, dict):
            pairs += [(one_of.get(key, ABSENT), other_of.get(key, ABSENT)) for key in {*one_of, *other_of}]
        elif isinstance(one_of, list) and isinstance(other_of, list):
            pairs += zip(one_of, other_of, strict=False)
    for one_of, other_of in reversed(pairs):
        assert asking(one_of, other_of) == same(one_of, other_of)


def test_what_differs_further_down_than_is_remembered_differs() -> None:
    """Asked at the top and right above it."""
    deep = 200
    one, other = (json.loads("[" * deep + number + "]" * deep) for number in "12")
    asking = Alike()
    assert not asking(one, other)
    assert asking(one, copy.deepcopy(one))
    for _ in range(deep - 1):
        one, other = one[0], other[0]
    assert not asking(one, other)


def _nested(levels: int, inner: Any, form: str = "objects") -> Any:
    """A value that is so many levels down in others, with a field on each level behind it."""
    for _ in range(levels):
        inner = {"a": inner, "z": 1} if form == "objects" else [inner, 1]
    return inner


def _work(asked: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """Python calls that something takes, and bytes that are written for comparing them."""
    written, canonical = list[int](), alike.canonical

    def writing(value: Any) -> bytes:
        text = canonical(value)
        written.append(len(text))
        return text

    with monkeypatch.context() as patched:
        for module in (alike, differences, place):
            patched.setattr(module, "canonical", writing)
        _, calls = counted(asked)
    return calls.total() + sum(written)


@pytest.mark.parametrize("form", ["objects", "lists"])
@pytest.mark.parametrize("change", [{"k999": "new"}, {"k0": "new"}, {}], ids=["last", "first", "beside"])
def test_a_change_costs_as_much_however_deep_it_is(
    form: str, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What differs below is told once for all levels: else a megabyte takes seconds, and others wait."""
    took = []
    for levels in (3, 60):
        held = [copy.deepcopy(_nested(levels, MUCH | more, form)) for more in ({}, change)]
        stored, wanted = ({"metadata": {"name": "x"}, "spec": each, "top": number} for number, each in enumerate(held))
        took.append(_work(functools.partial(differences.between, THINGS, stored, wanted, []), monkeypatch))
    assert took[1] < 1.3 * took[0] + 60 * 60, took


def test_fields_that_change_hands_cost_as_much_however_deep_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a value stays is told once for all levels on which somebody comes to own it."""
    took = []
    for levels in (3, 60):
        held = [copy.deepcopy(_nested(levels, MUCH | more)) for more in ({}, {"k999": 1})]
        owned: dict[str, Any] = {"f:k999": {}}
        for _ in range(levels):
            owned = {".": {}, "f:a": owned}
        entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": owned}}
        asked = update(target(CONFIG_MAPS), old={"data": held[0]}, new={"data": held[1], "managedFields": [entry]})
        decided = functools.partial(decide, asked, state(policy(CONFIG_MAPS)))
        assert decided().reason is Reason.APPROVAL_MISSING
        took.append(_work(decided, monkeypatch))
    assert took[1] < 1.3 * took[0] + 60 * 100, took
