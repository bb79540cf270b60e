"""Becoming somebody else."""

from tests.attacks.attack import Layer, attack
from tests.attacks.field import ACCOUNTS, SECRETS, Field, Kind
from tests.support.certificates import certificate_request

_CERTIFICATES = Kind("certificates.k8s.io", "certificatesigningrequests", namespaced=False)


@attack(variants={"of-ones-place": ("", "default"), "of-a-controller": ("kube-system", "namespace-controller")})
def take_a_token(field: Field, place: str, name: str) -> None:
    """An agent asks for a token of another ServiceAccount."""
    path = field.account(name, place)
    field.refused("POST", f"{path}/token", {"spec": {}})


@attack()
def have_a_token_written(field: Field) -> None:
    """An agent makes a Secret that a controller writes a token into."""
    metadata = {"name": "token", "annotations": {"kubernetes.io/service-account.name": "default"}}
    secret = {"metadata": metadata, "type": "kubernetes.io/service-account-token"}
    field.account()
    field.refused("POST", SECRETS.path(field.place), secret)


@attack()
def make_a_bootstrap_token(field: Field) -> None:
    """An agent makes a token by which nodes join."""
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    secret = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token"}
    field.later_removed("/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef")
    field.refused("POST", "/api/v1/namespaces/kube-system/secrets", {**secret, "stringData": data})


@attack()
def ask_for_a_certificate(field: Field) -> None:
    """An agent asks the cluster for a certificate of its own choice."""
    field.later_removed(_CERTIFICATES.path("", field.place))
    field.refused("POST", _CERTIFICATES.path(""), certificate_request(field.place))


@attack()
def make_another_agent(field: Field) -> None:
    """An agent makes, changes or deletes ServiceAccounts beside its own, or their namespace."""
    place, name = field.agents_account()
    accounts = ACCOUNTS.path(place)
    field.later_removed(f"{accounts}/{field.place}")
    field.refused("POST", accounts, {"metadata": {"name": field.place}})
    field.refused("PATCH", f"{accounts}/{name}", {"metadata": {"annotations": {"a": "b"}}})
    field.refused("DELETE", f"{accounts}/{name}?dryRun=All", {"dryRun": ["All"]})
    field.refused("PATCH", f"/api/v1/namespaces/{place}?dryRun=All", {"metadata": {"labels": {"a": "b"}}})
    field.refused("DELETE", f"/api/v1/namespaces/{place}?dryRun=All", {"dryRun": ["All"]})


@attack(Layer.RBAC)
def impersonate(field: Field) -> None:
    """An agent acts as an administrator by impersonation."""
    field.refused_as("system:masters", "GET", "/api/v1/namespaces")


@attack(Layer.WEBHOOK, Layer.RBAC)
def answer_for_an_api(field: Field) -> None:
    """An agent registers a server of its own for an API group."""
    service = {"namespace": field.place, "name": "mine"}
    spec = {"group": "example.com", "version": "v1alpha9", "service": service, "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 1, "versionPriority": 1}
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    field.later_removed(f"{path}/v1alpha9.example.com")
    field.refused("POST", path, {"metadata": {"name": "v1alpha9.example.com"}, "spec": spec})
