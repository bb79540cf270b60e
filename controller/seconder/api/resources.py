"""Kinds of objects, single objects, and what may be done to them, by the names that policies and approvals use."""

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import Struct


class Action(StrEnum):
    """What a policy protects against, by the names that policies and approvals use."""

    DELETE = "Delete"
    SCALE_TO_ZERO = "ScaleToZero"
    REMOVE_FINALIZERS = "RemoveFinalizers"
    CHANGE_OWNERS = "ChangeOwners"
    CHANGE = "Change"


LOSSES: Final = frozenset(Action) - {Action.CHANGE}
"""What takes an object away, or may. An approval of ``Delete`` covers all of these, and nothing else."""

ENDINGS: Final = frozenset({Action.DELETE, Action.CHANGE_OWNERS})
"""With an object go the things in it and of it, whether it is deleted or left to the garbage collector."""


class GroupResource(NamedTuple):
    """A kind of object by API group (``""`` is the core group) and lower-case plural, version left out."""

    group: str
    resource: str

    @functools.lru_cache(1024)  # noqa: B019 - it keeps names of resources, which are few, and each review asks thrice
    def __str__(self) -> str:
        """The spelling of kubectl: ``deployments.apps``, ``namespaces``."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


ANY: Final = "*"
"""In a policy's names and in roles: any group, or any resource of a group."""

NAMESPACES: Final = GroupResource("", "namespaces")
NODES: Final = GroupResource("", "nodes")
PODS: Final = GroupResource("", "pods")
SECRETS: Final = GroupResource("", "secrets")
SERVICE_ACCOUNTS: Final = GroupResource("", "serviceaccounts")
DEFINITIONS: Final = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")
JOBS: Final = GroupResource("batch", "jobs")
CONFIG_MAPS: Final = GroupResource("", "configmaps")
SERVICES: Final = GroupResource("", "services")
ENDPOINTS: Final = GroupResource("", "endpoints")
ENDPOINT_SLICES: Final = GroupResource("discovery.k8s.io", "endpointslices")
DEPLOYMENTS: Final = GroupResource("apps", "deployments")
STATEFUL_SETS: Final = GroupResource("apps", "statefulsets")
DAEMON_SETS: Final = GroupResource("apps", "daemonsets")
CONTROLLER_REVISIONS: Final = GroupResource("apps", "controllerrevisions")
REPLICA_SETS: Final = GroupResource("apps", "replicasets")
CLUSTER_ROLES: Final = GroupResource("rbac.authorization.k8s.io", "clusterroles")
NETWORK_POLICIES: Final = GroupResource("networking.k8s.io", "networkpolicies")
AUTOSCALERS: Final = GroupResource("autoscaling", "horizontalpodautoscalers")


class Presence(StrEnum):
    """Whether objects of a resource can be seen. One that was served once protects what it protected.

    Unserved: they may be there, and nobody can look. Undefined: so may they, but its CustomResourceDefinition is gone,
    and the API server deletes a definition's objects before it.
    """

    SERVED = "Served"
    UNSERVED = "Unserved"
    UNDEFINED = "Undefined"


@dataclass(frozen=True, slots=True)
class ResolvedResource:
    """A resource that a policy names, as this cluster's discovery knows it, or did when it last served it.

    ``custom``: served from a CustomResourceDefinition, hence part of a namespace's impact when a policy names it.
    ``kind`` is what ownerReferences name it by.
    """

    resource: GroupResource
    version: str
    namespaced: bool
    custom: bool
    kind: str = ""
    presence: Presence = Presence.SERVED

    @property
    def served(self) -> bool:
        """Whether its objects can be looked at."""
        return self.presence is Presence.SERVED


class Target(Struct, frozen=True, gc=False):
    """The object that a request is about. ``namespace`` is empty for cluster-scoped objects, Namespaces included."""

    resource: GroupResource
    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def path(self) -> str:
        """``payments/checkout``, or the bare name of a cluster-scoped object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def takes_along(target: Target, action: Action) -> bool:
    """Whether what is in the object goes with it by this action, so that a policy may bind that."""
    return target.resource == NAMESPACES and action in ENDINGS
