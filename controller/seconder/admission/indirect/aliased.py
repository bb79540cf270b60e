"""Namespaces and Nodes that go with an object which stands for them, and with the namespace that holds such a one."""

from collections.abc import Collection, Sequence
from typing import Final

from seconder.admission.indirect import aliases
from seconder.admission.indirect.aliases import Alias
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import AliasedBy, Asking, Unknown, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import NAMESPACES, NODES, GroupResource, Target

_KINDS: Final = {NAMESPACES: "Namespace", NODES: "Node"}


def deleter(alias: Alias) -> Deleter:
    """The row of a kind whose objects stand for others."""
    of = frozenset({alias.of})

    def losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
        yield from ()
        if not context.state.policies.follows_some_of(of):
            return []
        return _deletions([(alias.of, name) for name in lost(context, alias)])

    return Deleter(
        alias.resource,
        f"its deletion, another owner, or other {alias.of} in it",
        f"the {_KINDS[alias.of]}s in its {alias.path}",
        alias.reason,
        losses,
        frozenset({Operation.UPDATE, Operation.DELETE}),
        kinds=of,
        deletes=of,
    )


def lost(context: ReviewContext, alias: Alias) -> Collection[str]:
    """The names of what goes with an object of this kind, or may go since it stands for that no longer. Raises Unknown.

    Asked about updates and deletions.
    """
    stored, wanted = context.whole
    before = aliases.names(alias, stored)
    if context.may_end:
        if before is None:
            raise Unknown(f"which {alias.of} go with it cannot be told")
        return before
    if not context.request.updates:
        return ()
    after = aliases.names(alias, wanted)
    # What it stands for no longer might go without anybody's word afterwards.
    return (before or frozenset()) - (after or frozenset())


def _within(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What goes with a namespace, since its aliases are in that."""
    policies = context.state.policies
    asked = tuple(each for each in context.state.installation.aliases if policies.follows_some_of({each.of}))
    return _deletions((yield from lost_within(context, asked)))


def lost_within(context: ReviewContext, asked: tuple[Alias, ...]) -> Asking[Collection[tuple[GroupResource, str]]]:
    """The kinds and names of what goes with a Namespace, since objects of these kinds in it stand for that.

    Raises Unknown. Asked about updates and deletions of Namespaces.
    """
    if not (asked and context.may_end):
        return ()
    place = context.request.target.name
    stood_for = yield from ask(AliasedBy(place, asked))
    return stood_for - {(NAMESPACES, place)}


def _deletions(found: Collection[tuple[GroupResource, str]]) -> list[Effect]:
    return [goes_along(Target(kind, _KINDS[kind], "", name, "")) for kind, name in sorted(found)]


WITHIN: Final = Deleter(
    NAMESPACES,
    "its deletion",
    "the Namespaces and Nodes for which objects in it stand",
    "with a namespace go such objects, and with them what they stand for",
    _within,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=frozenset({NAMESPACES, NODES}),
)
