"""report and replay over the real API server's own audit log: what they say is what was, or would have been."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.plugin import Plugin
from tests.support.requests import connect

_CONFIG_MAPS = {"group": "", "resources": ["configmaps"]}


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    """The plugin, in an empty home directory."""
    return Plugin(cluster, tmp_path)


class Log:
    """The part of the API server's audit log that is written from now on."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._source = cluster.stack.control_plane.audit_log
        self._start = self._source.stat().st_size
        self._path = folder / "audit.log"

    def cut(self) -> Path:
        """Give a file with what has been written up to now, to the last request."""
        mark = f"mark-{self._start}"
        self._cluster.human("create", "configmap", mark, f"--namespace={self._cluster.namespace}", "--dry-run=server")
        eventually(lambda: f'"{mark}"'.encode() in self._written(), 10, "the audit log")
        self._path.write_bytes(self._written())
        return self._path

    def _written(self) -> bytes:
        with self._source.open("rb") as file:
            file.seek(self._start)
            return file.read()


def _policy(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "seconder.dev/v1alpha1",
        "kind": "ProtectionPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def _things(cluster: Cluster) -> None:
    """Make what the requests are about."""
    for name in ("a", "b", "c", "d", "e", "f", "g"):
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": cluster.namespace,
                "labels": {"many": "yes"} if name in {"c", "d"} else {},
                "annotations": {"seconder.dev/agent": "kiro"} if name == "g" else {},
            },
        }
        assert cluster.human("create", "--filename=-", stdin=json.dumps(document)).code == 0
    assert cluster.human("create", "secret", "generic", "s", f"--namespace={cluster.namespace}").code == 0


def _requests(cluster: Cluster) -> dict[str, Result]:
    """Make the same requests as ever, an agent's and a person's."""
    place = f"--namespace={cluster.namespace}"
    return {
        "configmaps a": cluster.agent("delete", "configmap", "a", place),
        "configmaps b": cluster.agent("delete", "configmap", "b", place, "--dry-run=server"),
        "configmaps c, d": cluster.agent(
            "delete", "--raw", f"/api/v1{_at(cluster)}/configmaps?labelSelector=many%3Dyes"
        ),
        "secrets s": cluster.agent("delete", "secret", "s", place),
        "a label of e": cluster.agent("label", "configmap", "e", "x=y", place),
        "a person's f": cluster.human("delete", "configmap", "f", place),
        "what is not there": cluster.agent("delete", "configmap", "nowhere", place),
    }


def _at(cluster: Cluster) -> str:
    return f"/namespaces/{cluster.namespace}"


def _replayed(plugin: Plugin, *arguments: str) -> dict[str, Any]:
    done = plugin.script(plugin.cluster.stack.human_kubeconfig, "replay", *arguments, "--output=json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_what_replay_says_would_have_been_refused_is_what_the_policy_then_refuses(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    """These requests and only these: an agent's, of a named kind; by the real log, and then by the real webhook."""
    spec = {"resources": [_CONFIG_MAPS], "namespaces": [cluster.namespace]}
    saved = tmp_path / "policy.yaml"
    saved.write_text(yaml.safe_dump(_policy("maps", **spec)))
    _things(cluster)
    log = Log(cluster, tmp_path)
    before = _requests(cluster)
    assert {what for what, done in before.items() if done.code} == {"what is not there"}
    found = _replayed(plugin, str(log.cut()), f"--policy={saved}")
    told = {each["object"].removeprefix(f"configmaps {cluster.namespace}/") for each in found["refused"]["byObject"]}
    assert told == {"a", "b", "c", "d"}
    assert (found["refused"]["requests"], found["refused"]["byAgents"], found["refused"]["dryRuns"]) == (3, 3, 1)
    assert [(each["policy"], each["action"]) for each in found["refused"]["byPolicy"]] == [("maps", "Delete")]
    assert [(each["requester"], each["agentName"]) for each in found["refused"]["byRequester"]] == [(AGENT, "kiro")]
    unknown = {each["reason"]: each["requests"] for each in found["notJudged"]}
    assert unknown["TAGGED"] == 1, "whether f carried an agent's annotation is not in the log"
    assert set(unknown) <= {"TAGGED", "OWNED"}

    cluster.human("delete", "configmaps", "--all", f"--namespace={cluster.namespace}")
    _things(cluster)
    cluster.policy(f"maps-{cluster.namespace}", **spec)
    eventually(lambda: cluster.delete(cluster.agent, "configmap", "g", "--dry-run=server").refused, 10, "in force")
    after = _requests(cluster)
    refused = {what for what, done in after.items() if done.code and "ApprovalMissing" in done.err}
    assert refused == {"configmaps a", "configmaps b", "configmaps c, d"}
    assert {what for what, done in after.items() if done.code} == refused | {"what is not there"}


def test_replay_takes_the_policies_of_the_cluster_and_tells_people_who_would_be_hit(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    """Of a policy for everyone that only watches so far."""
    name = f"all-{cluster.namespace}"
    _things(cluster)
    log = Log(cluster, tmp_path)
    _requests(cluster)
    path = log.cut()
    cluster.policy(name, resources=[_CONFIG_MAPS], namespaces=[cluster.namespace], subjects="Everyone", mode="Audit")
    found = _replayed(plugin, str(path))
    ours = [each for each in found["refused"]["byPolicy"] if each["policy"] == name]
    assert [(each["action"], each["requests"], each["byAgents"]) for each in ours] == [("Delete", 4, 3)]
    who = {each["requester"]: each["agent"] for each in found["refused"]["byRequester"]}
    assert who == {AGENT: True, "dana@example.com": False}
    shown = plugin.script(cluster.stack.human_kubeconfig, "replay", str(path)).out
    assert "4 requests would have been refused: 3 by agents, 1 by others" in shown


def test_replay_never_guesses_what_an_update_changed(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """No log holds an object as it was before: a scaling to zero is told from ordinary work, and left unjudged."""
    saved = tmp_path / "policy.yaml"
    resources = [{"group": "apps", "resources": ["deployments"]}]
    saved.write_text(yaml.safe_dump(_policy("deployments", resources=resources)))
    cluster.deployment()
    cluster.human("scale", "deployment", "checkout", "--replicas=2", f"--namespace={cluster.namespace}")
    log = Log(cluster, tmp_path)
    place = f"--namespace={cluster.namespace}"
    assert cluster.agent("scale", "deployment", "checkout", "--replicas=3", place).code == 0
    assert cluster.agent("annotate", "deployment", "checkout", "x=y", place).code == 0
    # As the webhook is there, an agent cannot; a person can, who is judged as an agent by a policy that names her.
    assert cluster.human("scale", "deployment", "checkout", "--replicas=0", place).code == 0
    spec = {"resources": resources, "agents": {"users": ["dana@example.com"]}}
    saved.write_text(yaml.safe_dump(_policy("deployments", **spec)))
    found = _replayed(plugin, str(log.cut()), f"--policy={saved}")
    assert found["refused"]["requests"] == 0
    unknown = {each["reason"]: each for each in found["notJudged"]}
    assert unknown["REPLICAS"]["requests"] == 1
    assert unknown["REPLICAS"]["examples"][0]["requester"] == "dana@example.com"


def test_the_report_tells_the_same_story_from_the_cluster_and_from_its_audit_log(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    """Refused, signed with a reason, let through; and what still waits. The log adds the moments."""
    cluster.deployment()
    cluster.deployment("other")
    log = Log(cluster, tmp_path)
    assert cluster.delete(cluster.agent).refused
    assert cluster.delete(cluster.agent, "deployment", "other").refused
    assert cluster.agent("annotate", "deployment", "other", "approval.seconder.dev/me=x", *_in(cluster)).refused
    cluster.approve(cluster.alice, reason="INC-4821 <b>decommission</b>")
    assert cluster.delete(cluster.agent).code == 0
    ours = f"deployments.apps {cluster.namespace}/checkout"
    human = cluster.stack.human_kubeconfig
    path = log.cut()
    done = plugin.script(human, "report", "--since=1h", f"--audit-log={path}", "-o", "json")
    assert done.code == 0, done.err
    told: dict[str, Any] = json.loads(done.out)
    whats = [each["what"] for each in told["timeline"] if each["object"] == ours]
    assert [each for each in whats if each in {"Refused", "Signed", "Allowed"}] == ["Refused", "Signed", "Allowed"]
    details = [each["detail"] for each in told["timeline"] if each["object"].endswith(f"{cluster.namespace}/other")]
    assert any("agents may not change approvals" in each for each in details), details
    (approval,) = [each for each in told["approvals"] if each["object"] == ours]
    assert (approval["proven"], approval["approver"]) == (True, "alice@example.com")
    assert approval["reason"] == "INC-4821 <b>decommission</b>"
    assert approval["key"].startswith("SHA256:")
    assert [each["object"] for each in told["pending"] if cluster.namespace in each["object"]] == [
        f"deployments.apps {cluster.namespace}/other"
    ]

    shown = plugin.script(human, "report", "--since=1h", f"--audit-log={path}", "-o", "html")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("<!doctype html>")
    for words in (ours, "INC-4821 &lt;b&gt;decommission", approval["key"], "What remained pending", "<svg"):
        assert words in shown.out, words
    assert "<script" not in shown.out


def test_the_chain_of_decisions_tells_the_same_by_either_log(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """Who asked, for what, what was decided, who approved: by the API server's log, and by the webhook's own."""
    cluster.deployment()
    log = Log(cluster, tmp_path)
    assert cluster.delete(cluster.agent).refused
    cluster.approve(cluster.alice)
    assert cluster.delete(cluster.agent).code == 0
    human, ours = cluster.stack.human_kubeconfig, f"deployments.apps {cluster.namespace}/checkout"

    def exported(flag: str) -> list[tuple[str, ...]]:
        done = plugin.script(human, "report", "--since=1h", "--export", flag)
        assert done.code == 0, done.err
        chain = tmp_path / "decisions.jsonl"
        chain.write_text(done.out)
        verified = plugin.script(human, "report", f"--verify={chain}")
        assert verified.code == 0, verified.err
        keys = ("what", "detail", "requester", "change_request", "code")
        lines = [json.loads(each) for each in done.out.splitlines()[:-1] if ours in each]
        # What came of a request that was let through is not in the webhook's log, and its change request not in the
        # API server's. Two entries of the configuration may ask about one request.
        return list(
            dict.fromkeys(
                tuple(str(each[key]) for key in (keys if each["what"] == "Refused" else keys[:3])) for each in lines
            )
        )

    by_api_server = exported(f"--audit-log={log.cut()}")
    by_webhook = exported(f"--decision-log={cluster.stack.seconder.log_of('webhook')}")
    assert [each[0] for each in by_api_server] == ["Refused", "Allowed"]
    assert by_webhook == by_api_server


def _in(cluster: Cluster) -> tuple[str, ...]:
    return (f"--namespace={cluster.namespace}",)


def test_an_event_in_the_guards_name_is_told_as_what_anybody_could_have_written(
    cluster: Cluster, plugin: Plugin
) -> None:
    """An agent that may create Events can make one up; a fact of the report says that it rests on one."""
    uid = cluster.deployment()
    place = {"namespace": cluster.namespace, "name": "checkout"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "made-up", "namespace": cluster.namespace},
        "involvedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "uid": uid, **place},
        "reason": "Approved",
        "message": "by alice@example.com",
        "source": {"component": "seconder-webhook"},
        "lastTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    made = cluster.agent_with_all_rights("create", "--filename=-", stdin=json.dumps(event))
    assert made.code == 0, made.err
    told = json.loads(plugin.script(cluster.stack.human_kubeconfig, "report", "--since=1h", "-o", "json").out)
    (entry,) = [each for each in told["timeline"] if each["detail"] == "by alice@example.com"]
    assert entry["source"] == "Event"
    assert "whoever may create Events could have written those that this report draws on" in told["notes"]
    assert entry["object"] not in [each["object"] for each in told["approvals"]]


def test_what_an_agent_puts_into_its_requests_ends_no_report_and_changes_no_fact(
    cluster: Cluster, plugin: Plugin, tmp_path: Path
) -> None:
    """A patch that is no UTF-8, a dry run in the address alone, and the API server's own words as a name."""
    cluster.deployment()
    log = Log(cluster, tmp_path)
    pool, server, headers = connect(cluster.stack.agent_kubeconfig, 1)
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments"

    def send(method: str, path: str, kind: str, body: bytes) -> int:
        return pool.request(method, f"{server}{path}", body=body, headers=headers | {"Content-Type": kind}).status

    broken = b'{"metadata":{"annotations":{"approval.seconder.dev/x":"\xff"}}}'
    assert send("PATCH", f"{path}/checkout", "application/merge-patch+json", broken) >= 400
    assert send("DELETE", f"{path}/checkout?dryRun=All", "application/json", b'{"kind":"DeleteOptions"}') == 403
    words = quote('failed calling webhook "agents.seconder.dev"')
    assert send("DELETE", f"{path}/{words}", "application/json", b"{}") == 404

    arguments = ("--since=1h", f"--audit-log={log.cut()}", "-o", "json")
    done = plugin.script(cluster.stack.human_kubeconfig, "report", *arguments)
    assert done.code == 0, done.err
    told = [each for each in json.loads(done.out)["timeline"] if cluster.namespace in each["object"]]
    assert "Not decided" not in [each["what"] for each in told]
    deletions = [each["detail"] for each in told if each["detail"].startswith("Delete: ApprovalMissing")]
    assert deletions, told
    assert not any("dry run" in each for each in deletions)


def test_both_verbs_complete_flags_and_files(plugin: Plugin) -> None:
    """Files where a file is meant, and the forms of output."""
    kubectl = str(plugin.cluster.stack.folder / "bin" / "kubectl")

    def complete(*words: str) -> list[str]:
        done = plugin.run([kubectl, "__complete", "seconder", *words], KUBECONFIG="/nowhere")
        return [line.partition("\t")[0] for line in done.out.splitlines()]

    assert complete("rep") == ["report", "replay", ":4"]
    assert complete("replay", "") == [":0"]
    assert complete("replay", "--policy", "") == [":0"]
    assert complete("report", "--audit-log", "") == [":0"]
    assert complete("report", "-o", "") == ["json", "yaml", "text", "html", ":4"]
    assert complete("report", "--au") == ["--audit-log", ":4"]
