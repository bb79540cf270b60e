"""The credential plugin without a cluster: which credential it reads, what it refuses, and what it keeps."""

import base64
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from localstack.own_terminal import run_orphaned
from seconder.client import exec_plugin
from seconder.client.api import ApiError
from seconder.client.credentials import NoCredentials
from seconder.client.exec_plugin import Status
from seconder.plugin.agents import agent_tokens, exec_credential, own_credential
from seconder.plugin.agents.agent_tokens import Account
from seconder.plugin.agents.exec_credential import Invocation
from seconder.plugin.terminal.problem import Problem

_VERSION = "client.authentication.k8s.io/v1"
_KIRO = Account("seconder-agents", "kiro")
_CLUSTER: dict[str, Any] = {"server": "https://127.0.0.1:1"}
_CALLED = Invocation(interactive=False, cluster=_CLUSTER)
_INFO = {"apiVersion": _VERSION, "kind": "ExecCredential", "spec": {"interactive": False, "cluster": _CLUSTER}}
_PROGRAM = [sys.executable, "-m", "seconder.plugin.main"]


class _Server(ThreadingHTTPServer):
    # Of five, as is usual, a busy machine resets some of many connections at once.
    request_queue_size = 64


class TokenServer:
    """Answers TokenRequests over HTTP with the next number; ``answer`` replaces the answer, if set."""

    def __init__(self) -> None:
        outer = self
        self.asked: list[dict[str, Any]] = []
        self.lifetime = 900.0
        self.answer: bytes | None = None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.cluster = {"server": f"http://127.0.0.1:{self._server.server_port}"}
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        self.asked.append({"path": request.path, "authorization": request.headers["Authorization"], "body": body})
        status = {"token": f"token-{len(self.asked)}", "expirationTimestamp": _timestamp(time.time() + self.lifetime)}
        content = json.dumps({"status": status}).encode() if self.answer is None else self.answer
        request.send_response(201)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """A server of tokens, and a cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    running = TokenServer()
    yield running
    running.close()


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kubeconfig(folder: Path, *users: dict[str, Any], name: str = "config") -> Path:
    path = folder / name
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "users": list(users)}))
    return path


def _user(**fields: Any) -> dict[str, Any]:
    return {"name": "own", "user": {name.replace("_", "-"): value for name, value in fields.items()}}


def _plugin(folder: Path, script: str, **fields: Any) -> dict[str, Any]:
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return _user(exec={"apiVersion": _VERSION, "command": "./plugin", "interactiveMode": "IfAvailable"} | fields)


def _answer(**status: str) -> str:
    return "echo '" + json.dumps({"apiVersion": _VERSION, "kind": "ExecCredential", "status": status}) + "'"


def _load(path: Path, invocation: Invocation = _CALLED) -> Status:
    return own_credential.load(str(path), "own", invocation)


def _run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the verb as kubectl would, below nobody."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        exec_plugin.INFO: json.dumps(_INFO),
    } | environment
    done = run_orphaned([*_PROGRAM, "credential", *arguments], given, folder)
    return done.returncode, done.stdout, done.stderr


def test_a_persons_own_credential_is_passed_on_whatever_it_is(tmp_path: Path) -> None:
    """A token, a token's file, a client certificate as data or files: all relative to their kubeconfig."""
    tmp_path.joinpath("token").write_text("from-file\n")
    tmp_path.joinpath("crt").write_text("CRT")
    tmp_path.joinpath("key").write_text("KEY")
    pair = {"clientCertificateData": "CRT", "clientKeyData": "KEY"}
    data = {"client_certificate_data": base64.b64encode(b"CRT").decode(), "client_key_data": "S0VZ"}
    cases: list[tuple[dict[str, Any], Status]] = [
        (_user(token="abc"), {"token": "abc"}),
        ({"name": "own", "user": {"tokenFile": "token"}}, {"token": "from-file"}),
        ({"name": "own", "user": {"tokenFile": "token", "token": "abc"}}, {"token": "from-file"}),
        (_user(client_certificate="crt", client_key="key"), pair),
        (_user(**data), pair),
        (_user(**data, token="abc"), pair | {"token": "abc"}),
    ]
    for user, expected in cases:
        assert _load(_kubeconfig(tmp_path, user)) == expected


def test_the_first_kubeconfig_that_names_the_user_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As kubectl merges them; files that are not there are passed over."""
    one = _kubeconfig(tmp_path, {"name": "other", "user": {}}, name="one")
    two = _kubeconfig(tmp_path, _user(token="two"), name="two")
    three = _kubeconfig(tmp_path, _user(token="three"), name="three")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (one, tmp_path / "none", two, three))))
    assert own_credential.load(None, "own", _CALLED) == {"token": "two"}
    assert own_credential.load(str(three), "own", _CALLED) == {"token": "three"}


def test_a_plugin_of_ones_own_is_run_as_kubectl_runs_it(tmp_path: Path) -> None:
    """With its environment and arguments, and told the cluster only where it asks for it."""
    script = f'echo "$1 $GREETING $KUBERNETES_EXEC_INFO" > {tmp_path}/seen\n' + _answer(
        token="t", expirationTimestamp="2030-01-01T00:00:00Z", surprise="x"
    )
    user = _plugin(tmp_path, script, args=["one"], env=[{"name": "GREETING", "value": "hello"}])
    expected = {"token": "t", "expirationTimestamp": "2030-01-01T00:00:00Z"}
    assert _load(_kubeconfig(tmp_path, user)) == expected
    seen = tmp_path.joinpath("seen").read_text()
    assert seen.startswith("one hello ")
    assert json.loads(seen.removeprefix("one hello "))["spec"] == {"interactive": False}
    user["user"]["exec"]["provideClusterInfo"] = True
    _load(_kubeconfig(tmp_path, user), Invocation(interactive=True, cluster=_CLUSTER))
    seen = tmp_path.joinpath("seen").read_text().removeprefix("one hello ")
    assert json.loads(seen)["spec"] == {"interactive": True, "cluster": _CLUSTER}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "has no token"),
        ({"token": "t", "as": "admin"}, "has as,"),
        ({"token": "t", "as_groups": ["system:masters"]}, "need a user to impersonate"),
        ({"username": "u", "password": "p"}, "has username,"),
        ({"auth_provider": {"name": "oidc"}}, "has auth-provider,"),
        ({"client_certificate_data": "S0VZ"}, "no client-key"),
        ({"client_certificate_data": "S0VZ", "client_key_data": "!"}, "not base64"),
        ({"client_key_data": "S0VZ"}, "has no token"),
        ({"client_certificate": "nowhere", "client_key": "nowhere"}, "nowhere cannot be read"),
        ({"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, "are known"),
        ({"exec": {"apiVersion": _VERSION, "command": "./nowhere", "interactiveMode": "Never"}}, "is not there"),
        ({"exec": {"apiVersion": _VERSION, "command": "./nowhere"}}, "interactiveMode"),
        ({"exec": {"apiVersion": _VERSION, "command": "x", "interactiveMode": "Always"}}, "needs a terminal"),
        ({"exec": {"apiVersion": _VERSION}}, "not usable"),
        ({"exec": "x"}, "not usable"),
    ],
)
def test_an_entry_that_cannot_be_passed_on_is_told(fields: dict[str, Any], told: str, tmp_path: Path) -> None:
    """Never a part of a credential, and never one with other rights than the entry has."""
    with pytest.raises((Problem, NoCredentials), match=told) as problem:
        _load(_kubeconfig(tmp_path, _user(**fields)))
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("content", ["[", "[]", "users: 1", "users: [1]", "users: [{name: own}]", "x: {users: []}", ""])
def test_a_kubeconfig_that_is_none_is_told(content: str, tmp_path: Path) -> None:
    """In one line."""
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises((Problem, NoCredentials)) as problem:
        _load(path)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 3", "exit code 3"),
        (_answer(token="t") + "; exit 1", "exit code 1"),
        ("echo nonsense", "does not answer"),
        ("echo '[]'", "does not answer"),
        (_answer(clientKeyData="k"), "not both"),
        (_answer(), "gives no credential"),
        (_answer(token="t").replace("/v1", "/v1beta1"), "does not answer"),
        ("head -c 3000000 /dev/zero", "more than 1024 KiB"),
        ("exec yes", "more than 1024 KiB"),
    ],
)
def test_a_plugin_that_fails_gives_no_credential(script: str, told: str, tmp_path: Path) -> None:
    """Whatever it printed before."""
    with pytest.raises(Problem, match=told):
        _load(_kubeconfig(tmp_path, _plugin(tmp_path, script)))


def test_a_plugin_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where what it started holds its output open."""
    monkeypatch.setattr(exec_plugin, "_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(Problem, match="took longer"):
        _load(_kubeconfig(tmp_path, _plugin(tmp_path, "sleep 5")))
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ("", "is not set"),
        ("nonsense", "does not hold"),
        ("[]", "does not hold"),
        (json.dumps(_INFO | {"apiVersion": "client.authentication.k8s.io/v1beta1"}), "exec.apiVersion"),
        (json.dumps(_INFO | {"spec": {"interactive": False}}), "provideClusterInfo"),
        (json.dumps(_INFO | {"spec": {"cluster": {"server": 1}}}), "provideClusterInfo"),
        (json.dumps(_INFO | {"spec": None}), "does not hold"),
    ],
)
def test_a_call_that_is_not_kubectls_is_told(info: str, told: str) -> None:
    """With what to set."""
    with pytest.raises(Problem, match=told):
        exec_credential.read_invocation({exec_plugin.INFO: info})


def test_a_person_gets_their_own_credential_and_an_assistant_does_not(tmp_path: Path) -> None:
    """The whole verb; where the agent's token cannot be had, it fails and prints nothing."""
    path = _kubeconfig(tmp_path, _user(token="danas-own"))
    arguments = ("--user=own", "--agent=kiro", f"--kubeconfig={path}")
    code, out, err = _run(tmp_path, *arguments)
    assert (code, json.loads(out)["status"], err) == (0, {"token": "danas-own"}, "")
    code, out, err = _run(tmp_path, *arguments, CLAUDECODE="1")
    assert (code, out) == (1, "")
    assert err.startswith("error: Claude Code runs this as system:serviceaccount:seconder-agents:kiro, whose token")
    assert err.count("\n") == 1
    assert "CLAUDECODE" not in err


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["--user=own"], {}, "--agent"),
        (["--user=own", "--agent=../x"], {}, "cannot be a ServiceAccount"),
        (["--user=own", "--agent=kiro", "-n", "a/b"], {}, "cannot be a ServiceAccount"),
        (["--user=nobody", "--agent=kiro"], {}, "no user 'nobody'"),
        (["--user=own", "--agent=kiro", "--assistants=/nonexistent/a"], {}, "cannot read the list"),
        (["--user=own", "--agent=kiro"], {"SECONDER_ASSISTANTS": "/nonexistent/a"}, "cannot read the list"),
        (["--user=own", "--agent=kiro"], {"KUBERNETES_EXEC_INFO": ""}, "called by kubectl"),
        (["--user=own", "--agent=kiro"], {"KUBECONFIG": "/nonexistent/k"}, "no kubeconfig"),
    ],
)
def test_a_bad_call_is_told_in_one_line(
    arguments: list[str], environment: dict[str, str], told: str, tmp_path: Path
) -> None:
    """And nobody's credential is printed."""
    path = _kubeconfig(tmp_path, _user(token="danas-own"))
    code, out, err = _run(tmp_path, *arguments, **({"KUBECONFIG": str(path)} | environment))
    assert (code, out) == (1, "")
    assert told in err
    assert err.count("\n") == 1


def test_an_entry_that_leads_back_to_itself_is_told(tmp_path: Path) -> None:
    """Not followed until the machine is full."""
    arguments = ["-m", "seconder.plugin.main", "credential", "--user=own", "--agent=kiro"]
    run: dict[str, Any] = {
        "apiVersion": _VERSION,
        "command": sys.executable,
        "args": arguments,
        "interactiveMode": "Never",
    }
    run["provideClusterInfo"] = True
    path = _kubeconfig(tmp_path, _user(exec=run))
    code, out, err = _run(tmp_path, "--user=own", "--agent=kiro", KUBECONFIG=str(path))
    assert (code, out) == (1, "")
    assert "leads back here" in err


def test_a_token_is_asked_for_once_and_kept_for_oneself_alone(server: TokenServer, tmp_path: Path) -> None:
    """One request with the person's own credential; a file that nobody else can read."""
    own = {"token": "danas-own"}
    first = agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())
    assert agent_tokens.token(_KIRO, server.cluster, lambda: pytest.fail("asked again"), time.time()) == first
    (asked,) = server.asked
    assert asked["path"] == "/api/v1/namespaces/seconder-agents/serviceaccounts/kiro/token"
    assert asked["authorization"] == "Bearer danas-own"
    assert asked["body"]["spec"] == {"expirationSeconds": 900}
    (file,) = [each for each in tmp_path.joinpath("cache").rglob("*") if each.is_file()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "danas-own" not in file.read_text()


def test_a_token_is_renewed_before_it_expires(server: TokenServer) -> None:
    """And one that claims to hold for hours is not believed."""
    own = {"token": "x"}
    now = time.time()
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, now)["token"] == "token-1"
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, now + 700)["token"] == "token-1"
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, now + 790)["token"] == "token-2"
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, now - 9000)["token"] == "token-3"


def test_a_token_is_kept_for_its_account_and_cluster_alone(server: TokenServer) -> None:
    """Another account, namespace or authority has another file."""
    own = {"token": "x"}
    for account, authority in (
        (_KIRO, ""),
        (Account("seconder-agents", "other"), ""),
        (Account("other", "kiro"), ""),
    ):
        cluster = server.cluster | {"certificate-authority-data": authority}
        agent_tokens.token(account, cluster, lambda: own, time.time())
    assert len(server.asked) == 3
    assert len({agent_tokens._key(_KIRO, {"server": "s", "certificate-authority-data": ca}) for ca in "ab"}) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"token": 1}', b"\xff", b"[" * 60_000])
def test_a_damaged_file_is_replaced(content: bytes, server: TokenServer, tmp_path: Path) -> None:
    """It costs one request."""
    own = {"token": "x"}
    agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())
    (file,) = [each for each in tmp_path.joinpath("cache").rglob("*") if each.is_file()]
    file.write_bytes(content)
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())["token"] == "token-2"
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())["token"] == "token-2"


def test_a_file_that_others_could_write_is_not_believed(server: TokenServer, tmp_path: Path) -> None:
    """Nor a link to one, nor a pipe."""
    own = {"token": "x"}
    agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())
    (file,) = [each for each in tmp_path.joinpath("cache").rglob("*") if each.is_file()]
    file.chmod(0o660)
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())["token"] == "token-2"
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())["token"] == "token-3"
    assert not file.is_symlink()
    file.unlink()
    os.mkfifo(file, 0o600)
    assert agent_tokens.token(_KIRO, server.cluster, lambda: own, time.time())["token"] == "token-4"


def test_a_home_that_cannot_be_written_to_costs_no_token(server: TokenServer, tmp_path: Path) -> None:
    """The token is used, and asked for again next time."""
    tmp_path.joinpath("cache").write_text("not a folder")
    for number in (1, 2):
        found = agent_tokens.token(_KIRO, server.cluster, lambda: {"token": "x"}, time.time())
        assert found["token"] == f"token-{number}"


def test_many_calls_at_once_leave_one_whole_file(server: TokenServer, tmp_path: Path) -> None:
    """Each gets a whole token; nothing temporary stays."""

    def call(_: int) -> str:
        return agent_tokens.token(_KIRO, server.cluster, lambda: {"token": "x"}, time.time())["token"]

    with ThreadPoolExecutor(16) as pool:
        tokens = list(pool.map(call, range(64)))
    assert all(token.startswith("token-") for token in tokens)
    (file,) = [each for each in tmp_path.joinpath("cache").rglob("*") if each.is_file()]
    assert json.loads(file.read_text())["token"] in tokens


@pytest.mark.parametrize(
    "answer",
    [
        b"{}", b"[]", b"null", b'{"status": {"token": "", "expirationTimestamp": "2030-01-01T00:00:00Z"}}',
        b'{"status": {"token": "t", "expirationTimestamp": "soon"}}', b'{"status": {"token": "t"}}',
        b'{"status": {"token": "t", "expirationTimestamp": "2030-01-01T00:00:00"}}',
    ],
)  # fmt: skip
def test_an_answer_without_a_token_is_no_token(answer: bytes, server: TokenServer, tmp_path: Path) -> None:
    """And nothing is kept."""
    server.answer = answer
    with pytest.raises(Problem, match="holds no token"):
        agent_tokens.token(_KIRO, server.cluster, lambda: {"token": "x"}, time.time())
    assert not tmp_path.joinpath("cache").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("proxy-url", "http://127.0.0.1:1"), ("proxy-url", "ftp://x"), ("tls-server-name", 1), ("server", "ftp://x")],
)
def test_a_cluster_is_reached_as_kubectl_would_reach_it(field: str, value: Any, server: TokenServer) -> None:
    """The person's credential is not sent another way, where that one is not open."""
    with pytest.raises((NoCredentials, ApiError)):
        agent_tokens.token(_KIRO, server.cluster | {field: value}, lambda: {"token": "x"}, time.time())
    assert server.asked == []
