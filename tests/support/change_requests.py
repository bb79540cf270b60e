"""Change requests as the webhook records them."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from tests.support import signing

from seconder.api import change_request
from seconder.api.change_request import ChangeRequest, ChangeRequestStatus
from seconder.api.policy import Policy
from seconder.api.resources import Action
from seconder.approvals import change_requests
from seconder.approvals.change import Change

NOW: Final = datetime.fromtimestamp(signing.NOW, UTC)


def change(*policies: Policy, **fields: Any) -> Change:
    """The agent's deletion of the Deployment under these policies. ``fields`` are those of the change."""
    given: dict[str, Any] = {
        "requester": signing.REQUESTER,
        "by_agent": True,
        "agent": signing.AGENT,
        "operators": frozenset(),
        "target": signing.DEPLOYMENT,
        "version": "v1",
        "action": Action.DELETE,
        "claimed": "",
        "policies": policies,
    }
    return Change(**(given | fields))


def refused(before: ChangeRequestStatus, refused_change: Change, now: datetime = NOW) -> ChangeRequestStatus:
    """The status after one more refusal."""
    return change_requests.refused(
        before,
        refused_change,
        times=1,
        reason="ApprovalMissing",
        statement=change_requests.statement_of(refused_change, signing.AUDIENCE, "txn-1", None),
        impact=None,
        now=now,
    )


def recorded(*policies: Policy, status: Any = None, **fields: Any) -> ChangeRequest:
    """A change request after its first refusal. ``status`` are fields of it that have changed since."""
    made = change(*policies, **fields)
    document = change_requests.document(made, None)
    document["metadata"] |= {"uid": "txn-1", "resourceVersion": "1"}
    written = msgspec.structs.replace(refused(ChangeRequestStatus(), made), **(status or {}))
    return msgspec.structs.replace(change_request.parse(document), status=written)
