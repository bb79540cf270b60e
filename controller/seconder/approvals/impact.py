"""What goes down with a namespace: what must be looked up to know it, and the digest that an approval names."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from seconder.api.policy import Policy, ResolvedResource
from seconder.api.resources import NAMESPACES, GroupResource

_COUNTED: Final = tuple(
    ResolvedResource(GroupResource(group, resource), version, namespaced=True, custom=False)
    for group, version, resource in (
        ("", "v1", "persistentvolumeclaims"),
        ("", "v1", "services"),
        ("apps", "v1", "daemonsets"),
        ("apps", "v1", "deployments"),
        ("apps", "v1", "statefulsets"),
        ("batch", "v1", "cronjobs"),
        ("networking.k8s.io", "v1", "ingresses"),
    )
)
"""Built-in kinds that an impact counts: what people would miss. No Secrets, and nothing that churns by itself."""


class Item(NamedTuple):
    """One object that a look-up found."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """A question to the API server: which objects of this resource a namespace holds.

    ``whole``: every one of them is wanted, not merely whether there is one.
    """

    resource: ResolvedResource
    namespace: str
    whole: bool


class ObjectRef(NamedTuple):
    """Where one object is to be read. ``namespace`` is empty for cluster-scoped ones."""

    resource: ResolvedResource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class LiveObject:
    """What was read of it. ``leaving``: it is being deleted."""

    uid: str
    annotations: Mapping[str, str]
    leaving: bool = False


Contents = Mapping[GroupResource, Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Impact:
    """What a namespace's deletion takes with it. ``sha256`` is lower-case hex; ``counts`` are for people."""

    sha256: str
    counts: Mapping[str, int]

    @property
    def summary(self) -> str:
        """Give ``3 deployments, 1 services``: what there is of each kind, most of it first."""
        present = sorted(((-count, kind) for kind, count in self.counts.items() if count))
        return ", ".join(f"{-count} {kind}" for count, kind in present) or "nothing counted"


def lookups(namespace: str, holding: Sequence[Policy], impact_of: Sequence[Policy]) -> list[Lookup]:
    """List the look-ups that a namespace's deletion needs.

    ``holding``: policies that cover it only if it holds an object that they name. ``impact_of``: policies whose
    approvals name the impact, empty when there is no approval to compare with.
    """
    whole = counted(impact_of) if impact_of else []
    found = {resource.resource: Lookup(resource, namespace, True) for resource in whole}
    for policy in holding:
        for resource in policy.resolved.values():
            if resource.namespaced:
                found.setdefault(resource.resource, Lookup(resource, namespace, False))
    return [found[key] for key in sorted(found)]


def counted(policies: Sequence[Policy]) -> list[ResolvedResource]:
    """Give the resources that an impact counts under these policies: the built-in ones and named custom resources."""
    custom = {
        resource.resource: resource
        for policy in policies
        for resource in policy.resolved.values()
        if resource.custom and resource.namespaced
    }
    return [*_COUNTED, *custom.values()]


def unresolved(policies: Sequence[Policy]) -> bool:
    """Say whether some policy's resources are not known yet, so that no look-up can tell what it covers."""
    return any(not policy.resolution_current for policy in policies)


def held(policy: Policy, contents: Contents) -> bool:
    """Say whether the namespace holds an object that the policy names."""
    return any(
        contents.get(resource.resource)
        for resource in policy.resolved.values()
        if resource.namespaced and resource.resource != NAMESPACES
    )


def impact(policies: Sequence[Policy], contents: Contents) -> Impact:
    """Digest what goes down: SHA-256 over the sorted lines ``group/resource/name/uid`` with a newline each."""
    lines = []
    counts = {}
    for resource in counted(policies):
        group, plural = resource.resource
        items = contents[resource.resource]
        counts[str(resource.resource) if resource.custom else plural] = len(items)
        lines += [f"{group}/{plural}/{item.name}/{item.uid}\n" for item in items]
    return Impact(hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(), counts)
