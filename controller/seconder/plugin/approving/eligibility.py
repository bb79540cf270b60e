"""Whether a wish can be approved at all, for how long, and by whom: said before anybody signs."""

import time
from collections.abc import Sequence
from typing import Final

from seconder.admission import messages
from seconder.admission.review import Effect
from seconder.api import constants
from seconder.api.duration import Duration
from seconder.api.policy import Assurance
from seconder.api.reasons import Reason
from seconder.api.text import clean
from seconder.approvals.verification import context_of
from seconder.plugin.approving.cluster_reads import Case
from seconder.plugin.approving.signing import Signer
from seconder.plugin.terminal import output
from seconder.plugin.terminal.problem import Problem

_STRENGTH: Final = list(Assurance)
"""The weakest first."""


def approvable(case: Case) -> None:
    """Raise Problem for a wish that no approval, or no approval by itself, would help."""
    change = case.change
    invalid = sorted({policy.name for policy in change.policies if policy.problem})
    if invalid:
        raise Problem(
            f"policy {invalid[0]} is invalid and refuses it whatever is approved: ask an administrator to mend it"
        )
    if not change.policies:
        told = f"no policy asks for approval of {change.action} of {case.place.typed} by {clean(change.requester)}"
        dependents = case.dependents()
        if not dependents:
            raise Problem(f"{told}: nothing to approve")
        commands = "; ".join(_command(effect, change.requester) for effect in dependents)
        raise Problem(f"{told}, but of what goes along with it: {commands}")
    if case.wanted is not None and case.wanted.problem:
        raise Problem(case.wanted.problem)
    if not case.txn and any(policy.requirement.required > 1 for policy in change.policies):
        raise Problem(
            "this takes several peers, who must sign for one change request: have the requester try again, then "
            "approve the change request (kubectl seconder pending)"
        )


def joins(case: Case) -> bool:
    """Whether a wish can be approved in one statement with others: peers of several must sign for one request."""
    return all(policy.requirement.required == 1 for policy in case.change.policies)


def lifetime(ttl: str | None, cases: Sequence[Case]) -> int:
    """The seconds for which an approval holds: ``ttl``, or what the policies take. Raises Problem."""
    most = min(policy.requirement.max_ttl for case in cases for policy in case.change.policies)
    if ttl is None:
        return min(constants.DEFAULT_TTL_SECONDS, most)
    try:
        seconds = int(Duration.parse(ttl))
    except ValueError:
        raise Problem(f"--ttl {clean(ttl)} is no time: give 15m, 90s or 1h") from None
    if not 1 <= seconds <= most:
        raise Problem(f"--ttl {clean(ttl)} is not possible: the policies take 1s to {output.short(most)}")
    return seconds


def obstacle(case: Case, signer: Signer) -> str:
    """Why nothing signed with this key could count for the case; empty where it could."""
    registered, change = signer.registered, case.change
    approver = registered.approver
    public = registered.entry.public
    if registered.problem or public is None:
        return f"it does not count: {clean(registered.problem)}"
    if registered.entry.not_after is not None and registered.entry.not_after <= time.time():
        if registered.certified is not None:
            return "its certificate, or the key in it, has ended: get a new one"
        return "its notAfter has passed: ask an administrator to register a new key"
    if registered.certified is not None and registered.certified.certificate.valid_after > time.time():
        return "its certificate is not valid yet: compare the clocks"
    if approver.names.meets(context_of(change, case.state.audience).barred):
        return f"whoever made the request or set the agent going cannot approve it: ask a peer ({Reason.SELF_APPROVAL})"
    for policy in change.policies:
        need = policy.requirement
        if need.teams and need.teams.isdisjoint(approver.teams):
            return clean(f"policy {policy.name} takes approvers of {', '.join(sorted(need.teams))} only")
        if _STRENGTH.index(public.best_assurance) < _STRENGTH.index(need.assurance):
            return clean(f"policy {policy.name} demands {need.assurance} assurance, as a security key gives it")
    return ""


def _command(effect: Effect, requester: str) -> str:
    return messages.whom_to_ask(effect, requester, approvers=True).partition(": ")[2]
