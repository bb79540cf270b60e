"""The addresses of the guard's own Services: another Service that gets one gets what is asked of the guard."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import addresses
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what frees the address of such a Service."""
    yield from ()
    service = addresses.freed(context.request)
    if service is None or service.namespace != context.state.installation.namespace:
        return []
    return [Refusal("agents may not free the addresses of the guard's own Services")]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Deletions and updates of IPAddresses."""
    return [Prefilter(Entry.GUARD, f'{cel.kind(addresses.ADDRESSES)} && request.operation in ["UPDATE", "DELETE"]')]


RULE: Final = Rule(
    "guard-addresses",
    "Agents free no address of the guard's own Services.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.UPDATE, Operation.DELETE}, {addresses.ADDRESSES}),
)
