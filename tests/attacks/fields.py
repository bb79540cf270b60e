"""Changing what a controller destroys by, or what people rely on: what nobody has listed as free needs a peer."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import (
    ACCOUNTS,
    AUTOSCALERS,
    CLUSTER_ROLES,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    INGRESSES,
    NAMESPACES,
    SERVICES,
    STATEFUL_SETS,
    STORAGE_CLASSES,
    VOLUMES,
    Field,
    Kind,
)

_DATABASES: Final = Kind("postgresql.example.com", "databases")
_PRIVILEGED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
_CHANGES: dict[str, tuple[str, Any]] = {
    "paused": ("", {"spec": {"paused": True}}),
    "strategy": ("", {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
    "history": ("", {"spec": {"revisionHistoryLimit": 0}}),
    "status": ("/status", {"status": {"readyReplicas": 7, "replicas": 7}}),
    "beside-a-free-field": ("", {"spec": {"replicas": 2, "paused": True}, "metadata": {"labels": {"a": "b"}}}),
    "rollback": ("", {"metadata": {"annotations": {"deprecated.deployment.rollback.to": "1"}}}),
    "finalizers": ("", {"metadata": {"finalizers": ["example.com/stuck"]}}),
}


@attack(variants=_CHANGES)
def change_a_field(field: Field, below: str, body: Any) -> None:
    """An agent changes a field of a protected Deployment that is not free."""
    before = field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.refused("PATCH", path + below, body)
    if field.lasts(path)["spec"] != before["spec"]:
        field.lost("its spec has changed")


@attack()
def lift_pod_security(field: Field) -> None:
    """An agent lets privileged pods into a protected namespace."""
    field.deployment()
    field.refused("PATCH", NAMESPACES.path("", field.place), _PRIVILEGED)
    field.refused("PATCH", NAMESPACES.path("", field.place) + "/status", _PRIVILEGED)


_NOTES: dict[str, tuple[Kind, dict[str, Any], dict[str, str]]] = {
    "of-its-load-balancer": (
        SERVICES,
        {"ports": [{"port": 80}], "selector": {"app": "web"}},
        {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"},
    ),
    "of-its-controller": (
        INGRESSES,
        documents.ingress("notes.example.com")["spec"],
        {"kubernetes.io/ingress.class": "another"},
    ),
    "of-its-metrics": (AUTOSCALERS, documents.autoscaler("Deployment", "web")["spec"], documents.METRICS_OF_V1),
}


@attack(variants=_NOTES)
def write_a_note(field: Field, kind: Kind, spec: dict[str, Any], notes: dict[str, str]) -> None:
    """An agent annotates a protected object so that its controller gives up what it made for it, or acts otherwise."""
    field.make(kind, {"metadata": {"name": "web"}, "spec": spec})
    field.protect(kind, kind.path(field.place, "web"))
    path = kind._replace(version="v1").path(field.place, "web")
    field.done("PATCH", path, {"metadata": {"annotations": {"example.com/team": "shop"}}})
    field.refused("PATCH", path, {"metadata": {"annotations": notes}})
    field.lasts(path)


_VOLUME: Final = {
    "capacity": {"storage": "1Gi"},
    "accessModes": ["ReadWriteOnce"],
    "persistentVolumeReclaimPolicy": "Retain",
    "storageClassName": "nobodys",
    "nfs": {"server": "192.0.2.1", "path": "/nowhere"},
}
_KEYS: Final[dict[str, tuple[Kind, dict[str, Any], dict[str, Any]]]] = {
    "the-default-storage": (
        STORAGE_CLASSES,
        {"provisioner": "nobody.example.com"},
        {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    ),
    "another-claim": (VOLUMES, {"spec": _VOLUME}, {"labels": {"use": "scratch"}}),
    "the-nodes-of-a-volume": (VOLUMES, {"spec": _VOLUME}, {"labels": {"topology.kubernetes.io/zone": "nowhere"}}),
    "the-rules-of-a-role": (CLUSTER_ROLES, {"rules": []}, {"labels": {"part-of": "another"}}),
    "which-Secrets-pods-mount": (
        ACCOUNTS,
        {},
        {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
    ),
    "who-its-pods-are": (ACCOUNTS, {}, {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}}),
}


@attack(variants=_KEYS)
def command_a_controller_of_the_clusters_own(
    field: Field, kind: Kind, document: dict[str, Any], metadata: dict[str, Any]
) -> None:
    """An agent labels or annotates a protected object so that Kubernetes itself, or the cloud, acts by it."""
    name = field.place if not kind.namespaced else "web"
    field.make(kind, {"metadata": {"name": name}, **document})
    path = kind.path(field.place, name)
    field.protect(kind, path)
    field.done("PATCH", path, {"metadata": {"annotations": {"note": "ordinary"}}})
    field.refused("PATCH", path, {"metadata": metadata})
    field.lasts(path)


_CLASSES: Final[dict[str, tuple[Kind, str, dict[str, Any], str]]] = {
    "storage": (
        STORAGE_CLASSES,
        "StorageClass",
        {"provisioner": "nobody.example.com"},
        "storageclass.kubernetes.io/is-default-class",
    ),
    "routes": (
        Kind("networking.k8s.io", "ingressclasses", namespaced=False),
        "IngressClass",
        {"spec": {"controller": "example.com/nobody"}},
        "ingressclass.kubernetes.io/is-default-class",
    ),
    "snapshots": (
        Kind("snapshot.storage.k8s.io", "volumesnapshotclasses", namespaced=False),
        "VolumeSnapshotClass",
        {"driver": "nobody.example.com", "deletionPolicy": "Delete"},
        "snapshot.storage.kubernetes.io/is-default-class",
    ),
    "snapshots-of-groups": (
        Kind("groupsnapshot.storage.k8s.io", "volumegroupsnapshotclasses", namespaced=False),
        "VolumeGroupSnapshotClass",
        {"driver": "nobody.example.com", "deletionPolicy": "Delete"},
        "groupsnapshot.storage.kubernetes.io/is-default-class",
    ),
    "pods": (
        Kind("scheduling.k8s.io", "priorityclasses", namespaced=False),
        "PriorityClass",
        {"value": -1000, "preemptionPolicy": "Never"},
        "",
    ),
}


@attack(variants={f"of-{name}": made for name, made in _CLASSES.items()})
def make_the_default_class(field: Field, kind: Kind, named: str, document: dict[str, Any], key: str) -> None:
    """An agent makes the class that everybody gets who names none, or makes its own class that."""
    field.deployment()
    path = field.defined(kind, named) if "snapshot" in kind.group else kind.path("")
    head = {"apiVersion": f"{kind.group}/v1", "kind": named, **document}
    default: dict[str, Any] = {"globalDefault": True}
    if key:
        default = {"metadata": {"annotations": {key: "true"}}}
    name = {"name": field.place}
    field.later_removed(f"{path}/{field.place}")
    field.refused("POST", path, {**head, **default, "metadata": {**name, **default.get("metadata", {})}})
    field.done("POST", path, {**head, "metadata": name})
    field.refused("PATCH", f"{path}/{field.place}", default)


_MARKS: dict[str, tuple[str, str, str]] = {
    "Argo-CD": ("labels", "app.kubernetes.io/instance", "another"),
    "an-applyset": ("labels", "applyset.kubernetes.io/part-of", "applyset-x-v1"),
    "kube-janitor": ("annotations", "janitor/ttl", "1m"),
    "Fleet": ("labels", "objectset.rio.cattle.io/hash", "0000"),
    "Kyverno": ("labels", "cleanup.kyverno.io/ttl", "1m"),
    "kube-addon-manager": ("labels", "addonmanager.kubernetes.io/mode", "Reconcile"),
    "Config-Sync": ("annotations", "configmanagement.gke.io/managed", "enabled"),
    "kube-downscaler": ("annotations", "downscaler/force-downtime", "true"),
}


_COMMANDS: dict[str, tuple[str, str, str]] = {
    "Sablier": ("labels", "sablier.enable", "true"),
    "OpenFaaS": ("labels", "com.openfaas.scale.zero", "true"),
    "Reflector": ("annotations", "reflector.v1.k8s.emberstack.com/reflects", "mine/empty"),
    "Strimzi": ("annotations", "strimzi.io/delete-pod-and-pvc", "true"),
    "ExternalDNS": ("annotations", "external-dns.alpha.kubernetes.io/hostname", "elsewhere.example.com"),
    "Velero": ("labels", "velero.io/exclude-from-backup", "true"),
    "kube-schedule-scaler": ("annotations", "zalando.org/schedule-actions", "[]"),
    "kube-monkey": ("labels", "kube-monkey/enabled", "enabled"),
    "Istio": ("annotations", "networking.istio.io/exportTo", "~"),
    "Cilium": ("annotations", "service.cilium.io/global", "true"),
}


@attack(variants=_COMMANDS)
def command_a_program(field: Field, where: str, key: str, value: str) -> None:
    """An agent labels or annotates it so that some program stops, empties or replaces it."""
    field.deployment()
    field.refused("PATCH", DEPLOYMENTS.path(field.place, "checkout"), {"metadata": {where: {key: value}}})


@attack()
def command_a_custom_kinds_operator(field: Field) -> None:
    """An agent sets an annotation of the domain of the kind's own group, as operators name their commands."""
    clusters = field.defined(_DATABASES, "Database")
    body = {"apiVersion": "postgresql.example.com/v1", "kind": "Database", "metadata": {"name": "pg"}}
    field.make(_DATABASES, body)
    field.protect(_DATABASES, f"{clusters}/pg")
    for key in ("example.com/hibernation", "alpha.example.com/unrecoverable"):
        field.refused("PATCH", f"{clusters}/pg", {"metadata": {"annotations": {key: "on"}}})
    field.done("PATCH", f"{clusters}/pg", {"metadata": {"annotations": {"note": "a"}}})


@attack(variants={f"by-{name}": mark for name, mark in _MARKS.items()})
def mark_for_deletion(field: Field, where: str, key: str, value: str) -> None:
    """An agent labels or annotates it so that some program takes it for its own, and ends it."""
    field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.refused("PATCH", path, {"metadata": {where: {key: value}}})
    field.lasts(path)


def _net(field: Field, kind: Kind) -> str:
    """A protected workload of this kind; give its path."""
    labels = {"app": "net"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": documents.CONTAINERS}}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": pods}
    if kind == STATEFUL_SETS:
        spec["serviceName"] = "net"
    field.make(kind, {"metadata": {"name": "net"}, "spec": spec})
    path = kind.path(field.place, "net")
    field.protect(kind, path)
    field.free_work()
    return path


@attack(variants={"DaemonSet": (DAEMON_SETS,), "Deployment": (DEPLOYMENTS,), "StatefulSet": (STATEFUL_SETS,)})
def take_the_brake_from_a_rollout(field: Field, kind: Kind) -> None:
    """An agent has pods of it count only when they are ready for long, and rolls out what does not run."""
    path = _net(field, kind)
    rolled_out = {
        "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "registry.invalid/none:1"}]}}}
    }
    field.refused("PATCH", path, {"spec": {**rolled_out["spec"], "minReadySeconds": 599}})
    field.refused("PATCH", path, {"spec": {"minReadySeconds": 599}})
    field.done("PATCH", path, rolled_out)
    field.lasts(path)


@attack(variants={"DaemonSet": (DAEMON_SETS,), "Deployment": (DEPLOYMENTS,), "StatefulSet": (STATEFUL_SETS,)})
def hold_its_pods_by_the_template(field: Field, kind: Kind) -> None:
    """An agent has its new pods made so that they never end, by a finalizer or for decades: no other ones follow."""
    path = _net(field, kind)
    field.refused("PATCH", path, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 2000000000}}}})
    field.refused("PATCH", path, {"spec": {"template": {"metadata": {"finalizers": ["example.com/hold"]}}}})
    field.done("PATCH", path, {"spec": {"template": {"metadata": {"annotations": {"note": "a"}}}}})


def _nightly(field: Field) -> str:
    """A protected CronJob that makes no Jobs meanwhile."""
    run = {"template": {"spec": {"restartPolicy": "Never", "containers": documents.CONTAINERS}}}
    spec = {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": run}}
    field.make(CRON_JOBS, {"metadata": {"name": "nightly"}, "spec": spec})
    path = CRON_JOBS.path(field.place, "nightly")
    field.protect(CRON_JOBS, path)
    return path


@attack()
def have_its_template_make_no_job(field: Field) -> None:
    """An agent labels the pods of a CronJob's Jobs as only the API server does, which then refuses each Job."""
    path = _nightly(field)

    def labelled(**labels: str) -> dict[str, Any]:
        return {"spec": {"jobTemplate": {"spec": {"template": {"metadata": {"labels": labels}}}}}}

    field.refused("PATCH", path, labelled(**{"job-name": "nope"}))
    field.done("PATCH", path, labelled(team="shop"))


@attack()
def mark_the_jobs_of_its_template(field: Field) -> None:
    """An agent marks the Jobs that a protected CronJob is to make, so that some program ends them."""
    path = _nightly(field)

    def marked(**metadata: Any) -> dict[str, Any]:
        return {"spec": {"jobTemplate": {"metadata": metadata}}}

    field.refused("PATCH", path, marked(annotations={"janitor/ttl": "1s"}))
    field.refused("PATCH", path, marked(labels={"app.kubernetes.io/instance": "mine"}))
    field.done("PATCH", path, marked(labels={"team": "shop"}))
