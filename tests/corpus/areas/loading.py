"""A webhook that has not loaded what it decides by."""

from collections.abc import Iterator

from tests.corpus.areas.owners import gets
from tests.corpus.builders.documents import config_map, owner, policy
from tests.corpus.builders.reviews import PERSON, create, delete
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, ENFORCE, Expected, case

UNKNOWN = "InternalError"
_PARTS = {
    "policies": "/apis/seconder.dev/v1alpha1/protectionpolicies",
    "approvers": "/apis/seconder.dev/v1alpha1/approvers",
    "ServiceAccounts": "/api/v1/serviceaccounts",
    "the cluster's identity": "/api/v1/namespaces/kube-system",
}


def cases() -> Iterator[Expected]:
    """Give them all."""
    for what, at in _PARTS.items():
        fault = {"path": at, "status": 503}
        for path in (ENFORCE, AUDIT):
            name = f"{what} are not loaded: an agent's DELETE to {path}"
            yield case(name, UNKNOWN, delete(CHECKOUT), DEPLOYMENTS, path=path, faults=[fault])
    app = config_map("app")
    nameless = app | {"metadata": {"name": "app", "namespace": "payments"}}
    odd = gets(owner(app), by=PERSON)
    yield case("the API server answers what nobody foresaw", UNKNOWN, odd, DEPLOYMENTS, nameless)
    yield case(
        "the same to Audit", UNKNOWN, odd, policy("production", "deployments.apps", mode="Audit"), nameless, path=AUDIT
    )
    fault = {"path": _PARTS["policies"], "status": 403}
    yield case("policies may not be read: a person's DELETE", UNKNOWN, delete(CHECKOUT, PERSON), faults=[fault])
    yield case("policies may not be read: an agent's creation", UNKNOWN, create(config_map()), faults=[fault])
