"""ServiceAccounts of agents, and tokens of any, are not for agents; the renewal of an agent's own token excepted.

Nor is a name that stands for rights already: of the control plane's own controllers, or of an account that is not there
and has a binding.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from seconder.admission import account_rights, cel, codec
from seconder.admission.findings import Cleared, Finding, Findings, Refusal
from seconder.admission.lookups import Account
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.principal import identity_tagged, keeps_its_tags, service_account, service_account_caller
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import SERVICE_ACCOUNTS


class _TokenRequestSpec(msgspec.Struct, rename="camel"):
    # The API server fills this in before it asks, with the same number.
    expiration_seconds: int | None = 3600
    bound_object_ref: dict[str, Any] | None = None


_spec: Final = msgspec.json.Decoder(_TokenRequestSpec)


def evaluate(context: ReviewContext) -> Findings:
    """Refuse writes of agents' ServiceAccounts, new ones by the name of somebody else, and requests for tokens."""
    request, known = context.request, context.state.policies.known_tags
    target = request.target
    # Of agents that are tagged otherwise, too: what stands there says who may not approve, and when its tokens end.
    of_agents = identity_tagged(service_account_caller(target.namespace, target.name), known)
    if request.subresource != "token":
        if of_agents:
            return [Refusal("agents may not change ServiceAccounts and tokens of agents")]
        return (yield from _written(context, Account(target.namespace, target.name)))
    own = service_account(request.caller.username) == (target.namespace, target.name)
    if own and keeps_its_tags(request.caller, target.namespace, target.name, known):
        return [_renewal(context)]
    what = "ServiceAccounts and tokens of agents" if of_agents else "tokens of ServiceAccounts"
    return [Refusal(f"agents may not change {what}")]


def _written(context: ReviewContext, account: Account) -> Findings:
    """The findings on a ServiceAccount of nobody tagged. One that is there has the rights that it has."""
    if context.request.operation is not Operation.CREATE and not account_rights.is_exempt(context, account):
        return []
    told = yield from account_rights.told(context, account)
    name = f"{account.namespace}/{account.name}"
    return [Refusal(f"agents may not write ServiceAccount {name}, {told}") if told else Cleared()]


def _renewal(context: ReviewContext) -> Finding:
    """The finding on a token that an agent renews: it may reach up to the end that is set."""
    spec = codec.read(context.request, _spec, context.request.new_spec, "the TokenRequest's spec")
    end = context.state.token_ends.get(context.request.caller.username)
    asked = spec.expiration_seconds
    # The API server gives some tokens that are bound to a pod a year, whatever they ask for.
    bounded = asked is not None and spec.bound_object_ref is None
    if end is None or (bounded and asked is not None and 0 < asked <= end - context.now):
        return Cleared("the end at hand of its tokens may be out of date")
    return Refusal("agents may not change the end that is set for their tokens")


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """All ServiceAccounts. Those that are no agents' are asked about too, for any may be tagged by a group."""
    return [Prefilter(Entry.GUARD, cel.kind(SERVICE_ACCOUNTS))]


RULE: Final = Rule(
    "service-accounts",
    "Agents write no ServiceAccount of agents, make none by a name that has rights already which need approval, and get"
    " no token but renewals of their own up to its set end.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(resources={SERVICE_ACCOUNTS}),
)
