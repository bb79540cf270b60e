"""Tells which resources serve the objects of a kind, as the garbage collector does: by discovery."""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Any, Final

import msgspec

from seconder.admission.dependents import Kind, group_key, kind_key
from seconder.api.resources import GroupResource, ResolvedResource
from seconder.client.api import AGGREGATED_DISCOVERY, Api, segment
from seconder.client.objects import TooLate, items, left

_API_VERSION: Final = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,252}/)?[a-z][a-z0-9-]{0,62}")
_ROOTS: Final = ("/api", "/apis")
_STALE: Final = "Stale"
_NAMESPACED: Final = "Namespaced"


class _Kind(msgspec.Struct):
    kind: str = ""


class _Resource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _Kind = msgspec.field(default_factory=_Kind)
    scope: str = ""


class _Version(msgspec.Struct):
    version: str
    resources: list[_Resource] = []
    freshness: str = ""


class _Name(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    versions: list[_Version]
    metadata: _Name = msgspec.field(default_factory=_Name)


class _Groups(msgspec.Struct):
    """APIGroupDiscoveryList (apidiscovery.k8s.io/v2), as far as it is read. Another form of list is no answer."""

    items: list[_Group]


_groups: Final = msgspec.json.Decoder(_Groups)


def path_of(api_version: str) -> str | None:
    """The path of an ``apiVersion``; None where it cannot be one: it is the client's own words."""
    if not _API_VERSION.fullmatch(api_version):
        return None
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def served_as(kind: str, discovered: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The resources (APIResource) that serve objects of a kind, without subresources."""
    return [
        resource
        for resource in discovered.get("resources") or ()
        if resource["kind"] == kind and "/" not in resource["name"]
    ]


def served_elsewhere(api: Api, group: str, deadline: float) -> bool:
    """Whether some APIService of a group names a server of its own. Raises ApiError and TooLate."""
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    specs = (each["spec"] for each in items(api, path, deadline))
    return any(spec.get("group") == group and spec.get("service") for spec in specs)


def storage_version(api: Api, resource: GroupResource, version: str, deadline: float) -> str:
    """The version in which a resource is stored: see StorageVersion. Raises ApiError and TooLate.

    Discovery tells it by a hash alone (``storageVersionHash``, KEP-1027), and only where that version is served.
    """
    path = f"/apis/{segment(resource.group)}"
    served = _serving(api, f"{path}/{segment(version)}", resource, deadline)
    hashed = served.get("storageVersionHash") if served else None
    if served and hashed == _hash(resource.group, version, served["kind"]):
        return version
    others = [
        each["version"] for each in api.get(path, timeout=left(deadline))["versions"] if each["version"] != version
    ]
    if served and hashed:
        return next((each for each in others if hashed == _hash(resource.group, each, served["kind"])), "")
    serving = (_serving(api, f"{path}/{segment(each)}", resource, deadline) for each in others)
    return "" if any(each is not None for each in serving) else version


def _serving(api: Api, path: str, resource: GroupResource, deadline: float) -> Mapping[str, Any] | None:
    """The APIResource of a resource in one version of its group."""
    listed = (api.find(path, timeout=left(deadline)) or {}).get("resources") or ()
    return next((each for each in listed if each["name"] == resource.resource), None)


def _hash(group: str, version: str, kind: str) -> str:
    """``StorageVersionHash`` of k8s.io/apiserver."""
    return base64.b64encode(hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()


def definitions(api: Api, deadline: float) -> int:
    """How many CustomResourceDefinitions there are. Raises ApiError and TooLate."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    return sum(1 for _ in items(api, path, deadline, metadata_only=True))


def custom_in_namespaces(api: Api, deadline: float) -> list[ResolvedResource]:
    """The custom kinds that are in namespaces, each in the version that comes first. Raises ApiError and TooLate.

    What another server answers for is none of them.
    """
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    defined = {each["metadata"]["name"] for each in items(api, path, deadline, metadata_only=True)}
    if not defined:
        return []
    found = api.get("/apis", timeout=left(deadline), accept=AGGREGATED_DISCOVERY, decode=_groups.decode)
    kinds: dict[GroupResource, ResolvedResource] = {}
    for group in found.items:
        for version in group.versions:
            for each in version.resources:
                resource = GroupResource(group.metadata.name, each.resource)
                if each.scope == _NAMESPACED and str(resource) in defined:
                    kind = each.response_kind.kind
                    kinds.setdefault(resource, ResolvedResource(resource, version.version, True, True, kind))
    return list(kinds.values())


class Kinds:
    """Remembers all of discovery for a while, safe to use from several threads. ``remembered`` is in seconds.

    Two requests tell of every kind that there is, so that kinds which somebody made up cost nothing, however many. Not
    for long: an owner whose kind is newer than what is remembered would be passed over.
    """

    def __init__(self, api: Api, *, remembered: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._remembered = remembered
        self._clock = clock
        self._lock = Lock()
        self._until = float("-inf")
        self._served: Mapping[str, frozenset[GroupResource]] = {}
        """By the keys of kinds."""
        self._away: frozenset[str] = frozenset()
        """The keys of groups of which the API server has no present knowledge: the server behind does not answer."""

    def resources(
        self, among: Callable[[Collection[str]], Collection[str]], deadline: float
    ) -> frozenset[GroupResource]:
        """The resources of kinds that are served. Raises ApiError and TooLate.

        ``among`` says of which keys of owners (``kind_key``, ``group_key``) it is, and is asked about no others than
        there are.
        """
        if not self._lock.acquire(timeout=left(deadline)):
            raise TooLate("too many look-ups at once")
        try:
            if self._clock() >= self._until:
                self._discover(deadline)
            served, away = self._served, self._away
        finally:
            self._lock.release()
        if away and among(away):
            raise TooLate("an API that serves owners does not answer")
        return frozenset[GroupResource]().union(*(served[key] for key in among(served.keys())))

    def _discover(self, deadline: float) -> None:
        served: dict[str, set[GroupResource]] = {}
        away = set()
        for root in _ROOTS:
            found = self._api.get(root, timeout=left(deadline), accept=AGGREGATED_DISCOVERY, decode=_groups.decode)
            for group in found.items:
                name = group.metadata.name
                for version in group.versions:
                    api_version = f"{name}/{version.version}" if name else version.version
                    if version.freshness == _STALE:
                        away.add(group_key(name))
                    for resource in version.resources:
                        key = kind_key(Kind(api_version, resource.response_kind.kind))
                        served.setdefault(key, set()).add(GroupResource(name, resource.resource))
        self._served = {key: frozenset(resources) for key, resources in served.items()}
        self._away = frozenset(away)
        self._until = self._clock() + self._remembered
