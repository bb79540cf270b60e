"""Taking what the whole cluster believes: the API server's address, who is who, which nodes live. By dry run alone."""

from typing import Any, Final

from tests.attacks.attack import attack
from tests.attacks.field import CONFIG_MAPS, NAMESPACES, SERVICES, Field, Kind

_SLICES: Final = Kind("discovery.k8s.io", "endpointslices")
_DRY: Final = {"dryRun": ["All"]}
_HERS: Final = [{"addresses": ["192.0.2.9"]}]
_OF_API_SERVER: Final = {
    "metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "addressType": "IPv4",
    "endpoints": _HERS,
    "ports": [{"name": "https", "port": 6443}],
}
_TRIES: Final[dict[str, tuple[str, str, Any]]] = {
    "delete": ("DELETE", SERVICES.path("default", "kubernetes"), _DRY),
    "select": ("PATCH", SERVICES.path("default", "kubernetes"), {"spec": {"selector": {"app": "mine"}}}),
    "another-slice": ("POST", _SLICES.path("default"), _OF_API_SERVER),
    "its-endpoints": ("POST", Kind("", "endpoints").path("default"), {"metadata": {"name": "kubernetes"}}),
}


@attack(variants=_TRIES)
def take_the_api_servers_address(field: Field, method: str, path: str, body: Any) -> None:
    """An agent takes over the Service by which all pods reach the API server."""
    field.refused(method, f"{path}?dryRun=All", body)


@attack(
    variants={
        "extension-apiserver-authentication": ("kube-system", "extension-apiserver-authentication"),
        "aws-auth": ("kube-system", "aws-auth"),
        "kubeadm-config": ("kube-system", "kubeadm-config"),
        "cluster-info": ("kube-public", "cluster-info"),
    }
)
def say_who_is_who(field: Field, place: str, name: str) -> None:
    """An agent writes a ConfigMap from which the control plane, or a cloud, takes who is who."""
    path = CONFIG_MAPS.path(place, name)
    if field.admin("GET", path).done:
        field.refused("PATCH", f"{path}?dryRun=All", {"data": {"mapUsers": "mine"}})
        field.refused("DELETE", f"{path}?dryRun=All", _DRY)
    else:
        field.refused("POST", f"{CONFIG_MAPS.path(place)}?dryRun=All", {"metadata": {"name": name}})


@attack()
def be_taken_for_the_api_server(field: Field) -> None:
    """An agent writes an authority of its own into what pods believe the API server by."""
    path = CONFIG_MAPS.path(field.place, "kube-root-ca.crt")
    field.eventually(lambda: field.admin("GET", path).done, "it is there")
    field.refused("PATCH", path, {"data": {"ca.crt": "mine"}})


@attack()
def lose_all_nodes(field: Field) -> None:
    """An agent deletes the namespace of all nodes' Leases, which it has a finalizer hold."""
    path = NAMESPACES.path("", "kube-node-lease")
    field.refused("DELETE", f"{path}?dryRun=All", _DRY)


_SYSTEM: Final = {
    "services": (SERVICES, {"spec": {"ports": [{"port": 53}]}}),
    "config-maps": (CONFIG_MAPS, {"data": {"Corefile": "."}}),
}


@attack(variants=_SYSTEM)
def change_the_clusters_programs(field: Field, kind: Kind, body: dict[str, Any]) -> None:
    """An agent deletes or changes what the cluster's own programs run by, in kube-system."""
    path = kind.path("kube-system", field.place)
    field.make(kind, {"metadata": {"name": field.place}, **body}, "kube-system")
    field.protect(kind, path, place="kube-system")
    field.refused("DELETE", path)
    changed = {"data": {"Corefile": "mine"}} if kind == CONFIG_MAPS else {"spec": {"selector": {"app": "mine"}}}
    field.refused("PATCH", path, changed)


@attack(variants={"external": ("",), "balanced": ("status",)})
def draw_traffic_to_a_service(field: Field, subresource: str) -> None:
    """An agent has a Service of its own take the address of the API server's."""
    address = field.admin("GET", SERVICES.path("default", "kubernetes")).document["spec"]["clusterIP"]
    spec = {"selector": {"app": "mine"}, "ports": [{"port": 443}]}
    mine = {"metadata": {"name": "mine"}, "spec": spec}
    if subresource:
        field.done("POST", SERVICES.path(field.place), {**mine, "spec": {**spec, "type": "LoadBalancer"}})
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        field.refused("PATCH", f"{SERVICES.path(field.place, 'mine')}/status", status)
        return
    field.refused("POST", SERVICES.path(field.place), {**mine, "spec": {**spec, "externalIPs": [address]}})
    field.done("POST", SERVICES.path(field.place), mine)
    field.refused("PATCH", SERVICES.path(field.place, "mine"), {"spec": {"externalIPs": [address]}})


_NAMES_GUARD: Final = {"matchLabels": {"kubernetes.io/metadata.name": "seconder-system"}}
_NETWORKS: Final[dict[str, tuple[Kind, str, Any]]] = {
    "Kubernetes": (
        Kind("policy.networking.k8s.io", "adminnetworkpolicies", "v1alpha1", namespaced=False),
        "AdminNetworkPolicy",
        {"priority": 0, "subject": {"namespaces": _NAMES_GUARD}, "ingress": [{"action": "Deny"}]},
    ),
    "Cilium": (
        Kind("cilium.io", "ciliumclusterwidenetworkpolicies", "v2", namespaced=False),
        "CiliumClusterwideNetworkPolicy",
        {"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["all"]}]},
    ),
    "Calico": (
        Kind("crd.projectcalico.org", "globalnetworkpolicies", namespaced=False),
        "GlobalNetworkPolicy",
        {"order": 0, "types": ["Ingress"], "ingress": [{"action": "Deny"}]},
    ),
}


@attack(variants=_NETWORKS)
def cut_the_guard_off(field: Field, kind: Kind, named: str, spec: Any) -> None:
    """An agent has a network policy of the whole cluster keep the API server's reviews from the guard."""
    path = field.defined(kind, named)
    head = {"apiVersion": f"{kind.group}/{kind.version}", "kind": named, "metadata": {"name": field.place}}
    field.later_removed(kind.path("", field.place))
    field.refused("POST", path, {**head, "spec": spec})
    field.make(kind, {**head, "spec": spec})
    field.refused("PATCH", kind.path("", field.place), {"spec": {"order": 1}})
    field.refused("DELETE", kind.path("", field.place))
