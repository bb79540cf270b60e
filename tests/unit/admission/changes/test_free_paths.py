"""Paths of fields that are free, and what is left of an object without them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.calls import counted

from seconder.admission.changes.free_paths import DROPPED, NOTHING, at, compiled, steps_of, text, without

OBJECT = {
    "kind": "Thing",
    "metadata": {"name": "x", "labels": {"a": "1", "example.com/b": "2"}, "annotations": {"c": "3"}},
    "spec": {"size": 3, "items": [{"name": "one", "image": "x"}, {"name": "two", "image": "y"}], "holder": {}},
}


def _left(*paths: str, document: Any = OBJECT) -> Any:
    return without(document, [compiled(paths)])


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("spec", ("spec",)),
        ("spec.template.metadata", ("spec", "template", "metadata")),
        ("metadata.labels[example.com/b]", ("metadata", "labels", "example.com/b")),
        ("metadata.labels.[example.com/b].x", ("metadata", "labels", "example.com/b", "x")),
        ("!spec.items.*.image", ("spec", "items", "*", "image")),
        ("[a.b]", ("a.b",)),
    ],
)
def test_a_path_is_steps(path: str, steps: tuple[str, ...]) -> None:
    """Those with a dot in them stand in brackets; and what is written so is read so."""
    assert steps_of(path) == steps
    assert steps_of(text(steps)) == steps


@given(*[st.lists(st.text('ab.[]"\\ ,', max_size=4), max_size=4)] * 2)
def test_no_two_paths_are_written_alike(one: list[str], other: list[str]) -> None:
    """A digest of what an apply takes away rests on it; and none begins with a dot, as what is no path does."""
    assert (text(one) == text(other)) == (one == other)
    assert not text(one).startswith(".")


@pytest.mark.parametrize(
    "key",
    [
        *(
            "y,  z (approved: 1 of 1)",
            "y, metadata.labels",
            "note(free)",
            "a b",
            "q\"uo'te",
            "it's",
            "`a`",
            "a;b",
            "a!",
        ),
        *("", " ", "a\u00a0b", "a\u2003b", "\uff0cz", "r\u0435plicas", "\u201ca\u201d", "a\nb", "a\u202eb", "a\\b"),
    ],
)
def test_a_key_that_could_be_read_as_words_stands_in_quotes(key: str) -> None:
    """Whoever writes an object chooses the keys; what tells of a change is read as Seconder's own words."""
    told = text(("spec", key, "b"))
    assert told == f"spec[{json.dumps(key)}].b"
    assert told.isascii()
    assert told.isprintable()


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        (("spec", "replicas"), "spec.replicas"),
        (("spec", "template", "spec", "containers", "0", "image"), "spec.template.spec.containers.0.image"),
        (("metadata", "labels", "example.com/team"), "metadata.labels[example.com/team]"),
        (("metadata", "labels", "example.com/*"), "metadata.labels[example.com/*]"),
        (("data", "LOG_LEVEL"), "data.LOG_LEVEL"),
        (("data", "tls.crt"), "data[tls.crt]"),
        (("spec", "@type"), "spec.@type"),
        (("spec", "$ref"), "spec.$ref"),
        (("spec", "aws:SourceArn"), "spec.aws:SourceArn"),
        (("spec", "*"), "spec.*"),
        (("spec", "443/tcp"), "spec.443/tcp"),
        (("spec", "bob@example.com"), "spec[bob@example.com]"),
    ],
)
def test_an_ordinary_key_stands_as_it_is(steps: tuple[str, ...], path: str) -> None:
    """Change requests are recorded with it, and policies name it so."""
    assert text(steps) == path
    assert steps_of(path) == steps


def test_brackets_in_a_key_are_no_steps() -> None:
    """Keys of a custom resource's own may hold any text."""
    assert text(("a.b][.c",)) != text(("a.b", ".c"))
    assert text(('"a.b"',)) != text(("a.b",))


@pytest.mark.parametrize("path", ["", "!", ".spec", "spec.", "a..b", "a[b", "a]b", "a b", "!!a", "a[]", "a\n"])
def test_what_is_no_path_is_none(path: str) -> None:
    """A policy with one is invalid: what it takes back would be free."""
    with pytest.raises(ValueError, match="no path"):
        compiled((path,))


def test_what_is_free_goes_with_all_below_it_and_nothing_else_does() -> None:
    """By whatever kind of step."""
    assert "labels" not in _left("metadata.labels")["metadata"]
    assert _left("metadata.labels[example.com/b]")["metadata"]["labels"] == {"a": "1"}
    assert _left("spec.items.*.image")["spec"]["items"] == [{"name": "one"}, {"name": "two"}]
    assert _left("spec.items[1].name")["spec"]["items"] == [{"name": "one", "image": "x"}, {"image": "y"}]
    assert _left("*.size")["spec"] == {key: value for key, value in OBJECT["spec"].items() if key != "size"}  # type: ignore[attr-defined]
    assert _left("spec", "metadata") == {"kind": "Thing"}
    assert _left("kind", "spec", "metadata") == {}


def test_a_prefix_stands_for_all_its_keys() -> None:
    """And for no other prefix, nor for a key that has none."""
    keys = {"example.com/b": "2", "example.com/c": "3", "sub.example.com/b": "4", "example.com": "5", "b": "6"}
    document = {"metadata": {"labels": keys}}
    left = _left("metadata.labels[example.com/*]", document=document)
    assert set(left["metadata"]["labels"]) == {"sub.example.com/b", "example.com", "b"}
    back = _left("metadata.labels", "!metadata.labels[example.com/*]", document=document)
    assert set(back["metadata"]["labels"]) == {"example.com/b", "example.com/c"}


def test_a_pattern_leaves_out_what_it_says() -> None:
    """A key, or all of a prefix: neither is taken back, nor free by it."""
    keys = dict.fromkeys(("example.com/b", "a.example.com/b", "a.example.com/c", "b.a.example.com/d", "b"), "1")
    document = {"metadata": {"labels": keys}}
    pattern = "metadata.labels[*.example.com/* but a.example.com/*, example.com/b]"
    assert set(_left("metadata.labels", f"!{pattern}", document=document)["metadata"]["labels"]) == {
        "b.a.example.com/d"
    }
    assert set(_left(pattern, document=document)["metadata"]["labels"]) == keys.keys() - {"b.a.example.com/d"}


def test_a_pattern_stands_for_all_keys_with_a_prefix() -> None:
    """But those that it leaves out."""
    document = {"metadata": {"labels": dict.fromkeys(("a", "x.com/b", "example.org/b", "example.org/c"), "1")}}
    assert set(_left("metadata.labels[*/*]", document=document)["metadata"]["labels"]) == {"a"}
    left = _left("metadata.labels[*/* but example.org/b]", document=document)
    assert set(left["metadata"]["labels"]) == {"a", "example.org/b"}


@pytest.mark.parametrize("path", ["spec.Size", "sizes", "spec.size.x", "metadata.labels.example.com/b", "spec.item"])
def test_a_misspelt_path_frees_nothing(path: str) -> None:
    """Nor does one into the depth of what has none."""
    assert _left(path) == OBJECT
    assert without(OBJECT, [NOTHING]) is OBJECT


def test_what_is_taken_back_is_not_free_whatever_frees_it() -> None:
    """In whatever order they stand; what held it is no more than that."""
    for paths in (("metadata.labels", "!metadata.labels.a"), ("!metadata.labels.a", "metadata.labels", "*.*.a")):
        assert _left(*paths)["metadata"]["labels"] == {"a": "1"}
    assert _left("spec", "!spec.items.*.image")["spec"] == {"items": [{"image": "x"}, {"image": "y"}]}
    assert "spec" not in _left("spec", "!spec.nothing.here")
    assert _left("!spec.size") == OBJECT


def test_the_first_free_label_is_as_free_as_the_second() -> None:
    """The API server stores no empty map of them. An empty map elsewhere may mean something."""
    one, none = {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"name": "x"}}
    assert _left("metadata.labels.a", document=one) == {"metadata": {}}
    assert _left("metadata.labels.a", document=none) == none
    assert _left("spec.holder.a", document={"spec": {"holder": {"a": 1}}}) == {"spec": {"holder": {}}}


def test_free_is_what_each_of_several_lists_frees() -> None:
    """What one of them guards stays."""
    both = [compiled(("metadata", "spec.items")), compiled(("metadata.labels", "spec"))]
    assert without(OBJECT, both) == {
        "kind": "Thing",
        "metadata": {key: value for key, value in OBJECT["metadata"].items() if key != "labels"},  # type: ignore[attr-defined]
        "spec": {"size": 3, "holder": {}},
    }
    assert without(OBJECT, [compiled(("*",)), NOTHING]) == OBJECT
    assert without({"a": 1}, [at(compiled(("a",)), "a")]) is DROPPED
    assert without(OBJECT, []) == OBJECT


def test_a_key_of_dots_alone_is_not_looked_up_dot_by_dot() -> None:
    """It may be as long as a whole object, and its copies without each of its labels then take minutes."""
    paths = compiled(("metadata.labels", "!metadata.labels[*.example.com/*]"))
    for step in ("metadata", "labels"):
        paths = at(paths, step)
    key = f"{'a.' * 2000}example.com/x"
    found, calls = counted(lambda: (at(paths, key), at(paths, f"{key[:-2]}.org/x")), built_in=True)
    assert [each.all_free for each in found] == [False, True]
    assert calls.total() < 200
