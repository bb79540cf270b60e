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
    CLUSTER_ROLES,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEFINITIONS,
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
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

MAPS: Final = ("labels", "annotations")


def _marked(place: str) -> tuple[Row, ...]:
    """What no labels and annotations at a place free: keys by which programs end or change what carries them."""
    return (
        *(Row(f"!{place}.{where}[{key}]", f"what carries it may be deleted by {by}") for where, key, by in _DELETED_BY),
        *(Row(f"!{place}.{where}[{key}]", f"on its word {does}") for where, key, does in _COMMANDED_BY),
        *(
            Row(f"!{place}.annotations[{key}]", f"what carries it may be scaled to nothing by {by}")
            for key, by in _SCALED_BY
        ),
    )


_PROGRAMS: Final = _marked("metadata")
MARKS: Final = FreePaths(back=tuple(free_paths.steps_of(row.path) for row in _PROGRAMS), freed=True)
"""Everything but the keys by which programs find what they end."""

_TELL: Final = (
    "app.kubernetes.io/*",
    "kubectl.kubernetes.io/*",
    "config.kubernetes.io/origin",
    "kubernetes.io/change-cause",
    "kubernetes.io/description",
    "kubernetes.io/metadata.name",
)
"""Keys of Kubernetes' own domains that tell something to people and to clients alone."""

_KUBERNETES_OWN: Final = ("kubernetes.io", "k8s.io", "x-k8s.io")
"""Domains that Kubernetes keeps for itself (Well-Known Labels, Annotations and Taints), and its subprojects' own."""

_COMMAND: Final = "admission, the scheduler, a controller or a proxy of Kubernetes' own may act by it"


def _but(pattern: str, *spared: str) -> str:
    return f"{pattern} but {', '.join(spared)}"


def _reserved(place: str, *telling: str) -> tuple[Row, ...]:
    """What no labels and annotations at a place free: keys of Kubernetes' own, but those that tell."""
    first, *others = _KUBERNETES_OWN
    keys = (_but(f"*.{first}/*", *_TELL, *telling), *(f"*.{domain}/*" for domain in others))
    return tuple(Row(f"!{place}.{where}[{key}]", _COMMAND) for where in MAPS for key in keys)


_UNMARKED: Final = (
    Row("metadata.labels", "they select and describe; a policy protects by name, never by label"),
    Row("metadata.annotations", "they describe; approvals and the emergency exit are kept from agents elsewhere"),
    *_PROGRAMS,
)
UNMARKED: Final = tuple(row.path for row in _UNMARKED)
"""Paths of all labels and annotations but those by which programs find what they end."""

ANYWHERE: Final = (*_UNMARKED, *_reserved("metadata"))
"""What is free on objects of every kind, and is not."""

_NO_LABELS: Final = Row(
    "!metadata.labels", "by them a controller takes it for its own, or lets go of it, and ends what is its own"
)
_ROLLBACK: Final = Row(
    "!metadata.annotations[deprecated.deployment.rollback.to]", "on its word the controller puts a former template back"
)
_TEMPLATE: Final = Row("spec.template", "a rollout, which another one takes back; pods come back")
_REPLICAS: Final = Row("spec.replicas", "a size between one and many; nothing at all is ScaleToZero")
_READY: Final = Row("spec.minReadySeconds", "how long a rollout waits")
_ROLLED_OUT: Final = (_TEMPLATE, _REPLICAS, _READY)
_WORKLOAD: Final = (*ANYWHERE, *_ROLLED_OUT)
_UNPLACED: Final = "a DaemonSet that fits no node has no pods: it would be a scale to nothing"

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
    )
)

_INGRESSES: Final = GroupResource("networking.k8s.io", "ingresses")
_ROUTES: Final = tuple(
    Row(f"!metadata.annotations[{key}]", "its controller routes by them as by its spec")
    for key in ("*.cert-manager.io/*", "haproxy.org/*", "konghq.com/*", "networking.gke.io/*", "nginx.org/*")
)
_IDENTITY: Final = "clouds and vaults take it for the identity of its pods"

TABLE: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    DEPLOYMENTS: (
        # Its controller puts that one right: an agent may apply what it has read before.
        *_UNMARKED,
        *_reserved("metadata", "deployment.kubernetes.io/revision"),
        *_ROLLED_OUT,
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
        Row("spec.jobTemplate.metadata.labels", "as an object's own, but for those that are not free there"),
        Row("spec.jobTemplate.metadata.annotations", "as an object's own, but for those that are not free there"),
        *_marked("spec.jobTemplate.metadata"),
        *_reserved("spec.jobTemplate.metadata"),
        Row("spec.jobTemplate.spec.template", "what the next Jobs run; those that run go on"),
    ),
    PODS: (*ANYWHERE, _NO_LABELS),
    CONTROLLER_REVISIONS: (*ANYWHERE, _NO_LABELS),
    GroupResource("", "persistentvolumes"): (
        *ANYWHERE,
        Row("!metadata.labels", "by them claims select it, and the scheduler the nodes of its pods"),
    ),
    CLUSTER_ROLES: (*ANYWHERE, Row("!metadata.labels", "by them other roles are made of it (aggregation)")),
    SERVICE_ACCOUNTS: (
        *ANYWHERE,
        Row("!metadata.labels[azure.workload.identity/*]", _IDENTITY),
        Row(f"!metadata.annotations[{_but('*/*', *_TELL, 'meta.helm.sh/*')}]", _IDENTITY),
    ),
    SERVICES: (*ANYWHERE, *_BALANCERS),
    _INGRESSES: (*ANYWHERE, *_ROUTES),
    DEFINITIONS: (
        *ANYWHERE,
        Row("!metadata.annotations[cert-manager.io/*]", "cert-manager writes into its conversion on their word"),
    ),
    # Labels choose what runs there, and distributions, networks and autoscalers take annotations for commands.
    NODES: (),
}
"""Kinds that have more, or less, than others."""

COMMANDS: Final = "the kind's own controller may take them for commands"

_NEVER: Final[Mapping[GroupResource, tuple[str, ...]]] = {
    DEPLOYMENTS: (_ROLLBACK.path,),
    AUTOSCALERS: ("!metadata.annotations[autoscaling.alpha.kubernetes.io/*]",),
}
"""What no policy's own list frees: whoever writes it changes another field, which may not be free."""


def rows(resource: GroupResource) -> tuple[Row, ...]:
    """The rows of a kind; labels and annotations alone where it has none of its own.

    A definition's author names its commands alike: of a custom kind, keys of the group's domain are not free.
    """
    if resource in TABLE:
        return TABLE[resource]
    domain = ".".join(resource.group.split(".")[-2:])
    if "." not in domain or domain in _KUBERNETES_OWN:
        return ANYWHERE
    return (*ANYWHERE, *(Row(f"!metadata.{where}[*.{domain}/*]", COMMANDS) for where in MAPS))


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
