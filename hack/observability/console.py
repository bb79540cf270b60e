"""The same in Prometheus' own console, for who has no Grafana: one page without scripts, of what is and what was."""

from html import escape
from typing import Final

from observability.panels import RANGE, SECTIONS, STEP, Look, Panel, Query

_RANGE: Final = "6h"
_STEP: Final = "5m"
_FORMATS: Final = {"s": "humanizeDuration", "percentunit": "humanizePercentage"}
_HEAD: Final = """\
<!DOCTYPE html>
<!-- Generated from hack/observability: change that, then run make generate. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="30">
<title>Seconder</title>
<style>
body { font-family: sans-serif; max-width: 70rem; margin: 1rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .25rem 0 1rem; }
td { border: 1px solid #bbb; padding: .2rem .6rem; }
td:last-child { text-align: right; font-weight: bold; }
h3 { margin-bottom: 0; }
p { color: #444; margin: .25rem 0; }
</style>
</head>
<body>
<h1>Seconder</h1>
"""


def document() -> str:
    """The page, a template for ``prometheus --web.console.templates``.

    Go's html/template escapes every value: agents' names are other people's text.
    """
    parts = [_HEAD, f"<p>The last {_RANGE} and the last {_STEP}, renewed every 30 s.</p>\n"]
    for section in SECTIONS:
        parts.append(f"<h2>{escape(section.title)}</h2>\n")
        parts.extend(map(_panel, section.panels))
    parts.append("</body>\n</html>\n")
    return "".join(parts)


def _panel(panel: Panel) -> str:
    title, description = escape(panel.title), escape(panel.description)
    span = {Look.LINES: f", over {_STEP}", Look.BARS: f", in {_STEP}"}.get(panel.look, "")
    rows = "".join(_rows(query, _FORMATS.get(panel.unit, "humanize")) for query in panel.queries)
    return f"<h3>{title}{span}</h3>\n<p>{description}</p>\n<table>\n{rows}</table>\n"


def _rows(query: Query, form: str) -> str:
    expression = query.expression.replace(RANGE, _RANGE).replace(STEP, _STEP)
    legend = "" if "{{" in query.legend else f"<td>{escape(query.legend)}</td>" if query.legend else ""
    return (
        f"{{{{ range query `{expression}` }}}}"
        f"<tr>{legend}{{{{ range $name, $value := .Labels }}}}<td>{{{{ $name }}}}: {{{{ $value }}}}</td>{{{{ end }}}}"
        f"<td>{{{{ .Value | {form} }}}}</td></tr>\n"
        "{{ else }}<tr><td>nothing</td></tr>\n{{ end }}"
    )
