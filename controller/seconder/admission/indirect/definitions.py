"""What a definition or a namespace loses while it stays: its objects may go by a change of it, or not be made anew.

A definition's objects are unserved, pruned by another schema, or not read; those of a namespace are scaled to nothing
by its annotations, and refused by its status. And some programs delete what is marked for them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.changes import free_changes, free_paths
from seconder.admission.changes.free_changes import FINALIZERS, OWNERS
from seconder.admission.changes.free_paths import FreePaths
from seconder.admission.findings import Refusal
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import KUBERNETES_GROUPS
from seconder.admission.lookups import Asking
from seconder.admission.request import WRITES, Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import DEFINITIONS, NAMESPACES, Action, GroupResource

_FREE: Final[Mapping[GroupResource, FreePaths]] = {
    DEFINITIONS: free_changes.built_in(DEFINITIONS),
    # What may run there from now on ends nothing.
    NAMESPACES: free_paths.compiled(free_changes.UNMARKED),
}


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The deletion of the object itself, which the policies that name what it holds ask about.

    Where a policy names the object, and asks about changes, it is a change of that and nothing else. Owners and
    finalizers have names of their own.
    """
    yield from ()
    if context.naming(context.effect(Action.CHANGE)) or not may_lose(context):
        return []
    return [context.effect(Action.DELETE)]


def may_lose(context: ReviewContext) -> bool:
    """Whether objects of a definition, or in a namespace, may go by an update of it. Raises Malformed and Unknown."""
    return context.changes([_FREE[context.request.target.resource].freeing(OWNERS).freeing(FINALIZERS)])


class _Resource(Struct):
    group: str = ""


class _Migration(Struct):
    resource: _Resource = msgspec.field(default_factory=_Resource)


_migration: Final = msgspec.json.Decoder(_Migration)
_MIGRATIONS: Final = GroupResource("storagemigration.k8s.io", "storageversionmigrations")


def _stored_anew(context: ReviewContext) -> Asking[Sequence[Refusal]]:
    """A refusal, since nobody is asked about each object that the controller writes in the preferred version."""
    yield from ()
    request = context.request
    if request.subresource or request.new_spec == request.old_spec:
        return []
    named = codec.read(request, _migration, request.new_spec, "the migration").resource
    # Of Kubernetes' own kinds each version tells all that is stored.
    return [] if named.group in KUBERNETES_GROUPS else [Refusal("agents may not have custom resources stored anew")]


DELETERS: Final = (
    Deleter(
        _MIGRATIONS,
        "its creation, for a custom kind",
        "fields of all objects of the kind",
        "its controller writes them in the preferred version, which may know fewer fields",
        _stored_anew,
        WRITES,
        namespaced=False,
    ),
    Deleter(
        DEFINITIONS,
        "a change of what is not free of it: its spec, its status, a mark for some program",
        "the objects of the kind",
        "they are served no more, pruned by another schema, not made, or cannot be read; or it is deleted",
        _losses,
        frozenset({Operation.UPDATE}),
    ),
    Deleter(
        NAMESPACES,
        "a change of its status, or a mark for some program",
        "all that is in it",
        "programs scale to nothing what is in it, or delete it; the API server makes nothing anew there",
        _losses,
        frozenset({Operation.UPDATE}),
    ),
)
