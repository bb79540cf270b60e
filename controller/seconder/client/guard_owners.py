"""Who owns Seconder's own objects, and the namespaces that are its own or its agents'.

Only what is in no namespace is of interest as an owner: what is in Seconder's namespace is not for agents anyway.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from seconder.admission import installation, rbac
from seconder.admission.dependents import Ownership
from seconder.admission.policy_index import Installation
from seconder.admission.powers import ADMISSION
from seconder.api import constants
from seconder.api.resources import DEFINITIONS, NAMESPACES, GroupResource, ResolvedResource, Target
from seconder.client.api import Api, collection
from seconder.client.ownership import ownership
from seconder.client.watch import Watch, Watches


def _kind(group: str, plural: str, version: str = "v1", *, namespaced: bool = False) -> ResolvedResource:
    return ResolvedResource(GroupResource(group, plural), version, namespaced, custom=False)


_KINDS: Final = (
    _kind(*NAMESPACES),
    _kind(*DEFINITIONS),
    _kind(rbac.GROUP, "clusterroles"),
    _kind(rbac.GROUP, "clusterrolebindings"),
    _kind(ADMISSION, "validatingwebhookconfigurations"),
    _kind(constants.DOMAIN, "protectionpolicies", constants.API_VERSION),
    *(_kind(constants.DOMAIN, plural, constants.API_VERSION) for plural in constants.WHO_APPROVES),
    _kind("apps", "deployments", namespaced=True),
    _kind("", "services", namespaced=True),
    _kind("", "serviceaccounts", namespaced=True),
)
"""Whose ends would end the guard, or take from it what it decides by. Of Seconder's namespace, without its Secrets."""

_Owned = tuple[Target, Ownership]


class GuardOwners(Watches):
    """Follows the owners of Seconder's own objects. Safe to use from several threads.

    ``namespace`` is Seconder's own.
    """

    def __init__(
        self, api: Api, namespace: str, failed: Callable[[str, Exception], None], clock: Callable[[], float]
    ) -> None:
        self._found: dict[ResolvedResource, tuple[_Owned, ...]] = {}
        super().__init__(
            Watch(
                api,
                _path(kind, namespace),
                _selecting(kind, namespace),
                self._taking(kind),
                failed,
                metadata_only=True,
                clock=clock,
            )
            for kind in _KINDS
        )

    def owns(self, keys: frozenset[str], namespaces: frozenset[str]) -> bool | None:
        """Whether an owner of these keys owns one of them; None while that is not known. Takes microseconds.

        ``namespaces`` are the names of Namespaces that count.
        """
        if not self.fresh():
            return None
        return owning((owned for found in self._found.values() for owned in found), keys, namespaces)

    def _taking(self, kind: ResolvedResource) -> Callable[[Mapping[str, _Owned]], None]:
        def take(found: Mapping[str, _Owned]) -> None:
            self._found[kind] = tuple(found.values())

        return take


def owning(found: Iterable[_Owned], keys: frozenset[str], namespaces: frozenset[str]) -> bool:
    """Whether some of these objects has an owner of these keys. ``namespaces``: the Namespaces that count."""
    return any(
        (target.resource != NAMESPACES or target.name in namespaces) and any(owners.has(key) for key in keys)
        for target, owners in found
    )


def listed(api: Api, namespace: str) -> Iterator[_Owned]:
    """The owned ones among Seconder's own objects, and all owned Namespaces, by lists. Raises ApiError."""
    for kind in _KINDS:
        select = _selecting(kind, namespace)
        for items, _ in api.pages(_path(kind, namespace), metadata_only=True):
            yield from (owned for item in items if (owned := select(item)) is not None)


def _path(kind: ResolvedResource, namespace: str) -> str:
    return collection(kind, namespace) if kind.namespaced else collection(kind)


def _selecting(kind: ResolvedResource, namespace: str) -> Callable[[Mapping[str, Any]], _Owned | None]:
    place = Installation(namespace)

    def select(document: Mapping[str, Any]) -> _Owned | None:
        owners = ownership(document)
        if owners is None:
            return None
        metadata = document["metadata"]
        target = Target(kind.resource, "", metadata.get("namespace", ""), metadata["name"], metadata["uid"])
        # Which Namespaces are agents' changes with policies.
        own = kind.resource == NAMESPACES or installation.own_object(target, place)
        return (target, owners) if own else None

    return select
