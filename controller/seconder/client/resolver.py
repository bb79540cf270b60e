"""Answers the look-ups of a review: the one place that does, each within the review's own deadline."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import msgspec

from seconder.admission.dependents import Dependent
from seconder.admission.lookups import (
    Adopting,
    AliasedBy,
    Called,
    Claimants,
    Claims,
    ControlledIn,
    DaemonSets,
    Definitions,
    Dependents,
    FirstRight,
    FreeVolumes,
    Holders,
    Hosting,
    Lookup,
    MissingOwners,
    NamespaceContents,
    NamingOwners,
    Namings,
    OfClass,
    Overlapping,
    OwningResources,
    OwnsGuard,
    PodsOn,
    ReadableTokens,
    ReadObjects,
    ReadWhole,
    ReplicaSets,
    RoleRules,
    RunningPod,
    ScaledBy,
    SecretTokens,
    Selected,
    Selecting,
    ServedElsewhere,
    Sharing,
    StorageVersion,
    Tokens,
    Uncontrolled,
    ViewIsFresh,
)
from seconder.admission.policy_index import PolicyIndex
from seconder.api.resources import Target
from seconder.client import kinds, owner_existence
from seconder.client.access import Access
from seconder.client.api import Api, ApiError
from seconder.client.kinds import Kinds
from seconder.client.objects import Objects, TooLate
from seconder.client.rights import Rights

SECONDS: Final = 8.0
"""All look-ups of one review together. The API server waits 10 s for the answer, and a reason must still reach it."""

_LISTED_SECONDS: Final = 4.0
_POLL_SECONDS: Final = 0.05

LATER: Final[Any] = object()
"""Stands for an answer that is not at hand."""

Trouble = Callable[[str, Exception], None]


class OwnerIndex(Protocol):
    """Knows who owns what, of what these policies follow."""

    def none_owned(self, policies: PolicyIndex, keys: frozenset[str], place: str) -> bool:
        """Whether nothing goes with the owners of these keys in a namespace, and that is known at once."""

    def dependents(self, policies: PolicyIndex, keys: frozenset[str], target: Target) -> Sequence[Dependent] | None:
        """What goes with the owners of these keys; None while it is not known. Raises ApiError."""

    def guard_at_hand(self, keys: frozenset[str], namespaces: frozenset[str]) -> bool | None:
        """As ``owns_guard``; None where that takes longer than microseconds."""

    def owns_guard(self, keys: frozenset[str], namespaces: frozenset[str]) -> bool | None:
        """Whether an owner of these keys owns something of Seconder's; None while it is not known. Raises ApiError."""

    def owner_keys(self, policies: PolicyIndex, place: str, keys: Collection[str]) -> frozenset[str] | None:
        """Those of these keys by which something owns protected objects in a namespace; None while it is not known.

        Raises ApiError.
        """


class Resolver:
    """Answers look-ups, safe to use from several threads.

    ``at_once`` is how many requests to the API server run side by side, and how many to its authorizer beside these.
    ``trouble`` is told of what failed. ``rights`` may be shared with others.
    """

    def __init__(
        self,
        api: Api,
        index: OwnerIndex,
        fresh: Callable[[], bool],
        trouble: Trouble,
        *,
        at_once: int = 8,
        rights: Rights | None = None,
    ) -> None:
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="look-up")
        self._api = api
        self._index = index
        self._fresh = fresh
        self._trouble = trouble
        self._objects = Objects(api, pool)
        self._access = Access(api, pool, at_once=at_once, rights=rights)
        self._kinds = Kinds(api)

    def at_hand(self, lookup: Lookup[Any], policies: PolicyIndex) -> Any:
        """An answer that is there already, else LATER. Takes microseconds."""
        match lookup:
            case ViewIsFresh():
                return self._fresh()
            # Most own nothing: to ask a thread would take longer than all the rest.
            case Dependents() if self._index.none_owned(policies, lookup.keys, lookup.target.namespace):
                return ()
            case OwnsGuard():
                owns = self._index.guard_at_hand(lookup.keys, lookup.namespaces)
                return LATER if owns is None else owns
        return LATER

    def answer(self, lookup: Lookup[Any], policies: PolicyIndex, deadline: float) -> Any:
        """Answer a look-up by ``deadline``, a time of ``time.monotonic``. Raises Unknown where it cannot be done."""
        try:
            return self._answer(lookup, policies, deadline)
        except (ApiError, TooLate, TimeoutError, msgspec.ValidationError) as error:
            self._trouble("a look-up failed", error)
            raise lookup.unanswered from error

    def _answer(self, lookup: Lookup[Any], policies: PolicyIndex, deadline: float) -> Any:
        match lookup:
            case ViewIsFresh():
                return self._fresh()
            case ReadObjects():
                return self._objects.read(lookup, deadline)
            case ReadWhole():
                return self._objects.whole(lookup, deadline)
            case NamespaceContents():
                return self._objects.contents(lookup, deadline)
            case NamingOwners():
                return self._awaited(lookup, policies, deadline)
            case Dependents():
                return _known(self._index.dependents(policies, lookup.keys, lookup.target))
            case OwnsGuard():
                return _known(self._index.owns_guard(lookup.keys, lookup.namespaces))
            case PodsOn():
                return self._objects.pods_on(lookup, deadline)
            case Uncontrolled():
                return self._objects.uncontrolled(lookup, deadline)
            case ControlledIn():
                return self._objects.controlled(lookup, deadline)
            case Selecting():
                return self._objects.selecting(lookup, deadline)
            case Sharing():
                return self._objects.sharing(lookup, deadline)
            case Adopting():
                return self._objects.adopting(lookup, deadline)
            case ReplicaSets():
                return self._objects.replica_sets(lookup, deadline)
            case Selected():
                return self._objects.selected(lookup, deadline)
            case FreeVolumes():
                return self._objects.free_volumes(lookup, deadline)
            case Claimants():
                return self._objects.claimants(lookup, deadline)
            case Claims():
                return self._objects.claims(deadline)
            case DaemonSets():
                return self._objects.daemon_sets(deadline)
            case ScaledBy():
                return self._objects.scaling(lookup, deadline)
            case OfClass():
                return self._objects.of_class(lookup, deadline)
            case Called():
                return self._objects.called(lookup, deadline)
            case Namings():
                asked = [lookup.kind] if lookup.kind else kinds.custom_in_namespaces(self._api, deadline)
                return self._objects.namings(asked, lookup.namespace, deadline)
            case Hosting():
                return self._objects.hosting(lookup, deadline)
            case Overlapping():
                return self._objects.overlapping(lookup, deadline)
            case Holders():
                return self._objects.holders(lookup, deadline)
            case Tokens():
                return self._objects.tokens(lookup, deadline)
            case AliasedBy():
                return self._objects.aliased(lookup, deadline)
            case OwningResources():
                return self._kinds.resources(
                    lambda keys: _known(self._index.owner_keys(policies, lookup.namespace, keys)), deadline
                )
            case MissingOwners():
                return owner_existence.missing(self._api, lookup, deadline)
            case RoleRules():
                return self._access.rules(lookup, deadline)
            case RunningPod():
                return self._access.pod(lookup, deadline)
            case SecretTokens():
                return self._access.tokens(lookup, deadline)
            case ReadableTokens():
                return self._access.readable(lookup, deadline)
            case FirstRight():
                return self._access.first(lookup, deadline)
            case StorageVersion():
                return kinds.storage_version(self._api, lookup.resource, lookup.version, deadline)
            case ServedElsewhere():
                return kinds.served_elsewhere(self._api, lookup.group, deadline)
            case Definitions():
                return kinds.definitions(self._api, deadline)
        raise TypeError(f"no answer to {type(lookup).__name__}")

    def _awaited(self, lookup: Dependents, policies: PolicyIndex, deadline: float) -> Any:
        """What is known within some seconds: what has just come to be followed is listed first."""
        end = min(deadline, time.monotonic() + _LISTED_SECONDS)
        while (found := self._index.dependents(policies, lookup.keys, lookup.target)) is None:
            # What is never followed will not be known.
            if time.monotonic() >= end or not policies.all_followed(lookup.target.namespace):
                break
            time.sleep(_POLL_SECONDS)
        return _known(found)


def _known(found: Any) -> Any:
    if found is None:
        raise TooLate("who owns what is not known yet")
    return found


def within(seconds: float = SECONDS) -> float:
    """The deadline of a review that begins now."""
    return time.monotonic() + seconds
