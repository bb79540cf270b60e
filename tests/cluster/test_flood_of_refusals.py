"""An agent that does not take no for an answer: 1,000 refusals over 500 objects cost memory and API server little."""

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tests.support.cluster import AGENT, Cluster, eventually
from tests.support.requests import connect

T = TypeVar("T")

_OBJECTS = 500
_REFUSALS = 1_000
_OPEN = 50
_AT_ONCE = 8
_MORE_MEMORY = 8 * 1024
"""KiB that the webhook may gain. A note on each of the refusals would take more."""


def test_a_flood_of_refusals_is_bounded_and_slows_no_decision(cluster: Cluster) -> None:
    """Every one is a 403; records stop at the bound; decisions take as long as ones that are not recorded."""
    names = [f"d{number}" for number in range(_OBJECTS)]
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments"
    as_human, as_agent = _client(cluster.stack.human_kubeconfig), _client(cluster.stack.agent_kubeconfig)
    for code in _all(lambda name: as_human("POST", path, _deployment(name)), names):
        assert code == 201
    dry = {"dryRun": ["All"]}
    for code in _all(lambda name: as_agent("DELETE", f"{path}/{name}", dry), names):
        assert code == 403
    memory = _memory(cluster)
    # Side by side, so that what else the machine does slows both.
    both = [(name, body) for name in (*names, *names) for body in (dry, {})]
    for code in _all(lambda each: as_agent("DELETE", f"{path}/{each[0]}", each[1]), both):
        assert code == 403
    assert _memory(cluster) - memory < _MORE_MEMORY

    unrecorded, recorded = _seconds(cluster, dry_run=True)[-_REFUSALS:], _seconds(cluster, dry_run=False)
    assert len(recorded) >= _REFUSALS
    assert statistics.median(recorded) < 2 * statistics.median(unrecorded), "recording slows decisions"

    def of_this_namespace() -> list[str]:
        listed = json.loads(cluster.admin("get", "chg", "-o", "json"))["items"]
        return [
            each["metadata"]["name"] for each in listed if each["spec"]["object"].get("namespace") == cluster.namespace
        ]

    eventually(of_this_namespace, 5, "some are recorded")
    open_ = json.loads(cluster.admin("get", "chg", "-o", "json"))["items"]
    assert len([each for each in open_ if each["spec"]["requester"] == AGENT]) <= _OPEN

    def attempts() -> list[int]:
        listed = json.loads(cluster.admin("get", "chg", "-o", "json"))["items"]
        return [
            each.get("status", {}).get("attempts", 0)
            for each in listed
            if each["spec"]["object"].get("namespace") == cluster.namespace
        ]

    eventually(lambda: min(attempts()) >= 2, 30, "each record counts both refusals of its object")
    assert cluster.exists("deployment", "d0")
    # An approval counts as it always does, recorded or not.
    cluster.approve(cluster.alice, name=f"d{_OBJECTS - 1}")
    assert cluster.delete(cluster.agent, "deployment", f"d{_OBJECTS - 1}").code == 0


Call = Callable[[str, str, object], int]


def _client(kubeconfig: Path) -> Call:
    pool, server, headers = connect(kubeconfig, _AT_ONCE)

    def call(method: str, path: str, body: object) -> int:
        content = headers | {"Content-Type": "application/json"}
        answer = pool.request(method, f"{server}{path}", body=json.dumps(body), headers=content, timeout=20)
        return int(answer.status)

    return call


def _all(call: Callable[[T], int], each: Sequence[T]) -> Iterator[int]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(call, each)


def _deployment(name: str) -> dict[str, object]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _memory(cluster: Cluster) -> int:
    """Give the webhook's resident KiB."""
    status = Path(f"/proc/{cluster.stack.seconder.pid_of('webhook')}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def _seconds(cluster: Cluster, *, dry_run: bool) -> list[float]:
    lines = cluster.stack.seconder.log_of("webhook").read_text().splitlines()
    entries = [json.loads(line) for line in lines if f'"namespace":"{cluster.namespace}"' in line]
    return [entry["seconds"] for entry in entries if entry["dry_run"] is dry_run]
