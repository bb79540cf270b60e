"""The namespaces whose ServiceAccounts are agents are not for agents: with one go their credentials and operators."""

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
    """Refuse writes of the Namespace itself. What is in it is as free as elsewhere, but for ServiceAccounts."""
    yield from ()
    if context.request.target.name not in context.state.policies.known_tags.service_account_namespaces:
        return []
    return [Refusal("agents may not change the namespaces of agents")]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Requests on these Namespaces, in as many tests as keep each short."""
    return [
        Prefilter(
            Entry.GUARD,
            f"{cel.kind(NAMESPACES)}"
            f' && (!has(request.name) || request.name == "" || request.name in {cel.listed(names)})',
        )
        for names in cel.slices(index.known_tags.service_account_namespaces, _LENGTH)
    ]


_LENGTH: Final = 10_000
"""Characters of names in one test."""

RULE: Final = Rule(
    "agent-namespaces",
    "Agents write no namespace of agents, whatever policies say.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(resources={NAMESPACES}),
)
