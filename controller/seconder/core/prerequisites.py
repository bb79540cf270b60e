"""What must be known before a request can be decided: read from the API server, and handed to it as ``Evidence``."""

from collections.abc import Sequence

from seconder.core import agents, borrowing, contents, dangling, deeds, draft, grants, matching, owned, reach
from seconder.core.approval import approvals_of
from seconder.core.borrowing import Account, Right
from seconder.core.contents import Lookup, ObjectRef
from seconder.core.evidence import World, requester_of
from seconder.core.owned import Owned
from seconder.core.policy import Mode
from seconder.core.rbac import RoleRef
from seconder.core.request import Action, GroupResource, Operation, Owner, Request


def owner_keys(request: Request, world: World, mode: Mode) -> frozenset[str]:
    """Give the keys under which to find what an agent's request may take along; empty when it takes nothing."""
    if mode is not Mode.ENFORCE or not deeds.may_end(request) or agents.builtin_controller(request):
        return frozenset()
    if not requester_of(request, world).agent or not world.policies.follows:
        return frozenset()
    return owned.keys(request)


def needs(request: Request, world: World, mode: Mode, found: Sequence[Owned] | None = ()) -> list[Lookup]:
    """List what must be looked up before ``decide``; empty for all but the end of a namespace.

    ``found`` is what goes along, as in ``Evidence.owned``.
    """
    if agents.builtin_controller(request):
        return []
    deletions = reach.endings_of_namespaces(request, reach.along(request, world, found or ()))
    if not deletions:
        return []
    deletion = deletions[0]
    action = Action.DELETE if deletion.operation is Operation.DELETE else Action.CHANGE_OWNERS
    requester = requester_of(request, world)
    named = matching.covering(deletion, requester, world.policies, mode, action, world.own)
    within = reach.holding(deletion, requester, world, mode, action, named)
    bound = draft.binds_impact(deletion.target, action, [*named, *within])
    # Whether there are approvals on what goes along is not known yet.
    compared = deletion is not request or bool(approvals_of(request.stored))
    return contents.lookups(deletion.target.name, within, bound if compared else [])


def looks(request: Request, world: World, mode: Mode, found: Sequence[Owned] | None = ()) -> list[ObjectRef]:
    """List the objects that must be read before ``decide``. ``found`` is what goes along, as in ``Evidence.owned``.

    Behind the scale subresource, whose reviews carry no annotations, the object itself; the owners that an update
    adds, since one that is protected too changes nothing; and what goes along, for its own approvals.
    """
    if agents.builtin_controller(request):
        return []
    requester = requester_of(request, world)
    wanted: list[ObjectRef] = []
    for action in deeds.actions(request):
        if not matching.covering(request, requester, world.policies, mode, action, world.own):
            continue
        if deeds.scales(request):
            wanted.append(reach.itself(request))
        elif action is Action.CHANGE_OWNERS:
            owners = (
                reach.protected_owner(owner, request, requester, world, mode)
                for owner in sorted(deeds.added_owners(request))
            )
            wanted += [ref for ref in owners if ref is not None]
    if other := reach.elsewhere(request, requester, world, mode):
        wanted.append(reach.itself(other[0]))
    along = [reach.itself(deletion) for deletion in reach.along(request, world, found or ())]
    return list(dict.fromkeys([*wanted[: reach.MOST_OBJECTS], *(along if len(along) <= reach.MOST_OBJECTS else [])]))


def owners_to_find(request: Request, world: World, mode: Mode) -> list[Owner]:
    """List the owners that the request adds and of which must be known before ``decide`` whether they exist."""
    return dangling.to_find(request, requester_of(request, world), world.policies, mode, world.own)


def role_to_read(request: Request, world: World, mode: Mode) -> RoleRef | None:
    """Name the role whose rules must be read before ``decide``: the one that an agent gives away."""
    if mode is not Mode.ENFORCE or agents.builtin_controller(request) or not requester_of(request, world).agent:
        return None
    return grants.role_to_read(request)


def place_of_owners(request: Request, world: World, mode: Mode) -> str | None:
    """Name the namespace of which must be known what owns protected objects there; empty for all, None for nowhere.

    Asked where an agent gives rights away, or would act as another: to delete an owner is to delete what it owns.
    """
    if mode is not Mode.ENFORCE or agents.builtin_controller(request) or not requester_of(request, world).agent:
        return None
    if not world.policies.follows:
        return None
    borrows = borrowing.account(request, world.own)
    return request.target.namespace if grants.gives(request) or borrows else None


def account_to_ask(
    request: Request, world: World, mode: Mode, owning: frozenset[GroupResource]
) -> tuple[Account, tuple[Right, ...]] | None:
    """Name the ServiceAccount that an agent would act as, and the rights to ask about before ``decide``.

    ``owning``: as in ``Evidence``, nothing where it is not known.
    """
    if mode is not Mode.ENFORCE or agents.builtin_controller(request) or not requester_of(request, world).agent:
        return None
    found = borrowing.account(request, world.own)
    return (found, borrowing.questions(found, world.policies, owning)) if found else None
