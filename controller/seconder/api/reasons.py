"""Why a request was let through or refused: one closed list for messages, metrics, logs and audit annotations."""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """A reason code. The first four let a request through; every other one refuses it."""

    NOT_COVERED = "NotCovered"
    EXEMPT = "Exempt"
    APPROVED = "Approved"
    BREAK_GLASS = "BreakGlass"

    APPROVAL_MISSING = "ApprovalMissing"
    APPROVAL_MALFORMED = "ApprovalMalformed"
    APPROVAL_EXPIRED = "ApprovalExpired"
    APPROVAL_NOT_YET_VALID = "ApprovalNotYetValid"
    LIFETIME_TOO_LONG = "LifetimeTooLong"
    SIGNATURE_INVALID = "SignatureInvalid"
    APPROVER_UNKNOWN = "ApproverUnknown"
    APPROVER_NOT_ALLOWED = "ApproverNotAllowed"
    KEY_REVOKED = "KeyRevoked"
    SELF_APPROVAL = "SelfApproval"
    WRONG_CLUSTER = "WrongCluster"
    WRONG_OBJECT = "WrongObject"
    WRONG_ACTION = "WrongAction"
    WRONG_REQUESTER = "WrongRequester"
    ASSURANCE_TOO_LOW = "AssuranceTooLow"
    QUORUM_NOT_REACHED = "QuorumNotReached"
    IMPACT_CHANGED = "ImpactChanged"
    PROTECTED_CONFIGURATION = "ProtectedConfiguration"
    POLICY_INVALID = "PolicyInvalid"
    REQUEST_MALFORMED = "RequestMalformed"
    INTERNAL_ERROR = "InternalError"

    @property
    def is_error(self) -> bool:
        """Whether this refusal is for want of a decision."""
        return self is Reason.INTERNAL_ERROR or self is Reason.REQUEST_MALFORMED


LETTING_THROUGH: Final = frozenset({Reason.NOT_COVERED, Reason.EXEMPT, Reason.APPROVED, Reason.BREAK_GLASS})
"""Every other reason refuses."""


class Rejected(Exception):
    """What was presented does not count.

    Verification raises this and never returns a verdict, so that a forgotten check of a result cannot approve.
    ``detail`` is one sentence for people; it holds no text that a client supplied.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{detail} ({reason})")
        self.reason = reason
        self.detail = detail
