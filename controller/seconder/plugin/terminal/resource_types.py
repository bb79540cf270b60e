"""Names of resource types as kubectl takes them: plural, singular, short, and with a group (``deployment.apps``)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from seconder.api.resources import GroupResource
from seconder.client.api import Api
from seconder.plugin.terminal.problem import Problem

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_KEPT: Final = frozenset({"list", "delete"})


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource that the cluster serves, in its preferred version. ``kept``: its objects can be listed and deleted."""

    resource: GroupResource
    version: str
    kind: str
    namespaced: bool
    kept: bool = True


def find(api: Api, text: str) -> ResourceType:
    """Find what somebody typed. Raises Problem and ApiError."""
    word, _, rest = text.lower().partition(".")
    for group, version, served in _served(api):
        if rest in {"", group, f"{version}.{group}".rstrip(".")} and word in _words(served):
            return _type(group, version, served)
    raise Problem(f"this cluster has no resource type {text!r}: see kubectl api-resources")


def by_kind(api: Api) -> dict[tuple[str, str], ResourceType]:
    """All that the cluster serves, by group and kind. Raises ApiError."""
    found: dict[tuple[str, str], ResourceType] = {}
    for group, version, served in _served(api):
        # The first version that has a kind is the preferred one.
        found.setdefault((group, served["responseKind"]["kind"]), _type(group, version, served))
    return found


def _served(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give group, version and what is served there, as they are preferred."""
    # Built-in resources come first, as for kubectl.
    for root in ("/api", "/apis"):
        for group in api.get(root, accept=_AGGREGATED)["items"]:
            for version in group["versions"]:
                for served in version.get("resources") or ():
                    yield group["metadata"].get("name", ""), version["version"], served


def _type(group: str, version: str, served: dict[str, Any]) -> ResourceType:
    return ResourceType(
        GroupResource(group, served["resource"]),
        version,
        served["responseKind"]["kind"],
        served["scope"] == "Namespaced",
        _KEPT.issubset(served.get("verbs") or ()),
    )


def path(resource: GroupResource, version: str, namespace: str, name: str) -> str:
    """An object's path. ``namespace`` is empty for a cluster-scoped one."""
    base = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return quote(f"{base}{place}/{resource.resource}/") + quote(name, safe=":")


def _words(served: dict[str, Any]) -> set[str]:
    names = (served["resource"], served["responseKind"]["kind"], served.get("singularResource", ""))
    return {name.lower() for name in (*names, *(served.get("shortNames") or ())) if name}
