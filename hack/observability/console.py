"""The same in Prometheus' own console, for who has no Grafana: one screen of what is, and graphs of what was.

Prometheus 3 ships no console library any more, and the one of Prometheus 2 is not maintained. The graphs are drawn by
``console.js``, which asks Prometheus' own query API and nobody else; without scripts, the figures are there all the
same.
"""

import json
from html import escape
from pathlib import Path
from typing import Final

from observability.alerts import RUNBOOKS
from observability.panels import FIRING, RANGE, SECTIONS, STEP, Look, Panel, Query, Section

_RANGE: Final = "6h"
_STEP: Final = "5m"
_FORMATS: Final = {"s": "humanizeDuration", "percentunit": "humanizePercentage"}
_HERE: Final = Path(__file__).parent
_LABEL: Final = str.maketrans({"{": "[", "}": "]"})
"""Of a legend, since Go would take two braces for a template's action."""

_HEAD: Final = """\
<!DOCTYPE html>
<!-- Generated from hack/observability: change that, then run make generate. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
"""

_TOP: Final = f"""\
<header>
<h1>Seconder</h1>
<nav aria-label="Time shown in the graphs">
<a href="#15m">15 m</a> <a href="#1h">1 h</a> <a href="#6h">6 h</a> <a href="#24h">24 h</a> <a href="#7d">7 d</a>
</nav>
<p>Figures: the last {_RANGE}. <a href="">Renew</a></p>
</header>
<main>
{{{{ $scraped := query "seconder_build_info" }}}}
{{{{ if not $scraped }}}}
<p class="banner red">Prometheus has nothing of Seconder: its metrics are not scraped, or it does not run. Nothing below
is known until they are. docs/monitoring.md says what to scrape.</p>
{{{{ end }}}}
"""

_ALERTS: Final = f"""\
<section aria-label="Alerts">
{{{{ $firing := query `{FIRING}` }}}}
{{{{ range $firing }}}}
<p class="banner {{{{ if eq .Labels.severity "critical" }}}}red{{{{ else }}}}amber{{{{ end }}}}">\
<b>{{{{ .Labels.alertname }}}}</b> fires ({{{{ .Labels.severity }}}}).
<a href="runbooks.html#{{{{ .Labels.alertname }}}}">What to do</a></p>
{{{{ else }}}}{{{{ if $scraped }}}}<p class="banner green">No alert of Seconder fires.</p>{{{{ end }}}}
{{{{ end }}}}
</section>
"""


def document() -> str:
    """The page, a template for ``prometheus --web.console.templates``.

    Go's html/template escapes every value: agents' names are other people's text.
    """
    parts = [_head("Seconder"), _TOP, _ALERTS]
    parts.extend(map(_section, SECTIONS))
    script = (_HERE / "console.js").read_text()
    parts.append('</main>\n<script>\n"use strict";\nconst API = "{{ pathPrefix }}/api/v1/query_range";\n')
    parts.append(f"{script}</script>\n</body>\n</html>\n")
    return "".join(parts)


def runbooks(pages: Path) -> str:
    """All runbooks as one page beside it, so that an alert leads to its own without any other server."""
    parts = [_head("Seconder's runbooks"), '<main class="pages">\n<p><a href="seconder.html">Back</a></p>\n']
    for page in sorted(pages.glob("*.md")):
        text = escape(page.read_text(), quote=False).replace("{{", '{{ "{{" }}')
        parts.append(f'<article id="{page.stem}"><pre>{text}</pre></article>\n')
    parts.append("</main>\n</body>\n</html>\n")
    return "".join(parts)


def _head(title: str) -> str:
    return _HEAD.format(title=escape(title), style=(_HERE / "console.css").read_text())


def _section(section: Section) -> str:
    numbers = all(panel.look is Look.NUMBER for panel in section.panels)
    panels = "".join(map(_number if numbers else _panel, section.panels))
    kind = "numbers" if numbers else "panels"
    return f'<section>\n<h2>{escape(section.title)}</h2>\n<div class="{kind}">\n{panels}</div>\n</section>\n'


def _number(panel: Panel) -> str:
    """A figure with a colour for its state. What is not known has none."""
    expression = _filled(panel.queries[0])
    form = _FORMATS.get(panel.unit, "humanize")
    return (
        f'<figure title="{escape(panel.description)}">'
        f"{{{{ range query `{expression}` }}}}"
        f'<b class="{_colour(panel)}{" time" if panel.unit == "s" else ""}">{{{{ .Value | {form} }}}}</b>'
        '{{ else }}<b class="none">not known</b>{{ end }}'
        f"<figcaption>{escape(panel.title)}</figcaption></figure>\n"
    )


def _colour(panel: Panel) -> str:
    """As a template: the lower bound also colours all below it."""
    named = [(value, colour) for value, colour in ((panel.red, "red"), (panel.green, "green")) if value is not None]
    if not named:
        return "plain"
    (_, low), (bound, high) = sorted(named)
    return f"{{{{ if ge .Value {float(bound)} }}}}{high}{{{{ else }}}}{low}{{{{ end }}}}"


def _panel(panel: Panel) -> str:
    title, description = escape(panel.title), escape(panel.description)
    form = _FORMATS.get(panel.unit, "humanize")
    rows = "".join(_rows(query, form) for query in panel.queries)
    table = f"<table>\n{rows}</table>\n"
    if panel.look in {Look.LINES, Look.BARS}:
        asked = [{"query": query.expression, "legend": query.legend.translate(_LABEL)} for query in panel.queries]
        drawn = escape(json.dumps(asked).replace("{{", "{ {"))
        table = (
            f'<div class="graph" role="img" aria-label="{title}" data-look="{panel.look.value}"'
            f' data-unit="{panel.unit}" data-queries="{drawn}"></div>\n'
            f"<details><summary>Figures, {_STEP}</summary>\n{table}</details>\n"
        )
    return f'<article style="--width: {panel.width}">\n<h3>{title}</h3>\n<p>{description}</p>\n{table}</article>\n'


def _filled(query: Query) -> str:
    return query.expression.replace(RANGE, _RANGE).replace(STEP, _STEP)


def _rows(query: Query, form: str) -> str:
    legend = "" if "{{" in query.legend else f"<td>{escape(query.legend)}</td>" if query.legend else ""
    return (
        f"{{{{ range query `{_filled(query)}` }}}}"
        f"<tr>{legend}{{{{ range $name, $value := .Labels }}}}<td>{{{{ $name }}}}: {{{{ $value }}}}</td>{{{{ end }}}}"
        f"<td>{{{{ .Value | {form} }}}}</td></tr>\n"
        '{{ else }}<tr><td class="none">nothing in this time</td></tr>\n{{ end }}'
    )


RUNBOOK_PAGES: Final = _HERE.parent.parent / RUNBOOKS
