"""Giving rights to somebody who is no agent, or to anybody the right to be no agent any more."""

from typing import Any

from tests.attacks import documents
from tests.attacks.attack import Layer, attack
from tests.attacks.field import BINDINGS, CLUSTER_BINDINGS, CLUSTER_ROLES, SERVICES, Field

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
