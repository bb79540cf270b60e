"""Agents write no approvals and no break-glass annotations, and leave room for approvals on each object."""

from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api import constants

_MOST_ANNOTATIONS: Final = 192 * 1024
"""Bytes. An object holds 256 KiB of them; eight approvals of 8 KiB each must find room."""

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
    if _signed_off(stored) != _signed_off(incoming):
        return [Refusal("agents may not change approvals and break-glass annotations")]
    size = _size(incoming)
    if size > _MOST_ANNOTATIONS and size > _size(stored):
        return [Refusal("agents may not change annotations so that no approval finds room beside them")]
    return []


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
    "Agents write no approval and no break-glass annotation, and leave room for approvals.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, metadata=True),
)
