"""A ServiceAccount that goes takes its token Secrets along: the tokens controller deletes them, and owners say nothing.

See kubernetes/pkg/controller/serviceaccount, TokensController.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking, Tokens, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import SECRETS, GroupResource, Target

ACCOUNTS: Final = GroupResource("", "serviceaccounts")


def gone_with(context: ReviewContext, account: Target) -> Asking[Sequence[Effect]]:
    """The deletions of a ServiceAccount's tokens."""
    if not context.state.policies.protects_in(SECRETS, account.namespace):
        return []
    found = yield from ask(Tokens(account.namespace, account.name))
    return [goes_along(Target(SECRETS, "Secret", each.namespace, each.name, each.uid)) for each in found]


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    return (yield from gone_with(context, context.request.target)) if context.may_end else []


DELETER: Final = Deleter(
    ACCOUNTS,
    "its deletion",
    "the Secrets that hold its tokens",
    "the tokens controller deletes them",
    _losses,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=frozenset({SECRETS}),
)
