"""Pods that agents make or enter: what runs there acts as the pod's ServiceAccount.

Where no review takes that one for an agent, what it may do is asked of the API server's authorizer: in its own
namespace, which tells what it may do everywhere too, and in the namespaces that policies name.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from seconder.admission import rbac
from seconder.admission.policy_index import ANY, Guarded, PolicyIndex
from seconder.admission.principal import identity_tagged, keeps_its_tags, service_account_caller, service_account_user
from seconder.admission.request import Operation, Request
from seconder.api import constants
from seconder.api.policy import Mode, Policy
from seconder.api.resources import NAMESPACES, GroupResource

_PODS: Final = GroupResource("", "pods")
_ENTRANCES: Final = frozenset({"exec", "attach", "portforward", "proxy"})
_ENDS: Final = ("delete", "deletecollection")
_LOSSES: Final = (*_ENDS, "patch", "update")
_MOST: Final = 256
"""Questions about one ServiceAccount for what policies name. Its own namespace is asked about first."""


class Account(NamedTuple):
    """A ServiceAccount that a request would act as. ``name`` is empty where the ``pod`` of this name must tell it."""

    namespace: str
    name: str
    pod: str = ""


class Right(NamedTuple):
    """A question to the authorizer, in the words of a SubjectAccessReview. ``namespace`` is empty for all of them."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str

    @property
    def what(self) -> str:
        """Give ``delete deployments.apps`` or ``patch deployments.apps/scale``."""
        below = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {GroupResource(self.group, self.resource)}{below}"


class Borrowed(NamedTuple):
    """The answer: as whom the request would act, and the first of the rights that it would have; None for none."""

    account: Account
    right: Right | None


def account(request: Request, own: Guarded) -> Account | None:
    """Name the ServiceAccount that an agent's pod acts as; None where there is no pod."""
    target = request.target
    # The guard's own namespace is refused as a whole.
    if not target.namespace or target.namespace == own.namespace:
        return None
    if target.resource == _PODS and request.operation is Operation.CONNECT and request.subresource in _ENTRANCES:
        return Account(target.namespace, "", target.name)
    return Account(target.namespace, request.runs_as) if request.runs_as else None


def questions(of: Account, index: PolicyIndex, owning: Iterable[GroupResource]) -> tuple[Right, ...]:
    """List the rights of which none may be the account's; empty where it is an agent's, whom reviews bind.

    ``owning``: what owns protected objects in its namespace, or in none.
    """
    known = index.known_tags
    if of.namespace in known.service_account_namespaces or _agents(of, index):
        return ()
    owners = (Right(verb, *each, "", of.namespace) for each in sorted(owning) for verb in _ENDS)
    asked = dict.fromkeys((*_past_any_guard(of.namespace), *_protected(of.namespace, index)))
    # Beside the bound: agents may make up owners, and must not crowd out what policies name.
    return tuple(dict.fromkeys((*tuple(asked)[:_MOST], *owners)))


def refusal(found: Borrowed, request: Request, index: PolicyIndex, token_ends: Mapping[str, float]) -> str:
    """Say in a few words what an agent must not do as this account; empty when it may do nothing that matters.

    ``token_ends`` holds the user names of ServiceAccounts for whose tokens an end is set.
    """
    namespace, name, _ = found.account
    who = f"ServiceAccount {namespace}/{name}"
    if _agents(found.account, index):
        # Under another's name its own operator could approve; and a pod's token is renewed for as long as it runs.
        username, caller = service_account_user(namespace, name), request.caller
        if caller.username != username or not keeps_its_tags(caller, namespace, name, index.known_tags):
            return f"act as {who}, another agent"
        return f"run pods as {who}, whose tokens have an end" if username in token_ends else ""
    return f"act as {who}, which may {found.right.what}" if found.right else ""


def _agents(of: Account, index: PolicyIndex) -> bool:
    return identity_tagged(service_account_caller(of.namespace, of.name), index.known_tags)


def _past_any_guard(namespace: str) -> Iterator[Right]:
    for resource in ("users", "groups"):
        yield Right("impersonate", "", resource, "", "")
    yield Right("impersonate", "", "serviceaccounts", "", namespace)
    yield Right("create", "", "serviceaccounts", "token", namespace)
    yield Right("create", "", "pods", "exec", namespace)
    yield Right("create", "", "nodes", "proxy", "")
    for verb in ("bind", "escalate"):
        yield Right(verb, rbac.GROUP, "clusterroles", "", "")
    for verb in ("delete", "patch", "update"):
        yield Right(verb, "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", "")
        yield Right(verb, constants.DOMAIN, "protectionpolicies", "", "")
    yield Right("create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", "")
    yield Right("create", constants.DOMAIN, "approvers", "", "")
    yield Right("patch", "certificates.k8s.io", "certificatesigningrequests", "approval", "")
    for verb in ("create", "patch", "update"):
        yield Right(verb, "", "pods", "", namespace)


def _protected(namespace: str, index: PolicyIndex) -> Iterator[Right]:
    enforced = [policy for policy in index.all if policy.mode is Mode.ENFORCE]
    for policy in enforced:
        if not policy.namespaces or namespace in policy.namespaces:
            yield from _losses(policy, namespace)
    for policy in enforced:
        for place in sorted(policy.namespaces - {namespace}):
            yield from _losses(policy, place)


def _losses(policy: Policy, namespace: str) -> Iterator[Right]:
    # What a wildcard names is among what is resolved.
    for resource in sorted(
        each for each in policy.resources | policy.resolved.keys() | {NAMESPACES} if ANY not in each
    ):
        resolved = policy.resolved.get(resource)
        place = "" if resolved and not resolved.namespaced and resource != NAMESPACES else namespace
        for verb in _LOSSES:
            yield Right(verb, *resource, "", place)
        for verb in ("patch", "update"):
            yield Right(verb, *resource, "scale", place)
