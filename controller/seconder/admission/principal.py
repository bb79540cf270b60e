"""Who asks: whether that is an agent, what it is called, and who set it going."""

from typing import Final

from msgspec import Struct

from seconder.admission.policy_index import PolicyIndex
from seconder.admission.request import Caller
from seconder.api import constants
from seconder.api.policy import AgentTags
from seconder.api.resources import PODS, GroupResource

_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_NODE: Final = "system:node:"

_KUBE_SYSTEM_CONTROLLERS: Final = (
    "attachdetach-controller",
    "bootstrap-signer",
    "certificate-controller",
    "cloud-provider",
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "endpointslicemirroring-controller",
    "ephemeral-volume-controller",
    "expand-controller",
    "generic-garbage-collector",
    "horizontal-pod-autoscaler",
    "job-controller",
    "kube-apiserver-serving-clustertrustbundle-publisher",
    "legacy-service-account-token-cleaner",
    "namespace-controller",
    "node-controller",
    "persistent-volume-binder",
    "pod-garbage-collector",
    "podcertificaterequestcleaner",
    "podgroup-protection-controller",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resource-claim-controller",
    "resourcepoolstatusrequest-controller",
    "resourcequota-controller",
    "root-ca-cert-publisher",
    "route-controller",
    "selinux-warning-controller",
    "service-account-controller",
    "service-cidrs-controller",
    "service-controller",
    "statefulset-controller",
    "storage-version-garbage-collector",
    "storage-version-migrator-controller",
    "token-cleaner",
    "ttl-after-finished-controller",
    "ttl-controller",
    "validatingadmissionpolicy-status-controller",
    "volumeattributesclass-protection-controller",
)
"""ServiceAccounts to which Kubernetes 1.30 to 1.37, with whatever feature gates, binds a ClusterRole or Role of its own
named ``system:controller:NAME`` (its plugin/pkg/auth/authorizer/rbac/bootstrappolicy). A cluster test compares them."""

_CONTROLLER_MANAGER: Final = "system:kube-controller-manager"


def kube_system_controllers(*names: str) -> frozenset[str]:
    """The user names under which these controllers call."""
    # Without --use-service-account-credentials every controller runs under the one that is added.
    return frozenset({f"{_SERVICE_ACCOUNT}kube-system:{name}" for name in names} | {_CONTROLLER_MANAGER})


BUILTIN_CONTROLLERS: Final = kube_system_controllers(*_KUBE_SYSTEM_CONTROLLERS) | {
    "system:kube-scheduler",
    "system:apiserver",
}
"""Exact user names of the control plane's own controllers, which nothing here ever binds.

Their work follows a decision that was made on the original request; stopping them leaves namespaces in Terminating.
"""


class Principal(Struct, frozen=True, gc=False):
    """A caller, classified.

    ``agent`` is true by identity alone, under the defaults or any policy; ``tags`` are those of the policies, and the
    defaults, by which it is one. ``operators`` are the people recorded as having set the agent going; more than one is
    a contradiction, and all of them are then barred from approving. ``controller``: one of the control plane's own,
    which nothing here ever binds. ``node``: a kubelet, which nothing binds where pods are concerned. ``principals``: of
    the approvers who are this caller by its ``extra``, whatever its user name says.
    """

    username: str
    agent: bool
    agent_name: str | None
    operators: frozenset[str]
    tags: frozenset[AgentTags] = frozenset()
    controller: bool = False
    node: bool = False
    principals: frozenset[str] = frozenset()

    def exempt_on(self, resource: GroupResource) -> bool:
        """Whether nothing that policies say binds this caller on objects of this resource."""
        return self.controller or (self.node and resource == PODS)


def service_account(username: str) -> tuple[str, str] | None:
    """The namespace and name in ``system:serviceaccount:NAMESPACE:NAME``; None for any other user name."""
    if not username.startswith(_SERVICE_ACCOUNT):
        return None
    namespace, colon, name = username[len(_SERVICE_ACCOUNT) :].partition(":")
    if not (namespace and colon and name) or ":" in name:
        return None
    return namespace, name


def service_account_user(namespace: str, name: str) -> str:
    """The user name under which a ServiceAccount calls."""
    return f"{_SERVICE_ACCOUNT}{namespace}:{name}"


def service_account_caller(namespace: str, name: str) -> Caller:
    """What the API server makes of a ServiceAccount's token, but for the extra that names the token itself."""
    groups = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"}
    return Caller(service_account_user(namespace, name), frozenset(groups))


def identity_tagged(caller: Caller, tags: AgentTags) -> bool:
    """Whether the authenticated identity itself carries one of the tags."""
    if not tags.groups.isdisjoint(caller.groups) or caller.username in tags.users:
        return True
    if caller.extra and not tags.extra_keys.isdisjoint(caller.extra):
        return True
    account = service_account(caller.username)
    return account is not None and account[0] in tags.service_account_namespaces


def keeps_its_tags(caller: Caller, namespace: str, name: str, tags: AgentTags) -> bool:
    """Whether an agent with a token of this ServiceAccount would be an agent by all that it is one by now."""
    renewed = service_account_caller(namespace, name)
    return (
        identity_tagged(renewed, tags)
        and tags.extra_keys.isdisjoint(caller.extra)
        and tags.groups & caller.groups <= renewed.groups
    )


def classify(
    caller: Caller, index: PolicyIndex, recorded_operator: str | None, principals: frozenset[str] = frozenset()
) -> Principal:
    """The principal that a caller is under these policies.

    ``recorded_operator`` is the annotation on the caller's ServiceAccount, if it has one; ``principals`` are as in
    Principal. An agent's name does not depend on which policy asks.
    """
    controller = caller.username in BUILTIN_CONTROLLERS
    node = caller.username.startswith(_NODE) and "system:nodes" in caller.groups
    if not identity_tagged(caller, index.known_tags):
        return Principal(
            caller.username, False, None, frozenset(), controller=controller, node=node, principals=principals
        )
    operators = {value for value in caller.extra.get(constants.OPERATOR_KEY, ()) if value}
    if recorded_operator:
        operators.add(recorded_operator)
    return Principal(
        caller.username,
        True,
        _agent_name(caller, index.known_tags),
        frozenset(operators),
        frozenset(tags for tags in index.tags if identity_tagged(caller, tags)),
        controller,
        node,
        principals,
    )


def _agent_name(caller: Caller, known: AgentTags) -> str | None:
    for key in sorted(known.extra_keys, key=lambda key: (key != constants.AGENT_KEY, key)):
        values = caller.extra.get(key)
        if values and values[0]:
            return values[0]
    account = service_account(caller.username)
    if account is not None and account[0] in known.service_account_namespaces:
        return account[1]
    return None
