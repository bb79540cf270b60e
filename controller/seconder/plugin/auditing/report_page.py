"""The report as one HTML page that needs nothing else: to read, to print, and to attach to an incident review.

Nothing in it is fetched or run. How it looks stands in ``report_page.html.jinja``. Every value that is put into this
template is cleaned and escaped, by ``_environment``, and a policy for the page's content forbids the rest.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from seconder.api.change_request import ApprovalDoc, ChangeRequest, Phase
from seconder.api.text import clean, describe
from seconder.plugin.auditing import timeline
from seconder.plugin.auditing.facts import Entry
from seconder.plugin.auditing.reporting import Report, who

if TYPE_CHECKING:
    from jinja2 import Environment

_AGENT: Final = re.compile(r" \(agent (.+)\)\Z")
_MOST_ROWS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Making:
    """How the page came to be. ``cluster`` is its ``aud``, ``logs`` are the names of the files that were read."""

    at: str
    version: str
    cluster: str
    logs: Sequence[str]


def page(report: Report, making: Making) -> str:
    """The whole page."""
    css = resources.files(__package__).joinpath("report_page.css").read_bytes()
    digest = base64.b64encode(hashlib.sha256(css).digest()).decode()
    return (
        _environment()
        .get_template("report_page.html.jinja")
        .render(
            report=report,
            making=making,
            rules=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            figures=_figures(report),
            figure=timeline.figure(report.timeline) if report.timeline else None,
            people=_short_names(report),
            requester_columns=_requester_columns(report),
            requesters=[(name, _counts(report, name, requests)) for name, requests in report.requesters()],
            objects=[(name, entries, *_tally(entries)) for name, entries in report.objects()[:_MOST_ROWS]],
            recorded=list(_recorded(report)),
            most_rows=_MOST_ROWS,
        )
    )


@cache
def _environment() -> "Environment":
    """What turns a template into a page: each value is cleaned, then escaped, and one that is not there is an error."""
    # Only this page needs it, and it is slow to load.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
        # The style's digest is that of the whole file.
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": "{:,}".format, "place": "{:.1f}".format}
    environment.globals |= {"describe": describe, "requester_of": who, "style_of": timeline.style_of}
    return environment


def _cleaned(value: Any) -> Any:
    # What macros give has been cleaned and escaped in them, and says so by __html__.
    return value if hasattr(value, "__html__") else clean(str(value))


def _figures(report: Report) -> list[tuple[str, int]]:
    kinds = Counter(entry.what for entry in report.timeline)
    attempts = sum(request.status.attempts for request in report.requests)
    refused = ("refusals in the audit logs", report.logged.refused.total()) if report.logged else ("refusals", attempts)
    return [
        refused,
        ("change requests", len(report.requests)),
        ("approvals signed", _approvals(report)),
        ("let through by approval", kinds["Allowed"]),
        ("emergencies (break-glass)", kinds["Emergency"]),
        ("still waiting", len(report.pending())),
    ]


def _approvals(report: Report) -> int:
    """How many there were at the least: their text goes with the object, but what they let through tells of them."""
    let_through = {entry.object for entry in report.timeline if entry.what == "Allowed"}
    recorded = {(request.name, approval.approver) for request, approval in _recorded(report)}
    return max(sum(signed.proven for signed in report.signed), len(let_through), len(recorded))


def _short_names(report: Report) -> dict[str, str]:
    """Short names of agents, where no two on the page share one. The whole name stands in the tables of requesters."""
    names = {entry.who for entry in report.timeline} | {name for name, _ in report.requesters()}
    agents = {name: named[1] for name in names if (named := _AGENT.search(name))}
    taken = Counter(agents.values())
    return {name: f"agent {agent}" for name, agent in agents.items() if taken[agent] == 1}


def _requester_columns(report: Report) -> Sequence[str]:
    logs = ("Refused, by audit log",) if report.logged else ()
    return ("Requester", "Refused, by change requests", *logs, "Objects", *(phase.value for phase in Phase))


def _counts(report: Report, name: str, requests: Sequence[ChangeRequest]) -> Sequence[int]:
    """What stands beside a requester's name, in the order of ``_requester_columns``."""
    phases = Counter(request.status.phase for request in requests)
    logged = (report.in_log(name),) if report.logged else ()
    targets = {request.target.uid for request in requests}
    attempts = sum(request.status.attempts for request in requests)
    return (attempts, *logged, len(targets), *(phases[phase] for phase in Phase))


def _tally(entries: Sequence[Entry]) -> tuple[list[tuple[str, int]], list[str]]:
    """How often each kind of fact is among these, and who is named in them."""
    kinds = Counter(entry.what for entry in entries)
    return list(kinds.items()), sorted({entry.who for entry in entries if entry.who})


def _recorded(report: Report) -> Iterator[tuple[ChangeRequest, ApprovalDoc]]:
    """The approvals that counted, as the change requests have them."""
    for request in report.requests:
        for approval in request.status.counted:
            yield request, approval
