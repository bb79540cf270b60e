"""What agents may change of a protected object without asking anybody, kind by kind: one table.

Free fields are listed, and all others are not: what nobody has thought of needs a peer. A row is here because changing
it loses nothing that a further change would not bring back, and because it is an agent's everyday work. A policy's
``freeChanges`` stand in the place of a kind's rows.

What is easily thought harmless, and is not here: ownerReferences and finalizers; selectors and strategies; ``paused``
and ``suspend``; history limits and times to live; a StatefulSet's ordinals and its claims' retention; ``reclaimPolicy``
and ``claimRef`` of volumes; ``served``, ``versions`` and ``conversion`` of definitions; a custom resource's own fields;
and every status.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from seconder.admission.changes import free_paths
from seconder.admission.changes.free_paths import FreePaths, Steps
from seconder.api.policy import Policy
from seconder.api.resources import (
    AUTOSCALERS,
    DAEMON_SETS,
    DEFINITIONS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    GroupResource,
)

REPLICAS: Final[Steps] = ("spec", "replicas")
TEMPLATE: Final[Steps] = ("spec", "template")
OWNERS: Final[Steps] = ("metadata", "ownerReferences")
FINALIZERS: Final[Steps] = ("metadata", "finalizers")
SPEC_FINALIZERS: Final[Steps] = ("spec", "finalizers")
NAMED: Final = (REPLICAS, OWNERS, FINALIZERS, SPEC_FINALIZERS)
"""Fields some of whose changes have a name of their own: ScaleToZero, ChangeOwners, RemoveFinalizers."""


class Row(NamedTuple):
    """A path that is free, or with ``!`` one that is not although what holds it is; and why."""

    path: str
    reason: str


_DELETED_BY: Final = (
    ("labels", "app.kubernetes.io/instance", "Argo CD, by default up to version 2"),
    ("labels", "argocd.argoproj.io/*", "Argo CD"),
    ("annotations", "argocd.argoproj.io/*", "Argo CD, and what keeps it from that"),
    ("labels", "applyset.kubernetes.io/*", "kubectl apply --prune (KEP-3659)"),
    ("annotations", "applyset.kubernetes.io/*", "kubectl apply --prune (KEP-3659)"),
    ("labels", "kapp.k14s.io/*", "kapp"),
    ("annotations", "kapp.k14s.io/delete-strategy", "kapp, and what keeps it from that"),
    ("labels", "objectset.rio.cattle.io/*", "Rancher, Fleet and k3s"),
    ("annotations", "objectset.rio.cattle.io/*", "Rancher, Fleet and k3s"),
    ("annotations", "banzaicloud.com/last-applied", "operators that merge by it"),
    ("labels", "olm.owner", "the Operator Lifecycle Manager"),
    ("labels", "addonmanager.kubernetes.io/*", "kube-addon-manager"),
    ("labels", "kubernetes.io/cluster-service", "kube-addon-manager"),
    ("labels", "configmanagement.gke.io/*", "Config Sync"),
    ("annotations", "configmanagement.gke.io/*", "Config Sync"),
    ("annotations", "configsync.gke.io/*", "Config Sync"),
    ("annotations", "config.k8s.io/*", "kpt and whatever else prunes with cli-utils"),
    (
        "annotations",
        "cli-utils.sigs.k8s.io/*",
        "kpt and whatever else prunes with cli-utils, and what keeps it from that",
    ),
    ("annotations", "client.lifecycle.config.k8s.io/*", "cli-utils, and what keeps it from that"),
    ("labels", "kustomize.toolkit.fluxcd.io/*", "Flux"),
    ("annotations", "kustomize.toolkit.fluxcd.io/*", "Flux, and what keeps it from that"),
    ("annotations", "helm.sh/*", "Helm, and what keeps it from that"),
    ("labels", "hnc.x-k8s.io/*", "the Hierarchical Namespace Controller, as a copy of nothing"),
    ("annotations", "hnc.x-k8s.io/*", "the Hierarchical Namespace Controller, as a copy of nothing"),
    ("labels", "accurate.cybozu.com/*", "Accurate, as a copy of nothing"),
    ("annotations", "accurate.cybozu.com/*", "Accurate, as a copy of nothing"),
    ("labels", "cleanup.kyverno.io/*", "Kyverno"),
    ("annotations", "janitor/*", "kube-janitor"),
    ("annotations", "k8s-ttl-controller.twin.sh/*", "k8s-ttl-controller"),
    ("annotations", "sleepmode.loft.sh/*", "loft's sleep mode"),
    ("annotations", "cluster-autoscaler.kubernetes.io/*", "the cluster autoscaler, and what keeps it from that"),
    ("annotations", "descheduler.alpha.kubernetes.io/*", "the descheduler, and what keeps it from that"),
    ("annotations", "karpenter.sh/*", "Karpenter, and what keeps it from that"),
)
"""Keys by which a program finds what it deletes, and the program.

A program's whole prefix is named where it has one: which of its keys destroys is its own affair, and may be another
one tomorrow. Keys without a prefix are private to users, and those of unknown prefixes are most of what agents set, so
that labels and annotations as such stay free.
"""

_SCALED_BY: Final = (
    ("downscaler/*", "kube-downscaler"),
    ("autoscaling.keda.sh/*", "KEDA, whose ScaledObject it pauses"),
)
"""Annotations on whose word a program scales to nothing."""

_COMMANDED_BY: Final = (
    ("annotations", "reflector.v1.k8s.emberstack.com/*", "Reflector replaces what it holds"),
    ("annotations", "replicator.v1.mittwald.de/*", "the replicator replaces what it holds"),
    ("labels", "config.openshift.io/*", "OpenShift replaces what it holds"),
    ("annotations", "service.alpha.openshift.io/*", "OpenShift replaces what it holds"),
    ("annotations", "service.beta.openshift.io/*", "OpenShift replaces what it holds"),
    ("annotations", "openshift.io/*", "OpenShift ends pods on other nodes"),
    ("annotations", "scheduler.alpha.kubernetes.io/*", "pods of a namespace fit other nodes, or none"),
    ("annotations", "cdi.kubevirt.io/*", "the Containerized Data Importer writes over it"),
    ("annotations", "*.cdi.kubevirt.io/*", "the Containerized Data Importer writes over it"),
    ("labels", "*.strimzi.io/*", "Strimzi takes it for its own, or lets go of it"),
    ("annotations", "*.strimzi.io/*", "Strimzi deletes it with its claims, or restarts it"),
    ("labels", "sablier.enable", "Sablier scales it to nothing"),
    ("labels", "sablier.group", "Sablier scales it to nothing"),
    ("labels", "velero.io/*", "Velero leaves it out of backups"),
    ("annotations", "*.velero.io/*", "Velero leaves it out of backups"),
    ("annotations", "crossplane.io/*", "Crossplane takes another resource for it"),
    ("labels", "*.cluster.x-k8s.io/*", "Cluster API takes the machine for its own, or replaces it"),
    ("annotations", "*.cluster.x-k8s.io/*", "Cluster API deletes or replaces the machine"),
    ("annotations", "external-dns.alpha.kubernetes.io/*", "ExternalDNS deletes or moves its names"),
    ("annotations", "field.cattle.io/*", "Rancher moves the namespace to another project"),
    ("labels", "field.cattle.io/*", "Rancher moves the namespace to another project"),
)
"""Keys that are commands, and what a program does on their word."""

ANYWHERE: Final = (
    Row("metadata.labels", "they select and describe; a policy protects by name, never by label"),
    Row("metadata.annotations", "they describe; approvals and the emergency exit are kept from agents elsewhere"),
    *(Row(f"!metadata.{where}[{key}]", f"what carries it may be deleted by {by}") for where, key, by in _DELETED_BY),
    *(Row(f"!metadata.{where}[{key}]", f"on its word {does}") for where, key, does in _COMMANDED_BY),
    *(
        Row(f"!metadata.annotations[{key}]", f"what carries it may be scaled to nothing by {by}")
        for key, by in _SCALED_BY
    ),
)
MARKS: Final = FreePaths(
    back=tuple(free_paths.steps_of(row.path) for row in ANYWHERE if row.path.startswith("!")), freed=True
)
"""Everything but the keys of ``ANYWHERE`` by which programs find what they end."""

_NO_LABELS: Final = Row(
    "!metadata.labels", "by them a controller takes it for its own, or lets go of it, and ends what is its own"
)
_ROLLBACK: Final = Row(
    "!metadata.annotations[deprecated.deployment.rollback.to]", "on its word the controller puts a former template back"
)
_TEMPLATE: Final = Row("spec.template", "a rollout, which another one takes back; pods come back")
_REPLICAS: Final = Row("spec.replicas", "a size between one and many; nothing at all is ScaleToZero")
_READY: Final = Row("spec.minReadySeconds", "how long a rollout waits")
_WORKLOAD: Final = (*ANYWHERE, _TEMPLATE, _REPLICAS, _READY)
_UNPLACED: Final = "a DaemonSet that fits no node has no pods: it would be a scale to nothing"

_POD_SECURITY: Final = tuple(
    Row(
        f"!metadata.labels[pod-security.kubernetes.io/{mode}{version}]",
        "what may run in the namespace (Pod Security admission)",
    )
    for mode in ("enforce", "audit", "warn")
    for version in ("", "-version")
)

_BINDER: Final = tuple(
    Row(f"!metadata.annotations[{prefix}/*]", "by them the volume controller binds, provisions and takes for lost")
    for prefix in ("pv.kubernetes.io", "volume.kubernetes.io", "volume.beta.kubernetes.io")
)
_UNROUTED: Final = Row("!metadata.labels[service.kubernetes.io/*]", "kube-proxy passes over what carries them")
_BALANCERS: Final = tuple(
    Row(f"!metadata.annotations[{prefix}/*]", "by them a load balancer is made anew, moved, or given up")
    for prefix in (
        "cloud.google.com",
        "io.cilium",
        "kube-vip.io",
        "kubernetes.digitalocean.com",
        "lbipam.cilium.io",
        "load-balancer.hetzner.cloud",
        "loadbalancer.openstack.org",
        "metallb.io",
        "metallb.universe.tf",
        "networking.gke.io",
        "oci.oraclecloud.com",
        "service.alpha.kubernetes.io",
        "service.beta.kubernetes.io",
        "service.kubernetes.io",
    )
)
_MIRRORED: Final = "the mirroring controller deletes the EndpointSlices of what carries it"

_INGRESSES: Final = GroupResource("networking.k8s.io", "ingresses")
_ROUTES: Final = tuple(
    Row(f"!metadata.annotations[{key}]", "its controller routes by them as by its spec")
    for key in (
        "cert-manager.io/*",
        "haproxy.org/*",
        "ingress.kubernetes.io/*",
        "*.ingress.kubernetes.io/*",
        "konghq.com/*",
        "kubernetes.io/ingress.class",
        "kubernetes.io/ingress.global-static-ip-name",
        "networking.gke.io/*",
        "nginx.org/*",
    )
)

_OLD_FORM: Final = Row(
    "!metadata.annotations[autoscaling.alpha.kubernetes.io/*]", "its metrics and pace, as autoscaling/v1 has them"
)

TABLE: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    DEPLOYMENTS: (
        *_WORKLOAD,
        _ROLLBACK,
        Row("spec.progressDeadlineSeconds", "when a rollout counts as stuck, which only its condition tells"),
    ),
    STATEFUL_SETS: _WORKLOAD,
    REPLICA_SETS: (*_WORKLOAD, _NO_LABELS),
    GroupResource("", "replicationcontrollers"): _WORKLOAD,
    DAEMON_SETS: (
        *ANYWHERE,
        _TEMPLATE,
        _READY,
        *(
            Row(f"!spec.template.spec.{field}", _UNPLACED)
            for field in ("nodeSelector", "affinity", "tolerations", "nodeName", "schedulerName")
        ),
    ),
    GroupResource("batch", "jobs"): (
        *ANYWHERE,
        Row("spec.template", "fixed once it runs; before that it says where pods may run"),
    ),
    GroupResource("batch", "cronjobs"): (
        *ANYWHERE,
        Row("spec.jobTemplate.metadata.labels", "as an object's own"),
        Row("spec.jobTemplate.metadata.annotations", "as an object's own"),
        Row("spec.jobTemplate.spec.template", "what the next Jobs run; those that run go on"),
    ),
    AUTOSCALERS: (*ANYWHERE, _OLD_FORM),
    PODS: (*ANYWHERE, _NO_LABELS),
    GroupResource("", "persistentvolumeclaims"): (*ANYWHERE, *_BINDER),
    GroupResource("", "persistentvolumes"): (*ANYWHERE, *_BINDER),
    SERVICES: (*ANYWHERE, _UNROUTED, *_BALANCERS),
    ENDPOINTS: (
        *ANYWHERE,
        Row("!metadata.labels[endpointslice.kubernetes.io/skip-mirror]", _MIRRORED),
        Row("!metadata.annotations[control-plane.alpha.kubernetes.io/leader]", _MIRRORED),
    ),
    ENDPOINT_SLICES: (
        *ANYWHERE,
        Row("!metadata.labels[endpointslice.kubernetes.io/*]", "by them a controller takes it, and ends it"),
        Row("!metadata.labels[kubernetes.io/service-name]", "by it a Service has it, and another one's is ended"),
        _UNROUTED,
    ),
    _INGRESSES: (*ANYWHERE, *_ROUTES),
    DEFINITIONS: (
        *ANYWHERE,
        Row("!metadata.annotations[cert-manager.io/*]", "cert-manager writes into its conversion on their word"),
    ),
    NAMESPACES: (*ANYWHERE, *_POD_SECURITY),
    # Labels choose what runs there, and distributions, networks and autoscalers take annotations for commands.
    NODES: (),
}
"""Kinds that have more, or less, than others."""

COMMANDS: Final = "the kind's own controller may take them for commands"
MAPS: Final = ("labels", "annotations")

_NEVER: Final[Mapping[GroupResource, tuple[str, ...]]] = {
    DEPLOYMENTS: (_ROLLBACK.path,),
    AUTOSCALERS: (_OLD_FORM.path,),
}
"""What no policy's own list frees: whoever writes it changes another field, which may not be free."""


def rows(resource: GroupResource) -> tuple[Row, ...]:
    """The rows of a kind; labels and annotations alone where it has none of its own.

    A definition's author names its commands alike: of a custom kind, keys of the group's domain are not free.
    """
    if resource in TABLE:
        return TABLE[resource]
    domain = _domain(resource.group)
    return (*ANYWHERE, *(Row(f"!metadata.{where}[*.{domain}/*]", COMMANDS) for where in MAPS if domain))


def _domain(group: str) -> str:
    """The domain of whoever defined a group: ``example.com`` of ``apps.example.com``. Empty for groups without any."""
    if group.endswith(".k8s.io"):
        return group
    return ".".join(group.split(".")[-2:]) if "." in group else ""


@functools.lru_cache(256)
def built_in(resource: GroupResource) -> FreePaths:
    """What the table leaves free on objects of a kind."""
    return free_paths.compiled(tuple(row.path for row in rows(resource)))


def of(policy: Policy, resource: GroupResource) -> FreePaths:
    """What a policy leaves free on objects of a kind."""
    if policy.free_changes is None:
        return built_in(resource)
    return free_paths.compiled((*policy.free_changes, *_NEVER.get(resource, ())))


def frees(paths: FreePaths, steps: Steps) -> bool:
    """Whether these free all of a field."""
    for step in steps:
        paths = free_paths.at(paths, step)
    return paths.all_free


def of_all(policies: Iterable[Policy], resource: GroupResource) -> Sequence[FreePaths]:
    """What each of some policies leaves free. A field is free where all of them free it."""
    found: dict[FreePaths, None] = {}
    for policy in policies:
        found[of(policy, resource)] = None
    return tuple(found)


def taking_back(free: Sequence[FreePaths], fields: Iterable[Steps]) -> Sequence[FreePaths]:
    """The same, but that nothing frees these fields."""
    for steps in fields:
        free = [paths.taking_back(steps) for paths in free]
    return free
