"""The difference that an update makes, its digests, and what of it is shown."""

import hashlib
import json
import random
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vectors import generate

from seconder.admission.changes import alike, differences, upkeep
from seconder.admission.changes.alike import Alike
from seconder.admission.changes.differences import Standing, between, done, merge_patch, merged, rebased, standing
from seconder.admission.changes.free_paths import NOTHING, FreePaths, compiled, text
from seconder.api.resources import DEPLOYMENTS, SECRETS, SERVICES, GroupResource
from seconder.approvals.difference import LONGEST_PATH, MOST_PATCH, Difference

fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw])
THINGS = GroupResource("example.com", "things")
ANNOTATIONS = compiled(("metadata.annotations", "metadata.labels"))


def _object(**more: Any) -> dict[str, Any]:
    metadata = {"name": "x", "uid": "u", "resourceVersion": "1", "generation": 1, "managedFields": []}
    return {"kind": "Thing", "metadata": metadata | more.pop("metadata", {}), "spec": {"size": 1}} | more


def _between(stored: Any, wanted: Any, *free: str, resource: GroupResource = THINGS) -> Difference | None:
    return between(resource, stored, wanted, [compiled(free)])


def test_the_digests_are_of_the_canonical_object_without_what_is_free() -> None:
    """As anybody can make them with a JSON library and SHA-256."""
    stored = _object(metadata={"labels": {"a": "1"}}, status={"ready": True})
    found = _between(stored, stored | {"spec": {"size": 2}}, "metadata.labels")
    assert found is not None
    for digest, size in ((found.before, 1), (found.after, 2)):
        plain = {"kind": "Thing", "metadata": {"name": "x", "uid": "u"}, "spec": {"size": size}}
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        assert digest == hashlib.sha256(text.encode()).hexdigest()
    assert (found.paths, found.patch, found.truncated) == (("spec.size",), '{"spec":{"size":2}}', False)


@pytest.mark.parametrize(
    "long", ["x" * n + end for n in range(225, 260) for end in (" ", " y", '"z', "\\\\ ", "\u201d")]
)
def test_no_key_runs_on_into_what_is_told_after_it(long: str) -> None:
    """However long it is: what stands in quotes ends where its path ends."""
    found = _between(_object(), _object() | {"spec": {"size": 1, long: 2}, "status": "x"})
    assert found is not None
    first, second = found.paths
    assert (len(first) <= LONGEST_PATH, second) == (True, "status")
    shown = re.sub(r'"(?:[^"\\]|\\.)*"', "", first)
    assert '"' not in shown


@pytest.mark.parametrize(
    "kept",
    [
        {"resourceVersion": "2", "generation": 2, "managedFields": [{}]},
        {"annotations": {"approval.seconder.dev/alice": "x"}},
        {"annotations": {"seconder.dev/break-glass": "x"}},
    ],
)
def test_what_the_server_and_peers_write_is_no_change(kept: dict[str, Any]) -> None:
    """Even where nothing is free."""
    assert _between(_object(), _object(metadata=kept)) is None


def test_a_status_counts_where_it_changes_and_nowhere_else() -> None:
    """Controllers write it all day, and a change of the rest stays approved."""
    before, after = _object(status={"n": 1}), _object(status={"n": 2})
    changed = _between(before, after)
    assert changed is not None
    assert changed.paths == ("status.n",)
    assert _between(before, after, "status") is None
    small = _between(before, before | {"spec": {}})
    assert small == _between(after, after | {"spec": {}})
    assert _between(before, _object()) is not None


KEPT = [(resource, row.steps) for resource, rows in upkeep.TABLE.items() for row in rows]


def _kept(steps: Sequence[str], value: Any, **more: Any) -> dict[str, Any]:
    """An object with a field that controllers write, as long as it has a value."""
    return _object(**more) if value is None else dict(differences.setting(_object(**more), tuple(steps), value))


@pytest.mark.parametrize(("resource", "steps"), KEPT, ids=lambda each: str(each))
def test_what_a_controller_writes_by_itself_makes_no_other_change(resource: GroupResource, steps: Any) -> None:
    """Before a change is made it is asked for still, and then it is done: the first such field comes with its map."""
    for one, other in ((None, ["1"]), (["1"], ["2"]), (["1"], None)):
        found = between(resource, _kept(steps, one), _kept(steps, one, spec={"size": 2}), [NOTHING])
        assert found is not None
        assert found.paths == ("spec.size",)
        assert found == between(resource, _kept(steps, other), _kept(steps, other, spec={"size": 2}), [NOTHING])
        assert done(resource, _kept(steps, other, spec={"size": 2}), found, [NOTHING])
        based = rebased(resource, _kept(steps, other), found, [NOTHING])
        assert based is not None
        assert (based.difference, based.proven) == (found, True)
        assert not done(resource, _kept(steps, other), found, [NOTHING])


@pytest.mark.parametrize(("resource", "steps"), KEPT, ids=lambda each: str(each))
def test_what_controllers_write_is_a_change_where_an_agent_writes_it(resource: GroupResource, steps: Any) -> None:
    """By itself, and beside a change that was approved without it: an approval of the one is none of the other."""
    for one, other in ((None, ["1"]), (["1"], ["2"]), (["1"], None)):
        alone = between(resource, _kept(steps, one), _kept(steps, other), [NOTHING])
        beside = between(resource, _kept(steps, one), _kept(steps, other, spec={"size": 2}), [NOTHING])
        approved = between(resource, _kept(steps, one), _kept(steps, one, spec={"size": 2}), [NOTHING])
        assert alone is not None
        assert beside is not None
        assert approved is not None
        assert all(text(steps) in " ".join(each.paths) for each in (alone, beside))
        assert len({(each.before, each.after) for each in (alone, beside, approved)}) == 3
        for each in (alone, beside):
            assert not done(resource, _kept(steps, one), each, [NOTHING]), "nobody has made it"
            assert not done(resource, _kept(steps, one), each, [NOTHING], let_through=True), "nor did it go through"
            based = rebased(resource, _kept(steps, one), each, [NOTHING])
            assert based is not None
            assert (based.difference, based.proven) == (each, True)
        # The controller puts it right, or takes it away, as soon as the change is made.
        for kept in (one, ["3"], None):
            put_right = _kept(steps, kept, spec={"size": 2})
            assert done(resource, put_right, beside, [NOTHING], let_through=True)
            assert done(resource, put_right, beside, [NOTHING]) == (kept == other)
        assert not done(resource, _kept(steps, ["3"]), beside, [NOTHING], let_through=True)
        assert done(resource, _kept(steps, other), alone, [NOTHING], let_through=True)


UNSHOWN = [(resource, row) for resource, rows in upkeep.UNSHOWN.items() for row in rows]


@pytest.mark.parametrize(("resource", "row"), UNSHOWN, ids=lambda each: str(each)[:40])
def test_what_the_api_server_shows_nobody_is_missed_in_no_change(resource: GroupResource, row: upkeep.Unshown) -> None:
    """The review has the field still. Elsewhere it is missed, and its change is one."""
    for value in row.values:
        stored = _kept(row.steps, value)
        reviewed = differences.setting(stored, row.where, row.holds)
        found = between(resource, stored, reviewed, [NOTHING])
        assert found is not None
        shown = differences.dropping(reviewed, row.steps)
        assert done(resource, shown, found, [NOTHING])
        assert not done(THINGS, shown, found, [NOTHING])
        assert not done(resource, stored, found, [NOTHING])
        assert not done(resource, differences.setting(shown, row.where, "Other"), found, [NOTHING])
        assert found != between(resource, stored, shown, [NOTHING]), "the digests are as they were"


@pytest.mark.parametrize(("resource", "row"), UNSHOWN, ids=lambda each: str(each)[:40])
def test_what_the_api_server_shows_nobody_is_no_change_of_whoever_leaves_it(resource: Any, row: Any) -> None:
    """An update of another field brings it back into the review. Only the default is let through; all else is bound."""
    shown = dict(differences.setting(_object(), row.where, row.holds))
    reviewed = [dict(differences.setting(shown, row.steps, value)) for value in row.values]
    assert between(resource, shown, reviewed[0], [NOTHING]) is None
    other = dict(differences.setting(shown, row.where, "Other"))
    changes = [
        *(between(resource, shown, each, [NOTHING]) for each in reviewed[1:]),
        between(resource, other, reviewed[0], [NOTHING]),
        between(resource, shown, differences.setting(other, row.steps, row.values[0]), [NOTHING]),
        between(resource, shown, differences.setting(reviewed[0], ("spec", "size"), 2), [NOTHING]),
        between(THINGS, shown, reviewed[0], [NOTHING]),
    ]
    assert None not in changes


def test_a_change_that_is_not_told_in_full_is_looked_for_both_ways() -> None:
    """With what controllers write, and without: which of them it is about, no path tells."""
    (steps,) = upkeep.FIELDS[DEPLOYMENTS]
    many = {str(number): 1 for number in range(100)}
    found = between(DEPLOYMENTS, _kept(steps, "1"), _kept(steps, "1", spec=many), [NOTHING])
    assert found is not None
    cut = msgspec.structs.replace(found, patch="", paths=())
    assert cut.truncated
    assert done(DEPLOYMENTS, _kept(steps, "2", spec=many), cut, [NOTHING])
    based = rebased(DEPLOYMENTS, _kept(steps, "2"), cut, [NOTHING])
    assert based is not None
    assert based.difference.before == found.before


_REVISIONS = st.sampled_from((None, "1", "2"))
_OTHERS = st.sampled_from((None, "a", "b"))


@st.composite
def _deployments(draw: Any) -> dict[str, Any]:
    """A Deployment with or without a revision, another annotation and a status."""
    keys = {"deployment.kubernetes.io/revision": draw(_REVISIONS), "example.com/a": draw(_OTHERS)}
    annotations = {key: value for key, value in keys.items() if value is not None}
    spec, status = {"size": draw(st.sampled_from((1, 2)))}, {"n": draw(st.sampled_from((1, 2)))}
    return _object(spec=spec, status=status, metadata={"annotations": annotations} if annotations else {})


def _bound(stored: Any, wanted: Any) -> Any:
    """What an approval must fit by, told another way: all but what is alike of a revision or a status."""
    states = []
    for one in (stored, wanted):
        annotations = dict(one["metadata"].get("annotations", {}))
        revision = annotations.pop("deployment.kubernetes.io/revision", None)
        states.append((one["spec"], annotations, revision, one["status"]))
    (*before, revision, status), (*after, to_revision, to_status) = states
    pairs = ((revision, to_revision), (status, to_status))
    return before, after, [pair for pair in pairs if pair[0] != pair[1]]


@settings(max_examples=1000, deadline=None)
@given(_deployments(), _deployments(), _deployments(), _deployments())
def test_no_approval_lets_a_revision_through_besides(stored: Any, wanted: Any, other: Any, further: Any) -> None:
    """The same digests if and only if all that either changes is the same, and the rest that is bound."""
    approved = between(DEPLOYMENTS, stored, wanted, [NOTHING])
    for before, after in ((stored, further), (other, wanted), (other, further)):
        asked = between(DEPLOYMENTS, before, after, [NOTHING])
        assert (asked is None) == (alike.same(before, after))
        if approved is None or asked is None:
            continue
        same = (asked.before, asked.after) == (approved.before, approved.after)
        assert same == (_bound(before, after) == _bound(stored, wanted))


def test_values_are_told_apart_as_json_tells_them() -> None:
    """To Python, true is 1, and 1.0 is 1; the API server's own spelling of numbers stays."""
    for one, other in (("1", "true"), ("0", "false"), ("1", "1.0"), ("1e3", "1000"), ("[]", "{}"), ("null", "0")):
        stored, wanted = (differences.exact.decode(f'{{"spec":{{"a":{value}}}}}') for value in (one, other))
        found = _between(stored, wanted)
        assert found is not None, (one, other)
        assert found.paths == ("spec.a",)
        assert alike.canonical(wanted) == f'{{"spec":{{"a":{other}}}}}'.encode()


def test_a_label_is_told_by_its_key_where_it_is_the_only_guarded_one() -> None:
    """Then the map around it comes or goes with it."""
    for field in ("labels", "annotations"):
        bare, marked = {"metadata": {"name": "x"}}, {"metadata": {"name": "x", field: {"a.io/b": "c"}}}
        for states in ((bare, marked), (marked, bare)):
            found = _between(*states)
            assert found is not None
            assert found.paths == (f"metadata.{field}[a.io/b]",)


def test_the_data_of_a_secret_is_shown_as_digests() -> None:
    """In paths and patch; kubectl apply repeats it in an annotation."""
    last = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"password":"b2xk"}}'}
    stored = _object(data={"password": "b2xk"}, metadata={"annotations": last})
    new = {key: value.replace("b2xk", "bmV3") for key, value in last.items()}
    wanted = _object(data={"password": "bmV3", "more": "bmV3"}, metadata={"annotations": new})
    found = _between(stored, wanted, resource=SECRETS)
    assert found is not None
    assert "data.password" in found.paths
    assert found.patch.count("sha256:") == 3
    assert not any(value in found.patch for value in ("b2xk", "bmV3"))
    based = rebased(SECRETS, stored, found, [NOTHING])
    assert based is not None
    assert not based.proven
    assert "b2xk" not in str(based)


def test_what_was_let_through_is_made_whatever_else_has_changed_since() -> None:
    """Where each field that it tells is as it was wanted; also of what is told as digests alone."""
    stored, wanted = _object(spec={"a": 1, "gone": 1}), _object(spec={"a": 2})
    found = _between(stored, wanted)
    assert found is not None
    for later, made in (({"a": 2, "b": 5}, True), ({"a": 3}, False), ({"a": 2, "gone": 1}, False)):
        document = _object(spec=later)
        assert done(THINGS, document, found, [NOTHING], let_through=True) is made
        assert not done(THINGS, document, found, [NOTHING])
    data, more = ({"data": {"key": "b25l"}}, {"data": {"key": "b25l", "more": "eA=="}})
    secret = between(SECRETS, _object(data={}), _object(**data), [NOTHING])
    assert secret is not None
    assert done(SECRETS, _object(**more), secret, [NOTHING], let_through=True)
    assert not done(SECRETS, _object(data={"key": "dHdv"}), secret, [NOTHING], let_through=True)


def test_a_difference_that_is_too_large_says_so() -> None:
    """Its digests are as good as any."""
    stored, wanted = _object(), _object(spec={"text": "x" * MOST_PATCH})
    found = _between(stored, wanted)
    assert found is not None
    assert (found.patch, found.truncated, found.paths) == ("", True, ("spec.size", "spec.text"))
    many = _between(stored, _object(spec={str(number): 1 for number in range(100)}))
    assert many is not None
    assert (len(many.paths), many.truncated, bool(many.patch)) == (64, True, True)


def test_a_recorded_change_is_compared_with_the_object_as_it_stands() -> None:
    """It is proven by its patch; where the object has moved on, only if it still makes what was asked for."""
    free = [ANNOTATIONS]
    stored, wanted = _object(spec={"a": 1, "b": 1}), _object(spec={"a": 2, "b": 1})
    found = between(THINGS, stored, wanted, free)
    assert found is not None
    labelled = _object(spec={"a": 1, "b": 1}, metadata={"labels": {"x": "y"}}, status={"ready": 1})
    based = rebased(THINGS, labelled, found, free)
    assert based is not None
    assert (based.difference, based.proven) == (found, True)
    assert (based.before["spec"], based.after["spec"]) == ({"a": 1, "b": 1}, {"a": 2, "b": 1})
    assert rebased(THINGS, _object(spec={"a": 1, "b": 2}), found, free) is None
    moved = rebased(THINGS, _object(spec={"a": 3, "b": 1}), found, free)
    assert moved is not None
    assert moved.difference.before != found.before
    assert moved.difference.after == found.after
    assert done(THINGS, wanted | {"status": {}}, found, free)
    assert standing(THINGS, wanted, found, free) == Standing(True, None)
    assert standing(THINGS, labelled, found, free) == Standing(False, based)
    assert not done(THINGS, labelled, found, free)
    forged = msgspec.structs.replace(found, patch='{"spec":{"a":9}}')
    lied = rebased(THINGS, stored, forged, free)
    assert lied is not None
    assert not lied.proven


@pytest.mark.parametrize("vector", json.loads(generate.DIGESTS.read_text()), ids=lambda vector: vector["name"])
def test_a_vector_has_the_digests_that_are_published(vector: dict[str, Any]) -> None:
    """Made with a JSON library and SHA-256 alone, for other implementations."""
    resource = {"Deployment": DEPLOYMENTS, "Service": SERVICES}[vector["stored"]["kind"]]
    found = _between(vector["stored"], vector["wanted"], *vector["freeChanges"], resource=resource)
    assert (found and {"from": found.before, "to": found.after}) == vector["change"]


def test_the_published_digests_are_those_that_the_generator_makes() -> None:
    """They hold no keys, and come out the same each time."""
    assert json.loads(generate.DIGESTS.read_text()) == list(generate.digests())


_KEYS = ("a", "b", "c", "d.e")
_PATHS = (
    "a",
    "a.b",
    "*",
    "*.b",
    "a.*",
    "b.c",
    "c.0",
    "c.*.a",
    "[d.e]",
    "a.b.c",
    "!a.b",
    "!*.c",
    "!c.0",
    "b",
    "![d.e].a",
)


def _value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random()
    if depth < 3 and kind < 0.45:
        return {key: _value(chance, depth + 1) for key in _KEYS if chance.random() < 0.5}
    if depth < 3 and kind < 0.6:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(3))]
    return chance.choice((0, 1, True, False, "x", "y", None))


def _patched(chance: random.Random, value: Any) -> Any:
    """The value with something or nothing of it changed."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(sorted(value))
        return {**value, key: _patched(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], _patched(chance, value[place]), *value[place + 1 :]]
    return _value(chance, 2)


def _leaves(value: Any, place: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Each value that holds no others, and each map and list, by its place."""
    if isinstance(value, dict | list):
        below = value.items() if isinstance(value, dict) else ((str(at), each) for at, each in enumerate(value))
        found = {place: type(value).__name__ + (str(len(value)) if isinstance(value, list) else "")}
        for key, each in below:
            found |= _leaves(each, (*place, key))
        return found
    return {place: json.dumps(value)}


def _told(value: Any, paths: Sequence[str]) -> dict[tuple[str, ...], str]:
    """What a guarded place holds, by another way: each place's name against the paths as patterns."""

    def beneath(path: str, place: tuple[str, ...]) -> bool:
        steps = re.findall(r"\[([^\]]*)\]|([^.\[\]!]+)", path)
        named = [bracketed or plain for bracketed, plain in steps]
        return len(named) <= len(place) and all(step in ("*", at) for step, at in zip(named, place, strict=False))

    def is_free(place: tuple[str, ...]) -> bool:
        back = any(beneath(path, place) for path in paths if path.startswith("!"))
        return not back and any(beneath(path, place) for path in paths if not path.startswith("!"))

    return {place: held for place, held in _leaves(value).items() if not is_free(place)}


@pytest.mark.long
def test_no_approval_of_one_change_lets_another_through() -> None:
    """100,000 pairs under random free paths: the same digests if and only if what is guarded is the same."""
    chance = random.Random(4821)  # noqa: S311 - the same each time
    fits = 0
    for _ in range(25_000):
        paths = tuple(chance.sample(_PATHS, chance.randrange(4)))
        free = [compiled(paths)]
        stored = {key: _value(chance) for key in _KEYS}
        wanted = _patched(chance, stored)
        if not isinstance(wanted, dict):
            continue
        approved = between(THINGS, stored, wanted, free)
        assert (approved is None) == (_told(stored, paths) == _told(wanted, paths))
        if approved is None:
            continue
        assert merged(stored, merge_patch(stored, wanted, Alike())) == wanted or "null" in json.dumps(wanted)
        other, further = _patched(chance, stored), _patched(chance, wanted)
        for before, after in ((stored, further), (other, wanted), (other, further), (wanted, stored)):
            if not isinstance(before, dict) or not isinstance(after, dict):
                continue
            asked = between(THINGS, before, after, free)
            same = asked is not None and (asked.before, asked.after) == (approved.before, approved.after)
            alike = _told(before, paths) == _told(stored, paths) and _told(after, paths) == _told(wanted, paths)
            assert same == alike, (paths, stored, wanted, before, after)
            fits += same
    assert fits > 1000


_LEAVES: st.SearchStrategy[Any] = st.sampled_from((None, True, 1, 1.5, "1", {}, [], [1], {"b": 1}, {"labels": {}}))
_PARTS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"labels": _LEAVES, "generation": _LEAVES}),
        "spec": st.fixed_dictionaries(
            {"a": st.fixed_dictionaries({}, optional={"b": _LEAVES, "c": _LEAVES})}, optional={"labels": _LEAVES}
        ),
        "a": _LEAVES,
    },
)
_LISTS = st.lists(
    st.lists(
        st.sampled_from(("metadata", "spec.a", "!spec.a.b", "spec", "*.labels", "spec.*.c", "!*.*.b", "a", "a.b")),
        max_size=3,
    ).map(lambda paths: compiled(tuple(paths))),
    min_size=1,
    max_size=2,
)


@settings(max_examples=500, deadline=None)
@given(_PARTS, _PARTS, _LISTS)
def test_what_the_bytes_say_is_free_is_free(stored: Any, wanted: Any, free: list[FreePaths]) -> None:
    """The short way never passes what the long way finds; there the objects are compared as a whole."""
    written = [fields_of.decode(alike.canonical(one)) for one in (stored, wanted)]
    if differences.surely_free(written[0], written[1], differences.kept_by_server(tuple(free))):
        assert not differences.differ(stored, wanted, free)


@settings(max_examples=500, deadline=None)
@given(_PARTS, _PARTS, _LISTS)
def test_what_is_written_alike_says_nothing(stored: Any, wanted: Any, free: list[FreePaths]) -> None:
    """Without it the short way says the same, for which it is dropped once for all rules."""
    kept = differences.kept_by_server(tuple(free))
    before, after = (fields_of.decode(alike.canonical(one)) for one in (stored, wanted))
    said = differences.surely_free(before, after, kept)
    differences.drop_alike(before, after)
    assert differences.surely_free(before, after, kept) == said


def test_the_bytes_tell_of_everyday_work() -> None:
    """A rollout with what the server counts, beside much that stays."""
    free = differences.kept_by_server((compiled(("spec.template", "metadata.labels")),))
    stored = _object(metadata={"labels": {"v": "1"}}, spec={"size": 1, "template": {"image": "a"}})
    wanted = _object(
        metadata={"labels": {"v": "2"}, "generation": 2}, spec={"size": 1, "template": {"image": "b"}}, kind="Thing"
    )
    written = [fields_of.decode(alike.canonical(one)) for one in (stored, wanted, stored | {"spec": {}})]
    assert differences.surely_free(written[0], written[1], free)
    assert not differences.surely_free(written[0], written[2], free)


@pytest.mark.parametrize("form", ['{"a":%s}', "[%s]"], ids=["objects", "lists"])
def test_what_differs_far_below_is_not_looked_for_level_by_level(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody's reviews wait meanwhile. The digests bind it, and the path tells where to look."""
    written, canonical = list[int](), alike.canonical

    def counted(value: Any) -> bytes:
        text = canonical(value)
        written.append(len(text))
        return text

    for module in (alike, differences):
        monkeypatch.setattr(module, "canonical", counted)
    levels = 400
    before, after = "1", "2"
    for _ in range(levels):
        before, after = form % before, form % after
    found = _between({"spec": json.loads(before)}, {"spec": json.loads(after)})
    assert found is not None
    assert found.before != found.after
    assert sum(written) < levels * len(before), "level by level it would be four times that"
    assert len(found.paths) == 1
    assert found.paths[0].startswith("spec.a.a" if "a" in form else "spec.0.0")
    assert found.truncated is ("a" in form), "a patch has lists as a whole"
