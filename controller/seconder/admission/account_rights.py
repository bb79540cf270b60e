"""What a ServiceAccount may do that needs approval, or that ends the guard: for whoever would act as it, or make it.

Where no review takes it for an agent, that is asked of the API server's authorizer: in its own namespace, which tells
what it may do everywhere too, and in the namespaces that policies name.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from seconder.admission import powers, principal
from seconder.admission.indirect import means
from seconder.admission.indirect.means import Means
from seconder.admission.kinds import KUBERNETES_GROUPS, SCALED
from seconder.admission.lookups import Account, Asking, FirstRight, OwningResources, Right, Unknown, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.powers import EDITS, ENDS, OF_ONE_NAMESPACE, POWERS, Place
from seconder.admission.review import ReviewContext
from seconder.api.policy import Mode, Policy
from seconder.api.resources import ANY, NAMESPACES, GroupResource

_LOSSES: Final = (*sorted(ENDS), *sorted(EDITS))
_SIZE: Final = ("scale",)
_PARTS: Final = (*_SIZE, "status")
"""Subresources by which an object is written: whoever may write one of them need not be able to write the object."""
_MOST: Final = 24_576
"""Rights asked about one ServiceAccount. More than so many are not asked in part: what it may do is then unknown."""
_TOO_MANY: Final = "policies list too many namespaces to look up what a ServiceAccount may do in all of them"


def is_exempt(context: ReviewContext, account: Account) -> bool:
    """Whether nothing that policies say binds it, whatever its rights look like by now."""
    username = principal.service_account_user(*account)
    return username in principal.BUILTIN_CONTROLLERS or username in context.state.installation.controllers


def told(context: ReviewContext, account: Account) -> Asking[str]:
    """Why an agent may neither act as a ServiceAccount nor make it, after its name; empty where it may. Raises Unknown.

    Of a ServiceAccount that is not there the rights are those that bindings give already.
    """
    state = context.state
    if is_exempt(context, account):
        return "of which nothing is asked"
    owning: frozenset[GroupResource] = frozenset()
    if state.policies.follows:
        owning = yield from ask(OwningResources(account.namespace))
    target = context.request.target
    elsewhere = frozenset(
        policy.name for policy in state.policies.selecting if not context.selected(policy, target, unknown=True)
    )
    rights = state.policies.once(
        (__name__, account.namespace, state.installation, owning, elsewhere),
        lambda: _ordered(account, _rights(account, state.policies, state.installation, owning, elsewhere)),
    )
    if len(rights) > _MOST:
        raise Unknown(_TOO_MANY)
    right = yield from ask(FirstRight(account, rights))
    return f"which may {right.what}" if right else ""


def _ordered(account: Account, rights: Iterable[Right]) -> tuple[Right, ...]:
    """Each once. The likeliest first: what an account has is mostly in its own namespace, or in all of them."""
    return tuple(sorted(dict.fromkeys(rights), key=lambda right: right.namespace not in {account.namespace, ""}))


def _rights(
    account: Account,
    index: PolicyIndex,
    installation: Installation,
    owning: Iterable[GroupResource],
    elsewhere: Collection[str],
) -> Iterator[Right]:
    """The rights of which none may be the account's.

    ``owning``: what owns protected objects in its namespace. ``elsewhere``: the policies that select other namespaces
    than that, in which it has what it has in all of them.
    """
    places = {
        **dict.fromkeys(powers.everywhere(installation), ("",)),
        Place.HERE: (account.namespace,),
        **{place: (place.value,) for place in OF_ONE_NAMESPACE},
        Place.INSTALLATION: (installation.namespace,),
        Place.AGENTS: tuple(sorted(index.known_tags.service_account_namespaces)),
        Place.NAMED: tuple(sorted({name for policy in index.all for name in policy.namespaces})),
    }
    for power in (power for power in POWERS if power.asked):
        resource, _, subresource = power.resource.partition("/")
        for namespace in (namespace for place in power.places for namespace in places.get(place, ())):
            for verb in powers.askable(power):
                yield Right(verb, power.group, resource, subresource, namespace, power.name)
    # The API server takes a Namespace's own name for the namespace that the right counts in.
    yield Right("delete", *NAMESPACES, "", installation.namespace, installation.namespace)
    enforced = [policy for policy in index.all if policy.mode is Mode.ENFORCE]
    for policy in enforced:
        if not policy.places or account.namespace in policy.places:
            place = "" if policy.name in elsewhere else account.namespace
            yield from _losses(policy, place, _PARTS)
            yield from _asked(means.of(policy, installation.aliases), place)
        else:
            far = (each for each in means.of(policy, installation.aliases) if each.far)
            yield from _asked(far, account.namespace)
    for policy in enforced:
        for namespace in sorted(policy.namespaces - {account.namespace}):
            yield from _losses(policy, namespace, _SIZE)
            # Such namespaces may be hundreds, so that it is asked there about what counts there alone.
            near = (each for each in means.of(policy, installation.aliases) if not (each.far or each.part))
            yield from _asked(near, namespace)
    for owner in sorted(owning):
        for verb in sorted(means.of_owner(owner)):
            yield Right(verb, *owner, "", account.namespace)


def _losses(policy: Policy, namespace: str, parts: Sequence[str]) -> Iterator[Right]:
    # What a wildcard names is among what is resolved.
    names = policy.resources | policy.resolved.keys() | {NAMESPACES}
    for resource in sorted(name for name in names if ANY not in name):
        resolved = policy.resolved.get(resource)
        place = "" if resolved and not resolved.namespaced and resource != NAMESPACES else namespace
        for verb in _LOSSES:
            yield Right(verb, *resource, "", place)
        for verb in sorted(EDITS):
            for part in parts:
                # Hundreds of namespaces may be listed: what Kubernetes itself does not have is not asked about in each.
                if part not in _SIZE or resource.group not in KUBERNETES_GROUPS or resource in SCALED:
                    yield Right(verb, *resource, part, place)


def _asked(found: Iterable[Means], namespace: str) -> Iterator[Right]:
    for each in found:
        for verb in sorted(each.verbs):
            yield Right(verb, *each.resource, each.part, each.place(namespace))
