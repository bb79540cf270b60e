"""The report's arithmetic: what falls into a span, in which order, and counted how."""

import time
from typing import Any

import pytest

from seconder.api import change_request
from seconder.api.change_request import ChangeRequest
from seconder.plugin.auditing.reporting import Event, Report
from seconder.plugin.commands.report import _lines
from seconder.plugin.terminal import times
from seconder.plugin.terminal.problem import Problem

_NOON = 1_795_348_800.0


def _at(minutes: float) -> str:
    return times.rfc3339(_NOON + 60 * minutes)


def _request(name: str, **status: Any) -> ChangeRequest:
    return change_request.parse(
        {
            "metadata": {"name": name, "uid": name},
            "spec": {
                "requester": "system:serviceaccount:seconder-agents:kiro",
                "agent": "kiro",
                "object": {
                    "group": "apps",
                    "version": "v1",
                    "resource": "deployments",
                    "kind": "Deployment",
                    "namespace": "payments",
                    "name": "checkout",
                    "uid": name,
                },
                "action": "Delete",
            },
            "status": status,
        }
    )


def _approval(name: str, reason: str = "") -> dict[str, str]:
    return {"name": name, "approver": f"{name}@example.com", "reason": reason}


def _report(*requests: ChangeRequest, events: tuple[Event, ...] = (), since: float = -60, until: float = 60) -> Report:
    return Report(_NOON + 60 * since, _NOON + 60 * until, requests, events, [])


def test_what_was_let_through_waits_no_more_until_it_is_refused_again() -> None:
    """That it was allowed is told; as whether it was done, so far as that was seen."""
    given = {"firstRefusedAt": _at(-10), "lastRefusedAt": _at(-9), "expiresAt": _at(99)}
    waits, let_through = _request("chg-1", phase="Pending", **given), _request("chg-2", **given, allowedAt=_at(-2))
    assert [each.name for each in _report(waits, let_through).pending()] == ["chg-1"]
    (allowed,) = (each for each in _report(let_through).timeline if each.what == "Allowed")
    assert allowed.detail == "not seen on the object since"
    otherwise = _request("chg-2", **given, allowedAt=_at(-2), letThrough="CREATE of x", approvals=[_approval("alice")])
    (allowed,) = (each for each in _report(otherwise).timeline if each.what == "Allowed")
    assert allowed.detail == "approved by alice@example.com; as CREATE of x; not seen on the object since"
    again = _request("chg-3", **(given | {"lastRefusedAt": _at(-1)}), allowedAt=_at(-2))
    assert _report(again).pending() == [again]


def test_a_change_requests_story_is_told_in_order() -> None:
    """First and last refusal, the use, and the end."""
    story = _request(
        "chg-1",
        phase="Used",
        attempts=3,
        lastReason="ApprovalExpired",
        firstRefusedAt=_at(-10),
        lastRefusedAt=_at(-5),
        allowedAt=_at(-2),
        endedAt=_at(-1),
        approvals=[_approval("alice"), _approval("bob", "ApprovalExpired")],
        message="deleted",
    )
    told = [(each.at, each.what, each.detail) for each in _report(story).timeline]
    assert told == [
        (_at(-10), "Refused", "first of 3"),
        (_at(-5), "Refused", "last of 3, ApprovalExpired"),
        (_at(-2), "Allowed", "approved by alice@example.com"),
        (_at(-1), "Used", "deleted"),
    ]


def test_each_use_of_a_change_request_is_told_whatever_came_after() -> None:
    """It was asked for again, and denied: that does not make it one that was never let through."""
    use = {"allowedAt": _at(-20), "approvals": [_approval("alice")], "letThrough": "CREATE of x"}
    story = _request(
        "chg-1",
        phase="Denied",
        attempts=2,
        lastReason="ApprovalMissing",
        firstRefusedAt=_at(-30),
        lastRefusedAt=_at(-5),
        endedAt=_at(-1),
        message="no",
        uses=[use | {"phase": "Used", "endedAt": _at(-19), "message": "scaled"}],
    )
    report = _report(story)
    assert [(each.at, each.what, each.detail) for each in report.timeline] == [
        (_at(-30), "Refused", "first of 2"),
        (_at(-20), "Allowed", "approved by alice@example.com; as CREATE of x"),
        (_at(-19), "Used", "scaled"),
        (_at(-5), "Refused", "last of 2, ApprovalMissing"),
        (_at(-1), "Denied", "no"),
    ]
    assert report.approvers() == {"alice@example.com": 1}


def test_only_what_falls_into_the_span_is_told() -> None:
    """A request belongs to it as soon as it waits or something happens in it; one never refused has none."""
    long = _request("chg-1", firstRefusedAt=_at(-100), lastRefusedAt=_at(-30), attempts=2)
    before = _request("chg-2", firstRefusedAt=_at(-100), lastRefusedAt=_at(-90))
    after = _request("chg-3", firstRefusedAt=_at(90), lastRefusedAt=_at(90))
    waiting = _request("chg-4", firstRefusedAt=_at(-100), lastRefusedAt=_at(-90), expiresAt=_at(1340))
    report = _report(long, before, after, waiting, _request("chg-5"))
    assert [each.name for each in report.requests] == ["chg-1", "chg-4"]
    assert [each.at for each in report.timeline] == [_at(-30)]


def test_refusals_are_counted_by_requester_and_approvals_by_approver() -> None:
    """An approval that does not count is not counted, and one approver counts once for a request."""
    counting = [
        _approval("alice"),
        {"name": "alice-2", "approver": "alice@example.com"},
        _approval("bob", "WrongObject"),
    ]
    report = _report(
        _request("chg-1", firstRefusedAt=_at(0), attempts=2, approvals=counting),
        _request("chg-2", firstRefusedAt=_at(0), attempts=5, phase="Expired", approvals=[_approval("alice")]),
    )
    assert dict(report.approvers()) == {"alice@example.com": 2}
    ((who, requests),) = report.requesters()
    assert who == "system:serviceaccount:seconder-agents:kiro (agent kiro)"
    assert sum(each.status.attempts for each in requests) == 7


def test_an_event_tells_what_no_change_request_does() -> None:
    """Refusals that their change request tells are not told twice; those of one that is gone are."""
    known = Event(_at(0), "NeedsApproval", "deployment payments/checkout", "x", "chg-1.refused")
    gone = Event(_at(1), "NeedsApproval", "deployment payments/other", "refused", "chg-9.refused")
    approved = Event(_at(2), "Approved", "deployment payments/checkout", "approved by alice", "chg-1.approved")
    used = Event(_at(3), "LetThrough", "deployment payments/checkout", "Delete by kiro let through", "chg-1.used")
    report = _report(_request("chg-1", firstRefusedAt=_at(0)), events=(known, gone, approved, used))
    assert [(each.at, each.what, each.detail) for each in report.timeline] == [
        (_at(0), "Refused", "first of 1"),
        (_at(1), "Refused", "refused"),
        (_at(2), "Approved", "approved by alice"),
        (_at(3), "Allowed", "Delete by kiro let through"),
    ]


def test_text_from_the_cluster_steers_no_terminal() -> None:
    """Neither an event's nor a requester's."""
    report = _report(events=(Event(_at(0), "Approved", "deployment a\x1b[2Jb", "c\u202ed\ne", "x"),))
    text = "\n".join(_lines(report))
    assert "a[2Jb" in text
    assert "cde" in text
    assert not {"\x1b", "\u202e"} & set(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("90m", 5400), ("7d", 7 * 86400), ("1h30m", 5400), ("0s", 0)]
)
def test_a_while_ago_is_understood(text: str, seconds: int) -> None:
    """In kubectl's units, and days."""
    assert times.moment_or_ago(text, "--since", _NOON) == _NOON - seconds


@pytest.mark.parametrize("text", ["2026-11-22T12:00:00Z", "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00.0Z"])
def test_a_time_is_understood(text: str) -> None:
    """RFC 3339 with an offset."""
    assert times.moment(text, "--at") == _NOON
    assert times.moment_or_ago(text, "--since", 0.0) == _NOON


@pytest.mark.parametrize(
    "text", ["", "d", "-1h", "1.5h", "2026-11-22", "2026-11-22T12:00:00", "٣d", "x\x1by", "9" * 500 + "h"]
)
def test_what_is_no_time_is_a_problem(text: str) -> None:
    """Never a guess, and never a traceback."""
    with pytest.raises(Problem) as caught:
        times.rfc3339(times.moment_or_ago(text, "--since", time.time()))
    assert "\x1b" not in str(caught.value)
