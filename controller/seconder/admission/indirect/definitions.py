"""A definition that is changed may lose the objects of its kind: unserved, pruned by another schema, or not read."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.api.resources import DEFINITIONS, Action


class _Definition(msgspec.Struct):
    """What of a definition its objects rest on: by its status they are served, made, and read."""

    spec: Any = None
    status: Any = None


_objects: Final[Any] = msgspec.json.Decoder(codec.ObjectsReview[_Definition])


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The deletion of the definition itself, which the policies that name its kind ask about.

    Where a policy names definitions, and asks about changes, it is a change of the definition and nothing else.
    """
    yield from ()
    request = context.request
    if not request.updates or context.naming(context.effect(Action.CHANGE)):
        return []
    held = codec.objects(request, _objects, "the definition")
    if held.old_object == held.object:
        return []
    return [context.effect(Action.DELETE)]


DELETER: Final = Deleter(
    DEFINITIONS,
    "a change of its spec, or of its status",
    "the objects of the kind",
    "they are served no more, pruned by another schema, not made, or cannot be read",
    _losses,
    frozenset({Operation.UPDATE}),
)
