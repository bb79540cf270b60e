"""What goes with an object that goes along itself: not by its owners alone, but by the word of the table as well.

A StatefulSet that goes with its owner deletes claims as a request of its deletion does, a claim has its volume deleted,
and a ServiceAccount its tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission.indirect import claims, ephemeral, tokens, volumes
from seconder.admission.indirect.volumes import GoneWith
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import Asking, Dependents, Unknown, ask
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import NAMESPACES, GroupResource, Target

_DEEPEST: Final = 4
"""Steps from the object that a request is about: namespace, claim, volume, and one more."""

_MOST: Final = 64
"""Objects of which it is asked what goes with them; more are not known."""

_UNKNOWN: Final = "what goes with what it owns could not be looked up"


def _with_set(context: ReviewContext, workload: Target) -> Asking[Sequence[Effect]]:
    own = yield from claims.gone_with(context, workload)
    return [*own, *(yield from ephemeral.gone_with(context, workload))]


_ROWS: Final[Mapping[GroupResource, GoneWith]] = {
    NAMESPACES: volumes.gone_with_namespace,
    claims.SETS.resource: _with_set,
    **{resource: ephemeral.gone_with for resource in MAKERS if resource != claims.SETS.resource},
    tokens.ACCOUNTS: tokens.gone_with,
    **volumes.GONE_WITH,
}


def further(context: ReviewContext, gone: Sequence[Target]) -> Asking[list[Effect]]:
    """The deletions of what goes with these objects, without what their ownerReferences tell.

    Protected or not: whoever asks picks out what some policy covers. Raises Unknown.
    """
    found: dict[Target, Effect] = {}
    asked = 0
    for _ in range(_DEEPEST):
        followed = [each for each in gone if each.resource in _ROWS]
        asked += len(followed)
        if asked > _MOST:
            raise Unknown(_UNKNOWN)
        new: dict[Target, Effect] = {}
        for each in followed:
            for effect in (yield from _ROWS[each.resource](context, each)):
                new.setdefault(effect.target, effect)
        uids = frozenset(target.uid for target in new if target.uid)
        if uids:
            some = next(iter(new))
            for dependent in (yield from ask(Dependents(uids, some))):
                new.setdefault(dependent.target, goes_along(dependent.target, dependent.resource.version))
        gone = [target for target in new if target not in found]
        found |= {target: new[target] for target in gone}
        if not gone:
            break
    return list(found.values())
