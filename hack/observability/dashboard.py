"""The Grafana dashboard, as classic JSON: what file provisioning and the sidecars take."""

from typing import Any, Final

from observability.panels import SECTIONS, Look, Panel, Query

_COLUMNS: Final = 24
_HEIGHTS: Final = {Look.NUMBER: 4, Look.TABLE: 8, Look.LINES: 8, Look.BARS: 8}
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def document() -> dict[str, Any]:
    """The dashboard. Which Prometheus it reads is a variable of its own."""
    return {
        "uid": "seconder",
        "title": "Seconder",
        "description": "What agents tried to delete, what was refused, who approved what, and how the guard is.",
        "tags": ["seconder", "kubernetes", "security"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "hide": 0,
                    "includeAll": False,
                    "multi": False,
                    "options": [],
                    "refresh": 1,
                    "regex": "",
                }
            ]
        },
        "panels": _panels(),
    }


def _panels() -> list[dict[str, Any]]:
    """Place panels from left to right, in rows as high as their highest."""
    placed: list[dict[str, Any]] = []
    y = 0
    for section in SECTIONS:
        grid = {"h": 1, "w": _COLUMNS, "x": 0, "y": y}
        placed.append(
            {"id": len(placed) + 1, "type": "row", "title": section.title, "collapsed": False, "gridPos": grid}
            | {"panels": []}
        )
        x, height, y = 0, 0, y + 1
        for panel in section.panels:
            if x + panel.width > _COLUMNS:
                x, height, y = 0, 0, y + height
            grid = {"h": _HEIGHTS[panel.look], "w": panel.width, "x": x, "y": y}
            placed.append({"id": len(placed) + 1, "gridPos": grid} | _panel(panel))
            x, height = x + panel.width, max(height, _HEIGHTS[panel.look])
        y += height
    return placed


def _panel(panel: Panel) -> dict[str, Any]:
    series = panel.look in {Look.LINES, Look.BARS}
    return {
        "type": "timeseries" if series else panel.look.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "targets": [_target(panel, query, chr(ord("A") + n)) for n, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    } | ({"transformations": [_COLUMNS_ONLY]} if panel.look is Look.TABLE else {})


_COLUMNS_ONLY: Final = {
    "id": "organize",
    "options": {"excludeByName": {"Time": True}, "renameByName": {"Value": "count"}},
}


def _target(panel: Panel, query: Query, letter: str) -> dict[str, Any]:
    instant = panel.look in {Look.NUMBER, Look.TABLE}
    return {
        "refId": letter,
        "datasource": _DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if panel.look is Look.TABLE else "time_series",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    empty = "not known" if panel.look is Look.NUMBER else "nothing in this time"
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "noValue": empty}
    if panel.unit == "short":
        defaults["decimals"] = 0
    if panel.look in {Look.LINES, Look.BARS}:
        bars = panel.look is Look.BARS
        defaults["custom"] = {
            "drawStyle": "bars" if bars else "line",
            "fillOpacity": 80 if bars else 10,
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": {"mode": "normal" if bars else "none", "group": "A"},
        }
    if panel.look is Look.NUMBER:
        defaults["color"] = {"mode": "thresholds"}
        defaults["thresholds"] = {"mode": "absolute", "steps": _steps(panel)}
    return defaults


def _steps(panel: Panel) -> list[dict[str, Any]]:
    named = [(value, colour) for value, colour in ((panel.red, "red"), (panel.green, "green")) if value is not None]
    first, *rest = sorted(named) or [(0.0, "blue")]
    return [{"color": first[1], "value": None}, *({"color": colour, "value": value} for value, colour in rest)]


def _options(panel: Panel) -> dict[str, Any]:
    match panel.look:
        case Look.NUMBER:
            calculation = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {"colorMode": "background", "graphMode": "none", "reduceOptions": calculation, "textMode": "value"}
        case Look.TABLE:
            return {"showHeader": True, "footer": {"show": False}}
        case _:
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
