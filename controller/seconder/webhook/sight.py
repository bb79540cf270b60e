"""Looks at objects as they are stored: a record rests on what is seen there, never on what a review says alone.

Whoever reaches the webhook's port can post a review. What it says of an object that is not so leaves no record.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from seconder.admission import codec
from seconder.admission.changes import differences, free_changes
from seconder.admission.decision import Verdict
from seconder.admission.lookups import Lookup, ReadObjects, ReadWhole
from seconder.admission.request import Metadata
from seconder.admission.review import Effect
from seconder.api import constants
from seconder.approvals.change import Change
from seconder.approvals.difference import Difference
from seconder.approvals.verification import Approval, approvals_of, claimed

Answer = Callable[[Lookup[Any]], Any]
"""Answers a look-up. Raises Unknown."""

_UNREAD: Final = "the object that a record is about could not be looked up"


def seen(change: Change, answer: Answer) -> Metadata | None:
    """The metadata of a change's object; None where the object is not as the review said: gone, or another.

    What ``Change`` changes is another object, too, where its state is not the one that was to be changed. Raises
    Unknown.
    """
    effect = _effect(change)
    if change.difference is None:
        return _there(effect, answer)
    document = answer(ReadWhole(effect.ref, _UNREAD))
    if document is None or not _stands(document, change, change.difference):
        return None
    stored = codec.metadata_of(document)
    return stored if stored.uid == change.target.uid else None


def used(change: Change, counted: Iterable[Approval], answer: Answer) -> bool:
    """Whether a change's object is gone, or carries what is said to have let the change through. Raises Unknown."""
    stored = _there(_effect(change), answer)
    return stored is None or _carries(stored, counted)


def spent(verdicts: Iterable[Verdict], answer: Answer) -> bool:
    """Whether each object carries, before the answer, what an update uses and takes off it. Raises Unknown."""
    for change, counted in ((verdict.change, verdict.counted) for verdict in verdicts):
        if change is None or not counted:
            continue
        stored = _there(_effect(change), answer)
        if stored is None or not _carries(stored, counted):
            return False
    return True


def _effect(change: Change) -> Effect:
    return Effect(change.action, change.target, change.version, {})


def _there(effect: Effect, answer: Answer) -> Metadata | None:
    """The metadata of an effect's object as it is stored; None where it is gone, or another. Raises Unknown."""
    stored: Metadata | None = answer(ReadObjects((effect.ref,), _UNREAD)).get(effect.ref)
    return stored if stored is not None and stored.uid == effect.target.uid else None


def _carries(stored: Metadata, counted: Iterable[Approval]) -> bool:
    values = approvals_of(stored.annotations or {})
    return all(claimed(values.get(approval.slug, "")) == approval.statement for approval in counted)


def _stands(document: Any, change: Change, difference: Difference) -> bool:
    """Whether an object is in the state that is to be changed, in one of the forms that a change may name it by."""
    resource = change.target.resource
    free = free_changes.of_all(change.policies, resource)
    try:
        forms = differences.forms(resource, document, difference, free)
        return any(differences.digest(form) == difference.before for form in forms)
    except RecursionError:
        return False


def emergency(verdicts: Iterable[Verdict], answer: Answer) -> bool:
    """Whether each object that somebody passed policies by for carries the words that allow it. Raises Unknown."""
    for effect in (verdict.effect for verdict in verdicts if verdict.broken_glass):
        stored = _there(effect, answer)
        if stored is None:
            return False
        if (stored.annotations or {}).get(constants.BREAK_GLASS) != effect.stored.get(constants.BREAK_GLASS):
            return False
    return True
