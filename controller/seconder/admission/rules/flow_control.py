"""Whose requests the API server serves first is not for agents: Seconder's own could wait behind all others'."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, powers
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import ANY, GroupResource


def evaluate(context: ReviewContext) -> Findings:
    """Refuse writes of FlowSchemas and PriorityLevelConfigurations (API priority and fairness, KEP-1040)."""
    yield from ()
    return [Refusal("agents may not change whose requests the API server serves first")]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """The whole API group."""
    return [Prefilter(Entry.GUARD, f"request.resource.group == {cel.quote(powers.FLOW_CONTROL)}")]


RULE: Final = Rule(
    "flow-control",
    "Agents write no FlowSchema and no priority level.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(resources={GroupResource(powers.FLOW_CONTROL, ANY)}),
)
