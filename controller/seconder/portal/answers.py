"""What an approver's answer becomes, and what the page's script is told so that it can check what it signs."""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest
from seconder.api.reasons import Rejected
from seconder.api.text import clean
from seconder.approvals.quorum import judge_all, verify_all
from seconder.approvals.registry import Approver, Registry
from seconder.approvals.verification import Memo, approvals_of, examine, verify
from seconder.client import approval_writes
from seconder.client.api import Api
from seconder.client.approval_writes import Gone
from seconder.portal import pages, sessions
from seconder.portal.cases import SECONDS, Case, obstacle
from seconder.portal.problem import Refused
from seconder.portal.sessions import Session
from seconder.portal.view import View

SESSION_SECONDS: Final = sessions.SECONDS
_LONGEST: Final = 63
"""Characters of an annotation's name behind its prefix."""

_MOST_OWN: Final = 9
_MOST_BYTES: Final = 256 * 1024
"""Of all annotations' keys and values together: TotalAnnotationSizeLimitB of Kubernetes' validation."""


class Answers:
    """Puts approvals and denials on change requests."""

    def __init__(self, api: Api, view: View) -> None:
        self._api = api
        self._view = view
        self._memo = Memo(256)

    def approve(self, case: Case, session: Session, value: str, now: float) -> str:
        """Put an approval on its change request, if it counts as the guard will see it. Returns its slug.

        Raises Refused and ApiError.
        """
        problem = case.problem or obstacle(case, session.approver)
        if problem:
            raise Refused(409, problem)
        registry = self._view.registry
        try:
            made = verify("new", value, case.fitting, registry, now, self._memo)
        except Rejected as rejected:
            raise Refused(
                409, f"What was signed would not count: {clean(rejected.detail)} ({rejected.reason})."
            ) from None
        if made.key.approver.name != session.approver.name:
            raise Refused(409, "What was signed is by another passkey than the one that you signed in with.")
        presented = verify_all({"new": value}, case.fitting, registry, now, self._memo)
        judged = judge_all(presented, case.change.policies, case.impact.sha256 if case.impact else None)
        for failure in judged.failures:
            raise Refused(409, f"What was signed would not count: {clean(failure.detail)} ({failure.reason}).")

        def slug_for(there: Mapping[str, str]) -> str:
            slug = self._slug(session.approver, approvals_of(there), registry, now)
            _within_limit({**there, f"{constants.APPROVAL_PREFIX}{slug}": value})
            return slug

        path, seen = f"{change_request.PATH}/{case.request.name}", {"metadata": case.request.metadata}
        try:
            return approval_writes.put(self._api, path, seen, slug_for, value, timeout=SECONDS)[0]
        except Gone:
            raise Refused(404, f"{case.request.name} was removed meanwhile: nothing was written.") from None

    def deny(self, request: ChangeRequest, session: Session, reason: str | None) -> None:
        """Say no to a change request, or take that back (None). Raises Refused and ApiError."""
        if not request.status.phase.open:
            raise Refused(409, f"It is over ({request.status.phase}): there is nothing to deny.")
        name = session.approver.name
        if len(name) > _LONGEST:
            raise Refused(409, f"A name of more than {_LONGEST} characters, as your Approver has, fits no annotation.")
        if reason is not None:
            reason = clean(reason).strip()
            if not reason:
                raise Refused(400, "Give a reason: the requester reads it, and whoever looks into it later.")
        self._annotate(request, f"{constants.DENIAL_PREFIX}{name}", reason)

    def _annotate(self, request: ChangeRequest, key: str, value: str | None) -> None:
        # The uid makes it fail where another one has taken the name meanwhile.
        changes = {"metadata": {"uid": request.uid, "annotations": {key: value}}}
        path = f"{change_request.PATH}/{request.name}"
        self._api.merge(path, changes, timeout=SECONDS, fieldManager=constants.APPROVAL_MANAGER)

    def _slug(self, approver: Approver, taken: Mapping[str, str], registry: Registry, now: float) -> str:
        """A slug made of the Approver's name: one's own, or one whose value is no use. Nobody else's is replaced."""
        base = re.sub(r"[^a-z0-9]+", "-", approver.name.lower()).strip("-")[: _LONGEST - 2].rstrip("-") or "approver"
        for number in range(1, _MOST_OWN + 1):
            slug = base if number == 1 else f"{base}-{number}"
            try:
                if slug not in taken:
                    return slug
                candidate = examine(taken[slug], registry, now, self._memo)
            except Rejected:
                return slug
            if candidate.key.approver.name == approver.name:
                return slug
        raise Refused(409, "The change request carries too many approvals: remove some with kubectl first.")


def _within_limit(annotations: Mapping[str, str]) -> None:
    if sum(len(name.encode()) + len(text.encode()) for name, text in annotations.items()) > _MOST_BYTES:
        raise Refused(409, "The change request carries as much as Kubernetes takes: remove approvals from it first.")


def facts(case: Case, session: Session, now: float) -> dict[str, Any]:
    """What the script checks the statement against: the object's own metadata, and what the digests are over."""
    document = case.document
    metadata = {} if document is None else document["metadata"]
    before, after = pages.texts(case.based) if case.based is not None else ("", "")
    return {
        "now": int(now),
        "lifetime": case.lifetime,
        "statement": "" if case.problem else case.statement,
        "principal": session.approver.principal,
        "key": base64.b64encode(session.blob).decode(),
        "request": case.request.uid,
        "object": {name: metadata.get(name, "") for name in ("name", "namespace", "uid")},
        "items": case.items,
        "before": before,
        "after": after,
    }


def status(request: ChangeRequest, approver: Approver) -> dict[str, Any]:
    """Where a request stands, for a person who waits for that to change."""
    given = request.status
    return {
        "phase": given.phase.value,
        "open": given.phase.open,
        "progress": clean(given.progress),
        "message": clean(given.message),
        "approvals": [
            {"approver": clean(found.approver or found.name), "expires": clean(found.expires_at)}
            for found in given.approvals
            if not found.reason
        ],
        "denials": [{"name": clean(denial.name), "reason": clean(denial.reason)} for denial in given.denials],
        "counted": any(not found.reason and found.approver == approver.principal for found in given.approvals),
        "denied": any(denial.name == approver.name for denial in given.denials),
    }
