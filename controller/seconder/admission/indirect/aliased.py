"""Namespaces and Nodes that go with an object which stands for them, and with the namespace that holds such a one."""

from collections.abc import Collection, Sequence
from typing import Final

from seconder.admission.indirect import aliases
from seconder.admission.indirect.aliases import Alias
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import AliasedBy, Asking, Unknown, ask
from seconder.admission.request import MUTATIONS, Operation
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

    by, unnamed = f"its deletion, another owner, or other {alias.of} in it", ""
    if alias.instance:
        by += f", its creation with such; {', '.join(alias.instance)}, if they are written or alone tell which"
        unnamed = "; by the other fields no peer can approve it"
    return Deleter(
        alias.resource,
        by,
        f"the {_KINDS[alias.of]}s in its {alias.path}{unnamed}",
        alias.reason,
        losses,
        MUTATIONS if alias.instance else frozenset({Operation.UPDATE, Operation.DELETE}),
        kinds=of,
        deletes=of,
    )


def lost(context: ReviewContext, alias: Alias) -> Collection[str]:
    """The names of what goes with an object of this kind, or may go since it stands for that no longer. Raises Unknown.

    Where a controller tells by a name of its own what it stands for, an agent's word about that counts as well: one of
    another Node's name would hide which it is.
    """
    stored, wanted = context.whole
    before, after = aliases.names(alias, stored), aliases.names(alias, wanted)
    anew = _told_anew(context, alias, before, after) if alias.instance else frozenset[str]()
    if context.may_end:
        if before is None:
            raise Unknown(_untold(alias))
        return before | anew
    if alias.instance or not context.request.updates or before == after:
        return anew
    if before is None:
        raise Unknown(_untold(alias))
    # What it stands for no longer might go without anybody's word afterwards.
    return before - (after or frozenset())


def _told_anew(
    context: ReviewContext, alias: Alias, before: frozenset[str] | None, after: frozenset[str] | None
) -> frozenset[str]:
    """The names of which a write says something new. Raises Unknown."""
    if context.request.operation is Operation.DELETE:
        return frozenset()
    stored, wanted = context.whole
    if aliases.instance(alias, stored) != aliases.instance(alias, wanted):
        raise Unknown(_untold(alias))
    if not context.request.updates:
        before = frozenset()
    if before == after:
        return frozenset()
    if before is None or after is None:
        raise Unknown(_untold(alias))
    return before ^ after


def _untold(alias: Alias) -> str:
    return f"which {alias.of} go with it cannot be told"


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
