"""The facts of a report: what was tried, refused, approved and used, each with its time and where it is written."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from seconder.api import change_request
from seconder.api.change_request import ChangeRequest
from seconder.api.constants import APPROVAL_PREFIX
from seconder.api.reasons import Rejected
from seconder.api.resources import GroupResource, Target
from seconder.api.text import clean, describe, quoted
from seconder.approvals.registry import Registry
from seconder.approvals.statement import Detail
from seconder.approvals.verification import Memo, authenticate, claimed, examine
from seconder.plugin.auditing import audit_log, facts
from seconder.plugin.auditing.facts import Entry
from seconder.plugin.terminal import times

KEPT: Final = "Change requests are removed an hour after their end, and Events sooner or later: audit logs keep more."
_MOST_LOGGED: Final = 5_000
"""Of each kind of fact."""

_MOST_SIGNED: Final = 1_000
_MOST_SEEN: Final = 500_000
"""Decisions that are known again where two logs hold them."""

_MOST_REQUESTERS: Final = 10_000
_OTHERS: Final = "(others)"
_SAME_MOMENT: Final = 2.0
"""Seconds between the API server's time of a refusal and the webhook's."""

_REASONS: Final = {
    "NeedsApproval": "Refused",
    "BreakGlass": "Emergency",
    "ApprovalSeen": "Approval seen",
    "LetThrough": "Allowed",
}
"""Of Events, in the words of the other sources."""

_RANKS: Final = ("Refused", "Signed", "Approval seen", "Approved", "Allowed", "Emergency")
"""In this order where the time does not tell."""


class _Metadata(msgspec.Struct):
    annotations: dict[str, msgspec.Raw] | None = None


class _Annotated(msgspec.Struct):
    metadata: _Metadata | None = None


_any: Final = msgspec.json.Decoder(Any)
_annotated: Final = msgspec.json.Decoder(_Annotated)


@dataclass(frozen=True, slots=True)
class Event:
    """An Event of Seconder's, as far as the report needs it. ``last`` is RFC 3339."""

    last: str
    reason: str
    object: str
    note: str
    name: str


@dataclass(frozen=True, slots=True)
class Signed:
    """An approval that somebody signed. ``proven``: a key that is registered now made the signature.

    Unproven, all of it is but what stands there. ``key`` is its fingerprint. ``seen``: when an audit log first has it,
    in seconds since 1970, 0 where none does.
    """

    at: str
    until: str
    approver: str
    key: str
    assurance: str
    action: str
    object: str
    requester: str
    reason: str
    proven: bool
    source: str
    seen: float = 0.0


class Logged:
    """What audit logs tell, of bounded size whatever they hold. ``since`` and ``until``: seconds since 1970."""

    def __init__(self, since: float, until: float) -> None:
        self._since = datetime.fromtimestamp(since, UTC)
        self._until = datetime.fromtimestamp(until, UTC)
        self.entries: Final[list[Entry]] = []
        self.refused: Final[Counter[str]] = Counter()
        self.values: Final[dict[str, tuple[str, float]]] = {}
        self.left_out: Final[Counter[str]] = Counter()
        self._listed: Final[Counter[str]] = Counter()
        self._unlisted_approvals = False
        self._seen: Final[set[int]] = set()

    def add(self, event: audit_log.Event) -> None:
        """Take what Seconder said about one request, and the approvals that it carried."""
        at = event.request_received_timestamp
        if at is None or not self._since <= at <= self._until:
            return
        # What came to nothing put no approval anywhere. Errors that do not say that are as easily had, by a timeout of
        # the caller's choice: what agents write would crowd out what stands on objects.
        if not event.in_error:
            for body in (event.request_object, event.response_object):
                if APPROVAL_PREFIX.encode() in bytes(body):
                    self._approvals(body, event, at.timestamp())
        fact = facts.of_request(event)
        if fact is None or fact.identity in self._seen:
            return
        entry = fact.entry
        if len(self._seen) < _MOST_SEEN:
            self._seen.add(fact.identity)
        if entry.what == "Refused":
            known = entry.who in self.refused or len(self.refused) < _MOST_REQUESTERS
            self.refused[entry.who if known else _OTHERS] += 1
        # For each kind: a flood of refusals must not hide what was let through.
        if self._listed[entry.what] < _MOST_LOGGED:
            self._listed[entry.what] += 1
            self.entries.append(entry)
        else:
            self.left_out[entry.what] += 1

    @property
    def notes(self) -> list[str]:
        """What is left out."""
        found = [
            f"{count:,} more facts of the kind {what!r} stand in the audit logs and are not listed"
            for what, count in sorted(self.left_out.items())
        ]
        if self._unlisted_approvals:
            found.append(f"the audit logs hold more than {_MOST_SIGNED:,} approvals: the later ones are not listed")
        return found

    def _approvals(self, body: msgspec.Raw, event: audit_log.Event, at: float) -> None:
        try:
            metadata = _annotated.decode(body).metadata
            annotations = (metadata and metadata.annotations) or {}
            values = [_any.decode(value) for key, value in annotations.items() if key.startswith(APPROVAL_PREFIX)]
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return
        for value in values:
            if not isinstance(value, str) or value in self.values:
                continue
            if len(self.values) < _MOST_SIGNED:
                self.values[value] = (f"audit log, ID {event.audit_id}", at)
            else:
                self._unlisted_approvals = True


class Report:
    """What happened in a span, by all that is still there to tell it."""

    def __init__(
        self,
        since: float,
        until: float,
        requests: Iterable[ChangeRequest],
        events: Iterable[Event],
        notes: Sequence[str],
        logged: Logged | None = None,
        signed: Sequence[Signed] = (),
    ) -> None:
        self.since = times.rfc3339(since)
        self.until = times.rfc3339(until)
        self.logged = logged
        self.notes = [*notes, *(logged.notes if logged else []), KEPT]
        every = list(requests)
        self.requests = sorted(
            (request for request in every if self._touches(request)), key=lambda request: request.name
        )
        self.signed = sorted(
            (approval for approval in signed if approval.at <= self.until and approval.until >= self.since),
            key=lambda approval: (approval.at, approval.approver),
        )
        known = {request.name for request in every}
        told = logged.entries if logged else []
        exact = _Moments(told)
        entries = [*told]
        entries += [entry for request in self.requests for entry in _entries(request) if not exact.tells(entry)]
        others = [_entry(event) for event in events if not _tells_of(event, known | exact.requests)]
        entries += [entry for entry in others if not exact.tells(entry)]
        entries += [_signing(approval) for approval in self.signed]
        self.timeline = sorted((entry for entry in entries if self._within(entry.at)), key=_order)

    def requesters(self) -> list[tuple[str, list[ChangeRequest]]]:
        """The requests by who made them, the most refused first."""
        by_requester: dict[str, list[ChangeRequest]] = {}
        for request in self.requests:
            by_requester.setdefault(who(request), []).append(request)
        for name in self.logged.refused if self.logged else ():
            by_requester.setdefault(name, [])
        return sorted(by_requester.items(), key=lambda row: (-sum(one.status.attempts for one in row[1]), row[0]))

    def in_log(self, requester: str) -> int:
        """Count how often the audit logs have this requester refused."""
        return self.logged.refused[requester] if self.logged else 0

    def approvers(self) -> Counter[str]:
        """Count on how many requests each approver's approval counts."""
        counted = {
            (approval.approver, request.name)
            for request in self.requests
            for approval in request.status.counted
            if approval.approver
        }
        return Counter(approver for approver, _ in counted)

    def objects(self) -> list[tuple[str, list[Entry]]]:
        """What happened to each object, the one with the most first."""
        by_object: dict[str, list[Entry]] = {}
        for entry in self.timeline:
            by_object.setdefault(entry.object, []).append(entry)
        return sorted(by_object.items(), key=lambda row: (-len(row[1]), row[0]))

    def pending(self) -> list[ChangeRequest]:
        """The change requests that still wait."""
        return [request for request in self.requests if request.status.phase.open and not request.status.answered]

    def _within(self, at: str) -> bool:
        return self.since <= at <= self.until

    def _touches(self, request: ChangeRequest) -> bool:
        status = request.status
        first = status.first_refused_at
        waits = status.expires_at if status.phase.open else ""
        last = max(first, status.last_refused_at, status.allowed_at, status.ended_at, waits)
        return bool(first) and first <= self.until and last >= self.since


class _Moments:
    """What the audit logs tell to the moment, so that it need not be told twice."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.requests: Final[set[str]] = set()
        self._at: Final[dict[tuple[str, str], list[float]]] = {}
        for entry in entries:
            if entry.request:
                self.requests.add(entry.request)
            self._at.setdefault((entry.what, entry.object), []).append(entry.seconds)

    def tells(self, entry: Entry) -> bool:
        return any(
            abs(moment_ - entry.seconds) <= _SAME_MOMENT for moment_ in self._at.get((entry.what, entry.object), ())
        )


def signed(value: str, registry: Registry | None, source: str, seen: float = 0.0) -> Signed | None:
    """Read an approval and check its signature by the keys that are registered now; None for what is none."""
    claims = claimed(value)
    key = assurance = ""
    if registry is not None:
        memo = Memo(1)
        try:
            # At the beginning of time nothing has expired: what remains is whose key it is, and that it signed.
            candidate = examine(value, registry, 0.0, memo)
            authenticate(candidate, memo)
            claims, key = candidate.signed.statement, candidate.key.entry.fingerprint
            assurance = candidate.signed.assurance.value
        except Rejected:
            pass
    if claims is None:
        return None
    actions = dict.fromkeys(action.value for detail in claims.authorization_details for action in detail.actions)
    return Signed(
        at=times.rfc3339(claims.iat),
        until=times.rfc3339(claims.exp),
        approver=claims.iss,
        key=key,
        assurance=assurance,
        action=", ".join(actions),
        object=", ".join(map(_described, claims.authorization_details)),
        requester=facts.named(claims.sub, claims.agent or ""),
        reason=claims.reason,
        proven=bool(key),
        source=source,
        seen=seen,
    )


def _described(detail: Detail) -> str:
    namespace = detail.namespace if isinstance(detail.namespace, str) else ""
    resource = GroupResource(detail.group, detail.resource)
    return describe(Target(resource, "", namespace, detail.name, detail.identifier))


def who(request: ChangeRequest) -> str:
    """The requester, with the agent's name where there is one."""
    return facts.named(request.spec.requester, request.spec.agent)


def _entries(request: ChangeRequest) -> Iterator[Entry]:
    status = request.status
    requester, what, name = who(request), describe(request.target), request.name

    def entry(at: str, happened: str, detail: str) -> Entry:
        return Entry(at, happened, what, requester, name, detail, "change request")

    if status.first_refused_at:
        yield entry(status.first_refused_at, "Refused", f"first of {max(1, status.attempts)}")
    if status.last_refused_at and status.last_refused_at != status.first_refused_at:
        yield entry(status.last_refused_at, "Refused", f"last of {status.attempts}, {status.last_reason}")
    for use in status.history:
        now = use.allowed_at == status.allowed_at
        told = (
            f"approved by {', '.join(use.peers)}" if use.peers else "",
            f"as {clean(use.let_through)}" if use.let_through else "",
            change_request.UNSEEN if now and status.phase.open else "",
        )
        yield entry(use.allowed_at, "Allowed", "; ".join(filter(None, told)))
        if use.ended_at and use.ended_at != status.ended_at:
            yield entry(use.ended_at, use.phase, use.message)
    if status.ended_at:
        yield entry(status.ended_at, status.phase.value, status.message)


def _entry(event: Event) -> Entry:
    return Entry(event.last, _REASONS.get(event.reason, event.reason), event.object, "", "", event.note, "Event")


def _signing(approval: Signed) -> Entry:
    detail = f"{approval.action} for {approval.requester}, until {approval.until}: {quoted(approval.reason)}"
    what = "Signed" if approval.proven else "Signed, unproven"
    # It says the second; written at once, the log has the moment.
    exact = approval.seen if times.rfc3339(approval.seen) == approval.at else 0.0
    return Entry(approval.at, what, approval.object, approval.approver, "", detail, approval.source, exact)


def _order(entry: Entry) -> tuple[float, int, str]:
    """What is known to the second only comes at its end, in the order in which it usually happens."""
    rank = _RANKS.index(entry.what) if entry.what in _RANKS else len(_RANKS)
    return entry.seconds if entry.exact else entry.seconds + 0.999, rank, entry.what


def _tells_of(event: Event, known: set[str]) -> bool:
    """Whether the event tells of a change request that tells the same itself."""
    named = re.match(r"(chg-[0-9a-z]+)\.refused\Z", event.name)
    return named is not None and named[1] in known
