"""What Seconder's own objects belong to: with it they would go, by the garbage collector's hand.

Only objects in no namespace can own what is in none, and what is in another namespace. What is in Seconder's own is
refused as a whole.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, defined_kinds, dependents
from seconder.admission.findings import Findings, Refusal
from seconder.admission.lookups import OwnsGuard, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import DEFINITIONS, NAMESPACES


def evaluate(context: ReviewContext) -> Findings:
    """Refuse the deletion, and any change, of what owns something that the guard stands on.

    And the definition of a kind of which it names an owner: that can be looked for then, and is not there.
    """
    request, target = context.request, context.request.target
    if target.namespace:
        return []
    if request.operation is Operation.CREATE:
        if target.resource != DEFINITIONS:
            return []
        keys = set(defined_kinds.keys(request))
    else:
        keys = {target.uid} if target.uid else set()
        if target.resource == DEFINITIONS:
            keys.add(dependents.group_key(target.name.partition(".")[2]))
    known = context.state.policies.known_tags.service_account_namespaces
    owns = yield from ask(OwnsGuard(frozenset(keys), known | {context.state.installation.namespace}))
    return [Refusal("agents may not change what the guard's own objects belong to")] if owns else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Deletions and updates of what is in no namespace, and new definitions.

    A Namespace's own name is given as its namespace.
    """
    in_none = f'(!has(request.namespace) || request.namespace == "" || ({cel.kind(NAMESPACES)}))'
    return [
        Prefilter(Entry.GUARD, f'request.operation == "DELETE" && {in_none}'),
        Prefilter(Entry.GUARD, f'request.operation == "UPDATE" && {in_none}'),
        Prefilter(Entry.GUARD, defined_kinds.DEFINES),
    ]


RULE: Final = Rule(
    "guard-owners",
    "Agents neither delete nor change what the guard's own objects belong to, nor define a kind of such an owner.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.CREATE, Operation.UPDATE, Operation.DELETE}),
)
