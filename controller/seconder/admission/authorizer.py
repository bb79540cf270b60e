"""What the API server's authorizer may refuse to agents: what no review shows, and what would put an end to reviews."""

from typing import Final

from msgspec import Struct

from seconder.admission.principal import BUILTIN_CONTROLLERS, identity_tagged, service_account
from seconder.admission.request import Caller
from seconder.api import constants
from seconder.api.policy import AgentTags
from seconder.api.resources import DEFINITIONS, NAMESPACES, GroupResource

_READS: Final = frozenset({"get", "list", "watch"})
_LONGER_POWERS: Final = ("bind", "escalate")
_CERTIFICATE_VERBS: Final = frozenset({"approve", "attest", "sign"})
_CONNECTIONS: Final = frozenset({"attach", "exec", "portforward", "proxy"})
"""Subresources that a connection is made to; over a WebSocket the verb is ``get``."""

_NODES: Final = GroupResource("", "nodes")
_SECRETS: Final = GroupResource("", "secrets")
_SERVICE_ACCOUNTS: Final = GroupResource("", "serviceaccounts")

_UNWRITABLE: Final = {
    "admissionregistration.k8s.io": "agents may not change admission configuration",
    # A server of an agent's own could answer for our resources.
    "apiregistration.k8s.io": "agents may not change which server answers for an API",
    # kube-controller-manager approves some requests by what their author is authorized to create.
    "certificates.k8s.io": "agents may not ask for certificates or approve them",
    # Whoever holds all rights passes the escalation check with any role.
    "rbac.authorization.k8s.io": "agents may not change roles and bindings",
    constants.DOMAIN: "agents may not change policies, approvers and change requests",
}


class Access(Struct, frozen=True, gc=False):
    """What the authorizer is asked: may this caller do this? Nothing is known of the object's content.

    ``namespace`` is empty for cluster-scoped resources and for all namespaces at once; ``name`` for create, list, watch
    and deletecollection.
    """

    caller: Caller
    verb: str
    resource: GroupResource
    subresource: str = ""
    namespace: str = ""
    name: str = ""


def denial(access: Access, known: AgentTags, own_namespace: str) -> str:
    """Say in one line why an agent must not do this whatever its roles say; empty: no opinion.

    ``known`` are the tags of the defaults and all policies together. People, and the control plane's own controllers
    whatever their tags, are none of its business: it never allows anything, and an approval cannot be seen here.
    """
    caller = access.caller
    if caller.username in BUILTIN_CONTROLLERS or not identity_tagged(caller, known):
        return ""
    return (
        _by_verb(access)
        or _by_connection(access, own_namespace)
        or _by_secrets(access, own_namespace)
        or ("" if access.verb in _READS else _by_write(access, known, own_namespace))
    )


def _by_verb(access: Access) -> str:
    # Impersonation has many verbs: impersonate, impersonate:user-info, impersonate-on:user-info:delete.
    if access.verb.startswith("impersonate"):
        return "agents act under their own name"
    if access.verb.startswith(_LONGER_POWERS):
        return "agents may not grant what they do not hold"
    return _UNWRITABLE["certificates.k8s.io"] if access.verb in _CERTIFICATE_VERBS else ""


def _by_connection(access: Access, own_namespace: str) -> str:
    # Kubelets ask this too, of whoever comes to them directly and past every review.
    if access.resource == _NODES and access.subresource == "proxy":
        return "agents may not run commands through nodes"
    if access.namespace == own_namespace and access.subresource in _CONNECTIONS:
        return _own(own_namespace)
    return ""


def _by_secrets(access: Access, own_namespace: str) -> str:
    if access.resource == _SECRETS and access.namespace in {"", "kube-system", own_namespace}:
        return "the secrets of the cluster's own programs are not for agents"
    return ""


def _by_write(access: Access, known: AgentTags, own_namespace: str) -> str:
    if access.resource.group in _UNWRITABLE:
        return _UNWRITABLE[access.resource.group]
    if access.namespace == own_namespace or (access.resource == NAMESPACES and access.name == own_namespace):
        return _own(own_namespace)
    # A collection's deletion says no names: ours may be among them.
    if access.resource == DEFINITIONS and (
        access.name.endswith(f".{constants.DOMAIN}") or access.verb == "deletecollection"
    ):
        return "agents may not change the guard's own resource definitions"
    if access.resource == _SERVICE_ACCOUNTS and not _renews(access):
        if access.subresource == "token":
            return "agents may not have tokens of others"
        if access.namespace in known.service_account_namespaces:
            return "agents may not change the ServiceAccounts of agents"
    return ""


def _renews(access: Access) -> bool:
    itself = service_account(access.caller.username) == (access.namespace, access.name)
    return itself and access.subresource == "token"


def _own(namespace: str) -> str:
    return f"agents may not change or enter namespace {namespace}"
