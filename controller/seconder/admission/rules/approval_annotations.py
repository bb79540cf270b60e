"""Agents write no approvals that may count and no break-glass annotations, and leave room for approvals.

What is over may go and come back: kubectl rollout undo puts all annotations of a former ReplicaSet in their place. So
it takes off the very approval that lets it through, as clients do that write a whole object.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import NO_APPROVAL, Findings, Refusal, Spends
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api import constants
from seconder.api.policy import Mode
from seconder.api.reasons import Rejected
from seconder.approvals import verification
from seconder.approvals.statement import Statement

_CHANGED: Final = "agents may not change approvals and break-glass annotations"
_INSTEAD: Final = (
    "Leave the annotations as they are: kubectl set image to the former image does what kubectl rollout undo does,"
    " and an apply or a patch keeps them where a replace does not"
)
_TAKEN: Final = f"It takes off an approval that is not over, or is none. {_INSTEAD}. Its approver may revoke it."
_BROUGHT: Final = (
    f"It brings back an approval that is not over, or is none. {_INSTEAD}. Its approver may revoke it, which takes it"
    " off a Deployment's ReplicaSets as well."
)

_MOST_ANNOTATIONS: Final = 192 * 1024
"""Bytes. An object holds 256 KiB of them; eight approvals of 8 KiB each must find room."""

_CROWDS: Final = "agents may not change annotations so that no approval finds room beside them"
_LESS: Final = (
    f"Leave at most {_MOST_ANNOTATIONS // 1024} KiB of annotations on what a policy names. kubectl apply keeps a whole"
    " manifest in one; with --server-side it does not."
)

_MANY: Final = 500
"""Annotations of an object that CEL looks through. Its time grows with their square (80,000 take it 12 s, whoever
asks), so an agent's write of an object with more goes to the webhook unlooked at."""

_CROWDED: Final = 64 * 1024
"""Code points of annotations beyond which the webhook is asked whether they leave room for approvals."""


def evaluate(context: ReviewContext) -> Findings:
    """Refuse changes of what only people write on an object, and annotations that crowd it out."""
    yield from ()
    request = context.request
    stored, incoming = request.stored, request.incoming
    if stored == incoming:
        return []
    before, after = _signed_off(stored), _signed_off(incoming)
    taken: frozenset[str] = frozenset()
    if before != after:
        if advice := _refused(context, before, after):
            return [Refusal(_CHANGED, advice=advice)]
        taken = _taken(context, before, after)
    size = _size(incoming)
    if size > _MOST_ANNOTATIONS and size > _size(stored) and _may_be_approved(context):
        return [Refusal(_CROWDS, advice=_LESS)]
    return [Spends(taken, Refusal(_CHANGED, advice=_TAKEN))] if taken else []


def _refused(context: ReviewContext, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What to do instead where a change of these is not an agent's; empty where it may be let through.

    A client that puts all annotations in the place of others takes off what has come since, and brings back what has
    gone. What is over does nothing, here or there. That is told by what the values claim: of one that is forged it is
    as true, since none counts beyond its claims. But none comes that no approver gave this object: it would have the
    place of one to come, which kubectl does not write over.
    """
    if before.get(constants.BREAK_GLASS) != after.get(constants.BREAK_GLASS):
        return NO_APPROVAL
    for key, value in after.items():
        if before.get(key) == value:
            continue
        claims = verification.claimed(value)
        if claims is None or not _over(context, claims):
            return _BROUGHT if context.request.updates else NO_APPROVAL
        if not _given(context, value, claims):
            return NO_APPROVAL
    return ""


def _taken(context: ReviewContext, before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    """The slugs of what it takes off, or writes over, and that may count.

    An agent may take off what lets it through, as whoever writes a whole object does; else not even its own: it may be
    used by what comes later, and nobody would see by what.
    """
    gone = (key for key, value in before.items() if after.get(key) != value)
    live = (key for key in gone if not _over(context, verification.claimed(before[key])))
    return frozenset(key.removeprefix(constants.APPROVAL_PREFIX) for key in live)


def _over(context: ReviewContext, claims: Statement | None) -> bool:
    """Whether it has ended by any replica's clock. What this version does not understand, another may."""
    return claims is not None and claims.exp + constants.CLOCK_SKEW_SECONDS <= context.now


def _given(context: ReviewContext, value: str, claims: Statement) -> bool:
    """Whether an approver who is registered signed it for this object, while it lasted."""
    if claims.detail_of(context.request.target.uid) is None:
        return False
    try:
        candidate = verification.examine(value, context.state.registry, claims.exp - 1, context.memo)
        verification.authenticate(candidate, context.memo)
    except Rejected:
        return False
    return True


def _may_be_approved(context: ReviewContext) -> bool:
    """Whether policies may ask for approvals of the object. Of one in no namespace they may for what it holds."""
    target, policies = context.request.target, context.state.policies
    naming = policies.naming(target.resource, target.namespace)
    return not target.namespace or any(policy.mode is Mode.ENFORCE for policy in naming)


def _size(annotations: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def _signed_off(annotations: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in annotations.items()
        if key.startswith(constants.APPROVAL_PREFIX) or key == constants.BREAK_GLASS
    }


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes of objects with such annotations, with very many, or with very long ones."""
    signed = (
        f"(@.size() > {_MANY} || @.exists(key, key.startsWith({cel.quote(constants.APPROVAL_PREFIX)})"
        f" || key == {cel.quote(constants.BREAK_GLASS)}))"
    )
    crowded = f"(@.size() > {_MANY} || @.map(key, @[key].size()).sum() > {_CROWDED})"
    return [
        Prefilter(
            Entry.GUARD,
            f'request.operation in ["CREATE", "UPDATE"] && (({cel.annotated("object", signed)})'
            f" || ({cel.annotated('oldObject', signed)}) || ({cel.annotated('object', crowded)}))",
        )
    ]


RULE: Final = Rule(
    "approval-annotations",
    "Agents write no approval but a real one of the object that is over, take off none but what is over or lets them"
    " through, write no break-glass annotation, and leave room for approvals.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, metadata=True),
)
