"""CustomResourceDefinitions, generated from the models that parse the documents (structural OpenAPI v3 with CEL)."""

from typing import Any, Final

from seconder.api import approver, approver_authority, change_request, constants, protection_policy
from seconder.api.conditions import IN_FORCE
from seconder.api.schema import schema_of

_AGE: Final = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def all_of_them() -> dict[str, dict[str, Any]]:
    """The CRDs by their plurals: one of each of our kinds."""
    made = (protection_policy_crd(), approver_crd(), approver_authority_crd(), change_request_crd())
    return {crd["spec"]["names"]["plural"]: crd for crd in made}


def _column(name: str, path: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, **more}


def _ready(condition: str = "Ready") -> str:
    return f'.status.conditions[?(@.type=="{condition}")]'


def protection_policy_crd() -> dict[str, Any]:
    """The CRD of ProtectionPolicy."""
    return _crd(
        kind="ProtectionPolicy",
        plural="protectionpolicies",
        short="ppol",
        description="What agents (or everyone) may not take away without a peer's signed approval.",
        spec=schema_of(protection_policy.PolicySpec) | protection_policy.POLICY_RULES,
        status=protection_policy.PolicyStatus,
        columns=[
            _column("Mode", ".spec.mode"),
            _column("Subjects", ".spec.subjects"),
            _column("Required", ".spec.approvals.required", "integer"),
            _column("Ready", f"{_ready()}.status"),
            _column("InForce", f"{_ready(IN_FORCE)}.status"),
            # What was last seen long ago is not known any more, whatever the column before it says.
            _column("Seen", ".status.observedAt", "date"),
            _column("Problem", f"{_ready()}.message", priority=1),
            _column("NotInForce", f"{_ready(IN_FORCE)}.message", priority=1),
            _AGE,
        ],
    )


def approver_crd() -> dict[str, Any]:
    """The CRD of Approver."""
    return _crd(
        kind="Approver",
        plural="approvers",
        short="apr",
        description="A person who may approve, with the keys that prove it.",
        spec=schema_of(approver.ApproverSpec),
        status=approver.ApproverStatus,
        columns=[
            _column("Principal", ".spec.principal"),
            _column("Teams", ".spec.teams"),
            _column("Ready", f"{_ready()}.status"),
            _column("Problem", f"{_ready()}.message", priority=1),
            _AGE,
        ],
    )


def approver_authority_crd() -> dict[str, Any]:
    """The CRD of ApproverAuthority."""
    return _crd(
        kind="ApproverAuthority",
        plural="approverauthorities",
        short="apra",
        description="SSH certificate authorities whose certificates make approvers.",
        spec=schema_of(approver_authority.ApproverAuthoritySpec),
        status=approver_authority.ApproverAuthorityStatus,
        columns=[
            _column("Principals", ".spec.principals"),
            _column("MaxValidity", ".spec.maxValidity"),
            _column("Ready", f"{_ready()}.status"),
            _column("Problem", f"{_ready()}.message", priority=1),
            _AGE,
        ],
    )


def change_request_crd() -> dict[str, Any]:
    """The CRD of ChangeRequest."""
    return _crd(
        kind="ChangeRequest",
        plural="changerequests",
        short="chg",
        description="A refused action that waits for peers' approval.",
        spec=schema_of(change_request.ChangeRequestSpec) | change_request.SPEC_RULES,
        status=change_request.ChangeRequestStatus,
        columns=[
            _column("Phase", ".status.phase"),
            _column("Action", ".spec.action"),
            _column("Object", ".status.object"),
            _column("Impact", ".status.impact"),
            _column("Requester", ".spec.requester"),
            _column("Approvals", ".status.progress"),
            _column("Until", ".status.expiresAt"),
            _column("Attempts", ".status.attempts", "integer", priority=1),
            _column("Reason", ".status.lastReason", priority=1),
            _AGE,
        ],
    )


def _crd(
    *,
    kind: str,
    plural: str,
    short: str,
    description: str,
    spec: dict[str, Any],
    status: type,
    columns: list[dict[str, Any]],
) -> dict[str, Any]:
    schema = {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": schema_of(status),
        },
    }
    version = {
        "name": constants.API_VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{constants.DOMAIN}"},
        "spec": {
            "group": constants.DOMAIN,
            "scope": "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["seconder"],
            },
            "versions": [version],
        },
    }
