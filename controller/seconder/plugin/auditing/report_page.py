"""The report as one HTML page that needs nothing else: to read, to print, and to attach to an incident review.

Nothing in it is fetched or run. Every text is cleaned and escaped, and a policy for its content forbids the rest.
"""

import base64
import hashlib
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from seconder.api.change_request import ChangeRequest, Phase
from seconder.api.text import clean, describe
from seconder.plugin.auditing import timeline
from seconder.plugin.auditing.reporting import Entry, Report, Signed, who
from seconder.plugin.auditing.timeline import style_of

_AGENT: Final = re.compile(r" \(agent (.+)\)\Z")
_MOST_ROWS: Final = 2_000
_TITLE: Final = "What agents tried, and who approved it"


@dataclass(frozen=True, slots=True)
class Making:
    """How the page came to be. ``cluster`` is its ``aud``, ``logs`` are the names of the files that were read."""

    at: str
    version: str
    cluster: str
    logs: Sequence[str]


class _People:
    """Short names of agents, where no two on the page share one. The whole name stands in the tables of requesters."""

    def __init__(self, report: Report) -> None:
        whole = {each.who for each in report.timeline} | {name for name, _ in report.requesters()}
        agents = {name: found[1] for name in whole if (found := _AGENT.search(name))}
        taken = Counter(agents.values())
        self._short: Final = {name: f"agent {agent}" for name, agent in agents.items() if taken[agent] == 1}

    def name(self, who: str) -> str:
        """Give HTML."""
        if who not in self._short:
            return _name(who or "–")
        return f'<span class="name" title="{_text(who)}">{_text(self._short[who])}</span>'


def page(report: Report, making: Making) -> str:
    """Give the whole page."""
    css = resources.files("seconder.plugin.auditing").joinpath("report_page.css").read_text()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    rules = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_text(rules)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{_TITLE}: {_text(report.since)} to {_text(report.until)}</title>",
        f"<style>{css}</style>\n</head>\n<body>\n<main>",
        *_header(report, making),
        *_summary(report),
        *_facts(report),
        *_requesters(report),
        *_objects(report),
        *_approvals(report),
        *_pending(report),
        *_sources(report, making),
        "</main>\n</body>\n</html>",
    ]
    return "\n".join(parts)


def _header(report: Report, making: Making) -> Iterator[str]:
    yield f"<header>\n<h1>{_TITLE}</h1>"
    yield '<p class="soft">A record of facts, each with its time and where it is written. All times are UTC.</p>'
    yield '<dl class="facts">'
    yield f"<dt>From</dt><dd>{_time(report.since)}</dd>\n<dt>Until</dt><dd>{_time(report.until)}</dd>"
    yield f"<dt>Cluster</dt><dd>{_code(making.cluster)}</dd>"
    yield f"<dt>Made</dt><dd>{_time(making.at)} by kubectl seconder {_text(making.version)}</dd>"
    yield "</dl>\n</header>"


def _summary(report: Report) -> Iterator[str]:
    kinds = Counter(each.what for each in report.timeline)
    recorded = sum(each.status.attempts for each in report.requests)
    refused = ("refusals in the audit logs", report.logged.refused.total()) if report.logged else ("refusals", recorded)
    figures = [
        refused,
        ("change requests", len(report.requests)),
        ("approvals signed", sum(each.proven for each in report.signed)),
        ("let through by approval", kinds["Allowed"]),
        ("emergencies (break-glass)", kinds["Emergency"]),
        ("still waiting", len(report.pending())),
    ]
    yield '<section aria-labelledby="summary">\n<h2 id="summary">In short</h2>\n<ul class="figures">'
    for what, count in figures:
        yield f"<li><b>{count:,}</b><span>{_text(what)}</span></li>"
    yield "</ul>\n</section>"


def _facts(report: Report) -> Iterator[str]:
    yield '<section aria-labelledby="facts">\n<h2 id="facts">What happened, in order</h2>'
    if not report.timeline:
        yield "<p>Nothing was refused, approved or let through in this time, as far as the sources tell.</p>"
        yield "</section>"
        return
    yield timeline.figure(report.timeline)
    shown = report.timeline[:_MOST_ROWS]
    people = _People(report)
    rows = (
        (_time(each.at), _what(each), _name(each.object), people.name(each.who), _detail(each), _source(each.source))
        for each in shown
    )
    yield _table("", ("Time", "What", "Object", "Who", "Detail", "Written in"), rows, heading=0, kind="story")
    left = len(report.timeline) - len(shown)
    if left > 0:
        yield f"<p>{left:,} more facts follow; <code>-o json</code> has them all.</p>"
    yield "</section>"


def _detail(each: Entry) -> str:
    parts = [_text(each.detail)] if each.detail else []
    if each.request:
        parts.append(f'<code class="id">{_text(each.request)}</code>')
    return "<br>".join(parts)


def _requesters(report: Report) -> Iterator[str]:
    found = report.requesters()
    if not found:
        return
    yield '<section aria-labelledby="requesters">\n<h2 id="requesters">By requester</h2>'
    logs = ("Refused, by audit log",) if report.logged else ()
    heads = ("Requester", "Refused, by change requests", *logs, "Objects", *(phase.value for phase in Phase))
    yield _table("", heads, (_requester(report, name, requests) for name, requests in found), numbers=True, heading=0)
    yield "</section>"


def _requester(report: Report, name: str, requests: Sequence[ChangeRequest]) -> Sequence[str]:
    phases = Counter(each.status.phase for each in requests)
    counts = [sum(each.status.attempts for each in requests)]
    counts += [report.in_log(name)] if report.logged else []
    counts += [len({each.target.uid for each in requests}), *(phases[phase] for phase in Phase)]
    return (_name(name), *(f"{count:,}" for count in counts))


def _objects(report: Report) -> Iterator[str]:
    found = report.objects()
    if not found:
        return
    yield '<section aria-labelledby="objects">\n<h2 id="objects">By object</h2>'
    people = _People(report)
    rows = (_object(name, entries, people) for name, entries in found[:_MOST_ROWS])
    yield _table("", ("Object", "What", "First", "Last", "Who"), rows, heading=0, kind="objects")
    yield "</section>"


def _object(name: str, entries: Sequence[Entry], people: "_People") -> Sequence[str]:
    kinds = Counter(each.what for each in entries)
    what = ", ".join(f"{_text(kind)} {count}" if count > 1 else _text(kind) for kind, count in kinds.items())
    names = "<br>".join(people.name(each) for each in sorted({each.who for each in entries if each.who}))
    return _name(name), what, _time(entries[0].at), _time(entries[-1].at), names


def _approvals(report: Report) -> Iterator[str]:
    yield '<section aria-labelledby="approvals">\n<h2 id="approvals">Approvals</h2>'
    known = [each for each in report.requests for approval in each.status.approvals if not approval.reason]
    if not report.signed and not known:
        yield "<p>None was found on the objects that are still there, in change requests, or in the audit logs.</p>"
        yield "</section>"
        return
    if report.signed:
        heads = ("Signed", "Approver", "Key", "For", "Reason, in their own words", "Until", "Written in")
        yield _table(
            "Read from the signed statements themselves.",
            heads,
            map(_signed, report.signed),
            heading=1,
            kind="signed-by",
        )
    if known:
        recorded = (
            (
                _name(approval.approver),
                _code(approval.fingerprint) + (f"<br>{_text(approval.assurance)}" if approval.assurance else ""),
                f"{_text(each.spec.action.value)} of {_name(describe(each.target))}",
                _time(approval.expires_at),
                f"<code>{_text(each.name)}</code>",
            )
            for each in report.requests
            for approval in each.status.approvals
            if not approval.reason
        )
        columns = ("Approver", "Key", "For", "Until", "Change request")
        yield _table("As the change requests record them; each of these counted.", columns, recorded, heading=0)
    yield "</section>"


def _signed(each: Signed) -> Sequence[str]:
    key = (
        f"{_code(each.key)}<br>{_text(each.assurance)}" if each.proven else '<b class="warning">signature unproven</b>'
    )
    wish = f"{_text(each.action)} of {_name(each.object)} by {_name(each.requester)}"
    return (
        _time(each.at), _name(each.approver), key, wish, f"<q>{_text(each.reason)}</q>", _time(each.until),
        _source(each.source),
    )  # fmt: skip


def _pending(report: Report) -> Iterator[str]:
    yield '<section aria-labelledby="pending">\n<h2 id="pending">What remained pending</h2>'
    if not report.pending():
        yield "<p>Nothing: no refused change still waited for a peer when this was made.</p>\n</section>"
        return
    rows = (
        (
            f"<code>{_text(each.name)}</code>",
            f"{_text(each.spec.action.value)} of {_name(describe(each.target))}",
            _name(who(each)),
            _text(each.spec.reason) or "–",
            _text(each.status.progress),
            _time(each.status.expires_at),
        )
        for each in report.pending()
    )
    heads = ("Change request", "What", "Requester", "Requester's reason, unproven", "Approvals", "Waits until")
    yield _table("", heads, rows, heading=0)
    yield "</section>"


def _sources(report: Report, making: Making) -> Iterator[str]:
    yield '<section aria-labelledby="sources">\n<h2 id="sources">Sources, and what they do not tell</h2>\n<ul>'
    yield f"<li>{len(report.requests):,} change requests of the cluster that fall into this time</li>"
    yield "<li>Events of Seconder's webhook and operator</li>"
    for path in making.logs:
        yield f"<li>API audit log {_code(path)}</li>"
    if not making.logs:
        yield "<li>No API audit log was given</li>"
    yield from (f"<li>{_text(note)}</li>" for note in report.notes)
    yield "</ul>\n</section>"


def _table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    heading: int,
    numbers: bool = False,
    kind: str = "plain",
) -> str:
    """Give a table. Cells are HTML already; the one at ``heading`` names its row."""
    classes = ["" if not numbers or column == 0 else ' class="number"' for column in range(len(heads))]
    parts = [f'<div class="scroll">\n<table class="{kind}">']
    if caption:
        parts.append(f"<caption>{_text(caption)}</caption>")
    columns = "".join(f'<th scope="col"{shape}>{_text(head)}</th>' for head, shape in zip(heads, classes, strict=True))
    parts.append(f"<thead>\n<tr>{columns}</tr>\n</thead>\n<tbody>")
    for row in rows:
        cells = [
            f'<th scope="row"{shape}>{cell}</th>' if column == heading else f"<td{shape}>{cell}</td>"
            for column, (cell, shape) in enumerate(zip(row, classes, strict=True))
        ]
        parts.append(f"<tr>{''.join(cells)}</tr>")
    parts.append("</tbody>\n</table>\n</div>")
    return "\n".join(parts)


def _what(each: Entry) -> str:
    return f'<span class="what {style_of(each.what).tone}">{_text(each.what)}</span>'


def _time(at: str) -> str:
    return f'<time datetime="{_text(at)}">{_text(at)}</time>' if at else "–"


def _name(text: str) -> str:
    return f'<span class="name">{_text(text)}</span>'


def _code(text: str) -> str:
    return f'<code class="name">{_text(text)}</code>'


def _source(text: str) -> str:
    log, found, audit_id = text.partition(", ID ")
    return f'{_text(log)}<br><code class="id">{_text(audit_id)}</code>' if found else _text(text)


def _text(text: str) -> str:
    return html.escape(clean(text))
