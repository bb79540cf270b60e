"""An assistant that has tools and no shell does what docs/for-agents.md says, through kubernetes-mcp-server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.cluster import Cluster, eventually
from tests.support.documents import REPOSITORY
from tests.support.mcp import McpServer, Told
from tests.support.plugin import Plugin

from localstack.binaries import provide
from localstack.pins import Binary

_REASON = "checkout is replaced by checkout-v2, which serves since 09:00"


@pytest.fixture
def tools(cluster: Cluster, tmp_path: Path) -> Iterator[McpServer]:
    """The agent's tools, with the agent's own credential."""
    program = provide([Binary.MCP_SERVER], any_kubectl=False)[Binary.MCP_SERVER]
    with McpServer(program, cluster.scene.agent_kubeconfig, tmp_path) as running:
        yield running


def _delete(cluster: Cluster, tools: McpServer) -> Told:
    checkout = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "namespace": cluster.namespace}
    return tools.call("resources_delete", **checkout)


def _refused(cluster: Cluster, tools: McpServer) -> str:
    """Try the deletion; give the change request that the answer names, once it is there."""
    refusal = _delete(cluster, tools)
    assert refusal.failed
    assert "needs approval by 1 peer (ApprovalMissing)" in refusal.text
    found = re.search(r"^change request: (chg-\S+)$", refusal.text, re.MULTILINE)
    assert found, refusal.text
    # It is written beside the answer, and an assistant thinks for longer than that takes.
    eventually(lambda: cluster.there("chg", found[1]), 10, "it is recorded")
    return found[1]


def _phase(tools: McpServer, chg: str) -> str:
    told = tools.call("resources_get", apiVersion="seconder.dev/v1alpha1", kind="ChangeRequest", name=chg)
    assert not told.failed, told.text
    return str(yaml.safe_load(told.text)["status"]["phase"])


def _manifest(chg: str, reason: str) -> str:
    """The page's own example, with a name and a reason put in."""
    page = (REPOSITORY / "docs/for-agents.md").read_text()
    found = re.search(r"^ *```yaml\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    assert found
    example = yaml.safe_load(found[1])
    example["metadata"]["name"] = chg
    example["metadata"]["annotations"] = {"seconder.dev/reason": reason}
    return yaml.safe_dump(example)


def test_an_assistant_reads_the_refusal_gives_its_reason_and_waits(
    cluster: Cluster, tools: McpServer, tmp_path: Path
) -> None:
    """Refused in words that name the change request; denied, approved, and done, all by its tools."""
    cluster.deployment()
    alice = Plugin(cluster, tmp_path / "alice")
    chg = _refused(cluster, tools)
    stated = tools.call("resources_create_or_update", resource=_manifest(chg, _REASON))
    assert not stated.failed, stated.text
    shown = alice.script(cluster.alice.kubeconfig, "show", chg)
    assert f'"{_REASON}" (the requester\'s own words' in shown.out, shown
    assert _phase(tools, chg) == "Pending"

    no = alice.script(cluster.alice.kubeconfig, "deny", chg, "--reason=not on a Friday", f"--key={cluster.alice.key}")
    assert no.code == 0, no.err
    eventually(lambda: _phase(tools, chg) == "Denied", 10, "it reads that somebody said no")
    eventually(lambda: "Denied by alice: not on a Friday" in _delete(cluster, tools).text, 10, "and why")
    back = alice.script(cluster.alice.kubeconfig, "deny", chg, "--take-back", f"--key={cluster.alice.key}")
    assert back.code == 0, back.err

    cluster.approve(cluster.alice)
    eventually(lambda: _phase(tools, chg) == "Approved", 30, "it reads that it is approved")
    done = _delete(cluster, tools)
    assert not done.failed, done.text
    assert not cluster.exists("deployment", "checkout")


def test_tools_write_nothing_else_on_a_change_request(cluster: Cluster, tools: McpServer) -> None:
    """Neither another's answer nor an approval; and a request that is not there is not made."""
    cluster.deployment()
    absent = f"chg-{'0' * 26}"
    for name, key in ((_refused(cluster, tools), "denial.seconder.dev/alice"), (absent, "seconder.dev/reason")):
        document = yaml.safe_load(_manifest(name, "x"))
        document["metadata"]["annotations"] = {key: "no"}
        tried = tools.call("resources_create_or_update", resource=yaml.safe_dump(document))
        assert tried.failed, tried.text
        assert name == absent or "ProtectedConfiguration" in tried.text, tried.text
