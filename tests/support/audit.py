"""Events of an API audit log as kube-apiserver writes them."""

import json
from typing import Any

KIRO: dict[str, Any] = {
    "username": "system:serviceaccount:seconder-agents:kiro",
    "groups": ["system:serviceaccounts", "system:serviceaccounts:seconder-agents", "system:authenticated"],
}
DANA: dict[str, Any] = {"username": "dana@example.com", "groups": ["people", "system:authenticated"]}
_COUNT = iter(range(1_000_000))


def event(verb: str = "delete", resource: str = "deployments", group: str = "apps", **changes: Any) -> dict[str, Any]:
    """Give an event: kiro deletes deployment payments/checkout, at level Metadata. None leaves a key out."""
    ref = {"resource": resource, "namespace": "payments", "name": "checkout", "apiGroup": group, "apiVersion": "v1"}
    ref |= changes.pop("ref", {})
    found = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"audit-{next(_COUNT)}",
        "stage": "ResponseComplete",
        "requestURI": f"/apis/{group}/v1/namespaces/payments/{resource}/checkout",
        "verb": verb,
        "user": KIRO,
        "objectRef": {key: value for key, value in ref.items() if value},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "2026-11-22T12:00:00.123456Z",
        "stageTimestamp": "2026-11-22T12:00:00.223456Z",
    } | changes
    return {key: value for key, value in found.items() if value is not None}


def line(document: Any) -> bytes:
    """Give it as it stands in a log."""
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
