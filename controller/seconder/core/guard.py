"""What is refused to agents whatever they present: the guard's own configuration."""

from collections.abc import Mapping
from typing import Final

from seconder.core import names
from seconder.core.agents import service_account
from seconder.core.matching import Guarded
from seconder.core.policy import AgentTags
from seconder.core.request import NAMESPACES, GroupResource, Operation, Request

_SERVICE_ACCOUNTS: Final = GroupResource("", "serviceaccounts")
_WRITES: Final = frozenset({Operation.CREATE, Operation.UPDATE})
_CRDS: Final = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")


def refusal(request: Request, known: AgentTags, own: Guarded) -> str:
    """Say in a few words what an agent must not touch here; empty when the request touches nothing of it.

    The caller is known to be an agent. ``known`` are the tags of the defaults and all policies together.
    """
    target = request.target
    if target.resource.group == names.DOMAIN:
        return "policies, approvers and change requests"
    if target.namespace == own.namespace or (target.resource == NAMESPACES and target.name == own.namespace):
        return "what is in the guard's own namespace"
    if target.resource == _CRDS and target.name.endswith(f".{names.DOMAIN}"):
        return "the guard's own resource definitions"
    if target.resource == _SERVICE_ACCOUNTS and target.namespace in known.service_account_namespaces:
        renewal = request.subresource == "token" and service_account(request.caller.username) == (
            target.namespace,
            target.name,
        )
        return "" if renewal else "ServiceAccounts and tokens of agents"
    if request.operation in _WRITES and _approvals(request.stored) != _approvals(request.incoming):
        return "approvals"
    return ""


def _approvals(annotations: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in annotations.items() if key.startswith(names.APPROVAL_PREFIX)}
