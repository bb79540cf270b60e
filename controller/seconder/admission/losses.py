"""What a request takes along: the deletions of other objects than its own, each with the approvals on that object."""

from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission import coverage
from seconder.admission.findings import Affected, Finding, Findings, Refusal, absent
from seconder.admission.lookups import ObjectRef, ReadObjects, Unknown, ask
from seconder.admission.request import Metadata
from seconder.admission.review import MOST_DEPENDENTS, Effect, ReviewContext
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES
from seconder.api.text import describe

_ADVICE: Final = "Ask an approver about these objects themselves: they can be deleted one by one."
_LATER: Final = "Make that one first, or ask a person to write what names it."


def findings(context: ReviewContext, effects: Sequence[Effect], missing: str) -> Findings:
    """``Delete`` on each of these objects as it is stored; a refusal where they are too many to be approved together.

    An effect without a uid is on whatever is there. What is gone needs no approval, and what is awaited and not there
    yet can have none. The request's own object is not read. ``missing`` says what is not known where the others cannot
    be read. Raises Unknown, also where one is another object by now.
    """
    if not effects:
        return []
    own = [effect for effect in effects if effect.target == context.request.target]
    others = [effect for effect in effects if effect not in own]
    namespaces = sum(effect.target.resource == NAMESPACES for effect in others)
    namespaces += context.request.target.resource == NAMESPACES
    if too_many(effects) or namespaces > 1:
        what = f"{len(effects)} protected objects go with it, too many to be approved together"
        return [Refusal(what, Reason.APPROVAL_MISSING, _ADVICE)]
    if others:
        stored = yield from ask(ReadObjects(tuple(effect.ref for effect in others), missing))
        for effect in others:
            if effect.awaited and effect.ref not in stored:
                return [absent(describe(effect.target), _LATER)]
        others = [*_still_there(others, stored)]
    found: list[Finding] = []
    for effect in (*own, *others):
        covering = yield from coverage.policies_for(context, effect)
        found.append(Affected(effect, covering))
    return found


def too_many(effects: Sequence[Effect]) -> bool:
    """Whether these are more than can be approved together."""
    return len(effects) > MOST_DEPENDENTS


def _still_there(effects: Sequence[Effect], stored: Mapping[ObjectRef, Metadata]) -> Sequence[Effect]:
    """The effects on objects as they are stored, without those that are gone. Raises Unknown where one is another."""
    there = []
    for effect in effects:
        metadata = stored.get(effect.ref)
        if metadata is None:
            continue
        if effect.target.uid not in {"", metadata.uid}:
            raise Unknown("what it owns has just changed")
        there.append(coverage.at(effect, metadata))
    return there
