"""Deleting it: alone, as one of many, with what holds it, with what defines it, with what was made of it."""

from typing import Any

from tests.attacks import documents
from tests.attacks.attack import Layer, attack
from tests.attacks.documents import owner
from tests.attacks.field import (
    ACCOUNTS,
    CONFIG_MAPS,
    DEFINITIONS,
    DEPLOYMENTS,
    NAMESPACES,
    REPLICA_SETS,
    SECRETS,
    Field,
    Kind,
)

_OPTIONS = {
    "plainly": None,
    "in-the-foreground": {"propagationPolicy": "Foreground"},
    "leaving-orphans": {"propagationPolicy": "Orphan"},
    "without-grace": {"gracePeriodSeconds": 0},
    "unread": {"ignoreStoreReadErrorWithClusterBreakingPotential": True},
}


_MARK = {"metadata": {"annotations": {"janitor/ttl": "1m"}}}
"""By which kube-janitor deletes what carries it."""


@attack(Layer.WEBHOOK, Layer.RBAC, variants={name: (options,) for name, options in _OPTIONS.items()})
def delete(field: Field, options: object) -> None:
    """An agent deletes a protected Deployment."""
    field.deployment()
    checkout = DEPLOYMENTS.path(field.place, "checkout")
    field.refused("DELETE", checkout, options)
    field.lasts(checkout)


@attack()
def delete_the_collection(field: Field) -> None:
    """An agent deletes all Deployments of a namespace in one request."""
    field.deployment()
    field.refused("DELETE", DEPLOYMENTS.path(field.place))
    field.lasts(DEPLOYMENTS.path(field.place, "checkout"))


@attack()
def delete_the_namespace(field: Field) -> None:
    """An agent deletes the namespace around it."""
    field.deployment()
    field.refused("DELETE", NAMESPACES.path("", field.place))
    field.lasts(NAMESPACES.path("", field.place))


@attack()
def delete_again(field: Field) -> None:
    """An agent deletes once more what a person has deleted, with nothing but a finalizer left to keep it."""
    field.deployment(finalizers=["example.com/backup"])
    checkout = DEPLOYMENTS.path(field.place, "checkout")
    field.later_removed(checkout)
    field.free("DELETE", checkout)
    field.refused("DELETE", checkout)


@attack()
def delete_its_replica_sets(field: Field) -> None:
    """An agent deletes what a paused Deployment makes no second time."""
    field.deployment()
    sets = REPLICA_SETS.path(field.place)
    field.eventually(lambda: field.admin("GET", sets).document.get("items"), "the Deployment has a ReplicaSet")
    field.free("PATCH", DEPLOYMENTS.path(field.place, "checkout"), {"spec": {"paused": True}})
    made = field.admin("GET", sets).document["items"][0]["metadata"]["name"]
    field.refused("DELETE", f"{sets}/{made}")
    field.refused("DELETE", sets)
    # Without its labels or its owner it is nobody's, and can be deleted by anybody.
    field.refused("PATCH", f"{sets}/{made}", {"metadata": {"labels": {"app": "another"}}})
    field.refused("PATCH", f"{sets}/{made}", {"metadata": {"ownerReferences": None}})
    field.refused("PATCH", f"{sets}/{made}/status", {"metadata": {"ownerReferences": None}})
    field.lasts(f"{sets}/{made}")


@attack()
def delete_the_definition(field: Field) -> None:
    """An agent deletes the definition of a protected kind, and all its objects with it."""
    group = f"{field.place}.example.com"
    field.make(DEFINITIONS, documents.definition("gears", group, "Gear"))
    gears = Kind(group, "gears")
    field.make(gears, {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": {"name": "precious"}})
    field.protect(gears, gears.path(field.place, "precious"))
    definition = DEFINITIONS.path("", f"gears.{group}")
    field.refused("DELETE", definition)
    field.refused("DELETE", definition, {"propagationPolicy": "Orphan"})
    field.lasts(definition)


@attack(variants={"unserve": ({"served": False},), "prune": ({"schema": {"openAPIV3Schema": {"type": "object"}}},)})
def change_the_definition(field: Field, change: dict[str, Any]) -> None:
    """An agent changes a protected kind's definition, so that its objects are served no more or lose their fields."""
    group = f"{field.place}.example.com"
    stored = field.make(DEFINITIONS, documents.definition("gears", group, "Gear"))
    gears = Kind(group, "gears")
    field.make(gears, {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": {"name": "precious"}})
    field.protect(gears, gears.path(field.place, "precious"))
    field.free_work()
    version = {**stored["spec"]["versions"][0], **change}
    definition = DEFINITIONS.path("", f"gears.{group}")
    field.refused("PATCH", definition, {"spec": {"versions": [version]}})
    field.refused("PATCH", f"{definition}/status", {"status": {"storedVersions": ["v2"]}})
    terminating = {"type": "Terminating", "status": "True", "reason": "x", "message": "", "lastTransitionTime": None}
    field.refused("PATCH", f"{definition}/status", {"status": {"conditions": [terminating]}})
    field.refused("PATCH", definition, _MARK)
    field.lasts(gears.path(field.place, "precious"))


@attack(variants={"": (False,), "by-the-owner-of-that": (True,)})
def take_a_token_with_its_account(field: Field, by_owner: bool) -> None:
    """An agent ends the ServiceAccount whose token a protected Secret holds, or deletes or changes what owns it."""
    above = owner(field.make(CONFIG_MAPS, {"metadata": {"name": "above"}}), "ConfigMap")
    field.make(ACCOUNTS, {"metadata": {"name": "worker", "ownerReferences": [above]}})
    whose = {"kubernetes.io/service-account.name": "worker"}
    metadata = {"name": "worker-token", "annotations": whose}
    field.make(SECRETS, {"metadata": metadata, "type": "kubernetes.io/service-account-token"})
    path = SECRETS.path(field.place, "worker-token")
    field.protect(SECRETS, path)
    field.free_work()
    kind, name = (CONFIG_MAPS, "above") if by_owner else (ACCOUNTS, "worker")
    field.refused("DELETE", kind.path(field.place, name))
    field.refused("PATCH", kind.path(field.place, name), _MARK)
    if by_owner:
        # Nobody knows what is made of that by whoever reads it.
        field.refused("PATCH", kind.path(field.place, name), {"data": {"a": "b"}})
    field.lasts(path, 1.0)


@attack()
def take_its_address(field: Field) -> None:
    """An agent deletes the IPAddress of a protected Service, so that another Service is given the address."""
    services, addresses = Kind("", "services"), Kind("networking.k8s.io", "ipaddresses", namespaced=False)
    stored = field.make(services, {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 80}]}})
    field.protect(services, services.path(field.place, "shop"))
    address = addresses.path("", stored["spec"]["clusterIP"])
    field.free_work()
    field.refused("DELETE", address)
    field.refused("PATCH", address, _MARK)
    field.lasts(address)


@attack()
def take_everybodys_addresses(field: Field) -> None:
    """An agent deletes the range of addresses of Services, so that nobody's new Service gets one."""
    ranges = Kind("networking.k8s.io", "servicecidrs", namespaced=False)
    found = field.admin("GET", ranges.path(""))
    if not found.done:
        raise field.untried("this Kubernetes has no ServiceCIDRs")
    for each in found.document["items"]:
        path = ranges.path("", each["metadata"]["name"])
        not_ready = {"type": "Ready", "status": "False", "reason": "x", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        field.refused("PATCH", f"{path}/status?dryRun=All", {"status": {"conditions": [not_ready]}})
        field.refused("DELETE", f"{path}?dryRun=All", {"dryRun": ["All"]})
        field.lasts(path)


@attack()
def give_services_addresses_of_others(field: Field) -> None:
    """An agent makes a range of addresses for Services, of which its own then takes what belongs to others."""
    ranges, addresses = (Kind("networking.k8s.io", name, namespaced=False) for name in ("servicecidrs", "ipaddresses"))
    if not field.admin("GET", ranges.path("")).done:
        raise field.untried("this Kubernetes has no ServiceCIDRs")
    dry = "?dryRun=All"
    field.refused(
        "POST", f"{ranges.path('')}{dry}", {"metadata": {"name": "n"}, "spec": {"cidrs": ["198.51.100.0/24"]}}
    )
    parent = {"resource": "services", "namespace": field.place, "name": "n"}
    field.refused(
        "POST", f"{addresses.path('')}{dry}", {"metadata": {"name": "198.51.100.7"}, "spec": {"parentRef": parent}}
    )


@attack()
def make_the_class_that_it_waits_for(field: Field) -> None:
    """An agent makes the IngressClass that a protected Ingress names, and with it says who takes it."""
    ingresses = Kind("networking.k8s.io", "ingresses")
    classes = Kind("networking.k8s.io", "ingressclasses", namespaced=False)
    field.make(ingresses, documents.ingress(f"{field.place}.example.com", ingressClassName=field.place))
    field.protect(ingresses, ingresses.path(field.place, "shop"))
    field.free_work()
    theirs = {"metadata": {"name": field.place}, "spec": {"controller": "example.com/mine"}}
    field.refused("POST", f"{classes.path('')}?dryRun=All", theirs)
    other = {**theirs, "metadata": {"name": f"{field.place}-other"}}
    field.done("POST", f"{classes.path('')}?dryRun=All", other)
