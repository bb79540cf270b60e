"""The annotation that marks an object as an agent's is set when the object is made, and not by agents afterwards.

On what is so marked, people need approval too. An agent that marks what others made would have them refused.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule


def evaluate(context: ReviewContext) -> Findings:
    """Refuse to set, change or remove such an annotation on an object that is stored."""
    yield from ()
    request = context.request
    # A subresource that is created may hand its annotations to the object: pods/binding does.
    if request.operation is Operation.CREATE and not request.subresource:
        return []
    stored, incoming = request.stored, request.incoming
    if stored == incoming:
        return []
    for key in context.state.policies.known_tags.annotations:
        if stored.get(key) != incoming.get(key):
            return [Refusal("agents may not change what marks an object as an agent's")]
    return []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes that leave such an annotation otherwise than it was."""
    return [Prefilter(Entry.GUARD, _changes(keys)) for keys in cel.slices(index.known_tags.annotations, _LENGTH)]


def _changes(keys: Sequence[str]) -> str:
    # Asked of the few keys, not of the annotations, of which there may be very many.
    had, has = (cel.annotated(which, "key in @") for which in ("oldObject", "object"))
    same = "object.metadata.annotations[key] == oldObject.metadata.annotations[key]"
    differs = f"({has}) ? !({had} && {same}) : ({had})"
    stored = 'request.operation == "UPDATE" || (request.operation == "CREATE" && has(request.subResource))'
    return f"({stored}) && {cel.listed(keys)}.exists(key, {differs})"


_LENGTH: Final = 10_000
"""Characters of keys in one test."""

RULE: Final = Rule(
    "agent-tags",
    "Agents set no agent's annotation on an object but when they make it, and take none off.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, metadata=True),
)
