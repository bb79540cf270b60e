"""What is refused to agents whatever they present: the guard's own configuration."""

from collections.abc import Mapping
from typing import Final

from seconder.admission import rbac
from seconder.admission.policy_index import Guarded
from seconder.admission.principal import identity_tagged, keeps_its_tags, service_account, service_account_caller
from seconder.admission.request import Operation, Request, TokenRequest
from seconder.api import constants
from seconder.api.policy import AgentTags
from seconder.api.resources import DEFINITIONS, NAMESPACES, GroupResource, Target

_MOST_ANNOTATIONS: Final = 192 * 1024
"""Bytes. An object holds 256 KiB of them; eight approvals of 8 KiB each must find room."""

_SERVICE_ACCOUNTS: Final = GroupResource("", "serviceaccounts")
_WRITES: Final = frozenset({Operation.CREATE, Operation.UPDATE})
_NODES: Final = GroupResource("", "nodes")
OWN_ROLES: Final = (GroupResource(rbac.GROUP, "clusterroles"), GroupResource(rbac.GROUP, "clusterrolebindings"))
OWN_PREFIX: Final = "seconder-"
"""Of the names of the guard's own among these."""

TOKEN_SECRETS: Final = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
SERVERS: Final = "apiregistration.k8s.io"
CERTIFICATES: Final = "certificates.k8s.io"


def refusal(request: Request, known: AgentTags, own: Guarded, token_left: float | None) -> str:
    """Say in a few words what an agent must not touch here; empty when the request touches nothing of it.

    The caller is known to be an agent. ``known`` are the tags of the defaults and all policies together.
    ``token_left`` is for how many seconds from now its ServiceAccount may have tokens; None where no end is set.
    """
    target = request.target
    if ours := own_thing(target, own):
        return ours
    # A server of an agent's own could answer for any object, ours among them.
    if target.resource.group == SERVERS:
        return "which server answers for an API"
    if target.resource == _SERVICE_ACCOUNTS:
        return _accounts(request, known, token_left)
    if target.resource.group == CERTIFICATES and request.operation in _WRITES:
        return "certificates that identities rest on"
    if request.secret_type in TOKEN_SECRETS:
        return "Secrets that hold tokens of identities"
    if target.resource == _NODES and request.operation is Operation.CONNECT:
        return "what runs on nodes"
    if target.resource == NAMESPACES and request.subresource == "finalize":
        return "the finalizers of namespaces"
    if request.operation in _WRITES:
        if _signed_off(request.stored) != _signed_off(request.incoming):
            return "approvals and break-glass annotations"
        if _size(request.incoming) > max(_MOST_ANNOTATIONS, _size(request.stored)):
            return "annotations so that no approval finds room beside them"
    return ""


def own_thing(target: Target, own: Guarded) -> str:
    """Say what of the guard's own an object is; empty where it is none of it."""
    if target.resource.group == constants.DOMAIN:
        return "policies, approvers and change requests"
    if target.namespace == own.namespace or (target.resource == NAMESPACES and target.name == own.namespace):
        return "what is in the guard's own namespace"
    if target.resource == DEFINITIONS and target.name.endswith(f".{constants.DOMAIN}"):
        return "the guard's own resource definitions"
    if target.resource in OWN_ROLES and target.name.startswith(OWN_PREFIX):
        return "the guard's own roles"
    return ""


def _accounts(request: Request, known: AgentTags, token_left: float | None) -> str:
    target = request.target
    # Of agents that are tagged otherwise, too: what stands there says who may not approve, and when its tokens end.
    ours = identity_tagged(service_account_caller(target.namespace, target.name), known)
    if not ours and request.subresource != "token":
        return ""
    if renews(request) and keeps_its_tags(request.caller, target.namespace, target.name, known):
        return "" if _within(request.token, token_left) else "the end that is set for their tokens"
    return "ServiceAccounts and tokens of agents" if ours else "tokens of ServiceAccounts"


def renews(request: Request) -> bool:
    """Say whether a ServiceAccount asks for a token of its own."""
    target = request.target
    return (
        target.resource == _SERVICE_ACCOUNTS
        and request.subresource == "token"
        and service_account(request.caller.username) == (target.namespace, target.name)
    )


def _within(asked: TokenRequest | None, left: float | None) -> bool:
    if left is None:
        return True
    # The API server gives some tokens that are bound to a pod a year, whatever they ask for.
    return asked is not None and not asked.bound and 0 < asked.seconds <= left


def _size(annotations: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def _signed_off(annotations: Mapping[str, str]) -> dict[str, str]:
    """Give what only people may write on an object."""
    return {
        key: value
        for key, value in annotations.items()
        if key.startswith(constants.APPROVAL_PREFIX) or key == constants.BREAK_GLASS
    }
