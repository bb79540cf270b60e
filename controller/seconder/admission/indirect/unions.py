"""NetworkPolicies add up: what one of those that choose a pod lets through is let through, whatever the others say.

And what the first one of a direction does not let through is closed. So one more says otherwise than a protected one.
Without one there is nothing but to have fewer, which opens nothing that the others close.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission.indirect import selectors
from seconder.admission.indirect.deleter import Deleter, asked_anyway
from seconder.admission.kinds import NETWORK_POLICY
from seconder.admission.lookups import Asking, Overlapping, ask
from seconder.admission.request import WRITES
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import Target


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected NetworkPolicies that may choose a pod which this one chooses afterwards."""
    request, target, kind = context.request, context.request.target, NETWORK_POLICY
    protecting = context.state.policies.protecting(Target(kind.resource, kind.kind, target.namespace, "", ""))
    if request.subresource or not protecting or (request.updates and not context.rewrites):
        return []
    # All of the namespace have the same.
    if asked_anyway(context).issuperset(policy.name for policy in protecting):
        return []
    selector = selectors.written(request, request.new_spec)
    found = yield from ask(Overlapping(kind, target.namespace, selector))
    return [
        goes_along(Target(kind.resource, kind.kind, each.namespace, each.name, each.uid))
        for each in found
        if each.name != target.name
    ]


DELETER: Final = Deleter(
    NETWORK_POLICY.resource,
    "its creation, or whatever is not free of it, with a selector that may fit the same pods",
    "the protected NetworkPolicies that choose them, unless the same policies ask about the change itself",
    "they add up: what one of them lets through is let through",
    _losses,
    WRITES,
    frozenset({NETWORK_POLICY.resource}),
)
