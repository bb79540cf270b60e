"""What a decision rests on beside the request: the world as it stood, and what was found out for one request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from seconder.admission import principal
from seconder.admission.borrowing import Borrowed
from seconder.admission.dependents import Owned
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.principal import Requester
from seconder.admission.rbac import Rule
from seconder.admission.request import Owner, Request
from seconder.api.resources import GroupResource
from seconder.approvals.impact import Contents, LiveObject, ObjectRef
from seconder.approvals.registry import Registry


@dataclass(frozen=True, slots=True)
class World:
    """All that a decision rests on beside the request, as it stood at one moment.

    ``operators`` maps a ServiceAccount's user name to the operator recorded on it, ``token_ends`` to the time, in
    seconds since 1970, beyond which it renews no token of its own. ``audience`` is this cluster's ``aud`` claim.
    """

    policies: PolicyIndex
    registry: Registry
    operators: Mapping[str, str]
    audience: str
    own: Guarded
    token_ends: Mapping[str, float] = field(default_factory=dict)


class Evidence(Struct, frozen=True, gc=False):
    """What was found out for one request.

    ``fresh``: the World is proven to be recent. The rest answers what ``prerequisites`` asks: ``contents`` its
    ``needs``, ``objects`` its ``looks``, without what is not there, ``role`` are the rules of ``role_to_read``,
    ``borrowed`` is the answer to ``account_to_ask``, ``missing`` are those of ``owners_to_find`` that do not exist,
    ``owning`` the resources of what owns protected objects in the ``place_of_owners``. Each is None when one of its
    answers failed or came too late. ``owned`` is what is found under ``owner_keys``, None while that is not known.
    """

    fresh: bool
    contents: Contents | None
    objects: Mapping[ObjectRef, LiveObject] | None = {}
    role: Sequence[Rule] | None = None
    borrowed: Borrowed | None = None
    owned: Sequence[Owned] | None = ()
    missing: frozenset[Owner] | None = None
    owning: frozenset[GroupResource] | None = frozenset()


def requester_of(request: Request, world: World) -> Requester:
    """Say whose request it is."""
    caller = request.caller
    return principal.requester_of(caller, world.policies.known_tags, world.operators.get(caller.username))
