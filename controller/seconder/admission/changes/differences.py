"""The difference that an update makes: the stored and the wanted object without free fields and what the server keeps.

Two digests bind it: SHA-256 over the canonical JSON of each, which has sorted keys, no spaces, and numbers as the API
server writes them. A field that is free stands in neither, so that free work in between changes no digest. Once a
change is done, the object's digest is another one, so that its approval fits no more.

What somebody's next apply takes away by a change is bound with the wanted object, as a list of both: an object has any
keys that its kind takes, and is no list.

What others than clients write all day stands in both digests where the change tells of it, and else in neither: the
status, and what the table of ``upkeep`` lists. So an approval of another change lets no such field through besides.

What is another value at each try, and what nobody chose, stands in the wanted object's as a mark: see ``anew``.
"""

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from seconder.admission.changes import anew, free_changes, free_paths, next_apply, upkeep
from seconder.admission.changes.alike import DEEPEST, Alike, canonical, same
from seconder.admission.changes.free_paths import ABSENT, ANNOTATIONS, DROPPED, LABELS, Free, FreePaths, Steps, value_at
from seconder.admission.changes.next_apply import Taken
from seconder.api import constants
from seconder.api.resources import SECRETS, GroupResource
from seconder.approvals.difference import LONGEST_PATH, MOST_PATCH, MOST_PATHS, Difference

Document = Mapping[str, Any]
Fields = dict[str, Any]
"""An object, or one in it, by its keys. The values are as they are written (Raw), or Fields themselves."""

_KEPT_BY_SERVER: Final = frozenset({"managedFields", "resourceVersion", "generation"})
_STATUS: Final = "status"
_NEXT_APPLY: Final = ".nextApply"
"""Begins the paths of what somebody's next apply takes away. No path of an object begins with a dot."""

_END: Final = '..."]'
"""Ends a path that is cut within quotes."""

_ESCAPED: Final = re.compile(r"\\.")

HEADING: Final = "Taken away by somebody's next apply:"
"""Where people are shown that, below the object that is wanted."""

_MAPS: Final = (LABELS, ANNOTATIONS)

exact: Final = msgspec.json.Decoder(float_hook=lambda written: Raw(written.encode()))
"""Reads an object so that a number with a fraction or an exponent stays as it is written."""

_fields: Final = msgspec.json.Decoder(dict[str, Raw])
_taken: Final = msgspec.json.Decoder(dict[str, list[str]])


def digest(value: Any) -> str:
    """The SHA-256, in hex, of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def guarded(document: Document, free: Sequence[FreePaths], *, status: bool) -> Any:
    """What changes of an object are told by: all of it but what is free, and what the server and peers keep.

    ``status``: it is a part of it. Raises RecursionError for what nests too deeply.
    """
    left = free_paths.without(own(document), free)
    left = {} if left is DROPPED else left
    return left if status else {key: value for key, value in left.items() if key != _STATUS}


def surely_free(stored: Fields, wanted: Fields, free: Free) -> bool:
    """Whether all that two objects differ in is free, told by the bytes of what differs alone.

    Equal bytes are equal values, and the API server writes both objects alike, so that most of them is never looked
    into. False where it takes more than that: see ``differ``. As deep as the paths are, and no deeper.
    """
    for key in stored.keys() | wanted.keys():
        before, after = stored.get(key), wanted.get(key)
        if before is not None and after is not None and before == after:
            continue
        if len(key) > free_paths.LONGEST:
            return False
        below, all_free, some_free = free_paths.below(free, key)
        if all_free:
            continue
        if before is None or after is None or not some_free:
            return False
        held = (before, after) if isinstance(before, dict) else _inside(before, after)
        # None where these are no objects: a list, say, whose elements differ.
        if held is None or not surely_free(held[0], held[1], below):
            return False
    return True


def drop_alike(before: Fields, after: Fields, *, within: bool = True) -> None:
    """Take from both what is written alike in both. ``within``: from the objects in them, too."""
    for key in tuple(before):
        if key not in after:
            continue
        if before[key] == after[key]:
            del before[key], after[key]
        elif within and (held := _inside(before[key], after[key])) is not None:
            drop_alike(*held, within=False)
            before[key], after[key] = held


def _inside(before: Raw, after: Raw) -> tuple[Fields, Fields] | None:
    """What two values hold; None unless both are objects."""
    try:
        return _fields.decode(before), _fields.decode(after)
    except msgspec.ValidationError:
        return None


@functools.lru_cache(1024)
def kept_by_server(free: Free) -> Free:
    """The same lists, by which what the API server writes on each update is free as well."""
    kept = tuple(("metadata", field) for field in sorted(_KEPT_BY_SERVER))
    return tuple(FreePaths((*paths.free, *kept), paths.back, paths.freed) for paths in free)


def differ(stored: Document, wanted: Document, free: Sequence[FreePaths]) -> bool:
    """Whether two states of an object differ in more than what is free. Raises RecursionError, as ``between`` does."""
    return not same(guarded(stored, free, status=True), guarded(wanted, free, status=True))


def forms(
    resource: GroupResource, document: Document, recorded: Difference, free: Sequence[FreePaths]
) -> Iterator[Any]:
    """What a recorded change may name an object by as it stands.

    That is with its status, and with what controllers write, where the change tells of these; both ways where it is not
    told in full. And without and with those fields whose change has a name of its own. Raises RecursionError.
    """
    upkept = upkeep.FIELDS.get(resource, ())
    for paths in (free, free_changes.taking_back(free, free_changes.NAMED)):
        for status in _ways(recorded, ((_STATUS,),)):
            form = guarded(document, paths, status=status)
            for within in _ways(recorded, upkept):
                yield form if within else _leaving_out(form, upkept)


def _ways(recorded: Difference, fields: Sequence[Steps]) -> tuple[bool, ...]:
    """Whether fields are a part of a change's digests: by whether it tells of one of them."""
    if any(_within(told, fields) for told in recorded.paths):
        return (True,)
    # Two statements: a conditional of tuples of other lengths does not compile.
    if recorded.truncated:
        return (False, True)
    return (False,)


def _within(told: str, fields: Sequence[Steps]) -> bool:
    """Whether a path that a change tells is one of these, or below one."""
    return any(told == path or told.startswith((f"{path}.", f"{path}[")) for path in map(free_paths.text, fields))


def _leaving_out(form: Any, fields: Sequence[Steps]) -> Any:
    """The same without these fields, and without a map of labels or annotations of which they were all."""
    for steps in fields:
        if value_at(form, steps) is ABSENT:
            continue
        form = dropping(form, steps)
        if steps[:-1] in _MAPS and not value_at(form, steps[:-1]):
            form = dropping(form, steps[:-1])
    return form


def _upkept_apart(before: Any, after: Any, fields: Sequence[Steps]) -> tuple[Any, Any]:
    """Both states without what controllers write, where that is the same in both."""
    there = False
    for steps in fields:
        one, other = value_at(before, steps), value_at(after, steps)
        if one is ABSENT and other is ABSENT:
            continue
        if not same(one, other):
            return before, after
        there = True
    return (_leaving_out(before, fields), _leaving_out(after, fields)) if there else (before, after)


def done(
    resource: GroupResource,
    document: Document,
    recorded: Difference,
    free: Sequence[FreePaths],
    *,
    let_through: bool = False,
) -> bool:
    """Whether an object is as a recorded change wanted it. Raises RecursionError.

    ``let_through``: the change was, so that it is made where each field that it tells is as it was wanted. What else
    has been changed since, and what a controller has put right in a field of its own, is no matter; unless nothing but
    such fields was changed.
    """
    waiting = _waiting(recorded)
    if waiting and not next_apply.holds(resource, document, waiting, free):
        return False
    whole = bool(recorded.patch) and not recorded.truncated
    marks = whole and resource in anew.KINDS
    patch = exact.decode(recorded.patch) if whole and (marks or let_through) else None
    upkept = upkeep.FIELDS.get(resource, ())
    if all(_within(told, upkept) for told in recorded.paths):
        upkept = ()
    for form in forms(resource, document, recorded, free):
        there = anew.as_marked(resource, form, merged(form, patch)) if marks else form
        if any(digest(_with_taken(one, waiting)) == recorded.after for one in _as_reviewed(resource, there)):
            return True
        if whole and let_through:
            told = shown(resource, there)
            if same(_leaving_out(told, upkept), _leaving_out(merged(told, patch), upkept)):
                return True
    return False


def _as_reviewed(resource: GroupResource, form: Any) -> Iterator[Any]:
    """An object as it is shown, and as a review may have held it before it was stored."""
    yield form
    for row in upkeep.UNSHOWN.get(resource, ()):
        if value_at(form, row.where) == row.holds and value_at(form, row.steps) is ABSENT:
            for value in row.values:
                yield setting(form, row.steps, value)


def _as_shown(resource: GroupResource, stored: Document, wanted: Document, after: Any) -> Any:
    """A wanted state without what the API server has only left out of the stored one, and has by default.

    Another value may be the request's own: nobody would see it, until the object is of another type.
    """
    for row in upkeep.UNSHOWN.get(resource, ()):
        held = (value_at(stored, row.where), value_at(wanted, row.where), value_at(wanted, row.steps))
        if held == (row.holds, row.holds, row.values[0]) and value_at(stored, row.steps) is ABSENT:
            after = dropping(after, row.steps)
    return after


def _waiting(recorded: Difference) -> Taken:
    """What the next apply takes, as a change tells; nothing where it is too large to tell."""
    return _taken.decode(recorded.next_apply) if recorded.next_apply and not recorded.truncated else next_apply.NOTHING


def _with_taken(form: Any, taken: Taken) -> Any:
    return [form, taken] if taken else form


def parts(state: Any) -> tuple[Any, Taken]:
    """The object of a state that ``Rebased`` holds, and what somebody's next apply takes away besides."""
    return (state[0], state[1]) if isinstance(state, list) else (state, next_apply.NOTHING)


class Rebased(Struct, frozen=True):
    """A recorded change as it would be of the object as it stands, with both states as they may be shown.

    ``after``: see ``parts``. ``proven``: what is shown is all that is changed, and makes the very state that the
    digest names.
    """

    difference: Difference
    before: Any
    after: Any
    proven: bool


def rebased(
    resource: GroupResource, document: Document, recorded: Difference, free: Sequence[FreePaths]
) -> Rebased | None:
    """A recorded change, of the object as it stands; None where the object has changed so that it is another change.

    Raises RecursionError.
    """
    whole = bool(recorded.patch) and not recorded.truncated
    patch = exact.decode(recorded.patch) if whole else None
    waiting = _waiting(recorded)
    for form in forms(resource, document, recorded, free):
        before, seen = digest(form), shown(resource, form)
        wanted = _with_taken(merged(seen, patch), waiting) if whole else seen
        # The data of a Secret is not told, so that nothing proves what it is to be.
        proven = whole and seen is form and digest(wanted) == recorded.after
        if proven or before == recorded.before:
            return Rebased(msgspec.structs.replace(recorded, before=before), seen, wanted, proven)
    return None


class Standing(Struct, frozen=True):
    """How far an object is from a recorded change: there, as far as it was, or ``rebased`` None for another change."""

    done: bool
    rebased: Rebased | None


def standing(
    resource: GroupResource,
    document: Document,
    recorded: Difference,
    free: Sequence[FreePaths],
    *,
    let_through: bool = False,
) -> Standing:
    """How far an object, as it stands, is from a recorded change; see ``done`` and ``rebased``. Raises RecursionError.

    In this order: what a change makes of an object is itself a state that the same change fits.
    """
    if done(resource, document, recorded, free, let_through=let_through):
        return Standing(True, None)
    return Standing(False, rebased(resource, document, recorded, free))


def between(
    resource: GroupResource,
    stored: Document,
    wanted: Document,
    free: Sequence[FreePaths],
    taken: Taken = next_apply.NOTHING,
) -> Difference | None:
    """The difference between an object as it is stored and as it is wanted; None where all that changes is free.

    ``taken``: what somebody's next apply takes away by it. A status is a part of it only where it changes: controllers
    write it all day. So are the fields of ``upkeep``, all of them where one changes. Raises RecursionError for what
    nests too deeply.
    """
    before, after = guarded(stored, free, status=True), guarded(wanted, free, status=True)
    seen = _as_shown(resource, stored, wanted, after) if resource in upkeep.UNSHOWN else after
    if not taken and same(before, seen):
        return None
    if same(before.get(_STATUS, ABSENT), after.get(_STATUS, ABSENT)):
        # Copies as far as this: see ``own``.
        before.pop(_STATUS, None)
        after.pop(_STATUS, None)
    if resource in upkeep.FIELDS:
        before, after = _upkept_apart(before, after, upkeep.FIELDS[resource])
    if resource in anew.KINDS:
        after = anew.marked(resource, stored, wanted, after)
    told = (shown(resource, before), shown(resource, after))
    paths: list[str] = []
    alike = Alike()
    _collect(*told, (), paths, alike)
    waiting = b""
    if taken:
        paths += [f"{_NEXT_APPLY}[{taker}][{field}]" for taker, fields in taken.items() for field in fields]
        waiting, after = canonical(taken), _with_taken(after, taken)
    try:
        patch = canonical(merge_patch(*told, alike))
    except TooDeep:
        patch = b""
    whole = 0 < len(patch) <= MOST_PATCH - len(waiting)
    return Difference(
        before=digest(before),
        after=digest(after),
        paths=tuple(map(_shortened, paths[:MOST_PATHS])),
        patch=patch.decode() if whole else "",
        truncated=not whole or len(paths) > MOST_PATHS,
        next_apply=waiting.decode() if whole else "",
    )


def _shortened(path: str) -> str:
    """A path as far as it is told. One that would end within quotes ends these: what follows is not a part of it."""
    told = path[:LONGEST_PATH]
    if len(told) == len(path) or not _within_quotes(told):
        return told
    told = path[: LONGEST_PATH - len(_END)]
    return told + (_END if _within_quotes(told) else _END[:3])


def _within_quotes(path: str) -> bool:
    return bool(_ESCAPED.sub("", path).count('"') % 2)


def own(document: Document) -> dict[str, Any]:
    """A copy of an object without what the API server writes on each update, and without what peers write."""
    copy = dict(document)
    metadata = copy.get("metadata")
    if not isinstance(metadata, Mapping):
        return copy
    kept = {key: value for key, value in metadata.items() if key not in _KEPT_BY_SERVER}
    annotations = kept.pop("annotations", None)
    if isinstance(annotations, Mapping):
        annotations = {key: value for key, value in annotations.items() if not _by_peers(key)}
    if annotations:
        kept["annotations"] = annotations
    copy["metadata"] = kept
    return copy


def _by_peers(key: str) -> bool:
    return key.startswith(constants.APPROVAL_PREFIX) or key == constants.BREAK_GLASS


def dropping(document: Document, steps: Steps) -> dict[str, Any]:
    """A copy of an object without one field of a map in it."""
    copy = dict(document)
    first, *rest = steps
    if not rest:
        copy.pop(first, None)
    elif isinstance(copy.get(first), Mapping):
        copy[first] = dropping(copy[first], tuple(rest))
    return copy


def setting(document: Document, steps: Steps, value: Any) -> dict[str, Any]:
    """A copy of an object with one field of a map in it set."""
    first, *rest = steps
    below = document.get(first)
    inner = below if isinstance(below, Mapping) else {}
    return {**document, first: setting(inner, tuple(rest), value) if rest else value}


class TooDeep(Exception):
    """What differs is further down than is told."""


def merge_patch(before: Any, after: Any, alike: Alike, levels: int = DEEPEST) -> Any:
    """The JSON Merge Patch (RFC 7386) from one value to another. A null that is to be set cannot be told.

    Raises TooDeep where objects differ below so many ``levels``.
    """
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return after
    if not levels:
        raise TooDeep
    changes: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            changes[key] = value
        elif not alike(before[key], value):
            changes[key] = merge_patch(before[key], value, alike, levels - 1)
    return changes


def merged(before: Any, patch: Any) -> Any:
    """The value that a JSON Merge Patch (RFC 7386) makes of another."""
    if not isinstance(patch, Mapping):
        return patch
    made = dict(before) if isinstance(before, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made


def shown(resource: GroupResource, document: Any) -> Any:
    """What of an object may stand in a record: the data of a Secret only as digests.

    kubectl apply repeats all of it in an annotation.
    """
    if resource != SECRETS:
        return document
    copy = dict(document)
    for field in ("data", "stringData"):
        if field in copy:
            copy[field] = _digested(copy[field])
    metadata = copy.get("metadata")
    if isinstance(metadata, Mapping) and "annotations" in metadata:
        copy["metadata"] = {**metadata, "annotations": _digested(metadata["annotations"])}
    return copy


def _digested(held: Any) -> Any:
    if isinstance(held, Mapping):
        return {key: _digested(value) for key, value in held.items()}
    return None if held is None else f"sha256:{digest(held)}"


def _collect(before: Any, after: Any, place: Steps, paths: list[str], alike: Alike) -> None:
    """Add the paths of what differs, one more than are told at the most."""
    if len(paths) > MOST_PATHS or alike(before, after):
        return
    if place in _MAPS:
        # Told key by key, also where the map comes or goes with them: which of its keys is meant, nobody else tells.
        before, after = ({} if each is ABSENT else each for each in (before, after))
    if len(place) == DEEPEST:
        paths.append(free_paths.text(place))
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            _collect(before.get(key, ABSENT), after.get(key, ABSENT), (*place, key), paths, alike)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            _collect(old, new, (*place, str(index)), paths, alike)
    else:
        paths.append(free_paths.text(place))
