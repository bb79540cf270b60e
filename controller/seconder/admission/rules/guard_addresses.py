"""The addresses of the guard's own Services and of the API server's: who gets one gets what is asked of these.

And those of everybody's new Services: of a ServiceCIDR that is being deleted none is given any more (KEP-1880).
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.changes import free_changes
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import addresses
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import GroupResource

_RANGES: Final = GroupResource("networking.k8s.io", "servicecidrs")
_KINDS: Final = frozenset({addresses.ADDRESSES, _RANGES})


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what frees the address of such a Service, and what takes addresses from the cluster."""
    yield from ()
    if context.request.target.resource == _RANGES:
        changed = context.request.deletes or context.changes([free_changes.built_in(_RANGES)])
        return [Refusal("agents may not take addresses of Services from the cluster")] if changed else []
    service = addresses.freed(context)
    if service is None:
        return []
    if service.namespace == context.state.installation.namespace:
        return [Refusal("agents may not free the addresses of the guard's own Services")]
    if service.path == "default/kubernetes":
        return [Refusal("agents may not free the address of the API server")]
    return []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Deletions and updates of IPAddresses and of ranges of them."""
    return [Prefilter(Entry.GUARD, f'({cel.one_of(_KINDS)}) && request.operation in ["UPDATE", "DELETE"]')]


RULE: Final = Rule(
    "guard-addresses",
    "Agents free no address of the guard's own Services and of the API server's, and take no range of them from the"
    " cluster.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.UPDATE, Operation.DELETE}, _KINDS),
)
