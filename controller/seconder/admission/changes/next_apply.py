"""What somebody's next apply takes away on the word of an update that changes none of it.

Two things decide what an unchanged manifest removes: annotations that tell what was applied last, and who owns which
fields. Both are free to write, and neither may be used to have others take away what is not.
"""

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from seconder.admission.changes import defaults, last_applied, managed_fields
from seconder.admission.changes.free_paths import ANNOTATIONS, FreePaths, Steps
from seconder.admission.changes.managed_fields import NO_LONGER, Written
from seconder.admission.changes.place import KEPT, Place
from seconder.admission.changes.senders import Senders
from seconder.admission.kinds import BY_SELECTOR, CRON_JOBS
from seconder.admission.lookups import Unknown
from seconder.admission.request import Request
from seconder.api import constants
from seconder.api.resources import AUTOSCALERS, JOBS, STATEFUL_SETS, GroupResource

Taken = Mapping[str, Sequence[str]]
"""Fields that may go, by who takes them: an annotation's name, or an entry of managedFields."""

NOTHING: Final[Taken] = {}
_MOST: Final = 64
"""Fields of one taker that are told. More are told as their digest."""

_UNTOLD: Final = "who owns its fields cannot be told: too many managers do, or it nests too deeply"
_TAGS: Final = frozenset({constants.AGENT_KEY})


def _down_to(*place: str) -> frozenset[Steps]:
    """A place, and all that hold it."""
    return frozenset(place[:length] for length in range(1, len(place) + 1))


_TEMPLATE: Final = _down_to("spec", "template", "spec") | _down_to("spec", "template", "metadata")
_SENT: Final[Mapping[GroupResource, frozenset[Steps]]] = {
    # A template has containers, and labels that match a selector, which is never empty.
    **dict.fromkeys(BY_SELECTOR, _TEMPLATE),
    # Whose containers nobody looks at before there are pods (ValidatePodTemplateSpecForStatefulSet).
    STATEFUL_SETS: _down_to("spec", "template", "metadata"),
    # Whose selector, and the labels that match it, the API server makes up.
    JOBS: _down_to("spec", "template", "spec"),
    CRON_JOBS: _down_to("spec", "jobTemplate", "spec", "template", "spec") | _down_to("spec", "schedule"),
    AUTOSCALERS: _down_to("spec", "maxReplicas") | _down_to("spec", "scaleTargetRef"),
}
"""What the API server takes no object of a kind without: every manifest holds it, so that naming it takes nothing away.
What is below is another matter, and so are the elements of a list."""


class Update(Protocol):
    """A request as a review sees it: its two objects by their keys, and as a whole."""

    request: Request

    @property
    def written(self) -> tuple[Written, Written]:
        """See ``codec.written``."""

    @property
    def whole(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """See ``codec.whole``."""


def taken(update: Update, free: Sequence[FreePaths], tags: frozenset[str] = _TAGS) -> Taken:
    """What may go by a request, and is not free.

    ``tags``: annotations that mark an object as an agent's. The objects are read as a whole where more than free fields
    may go. Raises Unknown for what cannot be told, and Malformed.
    """
    request = update.request
    stored, incoming = request.stored, request.incoming
    resource = request.target.resource
    free = _guarding(resource, tuple(free), tags)
    changed = [key for key in last_applied.TABLE if stored.get(key) != incoming.get(key)]
    try:
        moved = managed_fields.moved(*update.written)
        if not changed and (moved is None or not moved.matters(free, _kept(resource))):
            return NOTHING
        root = _root(resource, *update.whole, free)
        owned = list(moved.told(root)) if moved is not None else []
        named = list(_named(update, changed, root)) if changed else []
    except (managed_fields.Untold, msgspec.MsgspecError, RecursionError):
        raise Unknown(_UNTOLD) from None
    found: dict[str, set[str]] = {}
    for taker, field in (*named, *owned):
        found.setdefault(taker, set()).add(field)
    return {taker: _bounded(sorted(fields)) for taker, fields in sorted(found.items()) if fields}


def _named(update: Update, keys: Sequence[str], root: Place) -> Iterator[tuple[str, str]]:
    """The fields that annotations name from now on, or that one does not name which is not there any more."""
    stored, incoming = update.request.stored, update.request.incoming
    senders = Senders(update.written[0])
    for key in keys:
        before, after = stored.get(key), incoming.get(key, "")
        yield from ((key, field) for field in last_applied.named(before, after, root, senders))
        if not after:
            yield from ((key + NO_LONGER, field) for field in last_applied.forgotten(before, root, senders))


def holds(resource: GroupResource, document: Mapping[str, Any], recorded: Taken, free: Sequence[FreePaths]) -> bool:
    """Whether an object as it was read is so that all of this may go. Raises RecursionError."""
    root = _root(resource, document, document, _guarding(resource, tuple(free), _TAGS))
    metadata = document.get("metadata") or {}
    annotations, owned = metadata.get("annotations") or {}, managed_fields.owned(metadata.get("managedFields"), root)
    for taker, fields in recorded.items():
        name = taker.removesuffix(NO_LONGER)
        if name not in last_applied.TABLE:
            there = owned.get(name, set())
        elif name == taker:
            there = last_applied.names(annotations.get(name, ""), root)
        else:
            there = set(fields) if annotations.get(name) else set()
        if name != taker:
            if not there.isdisjoint(fields):
                return False
        elif not there.issuperset(fields):
            return False
    return True


@functools.lru_cache(256)
def _guarding(resource: GroupResource, free: tuple[FreePaths, ...], tags: frozenset[str]) -> tuple[FreePaths, ...]:
    """The same lists, but that nothing frees approvals, the emergency exit, and what marks an object as an agent's.

    Where annotations are free, these are no agent's all the same. Free is what no apply takes away.
    """
    lasting = defaults.lasting(resource)
    free = tuple(FreePaths((*paths.free, *lasting), paths.back, paths.freed) for paths in free)
    for key in (f"{constants.APPROVAL_PREFIX}*", constants.BREAK_GLASS, *sorted(tags)):
        free = tuple(paths.taking_back((*ANNOTATIONS, key)) for paths in free)
    return free


def _root(
    resource: GroupResource, before: Mapping[str, Any], after: Mapping[str, Any], free: Sequence[FreePaths]
) -> Place:
    return Place((), before, after, free, _kept(resource), defaults.DEFAULTS.get(resource, {}))


def _kept(resource: GroupResource) -> frozenset[Steps]:
    return KEPT | _SENT.get(resource, frozenset())


def _bounded(fields: list[str]) -> list[str]:
    if len(fields) <= _MOST:
        return fields
    digest = hashlib.sha256(msgspec.json.encode(fields)).hexdigest()
    return [*fields[:_MOST], f"and {len(fields) - _MOST} more, sha256:{digest}"]
