"""Facts about built-in kinds, one table each: what makes what, who adopts what, what runs pods, what owns others."""

from collections.abc import Iterable, Mapping
from typing import Final

from seconder.api.resources import (
    AUTOSCALERS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    JOBS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    GroupResource,
    ResolvedResource,
)

REPLICATION_CONTROLLERS: Final = GroupResource("", "replicationcontrollers")
CRON_JOBS: Final = GroupResource("batch", "cronjobs")


def _kind(resource: GroupResource, kind: str, *, namespaced: bool = True) -> ResolvedResource:
    return ResolvedResource(resource, "v1", namespaced, custom=False, kind=kind)


POD: Final = _kind(PODS, "Pod")
CLAIMS: Final = _kind(GroupResource("", "persistentvolumeclaims"), "PersistentVolumeClaim")
VOLUMES: Final = _kind(GroupResource("", "persistentvolumes"), "PersistentVolume", namespaced=False)
REVISION: Final = _kind(CONTROLLER_REVISIONS, "ControllerRevision")

NETWORK_PLUGINS: Final = frozenset(
    {
        "cilium.io",
        "crd.antrea.io",
        "crd.projectcalico.org",
        "k8s.ovn.org",
        "policy.networking.k8s.io",
        "projectcalico.org",
    }
)
"""API groups whose objects in no namespace are about pods in any: of network plugins, and KEP-2091."""

REDIRECTS: Final = GroupResource("cilium.io", "ciliumlocalredirectpolicies")
"""These are in a namespace, and take what is sent to whatever address they name."""

MESH_ROOT: Final = "istio-system"
MESH: Final = frozenset(
    {
        GroupResource("networking.istio.io", "destinationrules"),
        GroupResource("networking.istio.io", "envoyfilters"),
        GroupResource("networking.istio.io", "sidecars"),
        GroupResource("security.istio.io", "authorizationpolicies"),
        GroupResource("security.istio.io", "peerauthentications"),
        GroupResource("security.istio.io", "requestauthentications"),
    }
)
"""Those in the mesh's root namespace, which is this, are about all namespaces."""

OF_PODS: Final = (CLAIMS, _kind(GroupResource("resource.k8s.io", "resourceclaims"), "ResourceClaim"))
"""What may be made for one pod alone, by a template that it names, and goes with it then."""

MADE_FOR_PODS: Final = frozenset(kind.resource for kind in OF_PODS)

WITH_PODS: Final = MADE_FOR_PODS | {PODS, VOLUMES.resource}
"""The kinds of what ends where pods do: what goes with them, and with a claim its volume."""

MADE_BY_CONTROLLER: Final = frozenset(
    {
        (DEPLOYMENTS, REPLICA_SETS),
        (REPLICA_SETS, PODS),
        (DAEMON_SETS, PODS),
        (DAEMON_SETS, CONTROLLER_REVISIONS),
        (STATEFUL_SETS, PODS),
        (STATEFUL_SETS, CONTROLLER_REVISIONS),
        (CRON_JOBS, JOBS),
        (JOBS, PODS),
        (SERVICES, ENDPOINT_SLICES),
        (REPLICATION_CONTROLLERS, PODS),
    }
)
"""Pairs of an owner and what its own controller makes."""

_KINDS: Final = {
    CRON_JOBS: "CronJob",
    DAEMON_SETS: "DaemonSet",
    DEPLOYMENTS: "Deployment",
    JOBS: "Job",
    REPLICA_SETS: "ReplicaSet",
    REPLICATION_CONTROLLERS: "ReplicationController",
    SERVICES: "Service",
    STATEFUL_SETS: "StatefulSet",
}
MAKERS: Final[Mapping[GroupResource, ResolvedResource]] = {
    resource: _kind(resource, kind) for resource, kind in _KINDS.items()
}
"""The owners among these."""

MAKERS_AND_MADE: Final[Mapping[GroupResource, ResolvedResource]] = {
    **MAKERS,
    **{each.resource: each for each in (POD, REVISION)},
}
"""And what their controllers count that is no owner among these itself."""


BY_SELECTOR: Final = (DAEMON_SETS, DEPLOYMENTS, JOBS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS)
"""The workloads that know their pods, or what makes these, by a selector."""

SCALED: Final = tuple(each for each in BY_SELECTOR if each not in {DAEMON_SETS, JOBS})
"""Those with a size: the built-in kinds that have the subresource ``scale``."""


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


_MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
MADE_ANEW: Final = frozenset({"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"})
"""Who makes an EndpointSlice again that is deleted, by its label."""

BY_HAND: Final[Mapping[GroupResource, str]] = {ENDPOINT_SLICES: f"{_MANAGED_BY} notin ({','.join(sorted(MADE_ANEW))})"}
"""Of kinds of which a cluster has very many, those objects by whose end others end: as a list is asked for."""


def managed_by(labels: Mapping[str, str] | None) -> str:
    """Whose an EndpointSlice of these labels is."""
    return (labels or {}).get(_MANAGED_BY, "")


ADOPTERS: Final[Mapping[GroupResource, tuple[str, ...]]] = {
    REPLICA_SETS: ("deployment-controller",),
    PODS: (
        "daemon-set-controller",
        "job-controller",
        "replicaset-controller",
        "replication-controller",
        "statefulset-controller",
    ),
    CONTROLLER_REVISIONS: ("daemon-set-controller", "statefulset-controller"),
}
"""Controllers of kube-system that add owners to stored objects of a kind. What was lost of these they would make anew,
and so they wait for nobody's answer."""

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
    "lifecycle",
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

KUBERNETES_GROUPS: Final = BUILT_IN_GROUPS | {"", "apps", "autoscaling", "batch", "policy"}
"""API groups of which each version tells all that is stored."""

AUTOSCALER: Final = ResolvedResource(AUTOSCALERS, "v2", namespaced=True, custom=False, kind="HorizontalPodAutoscaler")

METRICS_GROUPS: Final = frozenset({"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"})
"""API groups that autoscalers measure by. Other servers answer for them, where there are any."""

INGRESSES: Final = _kind(GroupResource("networking.k8s.io", "ingresses"), "Ingress")
NETWORK_POLICY: Final = _kind(NETWORK_POLICIES, "NetworkPolicy")

POD_CHOOSERS: Final = (
    MAKERS[SERVICES],
    _kind(GroupResource("policy", "poddisruptionbudgets"), "PodDisruptionBudget"),
    NETWORK_POLICY,
)
"""Kinds whose objects choose pods by labels, and take none for their own."""

POD_RUNNERS: Final = frozenset({PODS, CRON_JOBS, *BY_SELECTOR})
"""Kinds whose objects are pods or make some."""

COMMON_OWNERS: Final = frozenset(
    {
        NAMESPACES,
        PODS,
        REPLICA_SETS,
        CRON_JOBS,
        DAEMON_SETS,
        DEPLOYMENTS,
        STATEFUL_SETS,
        JOBS,
        REPLICATION_CONTROLLERS,
        SERVICES,
        SERVICE_ACCOUNTS,
        CONFIG_MAPS,
        GroupResource("", "nodes"),
        CLAIMS.resource,
        CLUSTER_ROLES,
        GroupResource("rbac.authorization.k8s.io", "roles"),
    }
)
"""Kinds that programs make owners of workloads and namespaces. Custom resources are more so; never Secrets."""
