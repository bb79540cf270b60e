"""The powers that end the guard or get round it, one RBAC right each, and identities that hold exactly one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from tests.support.cluster import eventually
from tests.support.requests import Answer, Call

EVERYWHERE: Final = "everywhere"
HERE: Final = "here"
"""The namespace that the test is about; every other place is the name of a namespace."""

RBAC: Final = "rbac.authorization.k8s.io"
_ACCESS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_ADMISSION: Final = "admissionregistration.k8s.io"
_CERTIFICATES: Final = "certificates.k8s.io"
_IDENTITIES: Final = "authentication.k8s.io"
_OURS: Final = "seconder.dev"
_WRITES: Final = "create update patch delete deletecollection"


class Power(NamedTuple):
    """A right. ``resource`` is spelt as in RBAC rules; ``name`` limits it to objects of this name.

    ``decided``: reviews decide what an agent does with it, so that the authorizer leaves it to them.
    """

    verb: str
    group: str
    resource: str
    place: str
    name: str
    decided: bool

    def __str__(self) -> str:
        """Give ``delete clusterroles.rbac.authorization.k8s.io seconder-operator everywhere``."""
        resource, slash, subresource = self.resource.partition("/")
        qualified = f"{resource}.{self.group}" if self.group else resource
        return " ".join(filter(None, [self.verb, f"{qualified}{slash}{subresource}", self.name, self.place]))

    @property
    def rule(self) -> dict[str, Any]:
        """The rule of a role that gives it and no more."""
        names = {"resourceNames": [self.name]} if self.name else {}
        return {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]} | names

    def namespace(self, here: str) -> str:
        """Give the namespace that it is limited to; empty for none."""
        return {EVERYWHERE: "", HERE: here}.get(self.place, self.place)

    def access(self, here: str) -> dict[str, str]:
        """Give it as the resourceAttributes of a SubjectAccessReview."""
        resource, _, subresource = self.resource.partition("/")
        given = {
            "verb": self.verb,
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": self.namespace(here),
            "name": self.name,
        }
        return {key: value for key, value in given.items() if value}


def _powers(
    group: str, resources: str, verbs: str, *places: str, name: str = "", decided: bool = False
) -> Iterator[Power]:
    for place in places or (EVERYWHERE,):
        for resource in resources.split():
            for verb in verbs.split():
                yield Power(verb, group, resource, place, name, decided)


POWERS: Final[tuple[Power, ...]] = (
    # To take away what is protected with its definition, or the guard's own.
    *_powers("apiextensions.k8s.io", "customresourcedefinitions", _WRITES, decided=True),
    *_powers("apiextensions.k8s.io", "customresourcedefinitions/status", "update patch", decided=True),
    *_powers(
        "apiextensions.k8s.io", "customresourcedefinitions", "delete patch", name="protectionpolicies.seconder.dev"
    ),
    # To answer for an API, or for the guard.
    *_powers("apiregistration.k8s.io", "apiservices", _WRITES),
    *_powers("apiregistration.k8s.io", "apiservices/status", "update patch"),
    *_powers(_ADMISSION, "validatingwebhookconfigurations mutatingwebhookconfigurations", _WRITES),
    *_powers(
        _ADMISSION,
        "validatingadmissionpolicies validatingadmissionpolicybindings"
        " mutatingadmissionpolicies mutatingadmissionpolicybindings",
        "create update patch delete",
    ),
    *_powers(_ADMISSION, "validatingwebhookconfigurations", "update patch delete", name="seconder"),
    *_powers(_OURS, "protectionpolicies approvers approverauthorities", _WRITES),
    # "patch" is for the reason on a change request of one's own.
    *_powers(_OURS, "changerequests", "create update delete deletecollection"),
    *_powers(
        _OURS,
        "protectionpolicies/status approvers/status approverauthorities/status changerequests/status",
        "update patch",
    ),
    # The guard's roles are among these, and its webhook configuration goes with one of them.
    *_powers(RBAC, "clusterroles clusterrolebindings", _WRITES),
    *_powers(RBAC, "clusterroles", "delete", name="seconder-operator"),
    *_powers("", "secrets", "update delete", "seconder-system"),
    *_powers("", "pods", "create delete", "seconder-system"),
    *_powers("", "pods/exec", "create get", "seconder-system"),
    *_powers("", "serviceaccounts", "delete", "seconder-system"),
    *_powers("apps", "deployments", "patch delete", "seconder-system"),
    *_powers("", "namespaces", "delete", name="seconder-system"),
    *_powers("", "namespaces/finalize", "update"),
    # To become somebody else.
    *_powers("", "users groups", "impersonate"),
    *_powers("", "serviceaccounts", "impersonate", EVERYWHERE, HERE, "kube-system"),
    *_powers(_IDENTITIES, "uids userextras/seconder.dev/operator", "impersonate"),
    *_powers(_IDENTITIES, "users", "impersonate:user-info"),
    *_powers(_IDENTITIES, "serviceaccounts", "impersonate:serviceaccount", EVERYWHERE, HERE),
    *_powers("", "serviceaccounts/token", "create", EVERYWHERE, HERE, "kube-system"),
    *_powers("", "serviceaccounts/token", "create", "seconder-agents", "seconder-system"),
    *_powers("", "serviceaccounts", "create update patch delete", "seconder-agents"),
    *_powers(_CERTIFICATES, "certificatesigningrequests", "create update patch delete"),
    *_powers(_CERTIFICATES, "certificatesigningrequests/approval certificatesigningrequests/status", "update patch"),
    *_powers(_CERTIFICATES, "signers", "approve sign attest"),
    *_powers(RBAC, "clusterroles", "bind escalate"),
    *_powers(RBAC, "roles", "bind escalate", EVERYWHERE, HERE),
    # Tokens: a Secret may ask for one, and hold one.
    *_powers("", "secrets", "create update patch", EVERYWHERE, HERE, decided=True),
    *_powers("", "secrets", "create update patch", "kube-system"),
    *_powers("", "secrets", "get list watch", EVERYWHERE, "kube-system", "seconder-system"),
    # To run something that holds another's token, or to enter it.
    *_powers("", "nodes/proxy", "get create update patch delete"),
    *_powers("", "pods", "create update patch", EVERYWHERE, HERE, "kube-system", decided=True),
    *_powers("", "pods/ephemeralcontainers", "update patch", HERE, decided=True),
    *_powers("", "pods/exec", "create get", EVERYWHERE, HERE, "kube-system", decided=True),
    *_powers("", "pods/attach pods/portforward pods/proxy services/proxy", "create get", HERE, decided=True),
    *_powers("", "replicationcontrollers", "create patch", HERE, decided=True),
    *_powers("apps", "daemonsets deployments replicasets statefulsets", "create patch", HERE, decided=True),
    *_powers("batch", "cronjobs jobs", "create patch", HERE, decided=True),
    # To take away what policies name, in another way than by deleting it.
    *_powers("", "pods/eviction", "create", EVERYWHERE, HERE, decided=True),
    *_powers("apps", "deployments/scale deployments/status", "update patch", HERE, decided=True),
    *_powers("autoscaling", "horizontalpodautoscalers", "create update patch", HERE, decided=True),
)


def account_of(power: Power) -> str:
    """Give a name for a ServiceAccount that holds this power alone."""
    return re.sub(r"[^a-z0-9]+", "-", str(power).lower()).strip("-")


def has(admin: Call, user: str, power: Power, here: str) -> bool:
    """Ask the API server's authorizers whether a user has it."""
    review = {"spec": {"user": user, "resourceAttributes": power.access(here)}}
    return bool(admin("POST", _ACCESS, review).document["status"]["allowed"])


class RoleIn(NamedTuple):
    """A Role or ClusterRole of the API server's. ``collection`` is the path of its kind, without the last letter."""

    kind: str
    name: str
    collection: str


@contextmanager
def role_of(admin: Call, here: str, power: Power) -> Iterator[RoleIn]:
    """Make a role that gives this power alone, where it belongs."""
    place = power.namespace(here)
    scope, kind = (f"/namespaces/{place}", "Role") if place else ("", "ClusterRole")
    role = RoleIn(kind, f"{here[-12:]}-{account_of(power)}", f"/apis/{RBAC}/v1{scope}/{kind.lower()}")
    _made(admin("POST", f"{role.collection}s", {"metadata": {"name": role.name}, "rules": [power.rule]}))
    try:
        yield role
    finally:
        admin("DELETE", f"{role.collection}s/{role.name}")


@contextmanager
def holder(admin: Call, here: str, power: Power) -> Iterator[str]:
    """Make a ServiceAccount here that holds this power alone, and give its name; the API server knows by then."""
    account = account_of(power)
    accounts = f"/api/v1/namespaces/{here}/serviceaccounts"
    user = f"system:serviceaccount:{here}:{account}"
    with role_of(admin, here, power) as role:
        _made(admin("POST", accounts, {"metadata": {"name": account}}))
        binding = {
            "metadata": {"name": role.name},
            "roleRef": {"apiGroup": RBAC, "kind": role.kind, "name": role.name},
            "subjects": [{"kind": "ServiceAccount", "namespace": here, "name": account}],
        }
        _made(admin("POST", f"{role.collection}bindings", binding))
        try:
            eventually(lambda: has(admin, user, power, here), 10, f"{account} may {power}")
            yield account
        finally:
            admin("DELETE", f"{role.collection}bindings/{role.name}")
            admin("DELETE", f"{accounts}/{account}")


def _made(answer: Answer) -> None:
    assert answer.code == 201, answer.message
