"""What this cluster serves, and what the names in a policy stand for in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from seconder.admission.kinds import COMMON_OWNERS
from seconder.api.resources import NAMESPACES, GroupResource, Presence, ResolvedResource
from seconder.client.api import AGGREGATED_DISCOVERY, Api, ApiError

_ANY: Final = "*"
_AUTOMANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
_KEPT: Final = frozenset({"list", "watch", "delete"})


@dataclass(frozen=True, slots=True)
class Served:
    """A resource that the cluster serves. ``aliases`` are its kind, singular and short names, in lower case.

    ``kept``: its objects can be listed, watched and deleted. Others are mere questions (reviews, bindings).
    """

    resolved: ResolvedResource
    aliases: frozenset[str]
    kept: bool = True


class Catalogue(dict[GroupResource, Served]):
    """What the cluster serves. ``definitions`` names all CustomResourceDefinitions, those that serve nothing too."""

    definitions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a policy's names stand for. Beside ``problems`` (sentences) stands what was probably meant."""

    resources: list[ResolvedResource] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def catalogue(api: Api) -> Catalogue:
    """Ask the API server what it serves: aggregated discovery, and which of it comes from CRDs. Raises ApiError."""
    pages = api.pages("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", metadata_only=True)
    found = Catalogue()
    # Of each page the names alone: labels may be as large as the rest.
    found.definitions = frozenset(item["metadata"]["name"] for items, _ in pages for item in items)
    built_in = _built_in(api)
    for root in ("/api", "/apis"):
        for group in api.get(root, accept=AGGREGATED_DISCOVERY)["items"]:
            name = group["metadata"].get("name", "")
            # The first version that has a resource is the preferred one. A definition may bring a newer version of a
            # resource that is built in, or that another server answers for, of any scope: that stands behind, since
            # nothing else follows from it for the resource.
            versions = sorted(group["versions"], key=lambda each: f"{each['version']}.{name}" not in built_in)
            for version in versions:
                own = f"{version['version']}.{name}" in built_in
                for resource in version.get("resources") or ():
                    served = _served(name, version["version"], resource, frozenset() if own else found.definitions)
                    found.setdefault(served.resolved.resource, served)
    return found


def _built_in(api: Api) -> frozenset[str]:
    """The APIs (``version.group``) that are served by the API server itself or another one, and by no definition.

    None is known where APIServices may not be listed. Raises ApiError.
    """
    try:
        items, _ = api.items("/apis/apiregistration.k8s.io/v1/apiservices", metadata_only=True)
    except ApiError as error:
        if error.status not in {403, 404}:
            raise
        return frozenset()
    # kube-aggregator, pkg/controllers/autoregister: "true" is for as long as there is a definition.
    kept = {item["metadata"]["name"]: (item["metadata"].get("labels") or {}).get(_AUTOMANAGED) for item in items}
    return frozenset(name for name, managed in kept.items() if managed != "true")


def _served(group: str, version: str, document: dict[str, Any], custom: frozenset[str]) -> Served:
    resource = GroupResource(group, document["resource"])
    names = (
        document["responseKind"]["kind"],
        document.get("singularResource", ""),
        *(document.get("shortNames") or ()),
    )
    return Served(
        ResolvedResource(
            resource,
            version,
            document["scope"] == "Namespaced",
            f"{resource}" in custom,
            document["responseKind"]["kind"],
        ),
        frozenset(name.lower() for name in names if name),
        kept=_KEPT.issubset(document.get("verbs") or ()),
    )


def owners(served: Catalogue) -> list[ResolvedResource]:
    """The resources that are made owners of what policies protect: custom ones, and some built-in."""
    return [
        resource_served.resolved
        for resource, resource_served in sorted(served.items())
        if resource_served.kept and (resource_served.resolved.custom or resource in COMMON_OWNERS)
    ]


def resolve(
    named: Iterable[GroupResource],
    namespaces: bool,
    served: Catalogue,
    before: Mapping[GroupResource, ResolvedResource] | None = None,
) -> Resolution:
    """Look up what a policy names. ``namespaces``: it is limited to some namespaces.

    ``before`` is what its names stood for when they were last looked up: what was served then and is not now is kept,
    since its objects may be there still.
    """
    resources: dict[GroupResource, ResolvedResource] = {}
    problems = []
    unseen = _unseen(before or {}, served)
    for name in sorted(named):
        if _ANY in name:
            # With its definition go a custom resource's objects. By its own name it was meant, whatever became of it.
            kept = {each: was for each, was in unseen.items() if was.presence is Presence.UNSERVED}
            expanded = _expand(name, served) | {each: was for each, was in kept.items() if _matches(name, each)}
            resources |= expanded
            if not expanded:
                problems.append(f"{name} stands for no resource of this cluster (see: kubectl api-resources)")
            continue
        found = served[name].resolved if name in served else unseen.get(name)
        if found is not None:
            resources[name] = found
            if namespaces and not found.namespaced and name != NAMESPACES:
                problems.append(f"{name} is cluster-scoped: namespaces cannot limit it; give it a policy of its own")
            continue
        meant = _meant(name, served)
        if meant:
            resources[meant.resource] = meant
            problems.append(f"{name} is not a resource of this cluster; did you mean {_spelled(meant.resource)}?")
        else:
            problems.append(f"{name} is not a resource of this cluster (see: kubectl api-resources)")
    return Resolution(list(resources.values()), problems)


def _unseen(
    before: Mapping[GroupResource, ResolvedResource], served: Catalogue
) -> dict[GroupResource, ResolvedResource]:
    """What was served and is not any more."""
    gone = {resource: was for resource, was in before.items() if resource not in served}
    return {
        resource: replace(
            was,
            presence=Presence.UNDEFINED
            if was.custom and str(resource) not in served.definitions
            else Presence.UNSERVED,
        )
        for resource, was in gone.items()
    }


def _matches(pattern: GroupResource, resource: GroupResource) -> bool:
    return pattern.group in {_ANY, resource.group} and pattern.resource in {_ANY, resource.resource}


def _expand(pattern: GroupResource, served: Catalogue) -> dict[GroupResource, ResolvedResource]:
    return {resource: item.resolved for resource, item in served.items() if item.kept and _matches(pattern, resource)}


def _meant(named: GroupResource, served: Catalogue) -> ResolvedResource | None:
    word = named.resource.lower()
    fitting = [
        item.resolved for resource, item in sorted(served.items()) if word == resource.resource or word in item.aliases
    ]
    same_group = [resolved for resolved in fitting if resolved.resource.group == named.group.lower()]
    return next(iter(same_group or fitting), None)


def _spelled(resource: GroupResource) -> str:
    return f'{resource.resource} in group "{resource.group}"'
