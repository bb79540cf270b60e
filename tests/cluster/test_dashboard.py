"""Dashboard, console and alerts on a real Prometheus, fed by what really happened."""

import base64
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support import chromium, prometheus
from tests.support.cluster import AGENT, Cluster, eventually, sign
from tests.support.documents import REPOSITORY
from tests.support.enforcer import EXCLUSIONS, Enforcer
from tests.support.http import Pair
from tests.support.operator import operator_with
from tests.support.prometheus import Prometheus
from tests.support.requests import api_servers_pair, connect, delete_review, post_review

from localstack.pins import Binary
from localstack.stack import Stack
from observability import files, panels

_FILES = REPOSITORY / "charts/seconder/files"
_SCALE = 1 / 60
"""Of the alerts' windows and waits: what is a minute in the shipped rules is a second here."""

_TARGETS = 3
_CONFIGURATION = ("validatingwebhookconfiguration", "seconder")


@pytest.fixture(scope="module")
def watched(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the stack and evaluates the alerts sixty times as fast, with a quick operator."""
    prometheus.program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        operator_with(stack, "--rotation-settle=1"),
        prometheus.running(
            folder, prometheus.scrapes(stack, folder), rules=files.rules(_SCALE), consoles=_FILES / "console"
        ) as running,
    ):
        # Looked at before: from then on an alert that does not fire has been evaluated.
        eventually(lambda: len(running.query("count_over_time(up[1m]) > 1")) == _TARGETS, 20, "all is scraped")
        yield running


def test_alerts_about_what_somebody_does_fire_and_clear(cluster: Cluster, watched: Prometheus, tmp_path: Path) -> None:
    """Many refusals, a forged approval, break-glass, a deleted configuration, an invalid policy."""
    expected = {
        "SeconderBlockedActionsSpike",
        "SeconderSignatureFailures",
        "SeconderBreakGlassUsed",
        "SeconderConfigurationTampered",
        "SeconderPolicyInvalid",
        "SeconderApprovalWaiting",
        "SeconderApprovalUntried",
    }
    cluster.objects.delete_all("changerequests")
    _all_clear(watched, expected)
    _story(cluster, tmp_path)
    _spike(cluster)
    _untried(cluster)
    cluster.admin("delete", *_CONFIGURATION)
    cluster.policy(f"wrong-{cluster.namespace}", resources=[{"group": "example.com", "resources": ["nothings"]}])
    _all_fire(watched, expected)
    cluster.admin("delete", "protectionpolicy", f"wrong-{cluster.namespace}")
    cluster.objects.delete_all("changerequests")
    _all_clear(watched, expected)


def test_alerts_about_what_is_down_fire_and_clear(cluster: Cluster, watched: Prometheus) -> None:
    """Operator and webhook stopped, an entry that fails open meanwhile, and a certificate about to end."""
    expected = {
        "SeconderOperatorStalled",
        "SeconderNotInForce",
        "SeconderCertificateExpiring",
        "SeconderDown",
        "SeconderWebhookErrors",
        "SeconderWebhookFailingOpen",
    }
    _all_clear(watched, expected)
    cluster.deployment()
    cluster.deployment("other")
    seconder = cluster.stack.seconder
    seconder.stop_operator()
    try:
        _have_it_serve(cluster, Pair(days=3))
        _all_fire(watched, {"SeconderNotInForce", "SeconderOperatorStalled", "SeconderCertificateExpiring"})
        seconder.stop_webhook()
        try:
            for _ in range(3):
                assert "failed calling webhook" in cluster.delete(cluster.agent).err
            _all_fire(watched, {"SeconderDown", "SeconderWebhookErrors"})
            _fail_open(cluster)
            assert cluster.delete(cluster.agent, "deployment", "other").code == 0
            _all_fire(watched, {"SeconderWebhookFailingOpen"})
        finally:
            seconder.start_webhook()
    finally:
        seconder.start_operator("--rotation-settle=1")
        seconder.wait_ready()
    _all_clear(watched, expected)
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def test_alerts_about_an_enforcer_clear_while_it_goes_on(cluster: Cluster, watched: Prometheus) -> None:
    """It is told at first that the configuration was changed; once that is found to narrow nothing, no more."""
    _all_clear(watched, {"SeconderConfigurationTampered", "SeconderNotInForce"})
    with Enforcer(cluster, EXCLUSIONS) as enforcer:
        _all_fire(watched, {"SeconderConfigurationTampered"})
        _all_clear(watched, {"SeconderConfigurationTampered", "SeconderNotInForce"})
        # For as long as a quarter of an hour lasts here: it does not come back.
        until = time.monotonic() + 15
        while time.monotonic() < until:
            assert "SeconderConfigurationTampered" not in watched.firing()
            time.sleep(0.2)
        _all_clear(watched, {"SeconderNotInForce"})
        assert enforcer.writes
    cluster.admin("delete", *_CONFIGURATION)
    eventually(lambda: cluster.there(*_CONFIGURATION), 2, "it is back as compiled")
    _all_clear(watched, {"SeconderConfigurationTampered"})


def test_slow_answers_and_a_missing_policy_fire_and_clear(
    cluster: Cluster, watched: Prometheus, tmp_path: Path
) -> None:
    """An API server that takes its time to answer the webhook; then a cluster whose only policy is gone."""
    expected = {"SeconderReviewLatencyHigh", "SeconderPolicyMissing"}
    _all_clear(watched, expected)
    address = cluster.stack.seconder.webhook_address
    secret = cluster.get("secret", "seconder-webhook-tls", "seconder-system")
    # What is in the namespace is looked up when there is something that may be an approval.
    cluster.annotate("namespace", cluster.namespace, "approval.seconder.dev/alice=none")
    review = delete_review(cluster.get("namespace", cluster.namespace), AGENT, ("", "namespaces"))
    pair = api_servers_pair(cluster.stack.control_plane, tmp_path)
    deadline = time.monotonic() + 30
    while "SeconderReviewLatencyHigh" not in watched.firing():
        assert time.monotonic() < deadline, "the alert does not fire"
        with _api_server_suspended(cluster.stack, 1.3):
            assert post_review(address, secret, review, pair=pair)["allowed"] is False
        cluster.get("namespace", cluster.namespace)  # others get their turn
    default = cluster.get("protectionpolicy", "default")
    cluster.admin("delete", "protectionpolicy", "--all")
    try:
        _all_fire(watched, {"SeconderPolicyMissing"})
    finally:
        cluster.apply({key: default[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "default"}})
        cluster.admin("wait", "--for=condition=Ready", "protectionpolicy/default", "--timeout=10s")
    _all_clear(watched, expected)


def test_after_the_story_every_expression_has_a_value(cluster: Cluster, watched: Prometheus, tmp_path: Path) -> None:
    """Refused, approved, a forged approval, break-glass: each panel shows something, and so does the console."""
    _story(cluster, tmp_path)
    eventually(lambda: watched.query("seconder_approvals_used_total"), 5, "it is scraped")
    _story(cluster, tmp_path, "-again")  # a rate takes two values that differ
    shown = files.in_dashboard((_FILES / "dashboard.json").read_text(), shown="5m", step="15s")
    consoled = files.in_console((_FILES / "console/seconder.html").read_text())
    assert len(shown) > 30
    assert len(consoled) == len(shown)
    silent = shown
    deadline = time.monotonic() + 10
    while silent := watched.silent(silent):
        assert time.monotonic() < deadline, silent
    documents = [*(REPOSITORY / "docs/runbooks").glob("*.md"), REPOSITORY / "docs/monitoring.md"]
    documented = [each for page in documents for each in files.in_page(page.read_text())]
    for expression in [*consoled, *files.in_rules((_FILES / "alerts.yaml").read_text()), *documented]:
        watched.query(expression)
    eventually(lambda: not watched.unhealthy(), 10, "all is scraped and evaluated")
    assert watched.query("seconder_view_age_seconds > 0")
    status, page = watched.console("seconder.html")
    assert status == 200, page
    assert "<td>agent: kiro</td>" in page
    assert "<td>reason: SignatureInvalid</td>" in page
    _seen_in_a_browser(watched, tmp_path)


def _seen_in_a_browser(watched: Prometheus, folder: Path) -> None:
    """The console shows the metrics' figures and draws every graph; a narrow window loses nothing."""
    page = ""

    def complete() -> bool:
        nonlocal page
        page = chromium.page(f"{watched.url}/consoles/seconder.html#15m", folder)
        return 'data-drawn="15m"' in page

    eventually(complete, 60, "all graphs are drawn")
    found = re.findall(r"<figure.*?<b[^>]*>(.*?)</b><figcaption>(.*?)</figcaption>", page, re.DOTALL)
    figures = {title: value for value, title in found}
    expressions = {
        panel.title: panel.queries[0].expression.replace(panels.RANGE, "6h")
        for section in panels.SECTIONS
        for panel in section.panels
    }
    for title, counter in (
        ("Blocked", "seconder_blocked_actions_total"),
        ("Approvals used", "seconder_approvals_used_total"),
        ("Break-glass", "seconder_break_glass_total"),
    ):
        # A counter begins anew with its program, as in other tests of this module.
        counted = watched.query(f"sum({counter})")[0][1]
        assert int(figures[title]) == watched.query(expressions[title])[0][1] >= counted > 0, title
    assert ">not known" not in page
    graphs = re.findall(r'<div class="graph".*?</div>', page, re.DOTALL)
    assert len(graphs) > 15
    assert len([graph for graph in graphs if "<svg" in graph]) > 10
    assert "fires (" in page, "an alert leads to its runbook"
    linked = set(re.findall(r'href="runbooks.html#(\w+)"', page))
    status, runbooks = watched.console("runbooks.html")
    assert status == 200, runbooks
    assert linked <= set(re.findall(r'<article id="(\w+)">', runbooks))
    for width in (1300, 400):
        chromium.screenshot(f"{watched.url}/consoles/seconder.html#15m", width, folder / f"console-{width}.png")


@pytest.mark.parametrize("program", ["webhook", "operator"])
def test_what_is_scraped_has_nothing_for_promtool_to_mend(stack: Stack, watched: Prometheus, program: str) -> None:
    """In the text format, which it reads; Prometheus itself has asked for OpenMetrics, and taken it."""
    own = stack.seconder
    address = {"webhook": own.webhook_metrics_address, "operator": own.operator_metrics_address}[program]
    eventually(lambda: watched.query(f'up{{instance="{address}"}} == 1'), 5, "it is scraped")
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        text = answer.read()
    tool = prometheus.program("promtool")
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def _story(cluster: Cluster, folder: Path, suffix: str = "") -> None:
    """Have everything happen once that panels show. Objects' names end in ``suffix``."""
    cluster.policy(f"audit-{cluster.namespace}", mode="Audit")
    good, bad, emergency = (f"{name}{suffix}" for name in ("checkout", "forged", "broken"))
    for name in (good, bad, emergency):
        cluster.deployment(name)
    assert cluster.delete(cluster.agent, "deployment", good).refused_with("ApprovalMissing")
    cluster.approve(cluster.alice, name=good)
    assert cluster.delete(cluster.agent, "deployment", good).code == 0

    claims = cluster.claims(cluster.get("deployment", bad), "deployments", "apps")
    forged = sign(cluster.alice.key, claims).replace("INC-4821", "INC-4822")
    cluster.annotate("deployment", bad, f"approval.seconder.dev/alice={forged}")
    assert cluster.delete(cluster.agent, "deployment", bad).refused_with("SignatureInvalid")

    on_call = folder / "erin.kubeconfig"
    cluster.stack.control_plane.client_kubeconfig("erin@example.com", ["people", "oncall"], on_call)
    cluster.policy(f"all-{cluster.namespace}", subjects="Everyone", breakGlass={"groups": ["oncall"]})
    broken = ("deployment", emergency, f"--namespace={cluster.namespace}")
    eventually(lambda: cluster.human("delete", *broken, "--dry-run=server").refused, 5, "the policy is in force")
    until = (datetime.now(UTC) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    cluster.kubectl(on_call, "annotate", *broken, f"seconder.dev/break-glass={until} INC-7 disk full")
    assert cluster.kubectl(on_call, "delete", *broken, "--wait=false").code == 0


def _spike(cluster: Cluster) -> None:
    """Have the agent try 35 times what is refused."""
    pool, server, headers = connect(cluster.stack.agent_kubeconfig, 1)
    url = f"{server}/apis/apps/v1/namespaces/{cluster.namespace}/deployments/forged"
    with pool:
        for _ in range(35):
            assert pool.request("DELETE", url, headers=headers).status == 403


def _untried(cluster: Cluster) -> None:
    """Have something approved that the agent does not try again."""
    cluster.deployment("left")
    assert cluster.delete(cluster.agent, "deployment", "left").refused
    cluster.approve(cluster.alice, name="left")


def _have_it_serve(cluster: Cluster, pair: Pair) -> None:
    """Put another certificate into the webhook's Secret."""
    data = {"tls.crt": pair.certificate, "tls.key": pair.key}
    patch = json.dumps({"data": {name: base64.b64encode(pem).decode() for name, pem in data.items()}})
    place = ("--namespace=seconder-system", "--type=merge")
    cluster.admin("patch", "secret", "seconder-webhook-tls", *place, "--patch", patch)


def _fail_open(cluster: Cluster) -> None:
    """Set every entry's failurePolicy to Ignore."""
    entries = range(len(cluster.get(*_CONFIGURATION)["webhooks"]))
    patch = [{"op": "replace", "path": f"/webhooks/{each}/failurePolicy", "value": "Ignore"} for each in entries]
    cluster.admin("patch", *_CONFIGURATION, "--type=json", "--patch", json.dumps(patch))
    # The API server takes a moment to go by it; a dry run is no deletion yet.
    eventually(
        lambda: cluster.delete(cluster.agent, "deployment", "other", "--dry-run=server").code == 0, 5, "it fails open"
    )


@contextmanager
def _api_server_suspended(stack: Stack, seconds: float) -> Iterator[None]:
    """Stop the API server's process, and let it go on after some seconds while the body waits for an answer."""
    pid = stack.control_plane.pid_of(Binary.APISERVER)
    os.kill(pid, signal.SIGSTOP)
    going_on = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
    going_on.start()
    try:
        yield
    finally:
        going_on.join()


def _all_fire(watched: Prometheus, expected: set[str]) -> None:
    """Wait until each of these alerts has fired, not all at the same time perhaps."""
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.update(watched.firing())
        return expected <= seen

    try:
        eventually(all_seen, 30, "all alerts fire")
    except AssertionError:
        raise AssertionError(f"these did not fire: {expected - seen}") from None


def _all_clear(watched: Prometheus, expected: set[str]) -> None:
    """Wait until none of these alerts fires, or fires any more."""
    eventually(lambda: not expected & watched.firing(), 40, f"these are over: {sorted(expected)}")
