"""What goes with an object: the garbage collector deletes what is owned by an object that is gone.

Only objects of kinds that policies protect from deletion are followed. An owner of an owner is found where the one
between is of such a kind itself; a chain through a kind that no policy names is not seen.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from seconder.admission.request import Operation, Request
from seconder.api.policy import Mode, Policy, ResolvedResource
from seconder.api.resources import DEFINITIONS, NAMESPACES, Action, GroupResource, Target

_NAMESPACES: Final = ResolvedResource(NAMESPACES, "v1", namespaced=False, custom=False, kind="Namespace")

_NEVER_ORPHANS: Final = frozenset(
    # The API server passes over the wish for Events; the others are emptied whatever becomes of what they own.
    {GroupResource("", "events"), GroupResource("events.k8s.io", "events"), NAMESPACES, DEFINITIONS}
)

_MADE: Final = frozenset(
    (GroupResource(*maker), GroupResource(*made))
    for maker, made in (
        (("apps", "deployments"), ("apps", "replicasets")),
        (("apps", "replicasets"), ("", "pods")),
        (("apps", "daemonsets"), ("", "pods")),
        (("apps", "daemonsets"), ("apps", "controllerrevisions")),
        (("apps", "statefulsets"), ("", "pods")),
        (("apps", "statefulsets"), ("apps", "controllerrevisions")),
        (("batch", "cronjobs"), ("batch", "jobs")),
        (("batch", "jobs"), ("", "pods")),
        (("", "services"), ("discovery.k8s.io", "endpointslices")),
        (("", "replicationcontrollers"), ("", "pods")),
    )
)


class Owned(NamedTuple):
    """A followed object that goes with another. ``through`` is the kind of the owner that it goes with at once."""

    resource: ResolvedResource
    namespace: str
    name: str
    uid: str
    through: GroupResource

    @property
    def target(self) -> Target:
        """The object as the target of a request."""
        return Target(self.resource.resource, self.resource.kind, self.namespace, self.name, self.uid)

    @property
    def maker(self) -> Target:
        """The owner that it goes with at once, as far as policies ask: those in ``made`` share a namespace."""
        return Target(self.through, "", self.namespace, "", "")

    @property
    def made(self) -> bool:
        """Whether it is what its owner's own controller makes: a Deployment's ReplicaSet, and its Pods."""
        return (self.through, self.resource.resource) in _MADE


class Kind(NamedTuple):
    """A kind in the words of an ownerReference, which are its writer's own."""

    api_version: str
    kind: str


class Ownership(NamedTuple):
    """What is kept of an owned object: its uid, and the keys of its owners."""

    uid: str
    keys: tuple[str, ...]


def followed(policies: Iterable[Policy]) -> frozenset[ResolvedResource]:
    """Give the resources whose objects' owners must be known: what Enforce policies protect from deletion.

    And Namespaces, with which everything else in them goes.
    """
    found = {resource for each in protecting(policies) for resource in each.resolved.values()}
    if any(resource.namespaced for resource in found):
        found = {each for each in found if each.resource != NAMESPACES} | {_NAMESPACES}
    return frozenset(found)


def protecting(policies: Iterable[Policy]) -> list[Policy]:
    """Give those that refuse deletions."""
    return [each for each in policies if each.mode is Mode.ENFORCE and Action.DELETE in each.actions]


def keys(request: Request) -> frozenset[str]:
    """Give the keys of owners that end with this request's object: itself, and what a definition defines."""
    target = request.target
    found = set() if request.orphans and target.resource not in _NEVER_ORPHANS else {target.uid}
    if target.resource == DEFINITIONS and request.operation is Operation.DELETE:
        # Its plural and its group; a kind's name is not in it, and others of the group may be taken for it.
        found.add(group_key(target.name.partition(".")[2]))
    return frozenset(found)


def kind_key(kind: Kind) -> str:
    """Give the key that all owners of one kind share."""
    return f"/{kind.api_version}/{kind.kind}"


def kind_of(key: str) -> Kind | None:
    """Read a key of ``kind_key``; None for the others."""
    if not key.startswith("/"):
        return None
    api_version, _, kind = key[1:].rpartition("/")
    return Kind(api_version, kind)


def group_key(group: str) -> str:
    """Give the key that all owners of one API group share."""
    return f"*.{group}"
