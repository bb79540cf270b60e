"""A drill on a real API server, with the plugin, and with ssh-keygen and kubectl alone."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster, Result, sign
from tests.support.plugin import PROGRAM, Plugin

_RBAC = "rbac.authorization.k8s.io"
_USER = "on-call@example.com"
_TAGGED = ("--as=hal", "--as-group=people", "--as-group=seconder.dev:agents")
_APPROVING = Path(__file__).parents[2] / "docs" / "approving.md"


def _by_hand() -> str:
    """The function that the documentation gives."""
    found = re.search(r"^```sh\n(seconder_drill\(\) .*?)^```$", _APPROVING.read_text(), re.M | re.S)
    assert found
    return found[1]


def _drill(plugin: Plugin, verb: str, *arguments: str, **environment: str) -> Result:
    alice = plugin.cluster.alice.kubeconfig
    return plugin.script(alice, "drill", verb, *arguments, f"--namespace={plugin.cluster.namespace}", **environment)


def _status(plugin: Plugin, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = _drill(plugin, "status", name, "-ojson", *arguments)
    return done.code, json.loads(done.out)


def _started(plugin: Plugin, *arguments: str) -> str:
    done = _drill(plugin, "start", "-ojson", *arguments)
    assert done.code == 0, done.err
    return str(json.loads(done.out)["name"])


def _states(shown: dict[str, Any]) -> dict[str, str]:
    return {person["approver"]: person["state"] for person in shown["approvers"]}


def _right(cluster: Cluster) -> None:
    """Give ``_USER`` what docs/approving.md says that it takes, and nothing else."""
    binding = {"kind": "User", "name": _USER, "apiGroup": _RBAC}
    name = f"drills-{cluster.namespace}"
    configmaps = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"]}
    who = {"apiGroups": ["seconder.dev"], "resources": ["approvers", "approverauthorities"], "verbs": ["list"]}
    for kind, rule, place in (("Role", configmaps, {"namespace": cluster.namespace}), ("ClusterRole", who, {})):
        head = {"apiVersion": f"{_RBAC}/v1", "metadata": {"name": name} | place}
        role = {"kind": kind, "name": name, "apiGroup": _RBAC}
        cluster.apply(
            head | {"kind": kind, "rules": [rule]},
            head | {"kind": f"{kind}Binding", "roleRef": role, "subjects": [binding]},
        )


def test_a_drill_tells_who_can_be_reached(cluster: Cluster, plugin: Plugin, tmp_path: Path) -> None:
    """One answers with the plugin and few rights, one with ssh-keygen and kubectl alone."""
    _right(cluster)
    begun = _drill(plugin, "start", "night", "--required=2", "--within=1h")
    assert begun.code == 0, begun.err
    assert f"kubectl seconder drill sign night -n {cluster.namespace}" in begun.out
    code, shown = _status(plugin, "night")
    assert (code, shown["reached"], shown["answered"]) == (1, False, 0)
    assert {_states(shown)[name] for name in ("alice", "bob")} == {"NotYet"}

    key = f"--key={cluster.alice.key}"
    answered = _drill(plugin, "sign", "night", key, f"--as={_USER}")
    assert answered.code == 0, answered.err
    assert f"drill {cluster.namespace}/night answered by alice@example.com (Software, " in answered.out
    again = _drill(plugin, "sign", "night", key, f"--as={_USER}")
    assert (again.code, "answered already" in again.out) == (0, True), again
    assert _status(plugin, "night")[0] == 1

    command = ["sh", "-eu", "-c", f'{_by_hand()}seconder_drill "$@"', "sh", "night", cluster.namespace]
    done = subprocess.run(
        [*command, str(cluster.bob.key), cluster.bob.principal],
        env=plugin.environment
        | {"KUBECONFIG": str(cluster.bob.kubeconfig), "TMPDIR": str(tmp_path)}
        | {"PATH": f"{cluster.stack.folder / 'bin'}:{plugin.environment['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code, shown = _status(plugin, "night")
    assert (code, shown["reached"], shown["answered"], shown["refused"]) == (0, True, 2, [])
    alice = next(person for person in shown["approvers"] if person["approver"] == "alice")
    assert (alice["state"], alice["assurance"], alice["keyType"]) == ("Answered", "Software", "ssh-ed25519")
    assert 0 <= alice["afterSeconds"] < 60
    told = _drill(plugin, "status", "night")
    assert told.code == 0
    assert "enough: 2 answered within 60m, of 2 needed with assurance Software" in told.out

    code, shown = _status(plugin, "night", "--required=3")
    assert (code, shown["answered"]) == (1, 2)
    code, shown = _status(plugin, "night", "--assurance=Presence")
    assert (code, shown["answered"], _states(shown)["alice"]) == (1, 0, "TooWeak")
    words = ["drill", "status", f"--namespace={cluster.namespace}", f"--kubeconfig={cluster.alice.kubeconfig}", "ni"]
    offered = plugin.run([str(PROGRAM.with_name("kubectl_complete-seconder")), *words])
    assert offered.out.splitlines()[0] == "night"


def test_an_answer_approves_nothing_and_an_approval_answers_nothing(cluster: Cluster, plugin: Plugin) -> None:
    """Each put in the other's place, by somebody who may write anything there."""
    cluster.deployment()
    name = _started(plugin)
    assert _drill(plugin, "sign", name, f"--key={cluster.alice.key}").code == 0
    answer = cluster.get("configmap", name)["data"]["answer.alice"]
    cluster.annotate("deployment", "checkout", f"approval.seconder.dev/alice={answer}")
    assert cluster.delete(cluster.agent).refused_with("ApprovalMalformed")

    approval = sign(cluster.alice.key, cluster.claims(cluster.get("deployment", "checkout"), "deployments", "apps"))
    patch = json.dumps({"data": {"answer.alice": approval}})
    cluster.admin("patch", "configmap", name, f"--namespace={cluster.namespace}", "--type=merge", f"--patch={patch}")
    code, shown = _status(plugin, name)
    assert (code, shown["answered"], _states(shown)["alice"]) == (1, 0, "NotYet")
    assert [(each["name"], each["reason"]) for each in shown["refused"]] == [("answer.alice", "ApprovalMalformed")]

    cluster.annotate("deployment", "checkout", f"approval.seconder.dev/alice={approval}")
    assert cluster.delete(cluster.agent).code == 0


def test_an_answer_is_for_one_drill(cluster: Cluster, plugin: Plugin) -> None:
    """Last month's says nothing of tonight."""
    first, second = _started(plugin), _started(plugin)
    assert _drill(plugin, "sign", first, f"--key={cluster.alice.key}").code == 0
    old = cluster.get("configmap", first)["data"]["answer.alice"]
    patch = json.dumps({"data": {"answer.alice": old}})
    cluster.admin("patch", "configmap", second, f"--namespace={cluster.namespace}", "--type=merge", f"--patch={patch}")
    code, shown = _status(plugin, second)
    assert (code, [each["reason"] for each in shown["refused"]]) == (1, ["WrongObject"])


def test_a_drill_asks_what_a_policy_asks(cluster: Cluster, plugin: Plugin) -> None:
    """Its teams, how many, and by what assurance; whoever is in none of the teams is told."""
    asks = {"required": 2, "teams": ["nobody-is-in-it"], "assurance": "Presence"}
    name = _started(plugin, f"--policy={cluster.policy(f'drill-{cluster.namespace}', approvals=asks)}")
    code, shown = _status(plugin, name)
    found = {field: shown["drill"][field] for field in asks}
    assert (code, found, shown["approvers"]) == (1, asks, [])
    refused = _drill(plugin, "sign", name, f"--key={cluster.alice.key}")
    assert (refused.code, refused.out) == (1, "")
    assert "the drill is for team nobody-is-in-it" in refused.err


def test_what_cannot_be_done_is_one_line(cluster: Cluster, plugin: Plugin) -> None:
    """It says what to do, and nothing is changed."""
    cluster.admin("create", "configmap", "other", f"--namespace={cluster.namespace}")
    name, key = _started(plugin), f"--key={cluster.alice.key}"
    tries = {
        "is no drill": _drill(plugin, "sign", "other", key),
        "there is no drill": _drill(plugin, "status", "none"),
        "needs the drill's NAME": _drill(plugin, "status"),
        "--team means nothing to drill sign": _drill(plugin, "sign", name, "--team=a"),
        "no number from 1 to 999": _drill(plugin, "start", "--required=0"),
        "no time such as": _drill(plugin, "start", "--within=soon"),
        "no name of a team": _drill(plugin, "start", "--team=a/b"),
        "no ProtectionPolicy": _drill(plugin, "start", "--policy=none"),
        "Claude Code runs this command": _drill(plugin, "sign", name, key, CLAUDECODE="1"),
        "is an agent here": _drill(plugin, "sign", name, key, *_TAGGED),
    }
    for words, done in tries.items():
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done
        assert words in done.err
    assert "answer.alice" not in cluster.get("configmap", name)["data"]
