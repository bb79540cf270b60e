"""Namespaces that go with an object which stands for them, and with the namespace that holds such an object."""

from collections.abc import Collection, Sequence
from typing import Final

from seconder.admission.indirect import aliases
from seconder.admission.indirect.aliases import Alias
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import AliasedBy, Asking, Unknown, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import NAMESPACES, Target

_UNTOLD: Final = "which namespaces go with it cannot be told"


def deleter(alias: Alias) -> Deleter:
    """The row of a kind whose objects stand for namespaces."""

    def losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
        yield from ()
        return _deletions(_lost(context, alias))

    return Deleter(
        alias.resource,
        "its deletion, another owner, or other namespaces in it",
        f"the Namespaces in its {alias.path}",
        alias.reason,
        losses,
        frozenset({Operation.UPDATE, Operation.DELETE}),
        kinds=frozenset({NAMESPACES}),
    )


def _lost(context: ReviewContext, alias: Alias) -> Collection[str]:
    stored, wanted = context.whole
    before = aliases.namespaces(alias, stored)
    if context.may_end:
        if before is None:
            raise Unknown(_UNTOLD)
        return before
    if not context.request.updates:
        return ()
    after = aliases.namespaces(alias, wanted)
    # What it stands for no longer might go without anybody's word afterwards.
    return (before or frozenset()) - (after or frozenset())


def _within(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The namespaces that go with another, since their aliases are in it."""
    place = context.request.target.name
    if not context.may_end:
        return []
    names = yield from ask(AliasedBy(place, context.state.installation.aliases))
    return _deletions(names - {place})


def _deletions(names: Collection[str]) -> list[Effect]:
    return [goes_along(Target(NAMESPACES, "Namespace", "", name, "")) for name in sorted(names)]


WITHIN: Final = Deleter(
    NAMESPACES,
    "its deletion",
    "the Namespaces for which objects in it stand",
    "with a namespace go such objects, and with them what they stand for",
    _within,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=frozenset({NAMESPACES}),
)
