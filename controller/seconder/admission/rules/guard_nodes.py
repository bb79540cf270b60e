"""The nodes on which the guard's own pods run: who ends a node, or empties it, ends the guard with it.

And a node that is none: whatever is scheduled to it never runs, the guard and what is protected among that.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import nodes
from seconder.admission.lookups import PodsOn, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import NODES


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what ends the pods on such a node, and nodes that a program makes: kubelets make their own."""
    request = context.request
    if request.target.resource == NODES and request.operation is Operation.CREATE:
        return [Refusal("agents may not make nodes")] if not request.subresource else []
    if not nodes.ends(context):
        return []
    own = yield from ask(PodsOn(context.request.target.name, namespace=context.state.installation.namespace))
    return [Refusal("agents may not end the pods on a node on which the guard runs")] if own else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever is done to nodes, through whichever subresource, and to their Leases."""
    leases = 'request.resource.group == "coordination.k8s.io" && request.namespace == "kube-node-lease"'
    return [
        Prefilter(Entry.GUARD, f'{cel.kind(NODES)} && request.operation in ["CREATE", "UPDATE", "DELETE"]'),
        Prefilter(Entry.GUARD, f"has(request.namespace) && {leases}"),
    ]


RULE: Final = Rule(
    "guard-nodes",
    "Agents end no node on which the guard's own pods run, empty none, and make none.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, {NODES, nodes.LEASES_OF_NODES}),
)
