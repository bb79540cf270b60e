"""Having a program end it, on the word of an object of that program's; or lead people elsewhere."""

from collections.abc import Callable
from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import (
    DEFINITIONS,
    DEPLOYMENTS,
    INGRESSES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITIES,
    SERVICES,
    Field,
    Kind,
)

_V1: Final = "scheduling.k8s.io/v1"

_ANYTHING = {
    "Chaos-Mesh": (Kind("chaos-mesh.org", "podchaos", "v1alpha1"), "PodChaos"),
    "Chaos-Mesh-schedule": (Kind("chaos-mesh.org", "schedules", "v1alpha1"), "Schedule"),
    "Chaos-Mesh-workflow": (Kind("chaos-mesh.org", "workflows", "v1alpha1"), "Workflow"),
    "Datadog": (Kind("chaos.datadoghq.com", "disruptions", "v1beta1"), "Disruption"),
    "kube-green": (Kind("kube-green.com", "sleepinfos", "v1alpha1"), "SleepInfo"),
    "Medik8s": (Kind("nodemaintenance.medik8s.io", "nodemaintenances", "v1beta1", namespaced=False), "NodeMaintenance"),
    "Sveltos": (Kind("apps.projectsveltos.io", "cleaners", "v1alpha1", namespaced=False), "Cleaner"),
    "Velero": (Kind("velero.io", "restores"), "Restore"),
    "Kyverno": (Kind("kyverno.io", "clustercleanuppolicies", "v2", namespaced=False), "ClusterCleanupPolicy"),
    "Kyverno-here": (Kind("kyverno.io", "cleanuppolicies", "v2"), "CleanupPolicy"),
    "Kyverno-by-CEL": (Kind("policies.kyverno.io", "deletingpolicies", namespaced=False), "DeletingPolicy"),
    "Kyverno-by-CEL-here": (Kind("policies.kyverno.io", "namespaceddeletingpolicies"), "NamespacedDeletingPolicy"),
    "Litmus": (Kind("litmuschaos.io", "chaosengines", "v1alpha1"), "ChaosEngine"),
}


def _document(field: Field, kind: Kind, named: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Where objects of a custom kind are, and one of them."""
    path = field.defined(kind, named)
    head = {"apiVersion": f"{kind.group}/{kind.version}", "kind": named, "metadata": {"name": field.place}}
    return path, {**head, **fields}


@attack(variants=_ANYTHING)
def have_a_program_end_what_it_selects(field: Field, kind: Kind, named: str) -> None:
    """An agent writes an object by which a program ends whatever fits."""
    field.deployment()
    path, document = _document(field, kind, named, spec={"schedule": "* * * * *", "selector": {}})
    field.free_work()
    field.later_removed(f"{path}/{field.place}")
    field.refused("POST", path, document)
    field.lasts(DEPLOYMENTS.path(field.place, "checkout"))


@attack()
def have_a_canary_take_it_over(field: Field) -> None:
    """An agent makes a Canary of Flagger's over it, by which it is scaled to nothing."""
    field.deployment()
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    path, document = _document(
        field, Kind("flagger.app", "canaries", "v1beta1"), "Canary", spec={"targetRef": reference}
    )
    field.free_work()
    field.refused("POST", path, document)


@attack()
def have_a_canary_wait_for_it(field: Field) -> None:
    """An agent makes a Canary of Flagger's over a protected Deployment that is yet to be made."""
    field.deployment("other")
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    path, document = _document(
        field, Kind("flagger.app", "canaries", "v1beta1"), "Canary", spec={"targetRef": reference}
    )
    field.free_work()
    field.refused("POST", path, document)
    # Whose end no policy asks about.
    free = {**document, "spec": {"targetRef": {**reference, "kind": "DaemonSet", "name": "mine"}}}
    field.done("POST", path, free)


_TO_IT: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
_NAMING: Final[dict[str, tuple[Kind, str, Callable[[str], dict[str, Any]]]]] = {
    "Argo-Rollouts": (
        Kind("argoproj.io", "rollouts", "v1alpha1"),
        "Rollout",
        lambda _: {"workloadRef": {**_TO_IT, "scaleDown": "onsuccess"}},
    ),
    "KEDA-HTTP": (
        Kind("http.keda.sh", "httpscaledobjects", "v1alpha1"),
        "HTTPScaledObject",
        lambda _: {"scaleTargetRef": {"kind": "Deployment", "name": "checkout"}, "replicas": {"min": 0}},
    ),
    "Crossplane": (
        Kind("kubernetes.crossplane.io", "objects", "v1alpha2", namespaced=False),
        "Object",
        lambda place: {
            "forProvider": {
                "manifest": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": "checkout", "namespace": place},
                }
            }
        },
    ),
    "of-no-namespace": (
        Kind("example.com", "cleaners", namespaced=False),
        "Cleaner",
        lambda _: {"deployments": {"checkout": {"replicas": 0}}},
    ),
    "nobody-knows-whose": (
        Kind("example.com", "whatevers"),
        "Whatever",
        lambda place: {"then": [{"kind": "deployment", "namespace": place, "name": "checkout"}]},
    ),
    "by-a-short-name": (Kind("example.com", "whatevers"), "Whatever", lambda _: {"steps": ["deploy/checkout"]}),
    "by-its-group-and-kind": (
        Kind("example.com", "whatevers"),
        "Whatever",
        lambda _: {"steps": ["apps/v1:Deployment:checkout"]},
    ),
    "in-a-list-of-its-kind": (
        Kind("example.com", "whatevers"),
        "Whatever",
        lambda place: {
            "manifest": {
                "apiVersion": "apps/v1",
                "kind": "DeploymentList",
                "items": [{"metadata": {"name": "checkout", "namespace": place}}],
            }
        },
    ),
}


@attack(variants=_NAMING)
def name_it_in_a_custom_resource(field: Field, kind: Kind, named: str, spec: Callable[[str], dict[str, Any]]) -> None:
    """An agent makes, changes or deletes a custom resource that names it, whatever the program behind does then."""
    field.deployment()
    path, document = _document(field, kind, named, spec=spec(field.place))
    field.free_work()
    field.refused("POST", path, document)
    field.done("POST", path, {**document, "spec": {}})
    mine = f"{path}/{field.place}"
    field.refused("PATCH", mine, {"spec": spec(field.place)})
    field.free("PATCH", mine, {"spec": spec(field.place)})
    field.free("PATCH", mine, {"metadata": {"labels": {"example.com/seen": "true"}}})
    field.refused("PATCH", mine, {"spec": {"paused": True}})
    field.refused("DELETE", mine)
    field.lasts(mine)


@attack(variants={"deleted": (False,), "unserved": (True,)})
def let_what_names_it_go_with_its_definition(field: Field, unserved: bool) -> None:
    """An agent ends the definition of a custom resource that names it, and of which no policy tells."""
    field.deployment()
    group = f"{field.place}.example.com"
    bare = field.make(DEFINITIONS, documents.definition("others", group, "Other"))
    stored = field.make(DEFINITIONS, documents.definition("whatevers", group, "Whatever"))
    kind, other = Kind(group, "whatevers"), Kind(group, "others")
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": "mine"}}
    field.make(kind, {**head, "kind": "Whatever", "spec": {"target": "deployment/checkout"}})
    field.make(other, {**head, "kind": "Other", "spec": {"target": "deployment/mine"}})
    definition = DEFINITIONS.path("", stored["metadata"]["name"])
    # What names nothing that is protected goes, once the guard may look at it.
    ends = DEFINITIONS.path("", bare["metadata"]["name"])
    field.eventually(lambda: field.agent("DELETE", f"{ends}?dryRun=All").done, "the agent ends its own definition")
    if unserved:
        version = {**stored["spec"]["versions"][0], "served": False}
        field.refused("PATCH", definition, {"spec": {"versions": [version]}})
    else:
        field.refused("DELETE", definition)
        field.refused("DELETE", definition, {"propagationPolicy": "Orphan"})
    field.lasts(kind.path(field.place, "mine"))


@attack()
def delete_what_prunes_it(field: Field) -> None:
    """An agent deletes a Kustomization of Flux's, in whose inventory it stands, and which prunes that."""
    field.deployment()
    kustomizations = Kind("kustomize.toolkit.fluxcd.io", "kustomizations")
    entries = [{"id": f"{field.place}_checkout_apps_Deployment", "v": "v1"}]
    path, document = _document(
        field, kustomizations, "Kustomization", spec={"prune": True}, status={"inventory": {"entries": entries}}
    )
    field.make(kustomizations, document)
    field.free_work()
    field.refused("DELETE", f"{path}/{field.place}")
    field.lasts(f"{path}/{field.place}")


_GUARD: Final = "seconder-system"


def _held(version: str, kind: str, **metadata: str) -> dict[str, Any]:
    return {"forProvider": {"manifest": {"apiVersion": version, "kind": kind, "metadata": metadata}}}


_GUARDS: Final = {
    "its-webhook": {"targetRef": {**_TO_IT, "name": "seconder-webhook", "namespace": _GUARD}},
    "its-webhooks-manifest": _held("apps/v1", "Deployment", name="seconder-webhook", namespace=_GUARD),
    "its-namespace": {"then": [{"kind": "Namespace", "name": _GUARD}]},
    "its-configuration": _held("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", name="seconder"),
    "a-policy": _held("seconder.dev/v1alpha1", "ProtectionPolicy", name="default"),
    "a-role": {"roleRef": {"kind": "ClusterRole", "name": "seconder-webhook"}},
    "who-is-who": _held("v1", "ConfigMap", name="aws-auth", namespace="kube-system"),
    "a-list-of-policies": {
        "manifest": {
            "apiVersion": "seconder.dev/v1alpha1",
            "kind": "ProtectionPolicyList",
            "items": [{"metadata": {"name": "default"}}],
        }
    },
}


@attack(variants={name: (spec,) for name, spec in _GUARDS.items()})
def name_the_guard_in_a_custom_resource(field: Field, spec: dict[str, Any]) -> None:
    """An agent has a program change what is Seconder's own, by a custom resource that names it or holds it."""
    field.seconders_own()
    path, document = _document(field, Kind("example.com", "whatevers"), "Whatever", spec=spec)
    field.refused("POST", path, document)
    # Who only looks there, or says where not to look, is free.
    looking = {"namespaceSelector": {"matchNames": [_GUARD]}, "selector": {"app": "seconder-webhook"}}
    field.done("POST", path, {**document, "spec": looking})
    mine = f"{path}/{field.place}"
    field.refused("PATCH", mine, {"spec": spec})
    field.free("PATCH", mine, {"spec": spec})
    field.refused("DELETE", mine)
    field.lasts(mine)


@attack()
def ask_for_the_end_of_its_backup(field: Field) -> None:
    """An agent asks Velero to delete a protected backup."""
    backups = Kind("velero.io", "backups")
    place, backup = _document(field, backups, "Backup")
    field.make(backups, backup)
    field.protect(backups, f"{place}/{field.place}")
    path, document = _document(
        field, Kind("velero.io", "deletebackuprequests"), "DeleteBackupRequest", spec={"backupName": field.place}
    )
    field.free_work()
    field.refused("POST", path, document)
    document["spec"]["backupName"] = "tomorrow"
    field.refused("POST", path, document)
    field.lasts(f"{place}/{field.place}")


_OF_NODES: Final = {
    "OpenShift": (Kind("machine.openshift.io", "machines", "v1beta1"), "Machine"),
    "Cluster-API": (Kind("cluster.x-k8s.io", "machines", "v1beta1"), "Machine"),
    "Karpenter": (Kind("karpenter.sh", "nodeclaims", namespaced=False), "NodeClaim"),
}


@attack(variants=_OF_NODES)
def end_the_machine_of_a_node(field: Field, kind: Kind, named: str) -> None:
    """An agent deletes the machine of a protected Node."""
    field.make(NODES, {"metadata": {"name": field.place}})
    node = NODES.path("", field.place)
    field.protect(NODES, node)
    status = {"nodeName": field.place} if named == "NodeClaim" else {"nodeRef": {"name": field.place}}
    path, machine = _document(field, kind, named, status=status)
    field.make(kind, machine)
    field.free_work()
    field.refused("DELETE", f"{path}/{field.place}")
    field.lasts(node)


@attack(variants=_OF_NODES)
def end_the_instance_of_a_node(field: Field, kind: Kind, named: str) -> None:
    """An agent ends a protected Node by a machine, its own or another, that tells the Node's instance alone."""
    instance = f"aws:///eu/{field.place}"
    field.make(NODES, {"metadata": {"name": field.place}, "spec": {"providerID": instance}})
    node = NODES.path("", field.place)
    field.protect(NODES, node)
    told = {"status" if named == "NodeClaim" else "spec": {"providerID": instance}}
    path, machine = _document(field, kind, named, **told)
    field.free_work()
    field.later_removed(f"{path}/{field.place}")
    field.refused("POST", path, machine)
    field.done("POST", path, {**machine, "metadata": {"name": "mine"}, "spec": {}, "status": {}})
    field.later_removed(f"{path}/mine")
    field.refused("PATCH", f"{path}/mine", told)
    field.make(kind, machine)
    field.refused("PATCH", f"{path}/{field.place}", dict.fromkeys(told))
    field.refused("DELETE", f"{path}/{field.place}")
    field.lasts(f"{path}/{field.place}")
    field.lasts(node)


_MACHINES: Final = Kind("cluster.x-k8s.io", "machines", "v1beta1")


def _owner(field: Field) -> dict[str, Any]:
    """A person's object that no policy names; give the reference to it as an owner."""
    return documents.owner(
        field.make(PRIORITIES, {"metadata": {"name": field.place}, "value": 1}), "PriorityClass", _V1
    )


def _by_its_owner(field: Field, machine: str) -> str:
    field.free("PATCH", machine, documents.owned_by(_owner(field)))
    return PRIORITIES.path("", field.place)


def _by_its_namespace(field: Field, machine: str) -> str:
    return NAMESPACES.path("", field.place)


def _by_its_definition(field: Field, machine: str) -> str:
    return DEFINITIONS.path("", f"{_MACHINES.plural}.{_MACHINES.group}")


@attack(
    variants={
        "the-owner": (_by_its_owner,),
        "the-namespace": (_by_its_namespace,),
        "the-definition": (_by_its_definition,),
    }
)
def end_a_machine_with(field: Field, above: Callable[[Field, str], str]) -> None:
    """An agent deletes what the Machine of a protected Node goes with."""
    field.make(NODES, {"metadata": {"name": field.place}})
    node = NODES.path("", field.place)
    field.protect(NODES, node)
    path, machine = _document(field, _MACHINES, "Machine", status={"nodeRef": {"name": field.place}})
    field.make(_MACHINES, machine)
    gone = above(field, f"{path}/{field.place}")
    field.refused_to_delete(gone)
    field.lasts(gone)
    field.lasts(node)


def _ingress(field: Field) -> str:
    """The class of a protected Ingress."""
    classes = Kind("networking.k8s.io", "ingressclasses", namespaced=False)
    ingresses = Kind("networking.k8s.io", "ingresses")
    field.make(classes, {"metadata": {"name": field.place}, "spec": {"controller": "example.com/nobody"}})
    # What has no host would have that of every other attack.
    field.make(ingresses, documents.ingress(f"{field.place}.example.com", ingressClassName=field.place))
    field.protect(ingresses, ingresses.path(field.place, "shop"))
    return classes.path("", field.place)


def _endpoints(field: Field) -> str:
    """The endpoints of a protected Service that somebody wrote by hand."""
    services, slices = Kind("", "services"), Kind("discovery.k8s.io", "endpointslices")
    field.make(services, {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 80}]}})
    labels = {"kubernetes.io/service-name": "shop", "endpointslice.kubernetes.io/managed-by": "hand"}
    body = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.9.9.9"]}], "ports": [{"port": 80}]}
    field.make(slices, {**body, "metadata": {"name": "by-hand", "labels": labels}})
    field.protect(services, services.path(field.place, "shop"))
    return slices.path(field.place, "by-hand")


@attack(variants={"its-class": (_ingress,), "its-endpoints": (_endpoints,)})
def let_what_serves_it_go_with_an_owner(field: Field, made: Callable[[Field], str]) -> None:
    """An agent deletes the owner of what a protected Ingress or Service is served by."""
    between = made(field)
    field.free("PATCH", between, documents.owned_by(_owner(field)))
    field.refused_to_delete(PRIORITIES.path("", field.place))
    field.lasts(between)


@attack()
def delete_the_class_of_its_ingress(field: Field) -> None:
    """An agent deletes the IngressClass of a protected Ingress."""
    path = _ingress(field)
    field.free_work()
    field.refused("DELETE", path)
    field.lasts(path)


def _backend(name: str) -> dict[str, Any]:
    return {"service": {"name": name, "port": {"number": 80}}}


_SHARED: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "by-a-longer-path": lambda host: documents.ingress(host, "mine", "/pay"),
    "by-a-wildcard": lambda host: documents.ingress("*." + host.partition(".")[2], "mine"),
    "by-its-certificate": lambda host: documents.ingress(f"mine.{host}", "mine", tls=[{"hosts": [host]}]),
    "without-a-host": lambda _: {"metadata": {"name": "mine"}, "spec": {"defaultBackend": _backend("mine")}},
    "by-an-alias": lambda host: {
        "metadata": {"name": "mine", "annotations": {"nginx.ingress.kubernetes.io/server-alias": f"a.{host}, {host}"}},
        "spec": documents.ingress(f"mine.{host}")["spec"],
    },
}


@attack(variants={name: (made,) for name, made in _SHARED.items()})
def share_its_host(field: Field, made: Callable[[str], dict[str, Any]]) -> None:
    """An agent makes an Ingress in a namespace of its own that takes requests for the host of a protected one."""
    host, place = f"shop.{field.place}.example.com", f"{field.place}-b"
    field.make(INGRESSES, documents.ingress(host))
    field.protect(INGRESSES, INGRESSES.path(field.place, "shop"))
    field.free_work()
    field.namespace(place)
    path = INGRESSES.path(place)
    field.refused("POST", path, made(host))
    own = documents.ingress(f"other.{host}", "mine")
    field.done("POST", path, own)
    # Other fields than its hosts are as free as they were.
    field.done("PATCH", f"{path}/mine", {"metadata": {"labels": {"a": "b"}}})
    field.refused("PATCH", f"{path}/mine", made(host))
    field.lasts(INGRESSES.path(field.place, "shop"))


_ADDED: Final[dict[str, Callable[[str], tuple[str, str]]]] = {
    "alias": lambda host: ("ingress.example.com/server-alias", host),
    "snippet": lambda _: ("ingress.example.com/configuration-snippet", "} server { listen 443;"),
    "extension": lambda host: ("ingress.example.com/hostname-extension", f"other.{host}, {host}"),
}


@attack(variants={name: (added,) for name, added in _ADDED.items()})
def add_its_host_to_an_ingress(field: Field, added: Callable[[str], tuple[str, str]]) -> None:
    """An agent's Ingress gets the host of a protected one later, by an annotation of a prefix that people chose."""
    host = f"shop.{field.place}.example.com"
    field.make(INGRESSES, documents.ingress(host))
    field.protect(INGRESSES, INGRESSES.path(field.place, "shop"))
    field.free_work()
    path = INGRESSES.path(field.namespace(f"{field.place}-b")["metadata"]["name"])
    own, (key, value) = documents.ingress(f"mine.{host}", "mine"), added(host)
    field.refused("POST", path, {**own, "metadata": {"name": "mine", "annotations": {key: value}}})
    field.done("POST", path, own)
    field.done("PATCH", f"{path}/mine", {"metadata": {"annotations": {"ingress.example.com/rewrite-target": "/"}}})
    field.refused("PATCH", f"{path}/mine", {"metadata": {"annotations": {key: value}}})
    field.lasts(INGRESSES.path(field.place, "shop"))


@attack()
def answer_for_its_service(field: Field) -> None:
    """An agent makes endpoints of a protected Service, which then lead to a program of the agent's."""
    services, slices = Kind("", "services"), Kind("discovery.k8s.io", "endpointslices")
    field.make(services, {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 80}]}})
    field.protect(services, services.path(field.place, "shop"))
    field.free_work()
    of_it = {"kubernetes.io/service-name": "shop"}
    body = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.9.9.9"]}], "ports": [{"port": 80}]}
    field.refused("POST", slices.path(field.place), {**body, "metadata": {"name": "mine", "labels": of_it}})
    field.done("POST", slices.path(field.place), {**body, "metadata": {"name": "mine"}})
    field.refused("PATCH", slices.path(field.place, "mine"), {"metadata": {"labels": of_it}})
    subsets = [{"addresses": [{"ip": "10.9.9.9"}], "ports": [{"port": 80}]}]
    field.refused("POST", Kind("", "endpoints").path(field.place), {"metadata": {"name": "shop"}, "subsets": subsets})


_ELSEWHERE: Final[dict[str, dict[str, Any]]] = {
    "its-address": {"podIP": "10.9.9.9", "podIPs": [{"ip": "10.9.9.9"}]},
    "its-readiness": {"conditions": [{"type": "Ready", "status": "False"}]},
}


@attack(variants={name: (status,) for name, status in _ELSEWHERE.items()})
def answer_for_its_service_by_the_status_of_a_pod(field: Field, status: dict[str, Any]) -> None:
    """An agent says of a pod of a protected Service where it is, or that it is not ready, and its endpoints follow."""
    pod = documents.pod("shop", nodeName="nowhere")
    field.make(PODS, pod | {"metadata": {"name": "shop", "labels": {"app": "shop"}}})
    path = PODS.path(field.place, "shop")
    ready = {"type": "Ready", "status": "True"}
    there = {"podIP": "10.2.2.2", "podIPs": [{"ip": "10.2.2.2"}], "phase": "Running", "conditions": [ready]}
    field.free("PATCH", f"{path}/status", {"status": there})
    field.make(SERVICES, {"metadata": {"name": "shop"}, "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]}})
    field.protect(SERVICES, SERVICES.path(field.place, "shop"))
    field.free_work()
    field.refused("PATCH", f"{path}/status", {"status": status})
    field.done("PATCH", path, {"metadata": {"annotations": {"example.com/seen": "true"}}})
    field.free("PATCH", f"{path}/status", {"status": status})


def _answered(field: Field, spec: dict[str, Any] | None = None) -> tuple[str, str]:
    """Protected Endpoints that somebody wrote by hand, and the Service of their name, which no policy names."""
    services, endpoints = Kind("", "services"), Kind("", "endpoints")
    if spec is not None:
        field.make(services, {"metadata": {"name": "db"}, "spec": spec})
    subsets = [{"addresses": [{"ip": "10.9.9.9"}], "ports": [{"port": 5432}]}]
    field.make(endpoints, {"metadata": {"name": "db"}, "subsets": subsets})
    field.protect(endpoints, endpoints.path(field.place, "db"))
    field.free_work()
    return services.path(field.place, "db"), endpoints.path(field.place, "db")


_DATABASE: Final = {"ports": [{"port": 5432}]}
_SELECTS: Final = {"spec": {"selector": {"app": "nobody"}}}


@attack(variants={"deleting": ("DELETE", {}), "selecting": ("PATCH", _SELECTS)})
def end_endpoints_with_their_service(field: Field, method: str, body: dict[str, Any]) -> None:
    """An agent deletes the Service of protected Endpoints, or has it select pods, so that they are written over."""
    service, endpoints = _answered(field, _DATABASE)
    field.refused(method, service, body)
    field.done("PATCH", service, {"metadata": {"labels": {"team": "shop"}}})
    if not field.lasts(endpoints, 1.0).get("subsets"):
        field.lost("its addresses are gone")


@attack()
def make_the_service_of_endpoints(field: Field) -> None:
    """An agent makes a Service by the name of protected Endpoints, which their controller then writes over."""
    service, endpoints = _answered(field)
    field.refused(
        "POST", service.rpartition("/")[0], {"metadata": {"name": "db"}, "spec": {**_DATABASE, **_SELECTS["spec"]}}
    )
    field.done(
        "POST", service.rpartition("/")[0], {"metadata": {"name": "mine"}, "spec": {**_DATABASE, **_SELECTS["spec"]}}
    )
    field.done("POST", service.rpartition("/")[0], {"metadata": {"name": "db"}, "spec": _DATABASE})
    if not field.lasts(endpoints, 1.0).get("subsets"):
        field.lost("its addresses are gone")
