"""Giving rights to somebody who is no agent, or to anybody the right to be no agent any more."""

from typing import Any

from tests.attacks import documents
from tests.attacks.attack import Layer, attack
from tests.attacks.field import BINDINGS, CLUSTER_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, ROLES, SERVICES, Field

_LAYERS = (Layer.WEBHOOK, Layer.RBAC)
_RULES: dict[str, tuple[str, str, str]] = {
    "delete": ("apps", "deployments", "delete"),
    "scale": ("apps", "deployments/scale", "patch"),
    "everything": ("*", "*", "*"),
    "impersonate": ("", "serviceaccounts", "impersonate"),
    "impersonate-in-parts": ("authentication.k8s.io", "userextras/scopes", "impersonate-on:user-info:get"),
    "unsafe-deletion": ("apps", "deployments", "unsafe-delete-ignore-read-errors"),
    "escalate": ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
    "nodes": ("", "nodes/proxy", "create"),
    "tokens": ("", "serviceaccounts/token", "create"),
}


@attack(*_LAYERS, variants=_RULES)
def write_a_role(field: Field, group: str, resource: str, verb: str) -> None:
    """An agent writes a role that others may be bound to."""
    rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    field.later_removed(CLUSTER_ROLES.path("", field.place))
    field.refused("POST", CLUSTER_ROLES.path(""), {"metadata": {"name": field.place}, "rules": [rule]})


@attack(
    *_LAYERS,
    variants={
        "slices": ("discovery.k8s.io", "endpointslices", "create"),
        "addresses": ("networking.k8s.io", "ipaddresses", "delete"),
    },
)
def lend_what_ends_a_service(field: Field, group: str, resource: str, verb: str) -> None:
    """An agent lends others the right by which a protected Service is ended on another object's word."""
    field.make(SERVICES, {"metadata": {"name": "own"}, "spec": {"ports": [{"port": 80}]}})
    field.protect(SERVICES, SERVICES.path(field.place, "own"))
    rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    lent = {"metadata": {"name": field.place}, "rules": [rule]}
    field.later_removed(CLUSTER_ROLES.path("", field.place))
    field.refused("POST", CLUSTER_ROLES.path(""), lent)
    field.make(CLUSTER_ROLES, lent)
    field.later_removed(CLUSTER_BINDINGS.path("", field.place))
    binding = documents.role_binding(field.place, field.place, documents.account("default", "default"))
    field.refused("POST", CLUSTER_BINDINGS.path(""), binding)


_KEPT: dict[str, tuple[str, str, str, str]] = {
    "who-is-who": ("kube-system", "", "configmaps", "create"),
    "the-api-servers-address": ("default", "", "services", "patch"),
    "which-nodes-live": ("kube-node-lease", "coordination.k8s.io", "leases", "delete"),
    "addresses": ("", "networking.k8s.io", "servicecidrs", "delete"),
    "nodes": ("", "", "nodes", "create"),
    "the-end-of-nodes": ("", "", "nodes", "delete"),
    "what-nodes-report": ("", "", "nodes/status", "patch"),
    "addresses-of-services": ("", "", "services/status", "patch"),
    "networks": ("", "cilium.io", "ciliumclusterwidenetworkpolicies", "create"),
}


@attack(*_LAYERS, variants=_KEPT)
def lend_what_no_agent_writes(field: Field, place: str, group: str, resource: str, verb: str) -> None:
    """An agent lends others the right to what it may not write itself, whatever policies say."""
    rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    lent = {"metadata": {"name": field.place}, "rules": [rule]}
    field.later_removed(CLUSTER_ROLES.path("", field.place))
    field.refused("POST", CLUSTER_ROLES.path(""), lent)
    if place:
        field.later_removed(ROLES.path(place, field.place))
        field.refused("POST", ROLES.path(place), lent)
        field.make(CLUSTER_ROLES, lent)
        field.later_removed(BINDINGS.path(place, field.place))
        binding = documents.role_binding(field.place, field.place, documents.account(field.place, "default"))
        field.refused("POST", BINDINGS.path(place), binding)


_READS: dict[str, Any] = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
_DELETES: dict[str, Any] = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}


@attack(
    *_LAYERS, variants={"rules": ("PATCH", {"rules": [_READS]}), "all": ("PATCH", {"rules": []}), "role": ("DELETE",)}
)
def take_a_right_out_of_a_role(field: Field, method: str, *sent: Any) -> None:
    """An agent takes out of a role what it may not give, gives it to others, and waits until it is put back."""
    field.deployment()
    field.make(ROLES, {"metadata": {"name": "deployer"}, "rules": [_READS, _DELETES]})
    field.refused(method, ROLES.path(field.place, "deployer"), *sent)
    field.make(ROLES, {"metadata": {"name": "reader"}, "rules": [_READS]})
    field.done("DELETE", ROLES.path(field.place, "reader"))


@attack(*_LAYERS, variants={"owner": ("owner",), "mark": ("mark",)})
def let_a_role_go_with_something(field: Field, way: str) -> None:
    """An agent has a role that it may not delete go by an owner of its own, or by the mark of a program."""
    field.deployment()
    field.make(ROLES, {"metadata": {"name": "deployer"}, "rules": [_READS, _DELETES]})
    own = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "own"}})
    given = {
        "owner": documents.owned_by(documents.owner(dict(own.document), "ConfigMap")),
        "mark": {"metadata": {"annotations": {"janitor/ttl": "1s"}}},
    }
    field.refused("PATCH", ROLES.path(field.place, "deployer"), given[way])
    field.make(ROLES, {"metadata": {"name": "reader"}, "rules": [_READS]})
    field.done("PATCH", ROLES.path(field.place, "reader"), given[way])


@attack(*_LAYERS, variants={"none": ([],), "others": (["checkout"],)})
def change_the_names_in_a_rule(field: Field, names: list[str]) -> None:
    """An agent takes the names off a rule of a role that others have, or puts the name of what is protected there."""
    field.deployment()
    field.make(ROLES, {"metadata": {"name": "cleaner"}, "rules": [{**_DELETES, "resourceNames": ["tmp"]}]})
    changed = {"rules": [{**_DELETES, "resourceNames": names}]}
    field.refused("PATCH", ROLES.path(field.place, "cleaner"), changed)
    field.make(ROLES, {"metadata": {"name": "reader"}, "rules": [{**_READS, "resourceNames": ["tmp"]}]})
    field.done("PATCH", ROLES.path(field.place, "reader"), {"rules": [{**_READS, "resourceNames": names}]})


_AWAY: dict[str, Any] = {
    "binding": ("DELETE",),
    "subject": ("PATCH", {"subjects": []}),
    "mark": ("PATCH", {"metadata": {"annotations": {"janitor/ttl": "1s"}}}),
}


@attack(*_LAYERS, variants=_AWAY)
def take_a_right_from_who_has_it(field: Field, method: str, *sent: Any) -> None:
    """An agent takes a right from an account, to run a pod as it meanwhile, and waits until it is given back."""
    field.deployment()
    account = documents.account(field.place, "default")
    for name, rule in (("deployer", _DELETES), ("reader", _READS)):
        field.make(ROLES, {"metadata": {"name": name}, "rules": [rule]})
        field.make(BINDINGS, documents.role_binding(name, name, account, kind="Role"))
    field.refused(method, BINDINGS.path(field.place, "deployer"), *sent)
    field.done(method, BINDINGS.path(field.place, "reader"), *sent)


@attack(*_LAYERS)
def give_everybody_a_role_that_is_weak_today(field: Field) -> None:
    """An agent binds a group to a role that only reads; what it holds later is for others to write."""
    field.make(ROLES, {"metadata": {"name": "reader"}, "rules": [_READS]})
    everybody = documents.role_binding("all", "reader", documents.group("system:unauthenticated"), kind="Role")
    field.refused("POST", BINDINGS.path(field.place), everybody)
    own = documents.role_binding("own", "reader", documents.account(field.place, "default"), kind="Role")
    field.done("POST", BINDINGS.path(field.place), own)


_SUBJECTS: dict[str, Any] = {
    "everybody": documents.group("system:authenticated"),
    "a-user": {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "erin"},
    "a-workload": documents.account("default", "default"),
}


@attack(*_LAYERS, variants={name: (subject,) for name, subject in _SUBJECTS.items()})
def bind_a_role(field: Field, subject: Any) -> None:
    """An agent binds a role that deletes to others, here and everywhere."""
    field.deployment()
    field.refused("POST", BINDINGS.path(field.place), documents.role_binding("more", "edit", subject))
    field.later_removed(CLUSTER_BINDINGS.path("", field.place))
    field.refused("POST", CLUSTER_BINDINGS.path(""), documents.role_binding(field.place, "cluster-admin", subject))
