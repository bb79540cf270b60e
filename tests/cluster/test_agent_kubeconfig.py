"""``agent-kubeconfig`` and ``agent-token`` with a real API server and kubectl: what an agent gets, and until when."""

import base64
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.cluster import Cluster, Result, eventually
from tests.support.loopback import LOOPBACK, Authority, listening
from tests.support.requests import Call, client

_PLUGINS = Path(sys.executable).parent
_PLUGIN = _PLUGINS / "kubectl-seconder"
_DANA = "dana@example.com"
_MADE = ("clusterrolebindings", "roles", "rolebindings", "serviceaccounts", "namespaces")


class Engineer:
    """A person who makes an agent of the test's own name, in a folder of their own."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.agent = f"kiro-{secrets.token_hex(4)}"
        self.user = f"system:serviceaccount:seconder-agents:{self.agent}"
        self.kubeconfig = folder / f"{self.agent}.kubeconfig"
        self.state = folder / f"{self.agent}.kubeconfig.token"

    def make(self, *arguments: str, kubeconfig: Path | None = None, name: str | None = None) -> Result:
        """Run agent-kubeconfig as dana, or with another kubeconfig."""
        who = kubeconfig or self.cluster.stack.human_kubeconfig
        command: list[str | Path] = [_PLUGIN, "agent-kubeconfig", name or self.agent, f"--kubeconfig={who}", *arguments]
        return self._run(command)

    def made(self, *arguments: str) -> Result:
        """Run it as dana; it must succeed."""
        result = self.make(*arguments)
        assert result.code == 0, result.err
        return result

    def kubectl(self, *arguments: str, stdin: str = "") -> Result:
        """Run the real kubectl with the kubeconfig that was written."""
        kubectl = self.cluster.stack.folder / "bin" / "kubectl"
        return self._run([kubectl, f"--kubeconfig={self.kubeconfig}", *arguments], stdin)

    def token(self) -> Result:
        """Run agent-token."""
        return self._run([_PLUGIN, "agent-token", "--state", self.state])

    def renew(self, seconds: int, *, name: str | None = None, **spec: Any) -> Result:
        """Ask the API server itself for a token, as the agent."""
        document = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds} | spec,
        }
        path = f"/api/v1/namespaces/seconder-agents/serviceaccounts/{name or self.agent}/token"
        return self.kubectl("create", f"--raw={path}", "--filename=-", stdin=json.dumps(document))

    def read_state(self) -> dict[str, Any]:
        """Read the file that holds the token."""
        document: dict[str, Any] = json.loads(self.state.read_text())
        return document

    def change_state(self, **changes: Any) -> None:
        """Make the token look older, say."""
        self.state.write_text(json.dumps(self.read_state() | changes))

    def leftovers(self) -> list[str]:
        """List what in the cluster has the agent's name in its own, and the files in the folder."""
        found = self.cluster.admin("get", ",".join(_MADE), "--all-namespaces", "--output=name").split()
        return [each for each in found if self.agent in each] + [each.name for each in self.folder.iterdir()]

    def _run(self, command: list[str | Path], stdin: str = "") -> Result:
        path = f"{_PLUGINS}{os.pathsep}{os.environ['PATH']}"
        environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**environment, "PATH": path, "HOME": str(self.folder)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def engineer(cluster: Cluster, tmp_path: Path) -> Iterator[Engineer]:
    """An engineer with an agent's name that nobody else uses."""
    made = Engineer(cluster, tmp_path)
    yield made
    cluster.admin("delete", "clusterrolebinding", f"seconder-agent:seconder-agents:{made.agent}", "--ignore-not-found")


def _annotations(engineer: Engineer) -> Mapping[str, str]:
    found = engineer.cluster.get("serviceaccount", engineer.agent, "seconder-agents")["metadata"]
    annotations: dict[str, str] = found.get("annotations") or {}
    return annotations


def _one_line(result: Result, *words: str) -> None:
    lines = result.err.strip().splitlines()
    assert result.code == 1
    assert len(lines) == 1, result.err
    assert lines[0].startswith("error: ")
    assert all(word in lines[0] for word in words), lines[0]
    assert result.out == ""


def test_one_command_gives_an_agent_an_identity_that_works(engineer: Engineer) -> None:
    """Kubectl is who it should be, reads and writes, and its files are its owner's alone."""
    lines = engineer.made().out.splitlines()
    assert lines[0] == f"serviceaccount/{engineer.agent} created"
    assert lines[-1] == f"kubectl --kubeconfig {engineer.agent}.kubeconfig get pods"
    assert _annotations(engineer)["seconder.dev/operator"] == _DANA
    assert engineer.kubectl("auth", "whoami", "--output=jsonpath={.status.userInfo.username}").out == engineer.user
    pods = engineer.kubectl("get", "pods", f"--namespace={engineer.cluster.namespace}")
    assert (pods.code, pods.out) == (0, ""), pods.err
    assert engineer.kubectl("create", "configmap", "made", f"--namespace={engineer.cluster.namespace}").code == 0
    assert [path.stat().st_mode & 0o777 for path in (engineer.kubeconfig, engineer.state)] == [0o600, 0o600]
    assert sorted(path.name for path in engineer.folder.iterdir() if path.is_file()) == [
        engineer.kubeconfig.name,
        engineer.state.name,
    ]


def test_its_deletions_are_refused_by_name_and_its_operator_approves_none(engineer: Engineer) -> None:
    """Recorded as its operator, alice counts for other agents and not for this one; bob does."""
    cluster = engineer.cluster
    result = engineer.make(kubeconfig=cluster.alice.kubeconfig)
    assert result.code == 0, result.err
    cluster.deployment()
    refused = cluster.delete(engineer.kubectl)
    assert refused.refused_with("ApprovalMissing"), refused.err
    assert f"requester: {engineer.user} (agent {engineer.agent})" in refused.err
    changes: dict[str, Any] = {"sub": engineer.user, "act": {"sub": engineer.agent}}
    cluster.approve(cluster.alice, **changes)
    assert cluster.delete(engineer.kubectl).refused_with("SelfApproval")
    cluster.approve(cluster.bob, slug="bob", iss="bob@example.com", **changes)
    deleted = cluster.delete(engineer.kubectl)
    assert deleted.code == 0, deleted.err


def test_run_again_it_sets_a_new_end_and_changes_nothing_else(engineer: Engineer) -> None:
    """The same objects, the same files, a later end."""
    engineer.made("--valid=1h")
    first, uid = (
        _annotations(engineer)["seconder.dev/token-end"],
        engineer.cluster.get("serviceaccount", engineer.agent, "seconder-agents")["metadata"]["uid"],
    )
    again = engineer.made("--valid=2h")
    assert again.out.splitlines()[:4] == [
        f"serviceaccount/{engineer.agent} configured",
        f"clusterrolebinding.rbac.authorization.k8s.io/seconder-agent:seconder-agents:{engineer.agent} unchanged",
        f"role.rbac.authorization.k8s.io/seconder-agent-token:{engineer.agent} unchanged",
        f"rolebinding.rbac.authorization.k8s.io/seconder-agent-token:{engineer.agent} unchanged",
    ]
    assert _annotations(engineer)["seconder.dev/token-end"] > first
    assert engineer.cluster.get("serviceaccount", engineer.agent, "seconder-agents")["metadata"]["uid"] == uid
    assert engineer.kubectl("auth", "whoami").code == 0


def test_the_token_is_renewed_by_the_agent_itself(engineer: Engineer) -> None:
    """When less than a third of its life is left, and only then."""
    engineer.made()
    before = engineer.read_state()
    assert engineer.kubectl("auth", "whoami").code == 0
    assert engineer.read_state() == before
    engineer.change_state(expires=time.time() + 1100)
    told = json.loads(engineer.token().out)["status"]
    after = engineer.read_state()
    assert told["token"] == after["token"] != before["token"]
    assert after["expires"] > time.time() + 3000
    assert engineer.kubectl("auth", "whoami", "--output=jsonpath={.status.userInfo.username}").out == engineer.user
    assert engineer.state.stat().st_mode & 0o777 == 0o600


def test_nobody_renews_beyond_the_end(engineer: Engineer) -> None:
    """Not even the agent that calls the API server itself, whatever it asks for, nor with a token bound to a pod."""
    engineer.made("--valid=30m", "--ttl=10m")
    assert engineer.renew(600).code == 0
    for refused in (
        engineer.renew(3600),
        engineer.renew(2**32),
        engineer.renew(600, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "x"}),
    ):
        assert refused.refused_with("ProtectedConfiguration"), refused.err
    path = f"/api/v1/namespaces/seconder-agents/serviceaccounts/{engineer.agent}/token"
    left_out = engineer.kubectl("create", f"--raw={path}", "--filename=-", stdin="{}")
    assert left_out.refused_with("ProtectedConfiguration"), left_out.err


def test_once_the_end_has_passed_nothing_is_renewed(engineer: Engineer) -> None:
    """A person may bring the end forward; what cannot be read has passed."""
    engineer.made()
    for end in ("2020-01-01T00:00:00Z", "never", ""):
        engineer.cluster.admin(
            "annotate",
            "serviceaccount",
            engineer.agent,
            "--namespace=seconder-agents",
            "--overwrite",
            f"seconder.dev/token-end={end}",
        )
        eventually(lambda: engineer.renew(600).refused_with("ProtectedConfiguration"), 5, f"refused with end {end!r}")


def test_an_agent_reaches_no_other_token_nor_its_own_annotations(engineer: Engineer) -> None:
    """By RBAC with the default role; with every right by the guard."""
    engineer.made()
    assert engineer.renew(600, name="kiro").code != 0
    engineer.cluster.admin(
        "create",
        "rolebinding",
        engineer.agent,
        "--namespace=seconder-agents",
        "--clusterrole=local-agent",
        f"--serviceaccount=seconder-agents:{engineer.agent}",
    )
    eventually(lambda: engineer.renew(600, name="kiro").refused, 5, "RBAC lets it through to the guard")
    assert engineer.renew(600, name="kiro").refused_with("ProtectedConfiguration")
    before = _annotations(engineer)
    for change in (
        "seconder.dev/token-end-",
        "seconder.dev/token-end=2099-01-01T00:00:00Z",
        "seconder.dev/operator=bob",
    ):
        tried = engineer.kubectl(
            "annotate", "serviceaccount", engineer.agent, "--namespace=seconder-agents", "--overwrite", change
        )
        assert tried.refused_with("ProtectedConfiguration"), tried.err
    assert _annotations(engineer) == before


def test_a_deleted_account_ends_its_token(engineer: Engineer) -> None:
    """Both kubectl and the renewal say so."""
    engineer.made()
    engineer.cluster.admin("delete", "serviceaccount", engineer.agent, "--namespace=seconder-agents")
    eventually(lambda: engineer.kubectl("get", "pods").code != 0, 20, "the API server forgets the token")
    engineer.change_state(expires=time.time() + 1100)
    _one_line(engineer.token(), "does not accept", "agent-kubeconfig")


def test_an_agent_makes_no_agents(engineer: Engineer) -> None:
    """It is told before anything is done."""
    result = engineer.make(kubeconfig=engineer.cluster.stack.agent_kubeconfig)
    _one_line(result, "system:serviceaccount:seconder-agents:kiro, an agent")
    assert engineer.leftovers() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--clusterrole=no-such-role"], ["no-such-role", "kubectl get clusterroles"]),
        (["--namespace=default"], ["default are no agents", "seconder-agents"]),
        (["--ttl=9m"], ["--ttl 9m", "10m"]),
        (["--valid=30m"], ["--valid 30m", "--ttl 1h"]),
        (["--valid=eight"], ["--valid 'eight'", "8h"]),
        (["--valid=721h"], ["720h"]),
        (["--operator="], ["--operator"]),
        (["--operator=system:serviceaccount:seconder-agents:hal"], ["is an agent"]),
        (["--out=missing/agent.kubeconfig"], ["missing", "No such file"]),
        (["--out=/proc/agent.kubeconfig"], ["/proc"]),
        (["--out=."], ["folder"]),
        (["--context=nowhere"], ["nowhere"]),
        (["--plain-token", "--valid=8h"], ["--plain-token", "--ttl says"]),
        (["--plain-token", "--ttl=25h"], ["at most 24h"]),
        (["--agent-server=http://127.0.0.1:1"], ["plain HTTP", "--agent-server"]),
        (["--agent-server=ftp://127.0.0.1:1"], ["no URL"]),
        (["--agent-certificate-authority=x"], ["goes with --agent-server"]),
        (["--agent-server=https://127.0.0.1:1", "--agent-certificate-authority=gone"], ["gone cannot be read"]),
    ],
    ids=lambda value: value[0] if len(value) == 1 and value[0].startswith("--") else "",
)
def test_bad_input_is_told_in_one_line_and_leaves_nothing(
    engineer: Engineer, arguments: list[str], words: list[str]
) -> None:
    """Neither objects nor files."""
    _one_line(engineer.make(*arguments), *words)
    assert engineer.leftovers() == []


@pytest.mark.parametrize("name", ["Kiro", "kiro_1", "-kiro", "a" * 254, "a/b", "a:b"])
def test_names_that_no_service_account_has_are_told_in_one_line(engineer: Engineer, name: str) -> None:
    """Before anything is asked of the cluster."""
    _one_line(engineer._run([_PLUGIN, "agent-kubeconfig", "--", name]), name if name[0] != "-" else "cannot name")


def test_without_the_rights_nothing_is_left(engineer: Engineer) -> None:
    """What was made before the refusal is removed again."""
    cluster = engineer.cluster
    kubeconfig = cluster.stack.control_plane.client_kubeconfig(f"erin-{engineer.agent}", (), engineer.folder / "erin")
    user = f"--user=erin-{engineer.agent}"
    _one_line(engineer.make(kubeconfig=kubeconfig), "forbidden", "protectionpolicies")
    role = f"erin-{secrets.token_hex(4)}"
    cluster.admin(
        "create",
        "clusterrole",
        role,
        "--verb=get,list,create,delete",
        "--resource=protectionpolicies.seconder.dev,serviceaccounts,namespaces,clusterroles,clusterrolebindings",
    )
    cluster.admin("create", "clusterrolebinding", role, f"--clusterrole={role}", user)
    eventually(lambda: "may not bind" in engineer.make(kubeconfig=kubeconfig).err, 5, "the rights are there")
    _one_line(engineer.make(kubeconfig=kubeconfig), "may not bind ClusterRole seconder-agent")
    assert engineer.leftovers() == ["erin"]


def test_an_unreachable_cluster_is_told_in_one_line(engineer: Engineer) -> None:
    """And leaves no files."""
    config = yaml.safe_load(engineer.cluster.stack.human_kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    elsewhere = engineer.folder / "elsewhere"
    elsewhere.write_text(json.dumps(config))
    _one_line(engineer.make(kubeconfig=elsewhere), "cannot be reached")
    assert engineer.leftovers() == ["elsewhere"]


def test_another_operators_agent_is_not_taken_over(engineer: Engineer) -> None:
    """Whoever operated it holds its tokens still, and could then approve for it."""
    engineer.made()
    before = engineer.read_state()
    taken = engineer.make("--operator=mallory@example.com")
    _one_line(taken, f"operated by {_DANA}", f"kubectl delete serviceaccount {engineer.agent} -n seconder-agents")
    assert _annotations(engineer)["seconder.dev/operator"] == _DANA
    assert engineer.read_state() == before


def test_somebody_elses_files_are_not_overwritten(engineer: Engineer) -> None:
    """Unless that is asked for; the cluster is not touched either."""
    engineer.kubeconfig.write_text("apiVersion: v1\nkind: Config\nusers: []\n")
    _one_line(engineer.make(), engineer.kubeconfig.name, "--force")
    assert engineer.leftovers() == [engineer.kubeconfig.name]
    engineer.made("--force")
    assert engineer.kubectl("auth", "whoami").code == 0


def test_a_binding_to_another_role_is_told_and_kept(engineer: Engineer) -> None:
    """What it may do changes only when somebody takes the old role away."""
    engineer.made()
    _one_line(engineer.make("--clusterrole=view"), "grants something else", "kubectl delete clusterrolebinding")
    assert engineer.kubectl("auth", "whoami").code == 0


def test_the_kubeconfig_on_standard_output_works(engineer: Engineer) -> None:
    """With its token in the owner's home, and nothing else on standard output."""
    result = engineer.made("--out=-")
    engineer.kubeconfig.write_text(result.out)
    assert engineer.kubectl("auth", "whoami", "--output=jsonpath={.status.userInfo.username}").out == engineer.user


def test_a_plain_token_needs_no_plugin_and_ends(engineer: Engineer) -> None:
    """For a container that has kubectl alone; its end is in the file, on the ServiceAccount and told."""
    told = engineer.made("--plain-token", "--ttl=10m").out
    assert "its token is not renewed" in told
    first, *_ = engineer.kubeconfig.read_text().splitlines()
    assert re.fullmatch(r"# The token ends at \S+Z and is not renewed: a person has to run .* again then\.", first)
    assert not engineer.state.exists()
    assert engineer.kubeconfig.stat().st_mode & 0o777 == 0o600
    kubectl = engineer.cluster.stack.folder / "bin" / "kubectl"
    command: list[str | Path] = [kubectl, f"--kubeconfig={engineer.kubeconfig}", "auth", "whoami", "--output=json"]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", "HOME": "/"}, capture_output=True, text=True)
    assert json.loads(done.stdout)["status"]["userInfo"]["username"] == engineer.user, done.stderr
    (user,) = yaml.safe_load(engineer.kubeconfig.read_text())["users"]
    claims = json.loads(base64.urlsafe_b64decode(user["user"]["token"].split(".")[1] + "=="))
    assert 0 < claims["exp"] - time.time() <= 601
    end = datetime.fromisoformat(_annotations(engineer)["seconder.dev/token-end"]).timestamp()
    assert abs(end - claims["exp"]) < 10
    assert engineer.made("--plain-token", "--ttl=10m").code == 0


def test_a_kubeconfig_leads_the_way_that_its_makers_does(engineer: Engineer) -> None:
    """Through the proxy, and to the name in the certificate; kubectl and the renewal alike."""
    api = engineer.cluster.stack.control_plane
    port = int(api.url.rpartition(":")[2])
    with listening(Authority("nobody"), {"secured": Authority("nobody").issue("nobody", LOOPBACK)}) as loopback:
        loopback.ports["api"] = port
        config = yaml.safe_load(engineer.cluster.stack.human_kubeconfig.read_text())
        (entry,) = config["clusters"]
        ways = {
            "server": f"https://api.cluster.test:{port}",
            "tls-server-name": "kubernetes.default.svc",
            "proxy-url": f"http://dana:pass@127.0.0.1:{loopback.ports['proxy']}",
        }
        entry["cluster"] |= ways
        engineer.folder.joinpath("dana").write_text(json.dumps(config))
        made = engineer.make(kubeconfig=engineer.folder / "dana")
        assert made.code == 0, made.err
        assert "holds the password in your proxy-url" in made.err
        (cluster,) = yaml.safe_load(engineer.kubeconfig.read_text())["clusters"]
        assert cluster["cluster"].items() >= ways.items()
        assert engineer.kubectl("auth", "whoami", "--output=jsonpath={.status.userInfo.username}").out == engineer.user
        engineer.change_state(expires=time.time() + 1100)
        assert engineer.token().code == 0
        assert engineer.read_state()["expires"] > time.time() + 3000


def test_an_agent_may_go_another_way_than_its_maker(engineer: Engineer) -> None:
    """Where a gateway is between people and the API server; who signed its certificate is found in the cluster."""
    port = engineer.cluster.stack.control_plane.url.rpartition(":")[2]
    engineer.made(f"--agent-server=https://localhost:{port}")
    assert engineer.read_state()["server"] == f"https://localhost:{port}"
    assert engineer.kubectl("auth", "whoami", "--output=jsonpath={.status.userInfo.username}").out == engineer.user


def test_a_role_that_can_shed_the_tag_is_warned_of(engineer: Engineer) -> None:
    """And so is an operator who is somebody else."""
    told = engineer.made("--clusterrole=cluster-admin", "--operator=erin@example.com").err
    assert "impersonate users" in told
    assert "only erin@example.com is barred" in told


def test_an_identity_that_no_guard_watches_is_not_handed_out(engineer: Engineer) -> None:
    """Without the webhook's word the end would be worth nothing: all that was made is removed."""
    cluster = engineer.cluster
    seconder = cluster.stack.seconder
    seconder.stop_webhook()
    try:
        result = engineer.make()
    finally:
        seconder.start_webhook()
        seconder.wait_ready()
    _one_line(result, "not safe to hand out")
    assert engineer.leftovers() == []


_NEVER = [
    ("impersonate", "", "users"),
    ("impersonate", "", "groups"),
    ("impersonate", "", "serviceaccounts"),
    ("impersonate", "authentication.k8s.io", "userextras"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
    ("bind", "rbac.authorization.k8s.io", "roles"),
    *[
        (verb, group, resource)
        for verb in ("create", "update", "patch", "delete", "deletecollection")
        for group, resource in (
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
            ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
            ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
            ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
            ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
            ("rbac.authorization.k8s.io", "clusterroles"),
            ("rbac.authorization.k8s.io", "clusterrolebindings"),
            ("rbac.authorization.k8s.io", "roles"),
            ("rbac.authorization.k8s.io", "rolebindings"),
            ("certificates.k8s.io", "certificatesigningrequests"),
            ("apiextensions.k8s.io", "customresourcedefinitions"),
            ("apiregistration.k8s.io", "apiservices"),
            ("seconder.dev", "protectionpolicies"),
            ("seconder.dev", "approvers"),
            ("seconder.dev", "changerequests"),
            ("", "nodes"),
            ("", "serviceaccounts"),
            ("", "secrets"),
            ("", "events"),
            ("example.com", "widgets"),
        )
        # On its own it states why it asks; whatever else it would change there is refused by review.
        if (verb, resource) != ("patch", "changerequests")
    ],
    *[(verb, "", "secrets") for verb in ("get", "list", "watch")],
    *[(verb, "", "nodes/proxy") for verb in ("get", "create", "update")],
    *[("create", "", f"{each}") for each in ("serviceaccounts/token", "pods/exec", "pods/attach", "pods/portforward")],
    ("get", "", "pods/exec"),
    ("update", "", "namespaces/finalize"),
    ("approve", "certificates.k8s.io", "signers"),
    ("update", "certificates.k8s.io", "certificatesigningrequests/approval"),
]
_USEFUL = [
    *[("delete", "", each) for each in ("namespaces", "pods", "services", "configmaps", "persistentvolumeclaims")],
    *[("create", "apps", each) for each in ("deployments", "statefulsets", "daemonsets")],
    ("deletecollection", "apps", "deployments"),
    ("patch", "apps", "deployments/scale"),
    ("create", "batch", "jobs"),
    ("update", "networking.k8s.io", "ingresses"),
    ("patch", "autoscaling", "horizontalpodautoscalers"),
    ("get", "", "pods/log"),
    ("list", "", "nodes"),
    ("get", "seconder.dev", "changerequests"),
    ("patch", "seconder.dev", "changerequests"),
]


def test_the_default_role_keeps_its_promises(engineer: Engineer) -> None:
    """As the API server's own authorizer sees it, with everything else that every ServiceAccount may do."""
    engineer.made()
    call = client(engineer.cluster.stack.admin_kubeconfig, 1)
    answers = {each: _allowed(engineer, call, *each) for each in (*_NEVER, *_USEFUL)}
    assert [each for each in _NEVER if answers[each]] == []
    assert [each for each in _USEFUL if not answers[each]] == []


def test_the_default_role_has_no_wildcard(engineer: Engineer) -> None:
    """So that what is installed later, or thought of later, is not the agent's."""
    rules = engineer.cluster.get("clusterrole", "seconder-agent")["rules"]
    assert rules
    assert [each for each in rules if "*" in {*each["apiGroups"], *each["resources"], *each["verbs"]}] == []


def _allowed(engineer: Engineer, call: Call, verb: str, group: str, resource: str) -> bool:
    plural, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
    groups = ["system:serviceaccounts", "system:serviceaccounts:seconder-agents", "system:authenticated"]
    document = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": engineer.user, "groups": groups, "resourceAttributes": attributes | {"namespace": "payments"}},
    }
    answer = call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", document)
    assert answer.code == 201, answer.message
    return bool(answer.document["status"]["allowed"])


def test_an_operator_whom_no_approver_goes_by_is_warned_of(engineer: Engineer) -> None:
    """An approver's user name needs no warning; a login's own is recorded as the approver whom its extra tells."""
    assert "no approver goes by" not in engineer.made("--operator=alice@example.com", "--plain-token", "--out=-").err
    engineer.cluster.admin("delete", "serviceaccount", engineer.agent, "--namespace=seconder-agents")
    warned = engineer.made("--operator=arn:aws:sts::1:assumed-role/Admin/session-1", "--plain-token", "--out=-")
    assert "warning: no approver goes by arn:aws:sts::1:assumed-role/Admin/session-1" in warned.err
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHA4a1ZnzJTV4CDUNqGe4xKkkVgVKrNA5qyqpYZwq4rI amy"
    amy = {
        "apiVersion": "seconder.dev/v1alpha1",
        "kind": "Approver",
        "metadata": {"name": "amy"},
        "spec": {
            "principal": "amy@example.com",
            "kubernetesUsers": ["amy@example.com"],
            "identities": [{"extra": {"key": "sessionName", "value": "amy"}}],
            "keys": [{"name": "k", "ssh": line}],
        },
    }
    engineer.cluster.apply(amy)
    engineer.cluster.admin("delete", "serviceaccount", engineer.agent, "--namespace=seconder-agents")
    try:
        session = ("--as=assumed-role/Admin/1764233000", "--as-group=system:masters", "--as-user-extra=sessionname=amy")
        admin = engineer.cluster.scene.admin_kubeconfig
        made = engineer.make("--plain-token", "--out=-", *session, kubeconfig=admin)
        assert made.code == 0, made.err
        assert "no approver goes by" not in made.err
        assert _annotations(engineer)["seconder.dev/operator"] == "amy@example.com"
    finally:
        engineer.cluster.objects.delete("approvers", "amy")
