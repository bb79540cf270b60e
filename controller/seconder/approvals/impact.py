"""What goes down with a namespace: the objects that count, and the digest that an approval names."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from seconder.api.policy import Policy
from seconder.api.resources import NAMESPACES, Action, GroupResource, ResolvedResource, Target, takes_along

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


Contents = Mapping[GroupResource, Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Impact:
    """What goes with a namespace. ``sha256`` is lower-case hex; ``counts`` are for people."""

    sha256: str
    counts: Mapping[str, int]

    @property
    def summary(self) -> str:
        """``3 deployments, 1 services``: what there is of each kind, most of it first."""
        present = sorted(((-count, kind) for kind, count in self.counts.items() if count))
        return ", ".join(f"{-count} {kind}" for count, kind in present) or "nothing counted"


def binding_policies(target: Target, action: Action, policies: Sequence[Policy]) -> list[Policy]:
    """The policies under which an approval must name what goes down with the object."""
    if not takes_along(target, action):
        return []
    return [policy for policy in policies if policy.requirement.bind_impact]


def counted(policies: Sequence[Policy]) -> list[ResolvedResource]:
    """The resources that an impact counts under these policies: the built-in ones and named custom resources."""
    custom = {
        resource.resource: resource
        for policy in policies
        for resource in policy.resolved.values()
        if resource.custom and resource.namespaced and resource.served
    }
    return [*_COUNTED, *custom.values()]


def held(policy: Policy, contents: Contents) -> bool:
    """Whether the namespace holds an object that the policy names."""
    return any(
        contents.get(resource.resource)
        for resource in policy.resolved.values()
        if resource.namespaced and resource.resource != NAMESPACES
    )


def impact(policies: Sequence[Policy], contents: Contents) -> Impact:
    """The impact of these objects: SHA-256 over the sorted lines ``group/resource/name/uid`` with a newline each."""
    lines = []
    counts = {}
    for resource in counted(policies):
        group, plural = resource.resource
        items = contents[resource.resource]
        counts[str(resource.resource) if resource.custom else plural] = len(items)
        lines += [f"{group}/{plural}/{item.name}/{item.uid}\n" for item in items]
    return Impact(hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(), counts)
