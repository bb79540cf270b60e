"""The names that users, approvers and other programs see. Nothing here is configurable."""

from typing import Final

DOMAIN: Final = "seconder.dev"
API_VERSION: Final = "v1alpha1"
API_PATH: Final = f"/apis/{DOMAIN}/{API_VERSION}"
"""Where the API server serves our own kinds."""

KINDS: Final = {
    "protectionpolicies": "ProtectionPolicy",
    "approvers": "Approver",
    "approverauthorities": "ApproverAuthority",
    "changerequests": "ChangeRequest",
}
"""Our own kinds by their plurals. Whatever guards one of them guards all."""

WHO_APPROVES: Final = ("approvers", "approverauthorities")
"""The kinds that say who may approve."""

DEFAULT_NAMESPACE: Final = "seconder-system"

CONFIGURATION: Final = "seconder"
"""The name of the guard's ValidatingWebhookConfiguration."""

APPROVAL_PREFIX: Final = "approval.seconder.dev/"
"""An approval stands in annotation ``approval.seconder.dev/<slug>`` of the object that it is for."""

DENIAL_PREFIX: Final = "denial.seconder.dev/"
"""A denial stands in annotation ``denial.seconder.dev/<Approver>`` of the change request that it answers."""

AGENT_KEY: Final = "seconder.dev/agent"
"""Extra key of an agent's credential, and the annotation that marks an object as agent-originated."""

OPERATOR_KEY: Final = "seconder.dev/operator"
"""Extra key, or annotation on the agent's ServiceAccount, that names the human who set the agent going."""

TOKEN_END_KEY: Final = "seconder.dev/token-end"  # noqa: S105 - a name, not a token
"""Annotation on an agent's ServiceAccount: the RFC 3339 time beyond which it renews no token of its own."""

APPROVAL_MANAGER: Final = "seconder-approval"
"""The field manager of approvals. Controllers that keep objects as Git has them take away what managers set whose name
begins with ``kubectl`` (Flux' kustomize-controller), and an approval with it."""

REASON_KEY: Final = "seconder.dev/reason"
"""Annotation on the object in which a caller says why it wants what it wants. Shown to approvers as unproven."""

BREAK_GLASS: Final = "seconder.dev/break-glass"
"""Annotation on the object: ``<RFC 3339 end> <reason>``, for the groups that a policy names for emergencies."""

AGENT_GROUP: Final = "seconder.dev:agents"
AGENT_NAMESPACE: Final = "seconder-agents"

SSHSIG_NAMESPACE: Final = "k8s-approval@seconder.dev"
"""Given to ``ssh-keygen -Y sign -n``, so that a signature made for anything else is no approval."""

DRILL_NAMESPACE: Final = "k8s-drill@seconder.dev"
"""The same for a drill's answer, which approves nothing: no approval is one, and none of them is an approval."""

DRILL_KEY: Final = "seconder.dev/drill"
"""Label of a ConfigMap that calls approvers to a drill and keeps their answers."""

JWS_TYPE: Final = "k8s-approval+jwt"
"""The ``typ`` of a JSON Web Signature that is an approval, for the same reason."""

STATEMENT_TYPE: Final = "https://seconder.dev/approval/v1"
"""Names the closed claim set of a statement."""

MAX_APPROVAL_BYTES: Final = 8192
MAX_APPROVALS: Final = 8
MAX_TTL_SECONDS: Final = 3600
DEFAULT_TTL_SECONDS: Final = 900
CLOCK_SKEW_SECONDS: Final = 60
FRESH_SECONDS: Final = 60
"""An approval counts only while each copy was proven true this recently."""
