"""What is another value at each try of one and the same request: two tables.

The API server allocates ports and addresses before a review, and gives them back where that says no. Clients write the
time of day. So no approval would ever fit what is tried next. In the digest of the wanted object a mark stands in the
place of such a value, and peers are shown the mark. It is an object, as no value there can be.

A mark stands only for what nobody chose. A port or an address that the request itself names is owned by its field
manager (``metadata.managedFields``): the API server notes that before it allocates any. What is owned is bound as it
is, and so is all of it where the API server may have noted nothing: see ``_entries``. A time stands for a restart only
where it is later than the one before, so that two approvals never let the same restart through in turn; and not to
come, since no restart is later than that.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from seconder.admission.changes.free_paths import ABSENT, ANNOTATIONS, Steps, value_at
from seconder.api import moments
from seconder.api.resources import DAEMON_SETS, DEPLOYMENTS, SERVICES, STATEFUL_SETS, GroupResource

Place = tuple[str | int, ...]
"""Keys of maps and indices of lists."""


class Row(NamedTuple):
    """A field whose value another try will not have, and since when. ``*`` stands for each element of a list."""

    steps: Steps
    reason: str


_RESTARTED: Final = ("spec", "template", *ANNOTATIONS, "kubectl.kubernetes.io/restartedAt")
_RESTARTS: Final = (Row(_RESTARTED, "`kubectl rollout restart` writes the time into it"),)

ALLOCATED: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    # pkg/registry/core/service/storage/alloc.go in kubernetes/kubernetes: allocUpdate.
    SERVICES: (
        Row(("spec", "ports", "*", "nodePort"), "the API server chooses a port that is not in use"),
        Row(("spec", "healthCheckNodePort"), "the API server chooses a port that is not in use"),
        Row(("spec", "clusterIP"), "the API server chooses an address that is not in use"),
        Row(("spec", "clusterIPs", "*"), "the API server chooses an address that is not in use"),
    )
}
"""What the API server allocates before it asks for a review, by kind."""

TIMES: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    DEPLOYMENTS: _RESTARTS,
    STATEFUL_SETS: _RESTARTS,
    DAEMON_SETS: _RESTARTS,
}
"""Where clients write the time of day, by kind. Nothing is decided by that time."""

KINDS: Final = frozenset({*ALLOCATED, *TIMES})

CHOSEN: Final[Mapping[str, str]] = {"chosenBy": "the API server"}
_TIME: Final = "time"
_ANY: Final = "any"
_LATER: Final = "later than "

_LONGEST: Final = 35
"""Characters of a time, to the nanosecond and with an offset. None holds a message."""

_MOST: Final = 512 * 1024
"""Bytes of an object of which who owns what is believed. Of one that is too large for etcd with its managedFields the
API server notes nothing, and takes what the client says. etcd's own limit is three times that."""

_AHEAD: Final = 600
"""Seconds by which the clock of a client may be ahead."""

_MANAGERS: Final = 100
"""Entries of managedFields that are looked into. The API server keeps ten of those that update."""


class _Elements(NamedTuple):
    """By what a list's elements are told apart in managedFields, and how the API server writes that."""

    keys: tuple[str, ...]
    token: re.Pattern[str]


_LISTS: Final[Mapping[Steps, _Elements]] = {
    ("spec", "ports"): _Elements(("port", "protocol"), re.compile(r'k:\{"port":\d+,"protocol":"[A-Z]+"\}', re.ASCII))
}


def marked(resource: GroupResource, stored: Mapping[str, Any], wanted: Mapping[str, Any], after: Any) -> Any:
    """What is guarded of a wanted object, with marks in the place of values that nobody chose."""
    for row in TIMES.get(resource, ()):
        # A path of maps alone. Most changes are of something else.
        value = value_at(after, row.steps)
        mark = None if value is ABSENT else _mark(value_at(stored, row.steps), value)
        if mark is not None and not _to_come(value):
            after = _put(after, row.steps, mark)
    fresh: list[Place] = []
    for row in ALLOCATED.get(resource, ()):
        known = {value for _, value in _places(stored, row.steps) if _plain(value)}
        fresh += [place for place, value in _places(after, row.steps) if _plain(value) and value not in known]
    entries = _entries(stored, wanted) if fresh else ()
    for place in fresh if entries else ():
        if not _owned(entries, after, place):
            after = _put(after, place, CHOSEN)
    return after


def as_marked(resource: GroupResource, form: Any, wanted: Any) -> Any:
    """An object as it stands, with the marks of a wanted state where it holds what they stand for."""
    for row in (*TIMES.get(resource, ()), *ALLOCATED.get(resource, ())):
        for place, mark in _places(wanted, row.steps):
            if isinstance(mark, Mapping) and _stands_for(mark, value_at(form, place)):
                form = _put(form, place, mark)
    return form


def _mark(former: Any, value: Any) -> Mapping[str, str] | None:
    """The mark for a time that a client wrote; None where it is none, or not later than the one before."""
    now = _moment(value)
    if now is None:
        return None
    if former is ABSENT:
        return {_TIME: _ANY}
    then = _moment(former)
    return {_TIME: f"{_LATER}{former}"} if then is not None and now > then else None


def _stands_for(mark: Mapping[str, Any], value: Any) -> bool:
    """Whether a value may be what stands there by a mark."""
    if mark == CHOSEN:
        return _plain(value)
    told = mark.get(_TIME)
    if not isinstance(told, str) or _moment(value) is None:
        return False
    return told == _ANY or mark == _mark(told.removeprefix(_LATER), value)


def _to_come(value: Any) -> bool:
    time = moments.read(value)
    return time is not None and (time - datetime.now(UTC)).total_seconds() > _AHEAD


def _moment(value: Any) -> Any:
    return moments.read(value) if isinstance(value, str) and len(value) <= _LONGEST else None


def _plain(value: Any) -> bool:
    """Whether a value is a number or a text, as ports and addresses are."""
    return isinstance(value, int | str) and not isinstance(value, bool)


def _entries(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Who owns which fields of a wanted object; none where what it says of that is not believed.

    What a request changes is noted with the time. Where all entries are those of the stored object, the API server
    could not work on the ones that the request sent, put the former ones back, and noted nothing
    (``UpdateNoErrors`` in managedfields/internal/fieldmanager.go of k8s.io/apimachinery).
    """
    entries = (wanted.get("metadata") or {}).get("managedFields")
    if not entries or len(entries) > _MANAGERS or len(msgspec.json.encode(wanted)) > _MOST:
        return ()
    former = (stored.get("metadata") or {}).get("managedFields") or ()
    if all(entry in former[:_MANAGERS] for entry in entries):
        return ()
    return entries if all(_readable(entry.get("fieldsV1")) for entry in entries) else ()


def _readable(tree: Any) -> bool:
    """Whether an entry tells elements of lists as the API server writes them. A client may send others beside."""
    for steps, elements in _LISTS.items():
        held = tree
        for step in steps:
            held = held.get(f"f:{step}") if isinstance(held, Mapping) else None
        if isinstance(held, Mapping) and not all(key == "." or elements.token.fullmatch(key) for key in held):
            return False
    return True


def _owned(entries: Sequence[Mapping[str, Any]], after: Any, place: Place) -> bool:
    """Whether somebody owns a field of the wanted object, or may: the request named its value then.

    What a manager has owned since before may be named anew, and is bound.
    """
    tokens = _tokens(after, place)
    return tokens is None or any(_owns(entry.get("fieldsV1"), tokens) for entry in entries)


def _tokens(value: Any, place: Place) -> list[str] | None:
    """A place by the tokens of FieldsV1; None where an element has not what it is told by.

    A list without such keys is owned as a whole.
    """
    tokens: list[str] = []
    above: list[str] = []
    for step in place:
        if isinstance(step, str):
            tokens.append(f"f:{step}")
            above.append(step)
        elif (elements := _LISTS.get(tuple(above))) is None:
            break
        else:
            told = {key: value[step].get(key) for key in elements.keys}
            token = f"k:{msgspec.json.encode(told, order='sorted').decode()}"
            if not elements.token.fullmatch(token):
                return None
            tokens.append(token)
        value = value[step]
    return tokens


def _owns(tree: Any, tokens: Sequence[str]) -> bool:
    """Whether an entry owns a place, or what holds it as a whole; also where that cannot be told."""
    for token in tokens:
        if not isinstance(tree, Mapping) or not tree:
            return True
        if token not in tree:
            return False
        tree = tree[token]
    return True


def _places(value: Any, steps: Steps, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """What stands at a path, and where."""
    if not steps:
        yield place, value
    elif steps[0] == "*":
        for index, each in enumerate(value if isinstance(value, list) else ()):
            yield from _places(each, steps[1:], (*place, index))
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _places(value[steps[0]], steps[1:], (*place, steps[0]))


def _put(value: Any, place: Place, held: Any) -> Any:
    """A copy of a value that holds another one at a place, where it holds one."""
    if not place:
        return held
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[place[0]] = _put(copy[place[0]], place[1:], held)
    return copy
