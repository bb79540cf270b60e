"""Who owns what, listed once and then remembered: for who decides seldom, and follows nothing."""

from collections.abc import Collection, Sequence

from seconder.admission.dependents import Dependent, Ownership
from seconder.admission.policy_index import PolicyIndex
from seconder.api import constants
from seconder.api.resources import ResolvedResource, Target
from seconder.client import guard_owners
from seconder.client.api import Api, ApiError, collection
from seconder.client.dependents import OwnedObjects, dependents_of, keys_of_owners
from seconder.client.ownership import ownership


class ListedDependents:
    """Lists each resource that policies protect when it is first asked about. Not for several threads."""

    def __init__(self, api: Api, namespace: str = constants.DEFAULT_NAMESPACE) -> None:
        """``namespace`` is Seconder's own."""
        self._api = api
        self._namespace = namespace
        self._guard: list[tuple[Target, Ownership]] | None = None
        self._listed: dict[ResolvedResource, OwnedObjects] = {}

    def none_owned(self, policies: PolicyIndex, keys: frozenset[str], place: str) -> bool:
        """False: nothing is known at once."""
        return False

    def dependents(self, policies: PolicyIndex, keys: frozenset[str], target: Target) -> Sequence[Dependent] | None:
        """What goes with the owners of these keys; None where the webhook does not know either, see ``all_followed``.

        Raises ApiError.
        """
        return dependents_of(self._all(policies), keys, target) if policies.all_followed(target.namespace) else None

    def guard_at_hand(self, keys: frozenset[str], namespaces: frozenset[str]) -> bool | None:
        """None: nothing is known at once."""
        return None

    def owns_guard(self, keys: frozenset[str], namespaces: frozenset[str]) -> bool | None:
        """Whether an owner of these keys owns something of Seconder's own. Raises ApiError."""
        if self._guard is None:
            self._guard = list(guard_owners.listed(self._api, self._namespace))
        return guard_owners.owning(self._guard, keys, namespaces)

    def owner_keys(self, policies: PolicyIndex, place: str, keys: Collection[str]) -> frozenset[str] | None:
        """Those of these keys by which something owns protected objects in a namespace; None as above.

        Raises ApiError.
        """
        return keys_of_owners(self._all(policies), policies, place, keys) if policies.all_followed(place) else None

    def _all(self, policies: PolicyIndex) -> list[tuple[ResolvedResource, OwnedObjects]]:
        followed = sorted(policies.followed, key=lambda resolved: resolved.resource)
        return [(resolved, self._objects(resolved)) for resolved in followed]

    def _objects(self, resolved: ResolvedResource) -> OwnedObjects:
        if resolved not in self._listed:
            objects = OwnedObjects()
            objects.take(self._list(resolved))
            self._listed[resolved] = objects
        return self._listed[resolved]

    def _list(self, resolved: ResolvedResource) -> dict[str, Ownership]:
        ownerships = {}
        try:
            for items, _ in self._api.pages(collection(resolved), metadata_only=True):
                for item in items:
                    metadata, owned = item["metadata"], ownership(item)
                    if owned is not None:
                        namespace = metadata.get("namespace")
                        ownerships[f"{namespace}/{metadata['name']}" if namespace else metadata["name"]] = owned
        except ApiError as error:
            # Not to be listed, so the garbage collector leaves it alone too.
            if error.status != 405:
                raise
        return ownerships
