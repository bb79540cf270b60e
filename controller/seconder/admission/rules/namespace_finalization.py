"""Agents finalize no namespaces: what is finalized first is gone at the next deletion, its content left behind."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import NAMESPACES


def evaluate(context: ReviewContext) -> Findings:
    """Refuse ``namespaces/finalize``."""
    yield from ()
    return [Refusal("agents may not change the finalizers of namespaces")]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Requests on ``namespaces/finalize``."""
    return [
        Prefilter(
            Entry.GUARD,
            f"{cel.kind(NAMESPACES)} && {cel.subresource('finalize')}",
        )
    ]


RULE: Final = Rule(
    "namespace-finalization",
    "Agents finalize no namespace.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(resources={NAMESPACES}, subresources={"finalize"}),
)
