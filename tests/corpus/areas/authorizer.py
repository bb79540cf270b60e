"""What the API server's authorizer is told, where it asks: SubjectAccessReviews."""

from collections.abc import Iterator
from typing import Any, Final

from tests.corpus.builders.documents import Document, policy
from tests.corpus.builders.reviews import AGENT, PERSON, account, user
from tests.corpus.builders.scene import Expected, case

PATH = "/authorize"
DENIED = "denied"
NONE = "no opinion"
NOBODY = "HTTP 400"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _asked()
    yield from _callers()
    yield from _malformed()


def access(verb: str, resource: str, by: Document = AGENT, **attributes: str) -> Document:
    """Give a SubjectAccessReview about ``deployments.apps/scale`` and the like."""
    named, _, below = resource.partition("/")
    plural, _, group = named.partition(".")
    asked = {"verb": verb, "group": group, "resource": plural, "subresource": below, "version": "v1"} | attributes
    spec: Document = {"resourceAttributes": {key: value for key, value in asked.items() if value}}
    spec |= {"user": by["username"]} | {key: by[key] for key in ("groups", "extra") if key in by}
    return {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec}


def _case(what: str, reason: str, body: Any, *objects: Document, **given: Any) -> Expected:
    return case(f"the authorizer asks: {what}", reason, body, *objects, path=PATH, **given)


_ASKED: Final[tuple[tuple[str, str, str, dict[str, str]], ...]] = (
    (NONE, "delete", "deployments.apps", {"namespace": "payments", "name": "checkout"}),
    (NONE, "get", "secrets", {"namespace": "payments"}),
    (DENIED, "impersonate", "users", {"name": "dana"}),
    (DENIED, "impersonate-on:user-info:delete", "users.authentication.k8s.io", {}),
    (DENIED, "bind", "clusterroles.rbac.authorization.k8s.io", {}),
    (DENIED, "escalate", "roles.rbac.authorization.k8s.io", {}),
    (DENIED, "approve", "signers.certificates.k8s.io", {}),
    (DENIED, "sign", "signers.certificates.k8s.io", {}),
    (DENIED, "create", "certificatesigningrequests.certificates.k8s.io", {}),
    (NONE, "get", "certificatesigningrequests.certificates.k8s.io", {}),
    (DENIED, "get", "nodes/proxy", {"name": "worker-1"}),
    (NONE, "get", "nodes/metrics", {"name": "worker-1"}),
    (NONE, "patch", "nodes", {"name": "worker-1"}),
    (DENIED, "create", "pods/exec", {"namespace": "seconder-system", "name": "x"}),
    (DENIED, "get", "pods/portforward", {"namespace": "seconder-system", "name": "x"}),
    (NONE, "get", "pods/log", {"namespace": "seconder-system", "name": "x"}),
    (NONE, "create", "pods/exec", {"namespace": "payments", "name": "x"}),
    (DENIED, "list", "secrets", {}),
    (DENIED, "get", "secrets", {"namespace": "kube-system"}),
    (DENIED, "watch", "secrets", {"namespace": "seconder-system"}),
    (DENIED, "patch", "validatingwebhookconfigurations.admissionregistration.k8s.io", {}),
    (NONE, "list", "validatingwebhookconfigurations.admissionregistration.k8s.io", {}),
    (DENIED, "create", "apiservices.apiregistration.k8s.io", {}),
    (DENIED, "update", "clusterrolebindings.rbac.authorization.k8s.io", {}),
    (DENIED, "delete", "protectionpolicies.seconder.dev", {}),
    (NONE, "get", "changerequests.seconder.dev", {}),
    (DENIED, "patch", "deployments.apps", {"namespace": "seconder-system", "name": "x"}),
    (DENIED, "delete", "namespaces", {"name": "seconder-system"}),
    (NONE, "delete", "namespaces", {"name": "payments"}),
    (DENIED, "delete", "customresourcedefinitions.apiextensions.k8s.io", {"name": "approvers.seconder.dev"}),
    (DENIED, "deletecollection", "customresourcedefinitions.apiextensions.k8s.io", {}),
    (NONE, "delete", "customresourcedefinitions.apiextensions.k8s.io", {"name": "stacks.example.com"}),
    (NONE, "deletecollection", "deployments.apps", {"namespace": "payments"}),
    (NONE, "delete", "nodes", {"name": "worker.seconder.dev"}),
    (DENIED, "create", "serviceaccounts/token", {"namespace": "payments", "name": "worker"}),
    (NONE, "create", "serviceaccounts/token", {"namespace": "seconder-agents", "name": "kiro"}),
    (DENIED, "create", "serviceaccounts/token", {"namespace": "seconder-agents", "name": "other"}),
    (DENIED, "patch", "serviceaccounts", {"namespace": "seconder-agents", "name": "kiro"}),
    (NONE, "patch", "serviceaccounts", {"namespace": "payments", "name": "worker"}),
)


def _asked() -> Iterator[Expected]:
    for reason, verb, resource, attributes in _ASKED:
        where = "".join(f", {key} {value}" for key, value in attributes.items())
        yield _case(f"may an agent {verb} {resource}{where}", reason, access(verb, resource, AGENT, **attributes))
    metrics = access("get", "x")
    metrics["spec"] = {"user": AGENT["username"], "nonResourceAttributes": {"verb": "get", "path": "/metrics"}}
    yield _case("may an agent get /metrics", NONE, metrics)
    other = {"namespace": "guard"}
    inside = access("patch", "deployments.apps", namespace="guard")
    yield _case("may an agent change the guard that is elsewhere", DENIED, inside, options=other)


def _callers() -> Iterator[Expected]:
    def binds(by: Document = AGENT) -> Document:
        return access("bind", "clusterroles.rbac.authorization.k8s.io", by)

    yield _case("may a person bind", NONE, binds(PERSON))
    keyed = user("ci", agent=["kiro"])
    yield _case("may an agent by its extra key bind", DENIED, binds(keyed))
    controller = account("kube-system", "clusterrole-aggregation-controller", extra={"seconder.dev/agent": ["x"]})
    yield _case("may a controller with an agent's extra key bind", NONE, binds(controller))
    bots = policy("p", "nodes", agents={"groups": ["bots"], "serviceAccountNamespaces": ["bots"]})
    yield _case("may an agent by a policy's group bind", DENIED, binds(user("x", "bots")), bots)
    accounts = access("patch", "serviceaccounts", namespace="bots", name="x")
    yield _case("may an agent change a ServiceAccount of a policy's namespace", DENIED, accounts, bots)
    yield _case("may somebody of that group bind without the policy", NONE, binds(user("x", "bots")))
    lists = {"path": "/apis/seconder.dev/v1alpha1/protectionpolicies", "status": 503}
    yield _case("may an agent bind, while policies are not loaded", DENIED, binds(), faults=[lists])
    yield _case("may an agent bind, where the view may be out of date", DENIED, binds(), fresh=False)


def _malformed() -> Iterator[Expected]:
    good = access("get", "pods")
    bodies: dict[str, Any] = {
        "nothing at all": "",
        "in bytes that are no UTF-8": b"\xff",
        "by another kind": good | {"kind": "AdmissionReview"},
        "in another version": good | {"apiVersion": "authorization.k8s.io/v1beta1"},
        "about nothing": good | {"spec": {"user": "x"}},
        "about a resource that is a number": good | {"spec": {"resourceAttributes": {"verb": "get", "resource": 7}}},
    }
    for what, body in bodies.items():
        yield _case(what, NOBODY, body)
