"""What agents never end has no other name by which they do: objects that stand for such namespaces and nodes.

The namespaces of the guard, of agents and of the nodes' Leases, and the nodes of the guard's pods, are kept by rules of
their own, which look at the object that a request names.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import aliased, nodes
from seconder.admission.lookups import PodsOn, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import NAMESPACES, GroupResource


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what ends one of these by an object that stands for it, or by the namespace that holds such an object."""
    request, place = context.request, context.state.installation
    lost: set[tuple[GroupResource, str]] = set()
    for alias in place.aliases:
        if alias.resource == request.target.resource:
            lost |= {(alias.of, name) for name in aliased.lost(context, alias)}
    if request.target.resource == NAMESPACES:
        lost |= set((yield from aliased.lost_within(context, place.aliases)))
    for kind, name in sorted(lost):
        if kind == NAMESPACES:
            kept = _kept(context, name)
        else:
            own = yield from ask(PodsOn(name, namespace=place.namespace))
            kept = "the node on which the guard runs" if own else ""
        if kept:
            return [Refusal(f"agents may not end {kept}, nor what stands for it")]
    return []


def _kept(context: ReviewContext, namespace: str) -> str:
    """What a namespace is that no agent ends; empty for others."""
    if namespace == context.state.installation.namespace:
        return "the guard's own namespace"
    if namespace in context.state.policies.known_tags.service_account_namespaces:
        return "a namespace of agents"
    # The API server itself ends none of the others that the cluster has for itself.
    return "the namespace by which nodes live" if namespace == nodes.LEASES_IN else ""


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever ends an object of these kinds, or changes for what it stands; and Namespaces."""
    kinds = {NAMESPACES, *(alias.resource for alias in place.aliases)}
    return [Prefilter(Entry.GUARD, f'({cel.one_of(kinds)}) && request.operation in ["UPDATE", "DELETE"]')]


RULE: Final = Rule(
    "guard-aliases",
    "Agents end no namespace or node that is never for them by another object that stands for it.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.UPDATE, Operation.DELETE}, {NAMESPACES}, aliases=True),
)
