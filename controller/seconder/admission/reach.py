"""What a request reaches beside the object that it names: other objects, owners, what a namespace holds."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import actions, dependents, policy_index, principal
from seconder.admission.dependents import Owned
from seconder.admission.evidence import World
from seconder.admission.principal import Requester
from seconder.admission.request import Operation, Owner, Request
from seconder.api.policy import Mode, Policy, ResolvedResource
from seconder.api.resources import NAMESPACES, Action, GroupResource, Target
from seconder.approvals.impact import ObjectRef

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,252}")
"""What a name in a path of the API may look like; the API server itself takes any text in an ownerReference."""

MOST_OBJECTS: Final = 8
"""That are read for one request. Owners beyond it are unknown, and so protected by nothing; more than so many owned
objects are refused together."""


def owner_keys(request: Request, requester: Requester, world: World, mode: Mode) -> frozenset[str]:
    """Give the keys under which to find what an agent's request may take along; empty when it takes nothing."""
    if mode is not Mode.ENFORCE or not requester.agent or not world.policies.follows:
        return frozenset()
    if not actions.may_end(request) or principal.builtin_controller(request):
        return frozenset()
    return dependents.keys(request)


def itself(request: Request) -> ObjectRef:
    """Say where the object of a request is."""
    target = request.target
    resource = ResolvedResource(target.resource, request.version, bool(target.namespace), custom=False)
    return ObjectRef(resource, target.namespace, target.name)


def elsewhere(request: Request, requester: Requester, world: World, mode: Mode) -> tuple[Request, Action] | None:
    """Give the request on a protected object that this one amounts to; its uid and annotations are not known yet."""
    amounts = actions.elsewhere(request)
    if amounts is None or not _NAME.fullmatch(amounts[0].name):
        return None
    named, action = amounts
    for resource in world.policies.of_kind(named.group, named.kind):
        target = Target(resource.resource, named.kind, request.target.namespace, named.name, "")
        on_other = msgspec.structs.replace(
            request,
            operation=Operation.DELETE if action is Action.DELETE else Operation.UPDATE,
            target=target,
            version=resource.version,
            stored={},
            incoming={},
            shrinks=None,
            maker=None,
        )
        if policy_index.covering(on_other, requester, world.policies, mode, action, world.own):
            return on_other, action
    return None


def along(request: Request, world: World, found: Sequence[Owned]) -> list[Request]:
    """Give the deletions that an object's end amounts to: one for each protected object that goes with it.

    What an owner's own controller makes needs no approval beside the owner's, under the policies that cover both.
    """
    known: dict[tuple[GroupResource, str], list[Policy]] = {}

    def protecting(target: Target) -> list[Policy]:
        place = (target.resource, policy_index.place_of(target))
        if place not in known:
            known[place] = world.policies.protecting(target)
        return known[place]

    deletions = []
    for each in found:
        covering = protecting(each.target)
        if not covering or (each.made and all(policy in protecting(each.maker) for policy in covering)):
            continue
        deletions.append(
            msgspec.structs.replace(
                request,
                operation=Operation.DELETE,
                target=each.target,
                subresource="",
                stored={},
                incoming={},
                version=each.resource.version,
                before=None,
                after=None,
            )
        )
    return deletions


def endings_of_namespaces(request: Request, others: Sequence[Request]) -> list[Request]:
    """Give the endings of namespaces among the request, which comes first, and what goes along with it."""
    return [
        each
        for each in (request, *others)
        if each.target.resource == NAMESPACES and not actions.ENDINGS.isdisjoint(actions.actions(each))
    ]


def protected_owner(owner: Owner, request: Request, requester: Requester, world: World, mode: Mode) -> ObjectRef | None:
    """Say where an owner would be, if some policy protects it from this caller's deletion; None otherwise.

    An owner is cluster-scoped or in the same namespace. Its name is the client's own words.
    """
    if not _NAME.fullmatch(owner.name):
        return None
    for resource in world.policies.of_kind(owner.group, owner.kind):
        namespace = request.target.namespace if resource.namespaced else ""
        target = Target(resource.resource, owner.kind, namespace, owner.name, owner.uid)
        deletion = msgspec.structs.replace(
            request, operation=Operation.DELETE, target=target, subresource="", stored={}, incoming={}
        )
        if policy_index.covering(deletion, requester, world.policies, mode, Action.DELETE, world.own):
            return ObjectRef(resource, namespace, owner.name)
    return None


def holding(
    request: Request, requester: Requester, world: World, mode: Mode, action: Action, named: Sequence[Policy]
) -> list[Policy]:
    """Give the policies that cover the end of a namespace by this action only for what it holds."""
    within = policy_index.covering_contents(request, requester, world.policies, mode, world.own, action)
    return [policy for policy in within if policy not in named]
