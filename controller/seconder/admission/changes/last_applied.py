"""What was applied last, as annotations tell: a three-way merge takes away what they name and a manifest does not.

Whoever writes such an annotation says what the next apply of somebody else removes.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission.changes import free_paths
from seconder.admission.changes.free_paths import ABSENT, DROPPED, Steps
from seconder.admission.changes.place import Place
from seconder.admission.changes.senders import Senders

KUBECTL: Final = "kubectl.kubernetes.io/last-applied-configuration"

TABLE: Final[Mapping[str, str]] = {
    KUBECTL: "kubectl apply, Argo CD and Pulumi merge by it",
    "kapp.k14s.io/original": "kapp merges by it",
}
"""Annotations that hold a whole object as JSON, and who goes by them.

Others keep the same in a form of their own (Rancher's ``objectset.rio.cattle.io/applied``,
``banzaicloud.com/last-applied``) and are not free at all. Helm keeps it in Secrets, Flux and cli-utils in inventories.
"""

UNREAD: Final = ".*"
"""Stands for all that an annotation may name where it cannot be read. No path of an object begins with a dot."""

_NOWHERE: Final[Steps] = ("",)
_object: Final = msgspec.json.Decoder(dict[str, Any])
_canonical: Final = msgspec.json.Encoder(order="sorted").encode


def named(before: str | None, after: str, root: Place, senders: Senders) -> Sequence[str]:
    """The guarded fields that a value of such an annotation names beyond those of the value before it.

    Where there was none, beyond those that whoever made the object sends. Of fields in each other the outermost. What
    cannot be read, or nests too deeply, may name any: it is told by its digest.
    """
    if not after:
        return ()
    old = _read(before)
    found: list[str] = []
    try:
        last: Steps = _NOWHERE
        for place in _gained(_object.decode(after), old, root):
            if place.steps[: len(last)] == last or not place.at_stake:
                continue
            if old is not ABSENT or place.before is ABSENT or not senders.send(place, root):
                last = place.steps
                found.append(free_paths.text(last))
    except (msgspec.MsgspecError, RecursionError):
        return [_unread(after)]
    return found


def forgotten(before: str | None, root: Place, senders: Senders) -> Iterator[str]:
    """The guarded fields that such an annotation does not name, and that without it might be named."""
    old = _read(before)
    if old is not ABSENT:
        yield from (free_paths.text(place.steps) for place in senders.unnamed(_with_data(old), root, root))


def _with_data(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """A manifest in which a Secret's data is named as it is stored."""
    plain, data = manifest.get("stringData"), manifest.get("data")
    if not isinstance(plain, Mapping):
        return manifest
    return {**manifest, "data": {**(data if isinstance(data, Mapping) else {}), **plain}}


def names(value: str, root: Place) -> set[str]:
    """All fields that a value of such an annotation names, as ``named`` tells each of them."""
    try:
        return {free_paths.text(place.steps) for place in _gained(_object.decode(value), ABSENT, root)}
    except (msgspec.MsgspecError, RecursionError):
        return {_unread(value)}


def _unread(value: str) -> str:
    return f"{UNREAD} sha256:{hashlib.sha256(value.encode()).hexdigest()}"


def _read(value: str | None) -> Any:
    """A value as it is stored. What cannot be read there names nothing: nobody can merge by it."""
    if value is None:
        return ABSENT
    try:
        return _object.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return ABSENT


def _gained(new: Any, old: Any, place: Place) -> Iterator[Place]:
    """The places that one value names and the other does not. A null names a field as well."""
    if isinstance(new, Mapping):
        for key in sorted(new):
            below = place.field(key)
            if below.all_free:
                continue
            was = old.get(key, ABSENT) if isinstance(old, Mapping) else ABSENT
            if was is ABSENT:
                yield below
            yield from _gained(new[key], was, below)
    elif isinstance(new, list):
        # How its elements are told apart is known to the kind's schema alone: each counts as a whole.
        had = set(_elements(old, place))
        if not had.issuperset(_elements(new, place)):
            yield place


def _elements(value: Any, place: Place) -> Iterator[bytes]:
    left = free_paths.without(value, place.free, place.steps) if isinstance(value, list) else DROPPED
    if left is not DROPPED:
        yield from (_canonical(element) for element in left if element is not None)
