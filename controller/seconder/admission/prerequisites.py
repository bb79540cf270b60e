"""What must be known before a request can be decided: read from the API server, and handed to it as ``Evidence``."""

from collections.abc import Sequence

from seconder.admission import actions, borrowing, dangling, grants, policy_index, principal, reach
from seconder.admission.borrowing import Account, Right
from seconder.admission.dependents import Owned
from seconder.admission.evidence import World, requester_of
from seconder.admission.rbac import RoleRef
from seconder.admission.request import Operation, Owner, Request
from seconder.api.policy import Mode
from seconder.api.resources import Action, GroupResource
from seconder.approvals import draft, impact
from seconder.approvals.impact import Lookup, ObjectRef
from seconder.approvals.verification import approvals_of


def owner_keys(request: Request, world: World, mode: Mode) -> frozenset[str]:
    """Give the keys under which to find what an agent's request may take along; empty when it takes nothing."""
    return reach.owner_keys(request, requester_of(request, world), world, mode)


def needs(request: Request, world: World, mode: Mode, found: Sequence[Owned] | None = ()) -> list[Lookup]:
    """List what must be looked up before ``decide``; empty for all but the end of a namespace.

    ``found`` is what goes along, as in ``Evidence.owned``.
    """
    deletions = reach.endings_of_namespaces(request, reach.along(request, world, found or ()))
    if not deletions or principal.builtin_controller(request):
        return []
    deletion = deletions[0]
    action = Action.DELETE if deletion.operation is Operation.DELETE else Action.CHANGE_OWNERS
    requester = requester_of(request, world)
    named = policy_index.covering(deletion, requester, world.policies, mode, action, world.own)
    within = reach.holding(deletion, requester, world, mode, action, named)
    bound = draft.binds_impact(deletion.target, action, [*named, *within])
    # Whether there are approvals on what goes along is not known yet.
    compared = deletion is not request or bool(approvals_of(request.stored))
    return impact.lookups(deletion.target.name, within, bound if compared else [])


def looks(request: Request, world: World, mode: Mode, found: Sequence[Owned] | None = ()) -> list[ObjectRef]:
    """List the objects that must be read before ``decide``. ``found`` is what goes along, as in ``Evidence.owned``.

    Behind the scale subresource, whose reviews carry no annotations, the object itself; the owners that an update
    adds, since one that is protected too changes nothing; and what goes along, for its own approvals.
    """
    scales = actions.scales(request)
    updates = [each for each in actions.actions(request) if scales or each is Action.CHANGE_OWNERS]
    if not (updates or found or actions.elsewhere(request)) or principal.builtin_controller(request):
        return []
    requester = requester_of(request, world)
    wanted: list[ObjectRef] = []
    for action in updates:
        if not policy_index.covering(request, requester, world.policies, mode, action, world.own):
            continue
        if scales:
            wanted.append(reach.itself(request))
        else:
            added = sorted(actions.added_owners(request))
            owners = (reach.protected_owner(owner, request, requester, world, mode) for owner in added)
            wanted += [ref for ref in owners if ref is not None]
    if other := reach.elsewhere(request, requester, world, mode):
        wanted.append(reach.itself(other[0]))
    along = [reach.itself(deletion) for deletion in reach.along(request, world, found or ())]
    return list(dict.fromkeys([*wanted[: reach.MOST_OBJECTS], *(along if len(along) <= reach.MOST_OBJECTS else [])]))


def owners_to_find(request: Request, world: World, mode: Mode) -> list[Owner]:
    """List the owners that the request adds and of which must be known before ``decide`` whether they exist."""
    if not actions.added_owners(request):
        return []
    return dangling.to_find(request, requester_of(request, world), world.policies, mode, world.own)


def role_to_read(request: Request, world: World, mode: Mode) -> RoleRef | None:
    """Name the role whose rules must be read before ``decide``: the one that an agent gives away."""
    given = grants.role_to_read(request)
    return given if given and _of_an_agent(request, world, mode) else None


def place_of_owners(request: Request, world: World, mode: Mode) -> str | None:
    """Name the namespace of which must be known what owns protected objects there; empty for all, None for nowhere.

    Asked where an agent gives rights away, or would act as another: to delete an owner is to delete what it owns. What
    owns an object in no namespace counts with each.
    """
    if not world.policies.follows or not (grants.gives(request) or borrowing.account(request, world.own)):
        return None
    return request.target.namespace if _of_an_agent(request, world, mode) else None


def account_to_ask(
    request: Request, world: World, mode: Mode, owning: frozenset[GroupResource]
) -> tuple[Account, tuple[Right, ...]] | None:
    """Name the ServiceAccount that an agent would act as, and the rights to ask about before ``decide``.

    ``owning``: as in ``Evidence``, nothing where it is not known.
    """
    found = borrowing.account(request, world.own)
    if not found or not _of_an_agent(request, world, mode):
        return None
    return found, borrowing.questions(found, world.policies, owning)


def _of_an_agent(request: Request, world: World, mode: Mode) -> bool:
    """Say whether the guard holds for who asks."""
    return mode is Mode.ENFORCE and not principal.builtin_controller(request) and requester_of(request, world).agent
