"""Kubernetes documents for the corpus, as an API server gives them."""

import uuid
from typing import Any, Final

from tests.corpus.builders import kinds
from tests.corpus.builders.signing import ALICE, AUDIENCE, BOB, Key

Document = dict[str, Any]

CREATED: Final = "2026-11-20T08:00:00Z"
NAMESPACE: Final = "payments"
_RBAC: Final = "rbac.authorization.k8s.io"


def uid(kind: str, name: str, namespace: str = "") -> str:
    """Give the uid of an object: the same each time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{namespace}/{name}"))


def make(kind: str, name: str, namespace: str | None = None, /, *, api_version: str = "", **fields: Any) -> Document:
    """Give an object. Fields of ``metadata`` go there by their names; those that are None are left out."""
    served = kinds.kind(kind)
    place = (NAMESPACE if namespace is None else namespace) if served.namespaced else ""
    metadata: Document = {"name": name}
    if place:
        metadata["namespace"] = place
    metadata |= {"uid": uid(kind, name, place), "resourceVersion": "500", "creationTimestamp": CREATED}
    for key in ("uid", "generation", "labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp"):
        if fields.get(key) is not None:
            metadata[key] = fields[key]
        fields.pop(key, None)
    return {"apiVersion": api_version or served.api_version, "kind": kind, "metadata": metadata, **fields}


def changed(document: Document, **fields: Any) -> Document:
    """Give the same object with other values. Names as in ``make``; ``__`` stands for a step in ``spec``."""
    metadata = dict(document["metadata"])
    found = {**document, "metadata": metadata}
    for key, value in fields.items():
        place = metadata if key in _METADATA else found
        if key.startswith("spec__"):
            found["spec"] = {**found.get("spec", {}), key.removeprefix("spec__"): value}
        elif value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return found


_METADATA: Final = frozenset(
    {
        "uid",
        "generation",
        "managedFields",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "deletionTimestamp",
    }
)


def owner(document: Document, **changes: Any) -> Document:
    """Give an entry of ``ownerReferences`` for this object."""
    metadata = document["metadata"]
    named = {"apiVersion": document["apiVersion"], "kind": document["kind"]}
    return named | {"name": metadata["name"], "uid": metadata["uid"]} | changes


def controller(document: Document) -> Document:
    """Give the entry for the object that controls another."""
    return owner(document, controller=True, blockOwnerDeletion=True)


def pod_spec(account: str = "default", image: str = "registry.example/checkout:1.4") -> Document:
    """Give the specification of a pod that runs as this ServiceAccount."""
    return {
        "containers": [{"name": "main", "image": image}],
        "restartPolicy": "Always",
        "serviceAccountName": account,
    }


def _template(account: str) -> Document:
    return {"metadata": {"labels": {"app": "checkout"}}, "spec": pod_spec(account)}


def workload(
    kind: str,
    name: str,
    namespace: str = NAMESPACE,
    *,
    replicas: int | None = 3,
    account: str = "default",
    **fields: Any,
) -> Document:
    """Give an object that makes pods from a template."""
    spec: Document = {} if replicas is None else {"replicas": replicas}
    spec |= {"selector": {"matchLabels": {"app": "checkout"}}, "template": _template(account)}
    return make(kind, name, namespace, generation=1, spec=spec, **fields)


def deployment(name: str = "checkout", namespace: str = NAMESPACE, **fields: Any) -> Document:
    """Give a Deployment."""
    return workload("Deployment", name, namespace, **fields)


def namespace(name: str = NAMESPACE, **fields: Any) -> Document:
    """Give a Namespace."""
    labels = {"kubernetes.io/metadata.name": name} | (fields.pop("labels", None) or {})
    phase = "Terminating" if "deletionTimestamp" in fields else "Active"
    given: Document = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": phase}}
    return make("Namespace", name, labels=labels, **(given | fields))


def config_map(name: str = "settings", namespace_: str = NAMESPACE, **fields: Any) -> Document:
    """Give a ConfigMap."""
    return make("ConfigMap", name, namespace_, **({"data": {"level": "info"}} | fields))


def service_account(name: str, namespace_: str = NAMESPACE, **annotations: str) -> Document:
    """Give a ServiceAccount. ``operator`` and ``token_end`` are annotations of ours."""
    ours = {f"seconder.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return make("ServiceAccount", name, namespace_, annotations=ours or None)


def pod(name: str = "checkout-1", namespace_: str = NAMESPACE, *, account: str = "default", **fields: Any) -> Document:
    """Give a Pod."""
    return make("Pod", name, namespace_, spec=pod_spec(account), **fields)


def definition(kind: str) -> Document:
    """Give the CustomResourceDefinition of a kind."""
    served = kinds.kind(kind)
    names = {"kind": kind, "listKind": f"{kind}List", "plural": served.plural, "singular": kind.lower()}
    return make(
        "CustomResourceDefinition",
        f"{served.plural}.{served.group}",
        spec={
            "group": served.group,
            "scope": "Namespaced" if served.namespaced else "Cluster",
            "names": names | ({"shortNames": list(served.short)} if served.short else {}),
            "versions": [{"name": served.version, "served": True, "storage": True}],
        },
    )


def rule(verbs: str, *resources: str, names: tuple[str, ...] = ()) -> Document:
    """Give a rule of a role: verbs by spaces, resources as ``deployments.apps/scale``; ``*.*`` for all."""
    split = [each.partition("/") for each in resources]
    groups = sorted({plural.partition(".")[2] for plural, _, _ in split})
    plurals = [plural.partition(".")[0] + slash + below for plural, slash, below in split]
    given: Document = {"apiGroups": groups, "resources": plurals, "verbs": verbs.split()}
    return given | ({"resourceNames": list(names)} if names else {})


def cluster_role(name: str, *rules: Document, **fields: Any) -> Document:
    """Give a ClusterRole."""
    return make("ClusterRole", name, **({"rules": list(rules)} | fields))


def role(name: str, *rules: Document, **fields: Any) -> Document:
    """Give a Role."""
    return make("Role", name, **({"rules": list(rules)} | fields))


def subject(kind: str, name: str, namespace_: str = "") -> Document:
    """Give a subject of a binding."""
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": namespace_ or NAMESPACE}
    return {"kind": kind, "apiGroup": _RBAC, "name": name}


def binding(name: str, given: Document, *subjects: Document, cluster: bool = False, **fields: Any) -> Document:
    """Give a binding of a role to subjects: a RoleBinding, or a ClusterRoleBinding."""
    ref = {"apiGroup": _RBAC, "kind": given["kind"], "name": given["metadata"]["name"]}
    kind = "ClusterRoleBinding" if cluster else "RoleBinding"
    return make(kind, name, **({"roleRef": ref, "subjects": list(subjects)} | fields))


def autoscaler(
    name: str = "checkout", *, least: int | None = 2, target: Document | None = None, **fields: Any
) -> Document:
    """Give a HorizontalPodAutoscaler."""
    scaled = target or {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    spec: Document = {"scaleTargetRef": scaled, "maxReplicas": 10}
    return make(
        "HorizontalPodAutoscaler", name, spec=spec | ({} if least is None else {"minReplicas": least}), **fields
    )


def policy(name: str, /, *named: str, **spec: Any) -> Document:
    """Give a ProtectionPolicy on ``deployments.apps`` and the like, without a status; names of ``spec`` in full."""
    groups: dict[str, list[str]] = {}
    for each in named:
        plural, _, group = each.partition(".")
        groups.setdefault(group, []).append(plural)
    listed = [{"group": group, "resources": plurals} for group, plurals in groups.items()]
    return make("ProtectionPolicy", name, generation=1, spec={"resources": listed} | spec)


def approver(name: str, *keys: Key | Document, teams: tuple[str, ...] = (), **spec: Any) -> Document:
    """Give an Approver, with the SSH key of that name where none is given."""
    held = [each.registered if isinstance(each, Key) else each for each in keys]
    principal = f"{name}@example.com"
    given: Document = {"principal": principal, "kubernetesUsers": [principal], "keys": held}
    return make("Approver", name, generation=1, spec=given | ({"teams": list(teams)} if teams else {}) | spec)


KUBE_SYSTEM: Final = changed(namespace("kube-system"), uid=AUDIENCE.removeprefix("urn:uuid:"))
KIRO: Final = service_account("kiro", "seconder-agents")
APPROVERS: Final = (approver("alice", ALICE, teams=("payments",)), approver("bob", BOB))
BASE: Final = (
    KUBE_SYSTEM,
    namespace(),
    namespace("seconder-agents"),
    namespace("seconder-system"),
    KIRO,
    *(definition(each.kind) for each in kinds.OWN),
)
"""What every cluster holds; but for its approvers."""
