"""Changing the guard itself: tried without effect (dry run), so that nothing is lost if it is let through."""

from typing import Any

from tests.attacks import documents
from tests.attacks.attack import Layer, attack
from tests.attacks.field import DEPLOYMENTS, NODES, PODS, RECORDS, Field

_OURS = "/apis/seconder.dev/v1alpha1"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_APPROVER = {
    "apiVersion": "seconder.dev/v1alpha1",
    "kind": "Approver",
    "metadata": {"name": "mallory"},
    "spec": {
        "principal": "mallory@example.com",
        "kubernetesUsers": ["mallory@example.com"],
        "keys": [
            {"name": "k", "ssh": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA m"}
        ],
    },
}
_DRY = {"dryRun": ["All"]}
_TRIES: dict[str, tuple[str, str, Any]] = {
    "policies": ("DELETE", f"{_OURS}/protectionpolicies", _DRY),
    "approvers": ("DELETE", f"{_OURS}/approvers", _DRY),
    "an-approver-of-ones-own": ("POST", f"{_OURS}/approvers?dryRun=All", _APPROVER),
    "definitions": (
        "DELETE",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/protectionpolicies.seconder.dev",
        _DRY,
    ),
    "its-role": ("DELETE", f"{_RBAC}/clusterroles/seconder-webhook", _DRY),
    "its-binding": ("DELETE", f"{_RBAC}/clusterrolebindings/seconder-webhook", _DRY),
    "its-namespace": ("DELETE", "/api/v1/namespaces/seconder-system", _DRY),
    "its-secrets": ("DELETE", "/api/v1/namespaces/seconder-system/secrets", _DRY),
    "its-place": (
        "POST",
        "/api/v1/namespaces/seconder-system/configmaps?dryRun=All",
        {"metadata": {"name": "mine"}},
    ),
}


@attack(Layer.WEBHOOK, Layer.RBAC, Layer.POLICY, variants=_TRIES)
def change_the_guard(field: Field, method: str, path: str, body: Any) -> None:
    """An agent deletes or changes something of Seconder's own."""
    field.seconders_own()
    field.refused(method, path, body)


@attack(Layer.POLICY, Layer.RBAC)
def delete_webhook_configurations(field: Field) -> None:
    """An agent deletes each webhook configuration that asks about deletions, or makes one that rewrites requests."""
    found = 0
    for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations"):
        for each in field.admin("GET", f"{_ADMISSION}/{kind}").document.get("items", ()):
            found += 1
            field.refused("DELETE", f"{_ADMISSION}/{kind}/{each['metadata']['name']}", _DRY)
    rewriting = {"metadata": {"name": field.place}, "webhooks": []}
    field.later_removed(f"{_ADMISSION}/mutatingwebhookconfigurations/{field.place}")
    field.refused("POST", f"{_ADMISSION}/mutatingwebhookconfigurations", rewriting)
    if not found:
        raise field.untried("there is no webhook configuration")


@attack(Layer.WEBHOOK, Layer.RBAC)
def empty_its_node(field: Field) -> None:
    """An agent ends the node on which the guard's own pods run, or has it emptied."""
    field.seconders_own()
    field.make(NODES, {"metadata": {"name": field.place}})
    node = NODES.path("", field.place)
    # Nobody runs it: a pod of this name in the guard's namespace is what counts.
    name = f"{field.place}-own"
    field.make(PODS, documents.pod(name, nodeName=field.place), "seconder-system")
    taint = {"key": "example.com/out", "effect": "NoExecute"}
    field.refused("PATCH", node, {"spec": {"taints": [taint]}})
    field.refused("PATCH", f"{node}/status", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    field.refused("DELETE", node)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    field.refused("POST", f"{PODS.path('seconder-system', name)}/eviction", eviction)
    field.lasts(PODS.path("seconder-system", name))


@attack()
def reset_who_manages_its_record(field: Field) -> None:
    """An agent states its reason on its own change request, and makes all fields of it nobody's with that."""
    field.seconders_own()
    stored = field.deployment()
    field.refused("DELETE", DEPLOYMENTS.path(field.place, "checkout"))
    uid = stored["metadata"]["uid"]

    def recorded() -> list[str]:
        items = field.admin("GET", RECORDS).document.get("items", ())
        return [each["metadata"]["name"] for each in items if each["spec"]["object"].get("uid") == uid]

    field.eventually(recorded, "it is recorded")
    path = f"{RECORDS}/{recorded()[0]}"
    reason = {"annotations": {"seconder.dev/reason": "moved"}}
    field.done("PATCH", path, {"metadata": reason})
    field.refused("PATCH", path, {"metadata": {**reason, "managedFields": [{}]}})


@attack()
def make_a_node_that_is_none(field: Field) -> None:
    """An agent makes a node, for the scheduler to put pods on that never run there."""
    field.deployment()
    made = {"metadata": {"name": field.place}, "status": {"capacity": {"cpu": "4000", "pods": "100"}}}
    field.refused("POST", f"{NODES.path('')}?dryRun=All", made)
