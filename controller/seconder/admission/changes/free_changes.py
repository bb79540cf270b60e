"""What agents may change of a protected object without asking anybody, kind by kind: one table.

Free fields are listed, and all others are not: what nobody has thought of needs a peer. A row is here because changing
it loses nothing that a further change would not bring back, and because it is an agent's everyday work. A policy's
``freeChanges`` stand in the place of a kind's rows.

What is easily thought harmless, and is not here: ownerReferences and finalizers; selectors and strategies; ``paused``
and ``suspend``; history limits and times to live; a StatefulSet's ordinals and its claims' retention; how long pods
must be ready to count; ``reclaimPolicy`` and ``claimRef`` of volumes; ``served``, ``versions`` and ``conversion`` of
definitions; a custom resource's own fields; and every status. Nor what holds the pods that a template makes beyond
their end.

A free field must also leave alone what makes another one harmless: a rollout ends pods by and by, since it counts those
that are available, and pods that must be ready for longer than any is are none of these, old or new. A DaemonSet has
all of its own replaced at once, and a Deployment's controller, which keeps its least number else, ends those that serve
first: its oldest ReplicaSet's. While it is sized it does so anyhow: see the threat model's open list.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from seconder.admission.changes import free_paths
from seconder.admission.changes.free_paths import FreePaths, Steps
from seconder.admission.kinds import BY_SELECTOR, CRON_JOBS, VOLUMES
from seconder.api.policy import Policy
from seconder.api.resources import (
    AUTOSCALERS,
    CLUSTER_ROLES,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
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


_EITHER: Final = ""
"""Labels and annotations alike."""


def _back(place: str, where: str, key: str, reason: str) -> tuple[Row, ...]:
    """The rows that take a key at a place back."""
    return tuple(Row(f"!{place}.{each}[{key}]", reason) for each in ([where] if where else ("labels", "annotations")))


_DELETED_BY: Final = (
    ("labels", "app.kubernetes.io/instance", "Argo CD, by default up to version 2"),
    (_EITHER, "*.argoproj.io/*", "Argo CD, and what keeps it from that"),
    (_EITHER, "applyset.kubernetes.io/*", "kubectl apply --prune (KEP-3659)"),
    ("labels", "kapp.k14s.io/*", "kapp"),
    ("annotations", "kapp.k14s.io/delete-strategy", "kapp, and what keeps it from that"),
    (_EITHER, "objectset.rio.cattle.io/*", "Rancher, Fleet and k3s"),
    ("annotations", "banzaicloud.com/last-applied", "operators that merge by it"),
    ("labels", "olm.owner", "the Operator Lifecycle Manager"),
    ("labels", "addonmanager.kubernetes.io/*", "kube-addon-manager"),
    ("labels", "kubernetes.io/cluster-service", "kube-addon-manager"),
    (_EITHER, "configmanagement.gke.io/*", "Config Sync"),
    ("annotations", "configsync.gke.io/*", "Config Sync"),
    ("annotations", "config.k8s.io/*", "kpt and whatever else prunes with cli-utils"),
    (
        "annotations",
        "cli-utils.sigs.k8s.io/*",
        "kpt and whatever else prunes with cli-utils, and what keeps it from that",
    ),
    ("annotations", "client.lifecycle.config.k8s.io/*", "cli-utils, and what keeps it from that"),
    (_EITHER, "*.toolkit.fluxcd.io/*", "Flux, and what keeps it from that"),
    (_EITHER, "*.fluxcd.controlplane.io/*", "the Flux Operator, and what keeps it from that"),
    ("annotations", "helm.sh/*", "Helm, and what keeps it from that"),
    (_EITHER, "hnc.x-k8s.io/*", "the Hierarchical Namespace Controller, as a copy of nothing"),
    (_EITHER, "accurate.cybozu.com/*", "Accurate, as a copy of nothing"),
    ("labels", "cleanup.kyverno.io/*", "Kyverno"),
    ("annotations", "janitor/*", "kube-janitor"),
    ("annotations", "k8s-ttl-controller.twin.sh/*", "k8s-ttl-controller"),
    (_EITHER, "pod-reaper/*", "pod-reaper"),
    (_EITHER, "kube-monkey/*", "kube-monkey, with its pods"),
    (_EITHER, "*.litmuschaos.io/*", "Litmus, with its pods"),
    (_EITHER, "*.chaos-mesh.org/*", "Chaos Mesh, with its pods"),
    (_EITHER, "*.loft.sh/*", "loft's sleep mode, or vcluster"),
    (_EITHER, "*.volsync.backube/*", "VolSync"),
    (_EITHER, "*.kruise.io/*", "OpenKruise, and what keeps it from that"),
    (_EITHER, "*.koordinator.sh/*", "Koordinator, and what keeps it from that"),
    (_EITHER, "*.gardener.cloud/*", "Gardener, and what keeps it from that"),
    (_EITHER, "*.karmada.io/*", "Karmada, and what keeps it from that"),
    (_EITHER, "*.open-cluster-management.io/*", "Open Cluster Management, and what keeps it from that"),
    (_EITHER, "*.clusternet.io/*", "Clusternet, and what keeps it from that"),
    (_EITHER, "*.liqo.io/*", "Liqo, and what keeps it from that"),
    (_EITHER, "operator.istio.io/*", "Istio's installer"),
    ("annotations", "*.spinnaker.io/*", "Spinnaker"),
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
    ("*.keda.sh/*", "KEDA, whose ScaledObject it pauses"),
    ("zalando.org/*", "kube-schedule-scaler; Skipper sends elsewhere what comes for it"),
    ("hoopla/*", "kube-schedule-scaler"),
    ("*.kube-green.com/*", "kube-green"),
    ("*.keptn.sh/*", "Keptn, which holds its pods back"),
    ("*.volcano.sh/*", "Volcano, which holds its pods back"),
    ("*.yunikorn.apache.org/*", "YuniKorn, which holds its pods back"),
)
"""Annotations on whose word a program scales to nothing, or makes no pod run."""

_TOOK_OVER: Final = "an operator takes it for its own, or lets go of it, and ends what is its own"
_OWN_BY_KEYS: Final = (
    "altinity.com",
    "cast.ai",
    "cnpg.io",
    "crunchydata.com",
    "datastax.com",
    "dell.com",
    "elastic.co",
    "enterprisedb.io",
    "harvesterhci.io",
    "k8ssandra.io",
    "kubeblocks.io",
    "kubevirt.io",
    "min.io",
    "mongodb.com",
    "netapp.io",
    "percona.com",
    "pingcap.com",
    "planetscale.com",
    "rabbitmq.com",
    "rook.io",
    "scylladb.com",
    "strimzi.io",
)
"""Domains of operators that know by labels and annotations what is their own: databases, queues, disks."""

_COMMANDED_BY: Final = (
    (_EITHER, "*.emberstack.com/*", "Reflector replaces what it holds"),
    (_EITHER, "*.mittwald.de/*", "the replicator replaces what it holds"),
    (
        _EITHER,
        "*.openshift.io/* but app.openshift.io/*, image.openshift.io/triggers",
        "OpenShift replaces what it holds, ends pods on other nodes, or lets any run",
    ),
    ("annotations", "scheduler.alpha.kubernetes.io/*", "pods of a namespace fit other nodes, or none"),
    *((_EITHER, f"*.{domain}/*", _TOOK_OVER) for domain in _OWN_BY_KEYS),
    (_EITHER, "*.rekuberate.io/*", "a SleepCycle scales it to nothing"),
    ("labels", "com.openfaas.scale.zero", "OpenFaaS scales it to nothing"),
    (_EITHER, "goldilocks.fairwinds.com/*", "Goldilocks has its pods evicted, to give them other sizes"),
    ("labels", "istio-injection", "its next pods are in Istio's mesh, or out of it"),
    ("labels", "sablier.enable", "Sablier scales it to nothing"),
    ("labels", "sablier.group", "Sablier scales it to nothing"),
    (_EITHER, "*.velero.io/*", "Velero leaves it out of backups"),
    (_EITHER, "*.k8up.io/*", "K8up leaves it out of backups"),
    (_EITHER, "*.kanister.io/*", "Kanister leaves it out of backups"),
    (_EITHER, "*.kasten.io/*", "Kasten leaves it out of backups"),
    (_EITHER, "*.longhorn.io/*", "Longhorn deletes snapshots of it"),
    (_EITHER, "*.openebs.io/*", "OpenEBS moves or replaces it"),
    (_EITHER, "*.libopenstorage.org/*", "Portworx moves or replaces it"),
    (_EITHER, "*.portworx.io/*", "Portworx moves or replaces it"),
    (_EITHER, "crossplane.io/*", "Crossplane takes another resource for it"),
    (_EITHER, "*.cnrm.cloud.google.com/*", "Config Connector takes another resource for it"),
    (_EITHER, "*.k8s.aws/*", "AWS's controllers take another resource for it"),
    (_EITHER, "serviceoperator.azure.com/*", "Azure's operator takes another resource for it"),
    (_EITHER, "*.cluster.x-k8s.io/*", "Cluster API deletes or replaces the machine, or takes it for its own"),
    (_EITHER, "external-dns.alpha.kubernetes.io/*", "ExternalDNS deletes or moves its names"),
    (_EITHER, "field.cattle.io/*", "Rancher moves the namespace to another project"),
)
"""Keys that are commands, and what a program does on their word."""

_SENT: Final = "what is sent to it, or by it, goes elsewhere or nowhere on the word of a balancer, a mesh or a network"
_SENT_BY: Final = (
    *("antrea.io", "cilium.io", "cni.cncf.io", "kube-router.io", "multus-cni.io", "ovn.org", "projectcalico.org"),
    *("consul.hashicorp.com", "istio.io", "kuma.io", "linkerd.io", "openservicemesh.io", "submariner.io"),
    *("admiralty.io", "apisix.apache.org", "appscode.com", "cert-manager.io", "citrix.com", "f5.com"),
    *("getambassador.io", "haproxy-ingress.github.io", "haproxy.com", "haproxy.org", "higress.io", "konghq.com"),
    *("netscaler.com", "networking.azure.io", "nginx.com", "nginx.org", "ngrok.com", "pomerium.io"),
    *("projectcontour.io", "solo.io", "tailscale.com", "traefik.io", "vmware.com"),
    *("cloud.google.com", "cloud.tencent.com", "cloudscale.ch", "digitalocean.com", "hetzner.cloud"),
    *("kube-vip.io", "kubesphere.io", "loxilb.io", "metallb.io", "metallb.universe.tf", "networking.gke.io"),
    *("openstack.org", "oraclecloud.com", "purelb.io", "scaleway.com", "stackit.cloud"),
)
"""Domains by whose keys networks, meshes, ingress controllers and load balancers are told where something goes."""


def _marked(place: str) -> tuple[Row, ...]:
    """What no labels and annotations at a place free: keys by which programs end or change what carries them."""
    reasons = (
        *((where, key, f"what carries it may be deleted by {by}") for where, key, by in _DELETED_BY),
        *((where, key, f"on its word {does}") for where, key, does in _COMMANDED_BY),
        *(("annotations", key, f"what carries it may be scaled to nothing by {by}") for key, by in _SCALED_BY),
    )
    return tuple(chain.from_iterable(_back(place, *each) for each in reasons))


_PROGRAMS: Final = _marked("metadata")
MARKS: Final = FreePaths(back=tuple(free_paths.steps_of(row.path) for row in _PROGRAMS), freed=True)
"""Everything but the keys by which programs find what they end."""


def _but(pattern: str, *spared: str) -> str:
    return f"{pattern} but {', '.join(spared)}"


_TELL: Final = (
    "app.kubernetes.io/*",
    "kubectl.kubernetes.io/*",
    "config.kubernetes.io/origin",
    "kubernetes.io/change-cause",
    "kubernetes.io/description",
    "kubernetes.io/metadata.name",
)
"""Keys of Kubernetes' own domains that tell something to people and to clients alone."""

ENDED: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    JOBS: (Row("!spec.ttlSecondsAfterFinished", "the Job's controller deletes it that long after it is finished"),),
    PODS: (
        Row("!spec.activeDeadlineSeconds", "its kubelet ends the pod then"),
        Row("!status", "who made the pod replaces one that has failed"),
    ),
    VOLUMES.resource: tuple(
        Row(f"!{path}", "the volumes' controller deletes one that nobody holds any more, by its policy")
        for path in ("spec.claimRef", "spec.persistentVolumeReclaimPolicy", "status")
    ),
    SECRETS: _back(
        "metadata",
        _EITHER,
        _but("*.kubernetes.io/*", *_TELL),
        "the tokens' controller deletes one whose account is not there",
    ),
    ENDPOINT_SLICES: _back(
        "metadata",
        "labels",
        _but("*.kubernetes.io/*", *_TELL),
        "its controller deletes one that it has too many of",
    ),
}
"""Fields on whose word a controller of Kubernetes' own deletes the object itself, or ends it."""


@functools.lru_cache(256)
def ending(resource: GroupResource) -> FreePaths:
    """Everything on objects of a kind but what ends the object itself: marks for programs, and such fields."""
    back = (free_paths.steps_of(row.path) for row in ENDED.get(resource, ()))
    return FreePaths(back=(*MARKS.back, *back), freed=True)


_KUBERNETES_OWN: Final = ("kubernetes.io", "k8s.io", "x-k8s.io")
"""Domains that Kubernetes keeps for itself (Well-Known Labels, Annotations and Taints), and its subprojects' own."""

_COMMAND: Final = "admission, the scheduler, a controller or a proxy of Kubernetes' own may act by it"


def _reserved(place: str, *telling: str) -> tuple[Row, ...]:
    """What no labels and annotations at a place free: keys of Kubernetes' own, but those that tell."""
    first, *others = _KUBERNETES_OWN
    keys = (_but(f"*.{first}/*", *_TELL, *telling), *(f"*.{domain}/*" for domain in others))
    return tuple(chain.from_iterable(_back(place, _EITHER, key, _COMMAND) for key in keys))


_UNMARKED: Final = (
    Row("metadata.labels", "they select and describe; a policy protects by name, never by label"),
    Row("metadata.annotations", "they describe; approvals and the emergency exit are kept from agents elsewhere"),
    *_PROGRAMS,
)
UNMARKED: Final = tuple(row.path for row in _UNMARKED)
"""Paths of all labels and annotations but those by which programs find what they end."""


def _sent(place: str) -> tuple[Row, ...]:
    """What no labels and annotations at a place free: keys by which traffic is led."""
    prefixes = ("io.cilium/*", "ncp/*", *(f"*.{domain}/*" for domain in _SENT_BY))
    return tuple(chain.from_iterable(_back(place, _EITHER, key, _SENT) for key in prefixes))


KNOWN_BY: Final = (
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
)
"""Labels without a prefix by which controllers know what they have made, and of which revision."""


_NOT_RESERVED: Final = free_paths.at(
    free_paths.compiled(("labels", *(row.path.replace("!metadata.", "!") for row in _reserved("metadata")))), "labels"
)


def reserved(key: str) -> bool:
    """Whether a key is of Kubernetes' own domains, and does not merely tell something."""
    return free_paths.at(_NOT_RESERVED, key).none_free


ANYWHERE: Final = (*_UNMARKED, *_sent("metadata"), *_reserved("metadata"))
"""What is free on objects of every kind, and is not."""

_NO_LABELS: Final = Row(
    "!metadata.labels", "by them a controller takes it for its own, or lets go of it, and ends what is its own"
)
_ROLLBACK: Final = Row(
    "!metadata.annotations[deprecated.deployment.rollback.to]", "on its word the controller puts a former template back"
)
_TEMPLATE: Final = Row("spec.template", "a rollout, which another one takes back; pods come back")
_HELD: Final = "pods that nothing takes it from stay for ever, and their controller makes none in their place"
_LATE: Final = (
    "pods that take decades to end stay as long, whatever another rollout says, and a controller waits for them"
)


def _unheld(place: str) -> tuple[Row, ...]:
    """Nothing that holds the pods that a template makes beyond their end."""
    late = Row(f"!{place}.spec.terminationGracePeriodSeconds", _LATE)
    return Row(f"!{place}.metadata.finalizers", _HELD), late


_UNHELD: Final = _unheld("spec.template")
_REPLICAS: Final = Row("spec.replicas", "a size between one and many; nothing at all is ScaleToZero")
_SIZED: Final = (_TEMPLATE, *_UNHELD, _REPLICAS)
_WORKLOAD: Final = (*ANYWHERE, *_SIZED)
_UNPLACED: Final = "a DaemonSet that fits no node has no pods: it would be a scale to nothing"

_IDENTITY: Final = "clouds and vaults take it for the identity of its pods"

TABLE: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    DEPLOYMENTS: (
        # Its controller puts that one right: an agent may apply what it has read before.
        *_UNMARKED,
        *_sent("metadata"),
        *_reserved("metadata", "deployment.kubernetes.io/revision"),
        *_SIZED,
        _ROLLBACK,
        Row("spec.progressDeadlineSeconds", "when a rollout counts as stuck, which only its condition tells"),
    ),
    STATEFUL_SETS: _WORKLOAD,
    REPLICA_SETS: (*_WORKLOAD, _NO_LABELS),
    GroupResource("", "replicationcontrollers"): _WORKLOAD,
    DAEMON_SETS: (
        *ANYWHERE,
        _TEMPLATE,
        *_UNHELD,
        *(
            Row(f"!spec.template.spec.{field}", _UNPLACED)
            for field in ("nodeSelector", "affinity", "tolerations", "nodeName", "schedulerName")
        ),
    ),
    GroupResource("batch", "jobs"): (
        *ANYWHERE,
        Row("spec.template", "fixed once it runs; before that it says where pods may run"),
        *_UNHELD,
    ),
    GroupResource("batch", "cronjobs"): (
        *ANYWHERE,
        Row("spec.jobTemplate.metadata.labels", "as an object's own, but for those that are not free there"),
        Row("spec.jobTemplate.metadata.annotations", "as an object's own, but for those that are not free there"),
        *_marked("spec.jobTemplate.metadata"),
        *_sent("spec.jobTemplate.metadata"),
        *_reserved("spec.jobTemplate.metadata"),
        Row("spec.jobTemplate.spec.template", "what the next Jobs run; those that run go on"),
        *_unheld("spec.jobTemplate.spec.template"),
        *(
            Row(
                f"!spec.jobTemplate.spec.template.metadata.labels[{key}]", "the API server makes no Job that has others"
            )
            for key in (*KNOWN_BY, "batch.kubernetes.io/*")
        ),
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
    # Labels choose what runs there, and distributions, networks and autoscalers take annotations for commands.
    NODES: (),
}
"""Kinds that have more, or less, than others."""

COMMANDS: Final = "the kind's own controller may take them for commands"

_NEVER: Final[Mapping[GroupResource, tuple[str, ...]]] = {
    **dict.fromkeys(BY_SELECTOR, tuple(row.path for row in _UNHELD)),
    DEPLOYMENTS: (_ROLLBACK.path, *(row.path for row in _UNHELD)),
    CRON_JOBS: tuple(row.path for row in _unheld("spec.jobTemplate.spec.template")),
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
    return (*ANYWHERE, *_back("metadata", _EITHER, f"*.{domain}/*", COMMANDS))


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
