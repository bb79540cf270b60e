"""Ending a pod that is protected: by eviction, and by its node."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import DAEMON_SETS, NODES, PODS, Field, Kind

_DEVICE_CLAIMS: Final = Kind("resource.k8s.io", "resourceclaims")
_LEASES: Final = Kind("coordination.k8s.io", "leases")
_EVICTIONS: Final = {
    "Eviction": (Kind("lifecycle.k8s.io", "evictions", "v1alpha1"), "Eviction"),
    "EvictionRequest": (Kind("lifecycle.k8s.io", "evictionrequests", "v1alpha1"), "EvictionRequest"),
}
"""The names that KEP-4563 had for its object."""


def _broker(field: Field, **spec: Any) -> str:
    """A protected pod of no workload; give its path."""
    field.account()
    field.make(PODS, documents.pod("broker", **spec))
    path = PODS.path(field.place, "broker")
    field.protect(PODS, path)
    return path


@attack(variants={"plainly": ({},), "without-grace": ({"deleteOptions": {"gracePeriodSeconds": 0}},)})
def evict(field: Field, more: dict[str, Any]) -> None:
    """An agent evicts it."""
    path = _broker(field)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "broker"}, **more}
    field.refused("POST", f"{path}/eviction", eviction)
    field.lasts(path)


@attack(variants=_EVICTIONS)
def ask_for_its_eviction(field: Field, kind: Kind, named: str) -> None:
    """An agent makes the object by which a controller evicts it, or has a free one name it."""
    path = _broker(field)
    requests = field.defined(kind, named)

    def request(name: str, pod: str) -> dict[str, Any]:
        spec = {"target": {"pod": {"name": pod, "uid": pod}}, "requester": "mine.example.com"}
        return {"apiVersion": f"{kind.group}/{kind.version}", "kind": named, "metadata": {"name": name}, "spec": spec}

    field.free_work()
    field.refused("POST", requests, request("theirs", "broker"))
    by_name = request("later", "later")
    del by_name["spec"]["target"]["pod"]["uid"]
    field.refused("POST", requests, by_name)
    field.done("POST", requests, request("mine", "mine"))
    field.refused("PATCH", f"{requests}/mine", {"spec": {"target": {"pod": {"name": "broker"}}}})
    field.lasts(path)


@attack()
def delete_pods(field: Field) -> None:
    """An agent deletes it, and all pods of its namespace."""
    path = _broker(field)
    field.refused("DELETE", path, {"gracePeriodSeconds": 0})
    field.refused("DELETE", PODS.path(field.place))
    field.lasts(path)


@attack()
def delete_its_node(field: Field) -> None:
    """An agent deletes the node that it runs on, has it emptied by a taint, or says what it is not."""
    field.make(NODES, {"metadata": {"name": field.place}})
    path = _broker(field, nodeName=field.place)
    node = NODES.path("", field.place)
    taint = {"key": "example.com/out", "effect": "NoExecute"}
    field.refused("PATCH", node, {"spec": {"taints": [taint]}})
    field.refused("PATCH", f"{node}/status", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    field.refused("PATCH", f"{node}/status", {"status": {"phase": "Terminated"}})
    field.refused("PATCH", node, {"spec": {"providerID": "cloud://gone"}})
    field.refused("DELETE", node)
    field.lasts(path)


_TAKEN: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "label": ("", {}),
    "taint": ("", {"spec": {"taints": [{"key": "example.com/out", "effect": "NoExecute"}]}}),
    "taint-for-new-ones": ("", {"spec": {"taints": [{"key": "example.com/out", "effect": "NoSchedule"}]}}),
    "condition": ("/status", {"status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]}}),
}


@attack(variants=_TAKEN)
def take_a_node_from_daemons(field: Field, below: str, patch: dict[str, Any]) -> None:
    """An agent labels or taints a node so that a protected DaemonSet, whose pods no policy names, has none there."""
    field.account()
    field.make(NODES, {"metadata": {"name": field.place, "labels": {f"{field.place}/role": "edge", "team": "a"}}})
    chosen = {"containers": documents.CONTAINERS, "nodeSelector": {f"{field.place}/role": "edge"}}
    template = {"metadata": {"labels": {"app": "cni"}}, "spec": chosen}
    spec = {"selector": {"matchLabels": {"app": "cni"}}, "template": template}
    field.make(DAEMON_SETS, {"metadata": {"name": "cni"}, "spec": spec})
    path, node = DAEMON_SETS.path(field.place, "cni"), NODES.path("", field.place)
    field.protect(DAEMON_SETS, path)
    field.free_work()
    field.refused("PATCH", f"{node}{below}", patch or {"metadata": {"labels": {f"{field.place}/role": None}}})
    field.done("PATCH", node, {"metadata": {"labels": {"team": "b"}}})
    field.done("PATCH", node, {"spec": {"unschedulable": True}})
    field.lasts(path)


@attack(variants={"rule": ("devicetaintrules",), "slice": ("resourceslices",)})
def taint_its_devices(field: Field, plural: str) -> None:
    """An agent has devices evict the pods that use them."""
    _broker(field)
    kind = Kind("resource.k8s.io", plural, namespaced=False)
    taint = {"key": "example.com/out", "effect": "NoExecute"}
    spec: dict[str, Any] = {"deviceSelector": {"driver": "gpu.example.com"}, "taint": taint}
    if plural == "resourceslices":
        pool = {"name": field.place, "generation": 1, "resourceSliceCount": 1}
        device = {"name": "gpu-0", "taints": [taint]}
        spec = {"driver": "gpu.example.com", "pool": pool, "nodeName": field.place, "devices": [device]}
    field.later_removed(kind.path("", field.place))
    field.refused("POST", kind.path(""), {"metadata": {"name": field.place}, "spec": spec})


@attack()
def take_its_devices(field: Field) -> None:
    """An agent gives a protected pod's ResourceClaim other devices, or none, or names the pod in a claim of its own."""
    path = _broker(field, resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}])
    uid = field.admin("GET", path).document["metadata"]["uid"]
    wanted = {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}
    held = {"finalizers": ["resource.kubernetes.io/delete-protection"]}
    field.make(_DEVICE_CLAIMS, {"metadata": {"name": "gpu", **held}, "spec": {"devices": wanted}})
    claim, mine = (_DEVICE_CLAIMS.path(field.place, name) for name in ("gpu", "mine"))
    device = {"request": "gpu", "driver": "gpu.example.com", "pool": field.place, "device": "gpu-0"}
    allocated = {"allocation": {"devices": {"results": [device]}}}
    reserved = {"reservedFor": [{"resource": "pods", "name": "broker", "uid": uid}]}
    field.free("PATCH", f"{claim}/status", {"status": {**allocated, **reserved}})
    field.free_work()
    field.done("PATCH", claim, {"metadata": {"labels": {"team": "shop"}}})
    field.refused("PATCH", f"{claim}/status", {"status": {"allocation": None, "reservedFor": None}})
    field.refused("PATCH", f"{claim}/status", {"status": {"reservedFor": None}})
    field.refused("PATCH", claim, {"metadata": {"finalizers": None}})
    field.refused("DELETE", claim)
    named = {"metadata": {"name": "mine"}, "spec": {"devices": wanted}}
    field.done("POST", _DEVICE_CLAIMS.path(field.place), named)
    field.refused("PATCH", f"{mine}/status", {"status": {**allocated, **reserved}})
    field.refused("PATCH", f"{mine}/status", {"status": allocated})
    field.done("DELETE", mine)
    field.lasts(path)


@attack(variants={"binding": ("pods/broker/binding",), "bindings": ("bindings",)})
def bind_it_nowhere(field: Field, where: str) -> None:
    """An agent binds a pod that waits for a node to one that does not exist, for the garbage collector to take."""
    path = _broker(field, schedulerName="nobody")
    field.free_work()
    binding = {"metadata": {"name": "broker"}, "target": {"kind": "Node", "name": "nowhere"}}
    field.refused("POST", f"/api/v1/namespaces/{field.place}/{where}", binding)
    field.lasts(path)


@attack(variants={"binding": ("pods/mine/binding",), "bindings": ("bindings",)})
def label_a_pod_as_it_is_bound(field: Field, where: str) -> None:
    """An agent binds a pod of its own with labels by which a protected Deployment takes it for one of its own."""
    field.account()
    field.deployment()
    field.make(NODES, {"metadata": {"name": field.place}})
    field.free_work()
    field.done("POST", PODS.path(field.place), documents.pod("mine", schedulerName="nobody"))
    path = f"/api/v1/namespaces/{field.place}/{where}"
    binding = {"metadata": {"name": "mine"}, "target": {"kind": "Node", "name": field.place}}
    labelled = binding | {"metadata": {"name": "mine", "labels": {"app": "checkout"}}}
    field.refused("POST", path, labelled)
    field.done("POST", path, binding)


def _lease(field: Field) -> str:
    """Make a node, and its Lease; give where that is."""
    field.make(NODES, {"metadata": {"name": field.place}})
    lease = {"metadata": {"name": field.place}, "spec": {"holderIdentity": field.place, "leaseDurationSeconds": 40}}
    field.make(_LEASES, lease, "kube-node-lease")
    return _LEASES.path("kube-node-lease", field.place)


@attack()
def take_the_lease_of_a_protected_node(field: Field) -> None:
    """An agent deletes the Lease of a protected Node, or writes one from the future, and it counts as lost."""
    path, node = _lease(field), NODES.path("", field.place)
    field.protect(NODES, node)
    field.refused("PATCH", path, {"spec": {"renewTime": "2100-01-01T00:00:00.000000Z"}})
    field.refused("DELETE", path)
    field.lasts(node)


@attack()
def take_the_nodes_lease(field: Field) -> None:
    """An agent deletes the Lease of the node that it runs on, or writes one from the future, and it counts as lost."""
    path = _lease(field)
    pod = _broker(field, nodeName=field.place)
    field.free_work()
    field.refused("PATCH", path, {"spec": {"renewTime": "2100-01-01T00:00:00.000000Z"}})
    field.refused("DELETE", path)
    field.lasts(pod)


@attack(variants={"everywhere": ("everywhere",), "in-its-namespace": ("here",), "by-what-is-added": ("added",)})
def keep_its_pods_off(field: Field, where: str) -> None:
    """An agent runs a pod near which none of its pods may come any more, since anti-affinity works both ways."""
    field.deployment()
    field.account()
    term: dict[str, Any] = {"labelSelector": {"matchLabels": {"app": "checkout"}}, "topologyKey": "kubernetes.io/os"}
    if where == "everywhere":
        term["namespaceSelector"] = {}
    if where == "added":
        # Its ReplicaSets' pods have such a label, and its template has none.
        term["labelSelector"] = {"matchExpressions": [{"key": "pod-template-hash", "operator": "Exists"}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    pod = documents.pod("mine", affinity={"podAntiAffinity": required})
    field.free_work()
    field.refused("POST", PODS.path(field.place), pod)
    one = {**term, "topologyKey": "kubernetes.io/hostname", "namespaceSelector": None}
    kept = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [one]}}
    field.done("POST", PODS.path(field.place), documents.pod("mine", affinity=kept))
