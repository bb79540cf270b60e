"""Break-glass on the real API server: who is on call goes through with a reason, and everybody hears of it."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.cluster import Cluster, eventually

_KEY = "seconder.dev/break-glass"


@pytest.fixture
def oncall(cluster: Cluster, tmp_path: Path) -> Path:
    """The kubeconfig of erin, a cluster-admin who is on call; and a policy that binds everyone but in an emergency."""
    kubeconfig = tmp_path / "erin.kubeconfig"
    cluster.stack.control_plane.client_kubeconfig("erin@example.com", ["people", "oncall"], kubeconfig)
    cluster.policy(f"all-{cluster.namespace}", subjects="Everyone", breakGlass={"groups": ["oncall"]})
    cluster.deployment()
    eventually(
        lambda: cluster.delete(cluster.human, "deployment", "checkout", "--dry-run=server").refused, 5, "in force"
    )
    return kubeconfig


def _until(minutes: int) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_on_call_passes_with_a_reason_and_it_is_counted_and_told(cluster: Cluster, oncall: Path) -> None:
    """An event on the object, the metric that an alert watches, and the reason in the audit log."""
    delete = ("delete", "deployment", "checkout", "-n", cluster.namespace, "--wait=false")
    assert cluster.kubectl(oncall, *delete).refused_with("ApprovalMissing")
    before = _counted(cluster)
    cluster.kubectl(
        oncall, "annotate", "deployment", "checkout", "-n", cluster.namespace, f"{_KEY}={_until(30)} INC-7 disk full"
    )
    assert cluster.delete(cluster.human).refused_with("ApprovalMissing")
    assert cluster.kubectl(oncall, *delete).code == 0
    assert _counted(cluster) == before + 1

    def told() -> bool:
        found = json.loads(cluster.admin("get", "events", "-n", cluster.namespace, "-o", "json"))["items"]
        return any(each["reason"] == "BreakGlass" and "INC-7 disk full" in each["message"] for each in found)

    eventually(told, 5, "the event")
    log = cluster.stack.control_plane.folder.joinpath("audit.log")
    # As bytes: requests of other tests are no UTF-8, and stand there as they came.
    eventually(lambda: b'/break-glass":"INC-7 disk full"' in log.read_bytes(), 5, "the audit annotation")


def test_an_agent_neither_writes_nor_uses_it(cluster: Cluster, oncall: Path) -> None:
    """Its attempt is refused as a change of the guard's own; with a person's annotation it still needs approval."""
    note = f"{_KEY}={_until(30)} please"
    annotate = ("annotate", "deployment", "checkout", "-n", cluster.namespace, note)
    assert cluster.agent(*annotate).refused_with("ProtectedConfiguration")
    assert cluster.kubectl(oncall, *annotate).code == 0
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")


def _counted(cluster: Cluster) -> float:
    address = cluster.stack.seconder.webhook_metrics_address
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("seconder_break_glass_total{"))
