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


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    account = context.request.target
    if not (context.state.policies.protects_in(SECRETS, account.namespace) and context.may_end):
        return []
    found = yield from ask(Tokens(account.namespace, account.name))
    return [goes_along(Target(SECRETS, "Secret", each.namespace, each.name, each.uid)) for each in found]


DELETER: Final = Deleter(
    ACCOUNTS,
    "its deletion",
    "the Secrets that hold its tokens",
    "the tokens controller deletes them",
    _losses,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=frozenset({SECRETS}),
    deletes=frozenset({SECRETS}),
)
