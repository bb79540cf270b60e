"""Facts about built-in kinds, one table each: what makes what, who adopts what, what runs pods, what owns others."""

from collections.abc import Iterable, Mapping
from typing import Final

from seconder.api.resources import JOBS, NAMESPACES, NODES, PODS, REPLICA_SETS, SECRETS, GroupResource, ResolvedResource

_REVISIONS: Final = GroupResource("apps", "controllerrevisions")
_DAEMON_SETS: Final = GroupResource("apps", "daemonsets")
_DEPLOYMENTS: Final = GroupResource("apps", "deployments")
_STATEFUL_SETS: Final = GroupResource("apps", "statefulsets")
_REPLICATION_CONTROLLERS: Final = GroupResource("", "replicationcontrollers")
_SERVICES: Final = GroupResource("", "services")
CRON_JOBS: Final = GroupResource("batch", "cronjobs")


def _kind(plural: str, kind: str) -> ResolvedResource:
    return ResolvedResource(GroupResource("", plural), "v1", namespaced=True, custom=False, kind=kind)


_CLAIMS: Final = _kind("persistentvolumeclaims", "PersistentVolumeClaim")

MADE_BY_CONTROLLER: Final = frozenset(
    {
        (_DEPLOYMENTS, REPLICA_SETS),
        (REPLICA_SETS, PODS),
        (_DAEMON_SETS, PODS),
        (_DAEMON_SETS, _REVISIONS),
        (_STATEFUL_SETS, PODS),
        (_STATEFUL_SETS, _REVISIONS),
        (CRON_JOBS, JOBS),
        (JOBS, PODS),
        (_SERVICES, GroupResource("discovery.k8s.io", "endpointslices")),
        (_REPLICATION_CONTROLLERS, PODS),
    }
)
"""Pairs of an owner and what its own controller makes."""

_KINDS: Final = {
    CRON_JOBS: "CronJob",
    _DAEMON_SETS: "DaemonSet",
    _DEPLOYMENTS: "Deployment",
    JOBS: "Job",
    REPLICA_SETS: "ReplicaSet",
    _REPLICATION_CONTROLLERS: "ReplicationController",
    _SERVICES: "Service",
    _STATEFUL_SETS: "StatefulSet",
}
MAKERS: Final[Mapping[GroupResource, ResolvedResource]] = {
    resource: ResolvedResource(resource, "v1", namespaced=True, custom=False, kind=kind)
    for resource, kind in _KINDS.items()
}
"""The owners among these."""


def maker(group: str, kind: str) -> ResolvedResource | None:
    """The owner of this kind among these; None where there is none."""
    return next((each for each in MAKERS.values() if (each.resource.group, each.kind) == (group, kind)), None)


def makers_of(resource: GroupResource) -> frozenset[GroupResource]:
    """The kinds whose own controllers make objects of this kind, at once."""
    return _MAKERS_OF.get(resource, frozenset())


_MAKERS_OF: Final = {
    made: frozenset(owner for owner, each in MADE_BY_CONTROLLER if each == made) for _, made in MADE_BY_CONTROLLER
}


def made_workloads(resources: Iterable[GroupResource]) -> list[ResolvedResource]:
    """The workloads that built-in controllers make of these: ReplicaSets, and Jobs."""
    owners = frozenset(resources)
    return [MAKERS[made] for owner, made in sorted(MADE_BY_CONTROLLER) if owner in owners and made in MAKERS]


def makers(made: Iterable[GroupResource]) -> frozenset[ResolvedResource]:
    """Whatever built-in controllers make these of, and of what they make that."""
    found: set[GroupResource] = set()
    below = set(made)
    while below:
        below = {owner for owner, each in MADE_BY_CONTROLLER if each in below} - found
        found |= below
    return frozenset(MAKERS[owner] for owner in found)


ADOPTERS: Final[Mapping[GroupResource, tuple[str, ...]]] = {
    REPLICA_SETS: ("deployment-controller",),
    PODS: (
        "daemon-set-controller",
        "job-controller",
        "replicaset-controller",
        "replication-controller",
        "statefulset-controller",
    ),
    _REVISIONS: ("daemon-set-controller", "statefulset-controller"),
}
"""Controllers of kube-system that add owners to stored objects of a kind. What was lost of these they would make anew,
and so they wait for nobody's answer."""

_ENDED_WITH: Final[Mapping[GroupResource, tuple[ResolvedResource, ...]]] = {
    GroupResource("", "persistentvolumes"): (_CLAIMS,),
    _CLAIMS.resource: (MAKERS[_STATEFUL_SETS],),
    SECRETS: (_kind("serviceaccounts", "ServiceAccount"),),
    PODS: (ResolvedResource(NODES, "v1", namespaced=False, custom=False, kind="Node"),),
}
"""What ends with objects of which other kinds, by a controller's hand, though no owner says so."""


def ended_with(resources: Iterable[GroupResource]) -> frozenset[ResolvedResource]:
    """The kinds with whose objects these end, and those with which these do, though no owner says so."""
    found: set[ResolvedResource] = set()
    below = set(resources)
    while below:
        above = {kind for each in below for kind in _ENDED_WITH.get(each, ())} - found
        found |= above
        below = {kind.resource for kind in above}
    return frozenset(found)


_OWN_GROUPS: Final = (
    "admissionregistration",
    "apiextensions",
    "apiregistration",
    "authentication",
    "authorization",
    "certificates",
    "coordination",
    "discovery",
    "events",
    "flowcontrol.apiserver",
    "internal.apiserver",
    "networking",
    "node",
    "rbac.authorization",
    "resource",
    "scheduling",
    "storage",
    "storagemigration",
)
BUILT_IN_GROUPS: Final = frozenset(f"{group}.k8s.io" for group in _OWN_GROUPS)
"""API groups of Kubernetes' own in which definitions can be made (k8s.io/api). A group without a dot takes none."""

METRICS_GROUPS: Final = frozenset({"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"})
"""API groups that autoscalers measure by. Other servers answer for them, where there are any."""

POD_RUNNERS: Final = frozenset(
    {PODS, CRON_JOBS, _REPLICATION_CONTROLLERS, _DAEMON_SETS, _DEPLOYMENTS, REPLICA_SETS, _STATEFUL_SETS, JOBS}
)
"""Kinds whose objects are pods or make some."""

COMMON_OWNERS: Final = frozenset(
    {
        NAMESPACES,
        PODS,
        REPLICA_SETS,
        CRON_JOBS,
        _DAEMON_SETS,
        _DEPLOYMENTS,
        _STATEFUL_SETS,
        JOBS,
        _REPLICATION_CONTROLLERS,
        _SERVICES,
        GroupResource("", "configmaps"),
        GroupResource("", "nodes"),
        GroupResource("", "persistentvolumeclaims"),
        GroupResource("rbac.authorization.k8s.io", "clusterroles"),
        GroupResource("rbac.authorization.k8s.io", "roles"),
    }
)
"""Kinds that programs make owners of workloads and namespaces. Custom resources are more so; never Secrets."""
