"""Kinds that agents define. Those that a policy's wildcard stands for are followed, and there are bounds to that."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.lookups import Definitions, ask
from seconder.admission.policy_index import MOST_FOLLOWED, Installation, PolicyIndex, protects
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.policy import Policy
from seconder.api.resources import ANY, DEFINITIONS

_ROOM: Final = 24
"""Left for people's definitions, and for those that several agents make at once."""


def evaluate(context: ReviewContext) -> Findings:
    """Refuse one more definition where a wildcard stands for nearly as many resources as can be followed.

    Beyond that nobody knows who owns what, and agents delete nothing at all where such a policy holds.
    """
    policies = context.state.policies
    if not any(_has_wildcard(policy) for policy in policies.defining(context.request.target, ending=False)):
        return []
    defined = yield from ask(Definitions())
    built_in = sum(not resolved.custom for resolved in policies.protected)
    if built_in + defined < MOST_FOLLOWED - _ROOM:
        return []
    what = f"agents may not define more kinds where a policy names kinds by a wildcard and there are {defined} already"
    return [Refusal(what)]


def _has_wildcard(policy: Policy) -> bool:
    return protects(policy) and any(ANY in name for name in policy.resources)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """New definitions, where some policy has a wildcard."""
    if not any(_has_wildcard(policy) for policy in index.all):
        return []
    return [Prefilter(Entry.GUARD, f'request.operation == "CREATE" && {cel.kind(DEFINITIONS)}')]


RULE: Final = Rule(
    "definitions",
    "Agents define no more kinds than can be followed, where a policy's wildcard stands for all.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.CREATE}, {DEFINITIONS}, {""}),
)
