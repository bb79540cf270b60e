"""Objects, as attacks and those whom they hit write them. Nothing here ever runs."""

from collections.abc import Mapping
from typing import Any, Final

IMAGE: Final = "registry.invalid/none:0"
CONTAINERS: Final = [{"name": "main", "image": IMAGE}]


def deployment(name: str = "checkout", replicas: int = 1, **metadata: Any) -> dict[str, Any]:
    """A Deployment (apps/v1)."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **metadata},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}},
        },
    }


def owner(object_: Mapping[str, Any], kind: str, api_version: str = "v1", **more: Any) -> dict[str, Any]:
    """An ownerReference to a stored object."""
    metadata = object_["metadata"]
    return {"apiVersion": api_version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"], **more}


GHOST: Final = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "ghost",
    "uid": "00000000-0000-4000-8000-000000000001",
}
"""A reference to an owner that does not exist: the garbage collector deletes what has no other."""


def owned_by(*owners: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that gives an object these owners and no others."""
    return {"metadata": {"ownerReferences": list(owners)}}


def pod(name: str, account: str = "default", **spec: Any) -> dict[str, Any]:
    """A pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"serviceAccountName": account, "containers": CONTAINERS, **spec},
    }


METRICS_OF_V1: Final = {
    "autoscaling.alpha.kubernetes.io/metrics": '[{"type":"Pods","pods":{"metricName":"q","targetAverageValue":"1k"}}]'
}
"""The metrics of an autoscaler as autoscaling/v1 has them: an annotation."""


def autoscaler(kind: str, name: str, most: int = 1) -> dict[str, Any]:
    """A HorizontalPodAutoscaler (autoscaling/v2) that takes a workload of group ``apps`` to one pod, or up to more."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 9}}
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    metrics = [{"type": "Resource", "resource": cpu}]
    spec = {"minReplicas": 1, "maxReplicas": most, "metrics": metrics, "scaleTargetRef": target}
    return {"metadata": {"name": name}, "spec": spec}


def ingress(host: str, name: str = "shop", path: str = "/", **spec: Any) -> dict[str, Any]:
    """An Ingress of one host."""
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    return {"metadata": {"name": name}, "spec": {"rules": [{"host": host, "http": {"paths": paths}}], **spec}}


def definition(plural: str, group: str, kind: str, scope: str = "Namespaced", *, served: bool = True) -> dict[str, Any]:
    """A CustomResourceDefinition whose objects may hold anything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": served, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # For groups below k8s.io and the like.
            "annotations": {"api-approved.kubernetes.io": "unapproved, an attack's own"},
        },
        "spec": {"group": group, "scope": scope, "names": names, "versions": [version]},
    }


def stateful_set(replicas: int, **spec: Any) -> dict[str, Any]:
    """A StatefulSet with one claim for each of its pods."""
    labels = {"app": "db"}
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "serviceName": "db",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": wanted}],
            **spec,
        },
    }


def role_binding(name: str, role: str, *subjects: Mapping[str, Any], kind: str = "ClusterRole") -> dict[str, Any]:
    """A RoleBinding or ClusterRoleBinding to a role of this kind."""
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    return {"metadata": {"name": name}, "roleRef": ref, "subjects": list(subjects)}


def account(namespace: str, name: str) -> dict[str, Any]:
    """A ServiceAccount as the subject of a binding."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def group(name: str) -> dict[str, Any]:
    """A group as the subject of a binding."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def values(count: int, size: int) -> dict[str, str]:
    """Very many labels: nothing bounds their sum."""
    return {f"a{number:05}": "v" * size for number in range(count)}
