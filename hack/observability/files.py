"""The files that are made from this package, and the expressions in them."""

import json
import re
from typing import Any, Final

import yaml

from observability import alerts, console, dashboard

_HEADER: Final = "# Generated from hack/observability/alerts.py: change that, then run make generate.\n"
_QUERY: Final = re.compile(r"\{\{ range query `([^`]+)` \}\}")
_BLOCK: Final = re.compile(r"^```promql\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class _Dumper(yaml.SafeDumper):
    """Keeps lines of an expression apart, for those who read it."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def written() -> dict[str, str]:
    """Each file's path below the chart's folder ``files``, and its content."""
    return {
        "alerts.yaml": _HEADER + rules(),
        "dashboard.json": json.dumps(dashboard.document(), indent=2) + "\n",
        "console/seconder.html": console.document(),
        "console/runbooks.html": console.runbooks(console.RUNBOOK_PAGES),
    }


def rules(scale: float = 1.0) -> str:
    """The rule file, with windows and waits that many times as long."""
    return yaml.dump(alerts.document(scale), Dumper=_Dumper, sort_keys=False, width=120)


def in_rules(text: str) -> list[str]:
    """Every expression of a rule file."""
    return [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def in_dashboard(text: str, *, shown: str, step: str) -> list[str]:
    """Every expression of a dashboard, as Grafana would ask it when it shows this much time, by such windows."""
    panels: list[dict[str, Any]] = json.loads(text)["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [expression.replace("$__rate_interval", step).replace("$__range", shown) for expression in found]


def in_console(text: str) -> list[str]:
    """Every expression of a panel in a console template, in the order of the page."""
    return _QUERY.findall(text)


def in_page(text: str) -> list[str]:
    """Give every expression that stands in a block of its own in a document."""
    return _BLOCK.findall(text)
