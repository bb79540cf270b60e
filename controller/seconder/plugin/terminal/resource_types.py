"""Names of resource types as kubectl takes them: plural, singular, short, and with a group (``deployment.apps``)."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from seconder.api.resources import GroupResource
from seconder.client.api import Api
from seconder.plugin.terminal.problem import Problem

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource that the cluster serves, in its preferred version."""

    resource: GroupResource
    version: str
    kind: str
    namespaced: bool


def find(api: Api, text: str) -> ResourceType:
    """Find what somebody typed. Raises Problem and ApiError."""
    word, _, rest = text.lower().partition(".")
    # Built-in resources come first, as for kubectl.
    for root in ("/api", "/apis"):
        for group in api.get(root, accept=_AGGREGATED)["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                if rest not in {"", name, f"{version['version']}.{name}".rstrip(".")}:
                    continue
                for served in version.get("resources") or ():
                    if word in _words(served):
                        resource = GroupResource(name, served["resource"])
                        namespaced = served["scope"] == "Namespaced"
                        return ResourceType(resource, version["version"], served["responseKind"]["kind"], namespaced)
    raise Problem(f"this cluster has no resource type {text!r}: see kubectl api-resources")


def path(resource: GroupResource, version: str, namespace: str, name: str) -> str:
    """An object's path. ``namespace`` is empty for a cluster-scoped one."""
    base = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return quote(f"{base}{place}/{resource.resource}/") + quote(name, safe=":")


def _words(served: dict[str, Any]) -> set[str]:
    names = (served["resource"], served["responseKind"]["kind"], served.get("singularResource", ""))
    return {name.lower() for name in (*names, *(served.get("shortNames") or ())) if name}
