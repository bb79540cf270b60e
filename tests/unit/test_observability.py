"""Alerts, dashboard, console, runbooks and metrics fit together. What needs promtool says so when it is not there."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry
from tests.support.metrics import operator_registry, shapes, webhook_registry
from tests.support.prometheus import program

from observability import files

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/seconder/files/alerts.yaml"
DASHBOARD = ROOT / "charts/seconder/files/dashboard.json"
CONSOLE = ROOT / "charts/seconder/files/console/seconder.html"
RUNBOOKS = ROOT / "docs/runbooks"
CASES = sorted((ROOT / "tests/observability").glob("*.yaml"))
_NAME = re.compile(r"\b((?:seconder|apiserver)_[a-z_]+)")
_SERIES_OF = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return panels


def _promtool(*arguments: str) -> None:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    """As they are shipped."""
    _promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_the_alert_fires_and_clears(case: Path) -> None:
    """With its labels and in its words, and for nothing else."""
    _promtool("test", "rules", str(case))


def test_every_alert_is_tested_both_ways() -> None:
    """One file each, in which it is silent, fires, and is silent again."""
    assert {case.stem for case in CASES} == {rule["alert"] for rule in _rules()}
    for case in CASES:
        for test in yaml.safe_load(case.read_text())["tests"]:
            assert {each["alertname"] for each in test["alert_rule_test"]} == {case.stem}
            fires = [bool(each["exp_alerts"]) for each in test["alert_rule_test"]]
            assert (fires[0], True in fires, fires[-1]) == (False, True, False), case.stem


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    """The link in the alert leads to it, and it has what somebody at three in the morning looks for."""
    assert {f"docs/runbooks/{path.name}" for path in RUNBOOKS.glob("*.md")} == {
        rule["annotations"]["runbook_url"] for rule in _rules()
    }
    for rule in _rules():
        text = (ROOT / rule["annotations"]["runbook_url"]).read_text()
        headings = re.findall(r"^(#.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
        assert headings == [
            f"# {rule['alert']}",
            "## Meaning",
            "## Impact",
            "## First look",
            "## Causes",
            "## What to do",
        ]


def test_runbooks_read_the_logs_of_all_webhooks() -> None:
    """Of a Deployment kubectl shows one pod's, and by labels the last ten lines of each unless it is told otherwise."""
    commands = [
        each for path in RUNBOOKS.glob("*.md") for each in re.findall(r"^kubectl logs .*", path.read_text(), re.M)
    ]
    assert commands
    for command in commands:
        assert "deployment/seconder-webhook" not in command
        assert "component=webhook" not in command or "--tail=" in command


def test_every_alert_says_what_it_is_in_full() -> None:
    """A prefix of its own, a severity that pagers know, and sentences."""
    for rule in _rules():
        assert rule["alert"].startswith("Seconder")
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].removesuffix("{{ end }}").endswith(".")


def test_every_expression_asks_for_metrics_that_there_are() -> None:
    """By name; those of the API server are tried on a real one."""
    known = {
        f"{name}{suffix}"
        for registry in (webhook_registry(), operator_registry())
        for name, shape in shapes(registry).items()
        for suffix in _SERIES_OF[shape[0]]
    }
    pages = [*RUNBOOKS.glob("*.md"), ROOT / "docs/monitoring.md"]
    expressions = [
        *files.in_rules(RULES.read_text()),
        *files.in_dashboard(DASHBOARD.read_text(), shown="6h", step="5m"),
        *files.in_console(CONSOLE.read_text()),
        *(each for page in pages for each in files.in_page(page.read_text())),
    ]
    asked = {name for each in expressions for name in _NAME.findall(each) if name.startswith("seconder_")}
    assert asked <= known
    assert len(asked) > 15


def test_every_panel_says_what_it_shows() -> None:
    """With a unit, a description, and the data source that the reader chose."""
    panels = [panel for panel in _panels() if panel["type"] != "row"]
    assert len(panels) > 20
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}
    assert len({panel["title"] for panel in panels}) == len(panels)


def test_the_dashboard_is_what_grafanas_own_types_hold() -> None:
    """Nothing is misspelt: what its published types do not know would be lost on the way through them."""
    plugins.register_default_plugins()
    document = json.loads(DASHBOARD.read_text())
    assert not list(_lost(document, json.loads(JSONEncoder().encode(Dashboard.from_json(document)))))


def _lost(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Where the one holds something that the other does not. They fill in their defaults."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from _lost(value, theirs.get(key), f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, value in enumerate(ours):
            yield from _lost(value, theirs[index], f"{place}[{index}]")
    elif ours != theirs:
        yield f"{place}: {ours} is {theirs} there"


def test_an_empty_panel_says_so() -> None:
    """In words, not as an empty frame."""
    for panel in _panels():
        if panel["type"] in {"timeseries", "table"}:
            assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_panels_lie_side_by_side() -> None:
    """None over another, none outside."""
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells


def test_dashboard_and_console_show_the_same() -> None:
    """But for the windows, which the page has fixed."""
    shown = files.in_dashboard(DASHBOARD.read_text(), shown="6h", step="5m")
    assert files.in_console(CONSOLE.read_text()) == shown


@pytest.mark.parametrize(
    ("heading", "registry"),
    [("Metrics of the webhook", webhook_registry), ("Metrics of the operator", operator_registry)],
    ids=["webhook", "operator"],
)
def test_the_documented_metrics_are_the_ones_exposed(heading: str, registry: Callable[[], CollectorRegistry]) -> None:
    """Names, types and labels."""
    text = (ROOT / "docs/monitoring.md").read_text()
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", section, re.MULTILINE)
    documented = {name: (kind, frozenset(labels.replace(" ", "").split(",")) - {""}) for name, kind, labels in rows}
    assert documented == shapes(registry())


def test_the_documented_alerts_are_the_ones_shipped() -> None:
    """Names and severities."""
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| (\w+) \|", (ROOT / "docs/monitoring.md").read_text(), re.M)
    assert dict(rows) == {rule["alert"]: rule["labels"]["severity"] for rule in _rules()}


def test_without_promtool_a_test_says_so_and_in_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes a check that did not run for one that passed."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="promtool is not installed: apt-get install prometheus"):
        program("promtool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="promtool is not installed"):
        program("promtool")
