"""What people and programs write as a time: read, or nothing, and never an error that nobody foresaw."""

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seconder.admission import break_glass, service_accounts
from seconder.api import change_request, constants, in_force, moments
from seconder.api.change_request import ChangeRequestStatus, Phase
from seconder.client import exec_plugin
from seconder.operator import change_request_status, label_guard
from seconder.operator import in_force as verdicts
from seconder.plugin.agents import agent_credentials, agent_tokens
from seconder.plugin.auditing.facts import Entry
from seconder.plugin.terminal import callers, times
from seconder.plugin.terminal.problem import Problem
from seconder.portal import cases

_SOURCE: Final = Path(moments.__file__).parents[1]
_NOW: Final = datetime(2026, 11, 22, 4, tzinfo=UTC)

_DATES = st.from_regex(
    r"(0000|0001|1969|2026|9999|[0-9]{4})-(00|01|02|12|13|[0-9]{2})-(00|01|29|31|32|[0-9]{2})", fullmatch=True
)
_TIMES = st.from_regex(r"(00|23|24|[0-9]{2}):(00|59|60|[0-9]{2}):(00|59|60|[0-9]{2})(\.[0-9]{0,12})?", fullmatch=True)
_ZONES = st.from_regex(r"|[Zz]|[+-](00|14|23|24|99|[0-9]{2}):(00|59|60|[0-9]{2})", fullmatch=True)
_ODD = st.one_of(
    st.builds("{}{}{}{}".format, _DATES, st.sampled_from("Tt _"), _TIMES, _ZONES),
    st.text(max_size=40),
    st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,30} [A-Z][a-z]{2} [0-9]{1,30} [0-9:]{8} [+-]?[0-9]{1,30}", fullmatch=True),
)
"""Near each end of what a calendar holds, and far from any."""


def _status(text: str) -> ChangeRequestStatus:
    return ChangeRequestStatus(
        phase=Phase.APPROVED, expires_at=text, ended_at=text, approved_at=text, last_refused_at=text
    )


def _policy(text: str) -> dict[str, Any]:
    return {"metadata": {"name": "p", "generation": 1}, "status": {"observedAt": text}}


def _account(text: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {constants.TOKEN_END_KEY: text}}}


def _written(text: str) -> dict[str, Any]:
    return {"metadata": {"managedFields": [{"time": text}, {"time": "2026-11-22T04:00:00Z"}, {}]}}


_READERS: Final[dict[str, Callable[[str], object]]] = {
    "a time": moments.read,
    "its seconds": moments.seconds,
    "a Date": moments.http_seconds,
    "break-glass": lambda text: break_glass.parse({constants.BREAK_GLASS: f"{text} reason"}),
    "the end of an agent's tokens": lambda text: service_accounts.account(_account(text)),
    "a change request's": change_request.moment,
    "whether it is overdue": lambda text: change_request_status.overdue(_status(text), _NOW),
    "whether it is over": lambda text: change_request_status.over(_status(text), _NOW),
    "since when it was not tried": lambda text: change_request_status.untried_since(_status(text)),
    "when a policy was seen in force": lambda text: in_force.standing(_policy(text), _NOW.timestamp()),
    "whether to write that": lambda text: verdicts.due(_policy(text), _policy(text)["status"], _NOW),
    "since when labels are guarded": lambda text: label_guard._age(_written(text), _NOW),
    "how long ago, in the portal": cases.seconds_since,
    "when, in a report": lambda text: Entry(text, "", "", "", "", "").seconds,
}
_SAYING: Final[dict[str, tuple[Callable[[str], object], type[Exception]]]] = {
    "a flag's": (lambda text: times.rfc3339(times.moment(text, "--at")), Problem),
    "a flag's, or a while": (lambda text: times.rfc3339(times.moment_or_ago(text, "--since", 0.0)), Problem),
    "the API server's clock": (lambda text: callers.same_time(text, 0.0), Problem),
    "the end of a token": (lambda text: agent_tokens._expiry({"token": "t", "expirationTimestamp": text}), ValueError),
    "the end of a credential": (lambda text: exec_plugin._expiry({"expirationTimestamp": text}), ValueError),
}


@settings(max_examples=30)
@given(_ODD)
@example("0000-01-01T00:00:00Z")
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
@example("2026-11-22T23:59:60Z")
@example("2026-11-22T24:00:00Z")
@example("2026-11-22T04:00:00")
@example("Fri, 31 Dec 2000 23:59:59 -99999999999999999999")
@example("Fri, 31 Dec 20000000000000000000000 23:59:59 GMT")
@pytest.mark.parametrize("reader", _READERS)
def test_no_time_however_odd_is_an_error(reader: str, text: str) -> None:
    """It is read, or it is as if there were none."""
    _READERS[reader](text)


@settings(max_examples=30)
@given(_ODD)
@example("0000-01-01T00:00:00Z")
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
@example("Fri, 31 Dec 2000 23:59:59 -99999999999999999999")
@pytest.mark.parametrize("reader", _SAYING)
def test_what_is_no_time_is_said_in_the_callers_own_way(reader: str, text: str) -> None:
    """By the one error that the caller of each foresees."""
    read, foreseen = _SAYING[reader]
    with contextlib.suppress(foreseen):
        read(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-22T04:00:00Z", "2026-11-22T04:00:00+00:00"),
        ("2026-11-22t04:00:00z", "2026-11-22T04:00:00+00:00"),
        ("2026-11-22 04:00:00Z", "2026-11-22T04:00:00+00:00"),
        ("2026-11-22T04:00:00.123456789Z", "2026-11-22T04:00:00.123456+00:00"),
        ("2026-11-22T05:30:00+01:30", "2026-11-22T04:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_a_time_of_rfc_3339_is_read(text: str, told: str) -> None:
    """In UTC, whatever its offset."""
    read = moments.read(text)
    assert read is not None
    assert read.isoformat() == told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T04:00:00",
        "20261122T040000Z",
        "2026-W47-7T04:00:00Z",
        "2026-11-22T04:00Z",
        "2026-11-22T04:00:00+24:00",
        "2026-11-22T04:00:00+01:60",
        "2026-11-22T04:00:00.Z",
        " 2026-11-22T04:00:00Z",
        "２０２６-11-22T04:00:00Z",
    ],
)
def test_what_is_no_rfc_3339_is_nothing(text: str) -> None:
    """Python's own reader would take some of these, as a time of this machine's zone."""
    assert moments.read(text) is None


def test_labels_count_as_guarded_only_since_a_time_that_can_be_read() -> None:
    """Who writes the policy writes the times of its managedFields as well."""
    assert label_guard._age(_written("2026-11-22T03:00:00Z"), _NOW) == 0.0
    assert label_guard._age({"metadata": {"managedFields": [{"time": "2026-11-22T03:00:00Z"}]}}, _NOW) == 3600.0
    assert label_guard._age({"metadata": {"managedFields": [{"time": "0000-01-01T00:00:00Z"}]}}, _NOW) == 0.0


def test_an_agents_end_in_the_year_0_has_passed() -> None:
    """As any that is no time."""
    assert service_accounts.account(_account("0000-01-01T00:00:00Z")) == (None, 0.0)


def test_a_time_beyond_the_calendar_is_shown_all_the_same() -> None:
    """An API server whose zone is behind may tell one."""
    assert agent_credentials.timestamp(253402351199.0).startswith("10000-")


def test_times_are_read_in_one_module() -> None:
    """Whatever reads one elsewhere would need its own test here."""
    elsewhere = re.compile(r"\b(fromisoformat|strptime|timegm|mktime|parsedate)")
    found = {
        path.relative_to(_SOURCE).as_posix() for path in _SOURCE.rglob("*.py") if elsewhere.search(path.read_text())
    }
    assert found == {"api/moments.py"}
