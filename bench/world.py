"""Policies and approvers in any number: one policy and one approver that matter, and others beside them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import approvals, reviews

PRINCIPAL: Final = "alice@example.com"
_RESOURCES: Final = [{"group": "", "resources": ["namespaces"]}, {"group": "apps", "resources": ["deployments"]}]
_API_VERSION: Final = "seconder.dev/v1alpha1"


@dataclass(frozen=True, slots=True)
class World:
    """Custom resources as the API server takes them."""

    policies: Sequence[dict[str, Any]]
    approvers: Sequence[dict[str, Any]]

    def write_config(self, path: Path, audience: str) -> Path:
        """Write the same for the Go handler."""
        policies = [
            {
                "name": policy["metadata"]["name"],
                "resources": policy["spec"]["resources"],
                "namespaces": policy["spec"]["namespaces"],
                "required": 1,
                "maxTTL": approvals.LIFETIME_SECONDS,
            }
            for policy in self.policies
        ]
        approvers = [approver["spec"] for approver in self.approvers]
        path.write_text(json.dumps({"audience": audience, "policies": policies, "approvers": approvers}))
        return path


def make(count: int, public_key: str) -> World:
    """Give so many policies and as many approvers; the first of each concerns the benchmark's Deployment."""
    return World(
        [_policy(0, reviews.NAMESPACE), *(_policy(number, f"team-{number}") for number in range(1, count))],
        [
            _approver(0, PRINCIPAL, public_key),
            *(_approver(number, f"person-{number}@example.com", _any_key()) for number in range(1, count)),
        ],
    )


def _policy(number: int, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": _API_VERSION,
        "kind": "ProtectionPolicy",
        "metadata": {"name": f"bench-{number:04}"},
        "spec": {"resources": _RESOURCES, "namespaces": [namespace], "approvals": {"required": 1, "maxTTL": "1h"}},
    }


def _approver(number: int, principal: str, key: str) -> dict[str, Any]:
    return {
        "apiVersion": _API_VERSION,
        "kind": "Approver",
        "metadata": {"name": f"bench-{number:04}"},
        "spec": {"principal": principal, "kubernetesUsers": [principal], "keys": [{"name": "laptop", "ssh": key}]},
    }


def _any_key() -> str:
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
