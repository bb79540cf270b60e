"""What one line of a log tells: an API audit log's event, or the webhook's own decision."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from seconder.admission.principal import service_account
from seconder.api import constants
from seconder.api.change_request import moment
from seconder.api.policy import Mode
from seconder.api.reasons import LETTING_THROUGH, Reason
from seconder.api.resources import GroupResource, Target
from seconder.api.text import describe
from seconder.plugin.auditing import audit_log, decision_log
from seconder.plugin.auditing.audit_log import Reference

_NAMED: Final = re.compile(r"^change request: (chg-[0-9a-z]{26})$", re.MULTILINE)
_NOT_ASKED: Final = re.compile(r'Internal error occurred: failed calling webhook "[a-z0-9-]+\.seconder\.dev"')
"""As the API server begins it; further on, a message may repeat what the client wrote."""

_TOLD: Final = frozenset({Reason.APPROVED.value, Reason.BREAK_GLASS.value})
_PASSING: Final = frozenset(reason.value for reason in LETTING_THROUGH)
_FORBIDDEN: Final = 403
_OURS: Final = f".{constants.DOMAIN}/"
_DENIED: Final = " denied the request: "


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened. ``at`` is RFC 3339 in UTC, so that text order is the order of time.

    ``source`` says where it is written. ``exact``: seconds since 1970, where more is known than the whole second.
    """

    at: str
    what: str
    object: str
    who: str
    request: str
    detail: str
    source: str = ""
    exact: float = 0.0

    @property
    def seconds(self) -> float:
        """When, in seconds since 1970; 0 where that cannot be read."""
        if self.exact:
            return self.exact
        told = moment(self.at)
        return told.timestamp() if told else 0.0


@dataclass(frozen=True, slots=True)
class Fact:
    """A decision of Seconder's, and by what it is found again.

    ``uid``: of the object. ``audit_id`` is the API server's, ``review`` the webhook's own ID of it; the log that tells
    of it has one of them. ``code``: HTTP's, 0 where it is not known. ``identity``: equal where two logs hold it.
    """

    entry: Entry
    at: datetime
    uid: str
    code: int
    identity: int
    audit_id: str = ""
    review: str = ""


def named(requester: str, agent: str) -> str:
    """A requester, with the agent's name where there is one."""
    return f"{requester} (agent {agent})" if agent else requester


def of_request(event: audit_log.Event) -> Fact | None:
    """What an audit log's event tells; None where Seconder had no part in it, or it has no time."""
    at = event.request_received_timestamp
    if at is None:
        return None
    said = _said(event.annotations or {})
    ref = event.object_ref or Reference()
    message = event.response_status.message if event.response_status else ""
    if said is None:
        if not _NOT_ASKED.match(message):
            return None
        said = {"decision": "unasked"}
    request = _NAMED.search(message)
    user = event.acting
    told = _what(said, event.verb, message)
    if told is None:
        return None
    what, detail = told
    if event.dry_run:
        detail = f"{detail} (a dry run)"
    if event.impersonated_user and event.user:
        detail = f"{detail}; really {event.user.username}, who impersonated"
    entry = Entry(
        _second(at),
        what,
        _object(ref),
        named(user.username, said.get("agent", "") or _agent(user.username)),
        request[1] if request else "",
        detail,
        f"audit log, ID {event.audit_id}",
        at.timestamp(),
    )
    return Fact(entry, at, ref.uid, event.code, event.identity, audit_id=event.audit_id)


def of_decision(decision: decision_log.Decision) -> Fact | None:
    """What a line of the webhook's own log tells; None where it let through what needed no approval."""
    # In mode Audit it lets everything through.
    refused = decision.decision == "deny" or (decision.mode == Mode.AUDIT and decision.reason not in _PASSING)
    said = {
        "decision": "deny" if refused else "allow",
        "reason": decision.reason,
        "mode": decision.mode,
        "action": decision.action or "",
        "policies": ",".join(decision.policies),
        "approvers": ",".join(decision.approvers),
        "break-glass": decision.break_glass or "",
    }
    told = _what(said, decision.operation.lower(), "")
    if told is None:
        return None
    what, detail = told
    resource, _, group = decision.resource.partition(".")
    entry = Entry(
        _second(decision.time),
        what,
        describe(Target(GroupResource(group, resource), "", decision.namespace, decision.name or "*", decision.uid)),
        named(decision.user, decision.agent or _agent(decision.user)),
        decision.change_request or "",
        f"{detail} (a dry run)" if decision.dry_run else detail,
        f"decision log, review {decision.review}",
        decision.time.timestamp(),
    )
    # What came of it is the API server's to tell, but for a refusal.
    code = _FORBIDDEN if decision.decision == "deny" else 0
    return Fact(entry, decision.time, decision.uid, code, decision.identity, review=decision.review)


def _second(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _agent(username: str) -> str:
    account = service_account(username)
    return account[1] if account is not None and account[0] == constants.AGENT_NAMESPACE else ""


def _what(said: Mapping[str, str], verb: str, message: str) -> tuple[str, str] | None:
    """The kind of a fact and its details. ``message``: the API server's, where it is known."""
    reason, action = said.get("reason", ""), said.get("action", "")
    if said["decision"] == "unasked":
        return "Not decided", "refused by the API server: Seconder did not answer"
    if said["decision"] == "allow":
        if reason not in _TOLD:
            return None
        if reason == Reason.BREAK_GLASS.value:
            return "Emergency", f"{action or verb} under break-glass: {said.get('break-glass', '')}"
        return "Allowed", f"{action or verb} approved by {said.get('approvers', '').replace(',', ', ')}"
    text = f"{action or verb}: {reason}"
    if policies := said.get("policies", ""):
        text += f", {'policies' if ',' in policies else 'policy'} {policies.replace(',', ', ')}"
    elif _DENIED in message:
        text = message.partition(_DENIED)[2].partition("\n")[0]
    return ("Would be refused" if said.get("mode") == Mode.AUDIT.value else "Refused"), text


def _said(annotations: Mapping[str, str]) -> dict[str, str] | None:
    """What the webhook noted in the audit log: a refusal before all else, then what approvals let through."""
    entries: dict[str, dict[str, str]] = {}
    for key, value in annotations.items():
        entry, ours, name = key.partition(_OURS)
        if ours:
            entries.setdefault(entry, {})[name] = value
    said = [note for note in entries.values() if "decision" in note]
    return min(said, key=_weight, default=None)


def _weight(said: Mapping[str, str]) -> tuple[bool, bool, bool]:
    return said["decision"] == "allow", said.get("mode") == Mode.AUDIT.value, said.get("reason") not in _TOLD


def _object(ref: Reference) -> str:
    return describe(msgspec.structs.replace(ref.target, name=ref.name or "*"))
