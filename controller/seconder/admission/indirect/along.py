"""What goes with an object that goes along itself: not by its owners alone, but by the word of the table as well.

What goes with an owner, a namespace or another object of the table ends what its own deletion would: the rows are asked
about that. What goes with the pods of a workload stands in ``of_pods``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from seconder.admission import codec, coverage, losses
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import of_pods, table
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import Asking, Dependents, ReadWhole, TooMany, Unknown, ask
from seconder.admission.review import Effect, ReviewContext, goes_with
from seconder.api.resources import Target

_DEEPEST: Final = 4
"""Steps from the object that a request is about: namespace, claim, volume, and one more."""

_MOST: Final = 64
"""Objects of which it is asked what goes with them, or whose they are; more are not looked through."""

_TOO_MANY: Final = f"more than {_MOST} objects go with it that may take others along"
_TOO_DEEP: Final = "what goes with it takes others along, and these more, for too many steps"
_IN_PARTS: Final = "Delete these one by one first, or ask a person to do it."
_UNKNOWN: Final = "what goes with what it owns could not be looked up"
_UNREAD: Final = "the approvals of what goes with it could not be looked up"
_FURTHER: Final = "it goes with what is ended by that"


def findings(context: ReviewContext, found: Sequence[Effect | Refusal]) -> Findings:
    """What a request ends by the word of its object, each with its reason, and what goes with that in turn.

    A refusal among it is the answer. Raises Unknown.
    """
    refusals = [each for each in found if isinstance(each, Refusal)]
    if refusals:
        return refusals
    effects = [each for each in found if isinstance(each, Effect)]
    effects += yield from of_pods.going_with(context, effects)
    covered = [effect for effect in effects if coverage.may_be_covered(context, effect)]
    further = yield from with_further(context, covered, effects)
    told = [each if each.since else replace(each, since=_FURTHER) for each in further]
    return (yield from losses.findings(context, told, _UNREAD))


def with_further(context: ReviewContext, effects: Sequence[Effect], gone: Sequence[Effect]) -> Asking[list[Effect]]:
    """These effects, and the deletions of what goes with some objects and a policy may cover. Raises Unknown.

    What the ownerReferences of ``gone`` tell is not among them.
    """
    if losses.too_many(effects):
        # They are refused together, whatever goes with them.
        return [*effects]
    known = {each.target for each in effects}
    more = yield from _further(context, gone)
    return [*effects, *(each for each in more if each.target not in known and coverage.may_be_covered(context, each))]


def _further(context: ReviewContext, gone: Sequence[Effect]) -> Asking[list[Effect]]:
    found: dict[Target, Effect] = {}
    known = {each.target for each in gone}
    asked = 0
    for step in range(_DEEPEST + 1):
        followed = [(each, rows) for each in gone if (rows := _rows(context, each.target))]
        asked += len(followed)
        if asked > _MOST:
            raise TooMany(_TOO_MANY, _IN_PARTS)
        if followed and step == _DEEPEST:
            raise TooMany(_TOO_DEEP, _IN_PARTS)
        new: dict[Target, Effect] = {}
        for each, rows in followed:
            for row in rows:
                new |= {effect.target: effect for effect in (yield from row(context, each)) if effect.target not in new}
        uids = frozenset(target.uid for target in new if target.uid)
        if uids:
            some = next(iter(new))
            for dependent in (yield from ask(Dependents(uids, some))):
                new.setdefault(dependent.target, goes_with(dependent))
        gone = [effect for target, effect in new.items() if target not in known]
        found |= {effect.target: effect for effect in gone}
        known |= new.keys()
        if not gone:
            break
    return list(found.values())


_Goes = Callable[[ReviewContext, Effect], Asking[Sequence[Effect]]]


def _rows(context: ReviewContext, target: Target) -> list[_Goes]:
    """What there is to ask about an object that goes: what a policy may protect goes with it by one of these."""
    rows = table.deleters(context.state.installation.aliases).get(target.resource, ())
    found: list[_Goes] = [_by_table] if any(_matters(context, row, target) for row in rows) else []
    if target.resource in MAKERS and context.state.policies.pods_hold:
        found.append(_with_pods)
    return found


def _matters(context: ReviewContext, row: Deleter, target: Target) -> bool:
    return row.goes_along and context.state.policies.follows_some_of(row.ended)


def _by_table(context: ReviewContext, gone: Effect) -> Asking[Sequence[Effect]]:
    """What its deletion ends by the rows of the table: they are asked about that, on the object as it is stored."""
    target = gone.target
    stored: Any = yield from ask(ReadWhole(gone.ref, _UNKNOWN))
    if stored is None:
        return []
    named = {"name": target.name, "namespace": target.namespace}
    metadata = {"uid": target.uid or "unknown"} | (stored.get("metadata") or {}) | named
    body = codec.deletion_review(target, gone.version, context.request.caller, {**stored, "metadata": metadata})
    state, principal = context.state, context.principal
    deletion = ReviewContext(codec.decode(body), state, context.mode, context.now, context.memo, principal)
    found: list[Effect] = []
    for row in table.deleters(state.installation.aliases)[target.resource]:
        if _matters(context, row, target):
            ended = yield from row.losses(deletion)
            refused = next((each.what for each in ended if isinstance(each, Refusal)), None)
            if refused is not None:
                raise Unknown(refused)
            found += [each for each in ended if isinstance(each, Effect)]
    return found


def _with_pods(context: ReviewContext, workload: Effect) -> Asking[Sequence[Effect]]:
    """The deletions of what goes with its pods."""
    return [goes_with(each) for each in (yield from of_pods.of_workload(context, workload.target))]
