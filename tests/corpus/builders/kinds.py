"""The kinds of the corpus' clusters, and the discovery documents that tell of them."""

from typing import Any, Final, NamedTuple

_ALL: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SCALE: Final = ("autoscaling", "v1", "Scale")
_CONNECTIONS: Final = ("attach", "exec", "portforward", "proxy")


class Kind(NamedTuple):
    """A kind and the resource that it is served as. ``below`` are its subresources."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL

    @property
    def api_version(self) -> str:
        """As documents name it."""
        return f"{self.group}/{self.version}" if self.group else self.version


_SCALED: Final = ("scale", "status")
_RBAC: Final = ("rbac.authorization.k8s.io", "v1")

BUILTIN: Final = (
    Kind("", "v1", "ComponentStatus", "componentstatuses", False, ("cs",), verbs=("get", "list")),
    Kind("", "v1", "ConfigMap", "configmaps", True, ("cm",)),
    Kind("", "v1", "Endpoints", "endpoints", True, ("ep",)),
    Kind("", "v1", "Event", "events", True, ("ev",)),
    Kind("", "v1", "Namespace", "namespaces", False, ("ns",), ("finalize", "status")),
    Kind("", "v1", "Node", "nodes", False, ("no",), ("proxy", "status")),
    Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, ("pvc",), ("status",)),
    Kind("", "v1", "PersistentVolume", "persistentvolumes", False, ("pv",), ("status",)),
    Kind("", "v1", "Pod", "pods", True, ("po",), (*_CONNECTIONS, "ephemeralcontainers", "eviction", "log", "status")),
    Kind("", "v1", "ReplicationController", "replicationcontrollers", True, ("rc",), _SCALED),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", True, ("sa",), ("token",)),
    Kind("", "v1", "Service", "services", True, ("svc",), ("proxy", "status")),
    Kind("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", False),
    Kind(
        "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False
    ),
    Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False, ("crd",)),
    Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", False),
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Kind("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",), ("status",)),
    Kind("apps", "v1", "Deployment", "deployments", True, ("deploy",), _SCALED),
    Kind("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), _SCALED),
    Kind("apps", "v1", "StatefulSet", "statefulsets", True, ("sts",), _SCALED),
    Kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", False, verbs=("create",)),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True, ("hpa",), ("status",)),
    Kind("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True, ("hpa",), ("status",)),
    Kind("batch", "v1", "CronJob", "cronjobs", True, ("cj",), ("status",)),
    Kind("batch", "v1", "Job", "jobs", True, (), ("status",)),
    Kind("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", False, ("csr",)),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses", True, ("ing",), ("status",)),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", True, ("netpol",)),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", True, ("pdb",), ("status",)),
    Kind(*_RBAC, "ClusterRole", "clusterroles", False),
    Kind(*_RBAC, "ClusterRoleBinding", "clusterrolebindings", False),
    Kind(*_RBAC, "Role", "roles"),
    Kind(*_RBAC, "RoleBinding", "rolebindings"),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",)),
)

OWN: Final = (
    Kind("seconder.dev", "v1alpha1", "Approver", "approvers", False, ("apr",), ("status",)),
    Kind("seconder.dev", "v1alpha1", "ApproverAuthority", "approverauthorities", False, ("apra",), ("status",)),
    Kind("seconder.dev", "v1alpha1", "ChangeRequest", "changerequests", False, ("chg",), ("status",)),
    Kind("seconder.dev", "v1alpha1", "ProtectionPolicy", "protectionpolicies", False, ("ppol",), ("status",)),
)

CUSTOM: Final = (
    Kind("example.com", "v1", "Cell", "cells", False),
    Kind("example.com", "v1", "Stack", "stacks", True, (), _SCALED),
    Kind("widgets.example.com", "v1", "Widget", "widgets"),
)
"""Custom resources of some cases. Each is served where its definition is among the documents."""

_NAMED: Final = {each.kind: each for each in reversed((*BUILTIN, *OWN, *CUSTOM))}


def kind(name: str) -> Kind:
    """Give the kind of this name, in its preferred version."""
    return _NAMED[name]


def discovery() -> dict[str, Any]:
    """Give the APIGroupDiscoveryLists of the built-in kinds, by path."""
    return {
        "/api": _listed([each for each in BUILTIN if not each.group]),
        "/apis": _listed([*filter(_grouped, BUILTIN)]),
    }


def _grouped(each: Kind) -> bool:
    return bool(each.group)


def _listed(kinds: list[Kind]) -> dict[str, Any]:
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for each in kinds:
        groups.setdefault(each.group, {}).setdefault(each.version, []).append(_described(each))
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [{"version": version, "resources": found} for version, found in versions.items()],
            }
            for group, versions in groups.items()
        ],
    }


def _described(each: Kind) -> dict[str, Any]:
    kind_ = {"group": each.group, "version": each.version, "kind": each.kind}
    described: dict[str, Any] = {
        "resource": each.plural,
        "responseKind": kind_,
        "scope": "Namespaced" if each.namespaced else "Cluster",
        "singularResource": each.kind.lower(),
        "verbs": list(each.verbs),
    }
    if each.short:
        described["shortNames"] = list(each.short)
    if each.below:
        described["subresources"] = [
            {
                "subresource": below,
                "responseKind": dict(zip(("group", "version", "kind"), _SCALE, strict=True))
                if below == "scale"
                else kind_,
                "verbs": ["create", "get"] if below in _CONNECTIONS else ["get", "patch", "update"],
            }
            for below in each.below
        ]
    return described
