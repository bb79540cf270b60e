"""An agent's token and files without a cluster: when it is renewed, what is kept, and what is told."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from seconder.api.policy import DEFAULT_TAGS
from seconder.client.api import Api, ApiError
from seconder.client.credentials import NoCredentials
from seconder.plugin.agents import agent_credentials, private_files
from seconder.plugin.agents.agent_credentials import State
from seconder.plugin.commands import agent_kubeconfig
from seconder.plugin.terminal.problem import Problem
from seconder.plugin.terminal.undo import Undo

NOW = 1_800_000_000.0


class Tokens:
    """Answers TokenRequests over HTTP; ``status`` other than 201 is an error."""

    def __init__(self) -> None:
        outer = self
        self.asked: list[dict[str, Any]] = []
        self.status = 201

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append({"path": self.path, "authorization": self.headers["Authorization"]} | body["spec"])
                seconds = body["spec"]["expirationSeconds"]
                expires = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()
                token = {"token": f"token-{len(outer.asked)}", "expirationTimestamp": expires}
                answer = json.dumps({"spec": {"expirationSeconds": seconds}, "status": token, "message": "no"}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    """A server of tokens."""
    running = Tokens()
    yield running
    running.close()


def _state(**changes: Any) -> State:
    fields: dict[str, Any] = {
        "server": "http://127.0.0.1:1",
        "authority": "",
        "namespace": "seconder-agents",
        "name": "kiro",
        "end": NOW + 8 * 3600,
        "lifetime": 3600,
        "token": "token-0",
        "expires": NOW + 3600,
        "granted": 3600,
    }
    return State(**(fields | changes))


def _file(folder: Path, **changes: Any) -> Path:
    path = folder / "kiro.token"
    agent_credentials.write(path, _state(**changes))
    return path


def _due(tokens: Tokens, now: float, **changes: Any) -> dict[str, Any]:
    return {"server": tokens.url, "expires": now + 1000, "end": now + 8 * 3600} | changes


@pytest.mark.parametrize(
    ("end", "now", "seconds"),
    [
        (NOW + 8 * 3600, NOW + 2500, 3600),
        (NOW + 5000, NOW + 2500, 2440),
        (NOW + 3700, NOW + 2500, 1140),
        (NOW + 3660, NOW + 2500, 0),
        (NOW + 3659, NOW + 3050, 0),
        (NOW, NOW + 2500, 0),
    ],
)
def test_a_renewal_asks_for_no_more_than_is_left_and_for_none_that_gains_nothing(
    end: float, now: float, seconds: int
) -> None:
    """A minute less than the end, and never less than the API server gives."""
    assert _state(end=end).renewal(now) == seconds


def test_programs_that_run_for_long_come_back_in_time_to_renew() -> None:
    """They are told when it is due; when it will not be renewed, when it is over."""
    assert _state().status(NOW)["expirationTimestamp"] == agent_credentials.timestamp(NOW + 2400)
    assert _state().status(NOW + 2500)["expirationTimestamp"] == agent_credentials.timestamp(NOW + 3600)
    assert _state(end=NOW + 3600).status(NOW)["expirationTimestamp"] == agent_credentials.timestamp(NOW + 3600)


def test_a_token_with_life_left_is_given_as_it_is(tokens: Tokens, tmp_path: Path) -> None:
    """Nothing is asked of the API server."""
    path = _file(tmp_path, server=tokens.url)
    assert agent_credentials.current(path, NOW + 2399).token == "token-0"
    assert tokens.asked == []


def test_a_due_token_is_renewed_with_itself_and_kept(tokens: Tokens, tmp_path: Path) -> None:
    """For its own ServiceAccount."""
    now = time.time()
    path = _file(tmp_path, **_due(tokens, now))
    assert agent_credentials.current(path, now).token == "token-1"
    assert tokens.asked == [
        {
            "path": "/api/v1/namespaces/seconder-agents/serviceaccounts/kiro/token",
            "authorization": "Bearer token-0",
            "expirationSeconds": 3600,
        }
    ]
    kept = agent_credentials.read(path)
    assert (kept.token, kept.granted, kept.end) == ("token-1", 3600, now + 8 * 3600)
    assert agent_credentials.current(path, now).token == "token-1"
    assert len(tokens.asked) == 1


def test_many_at_once_renew_once(tokens: Tokens, tmp_path: Path) -> None:
    """Whoever waited for the lock takes what the first one got."""
    now = time.time()
    path = _file(tmp_path, **_due(tokens, now))
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: agent_credentials.current(path, now).token, range(16)))
    assert len(tokens.asked) == 1
    assert found == {"token-1"}


def test_whoever_waits_too_long_goes_on_with_the_token_that_is_still_good(
    tokens: Tokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds the lock, and its call to the API server hangs."""
    monkeypatch.setattr(agent_credentials, "_LOCK_SECONDS", 0.2)
    now = time.time()
    path = _file(tmp_path, **_due(tokens, now))
    with path.with_name(f"{path.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert agent_credentials.current(path, now).token == "token-0"
    assert tokens.asked == []
    assert agent_credentials.current(path, now).token == "token-1"


def test_the_lock_is_the_owners_alone_and_no_link_to_another_file(tokens: Tokens, tmp_path: Path) -> None:
    """What a link leads to is neither made nor changed; without a lock nothing is renewed."""
    now = time.time()
    path, elsewhere = _file(tmp_path, **_due(tokens, now)), tmp_path / "elsewhere"
    lock = path.with_name(f"{path.name}.lock")
    lock.symlink_to(elsewhere)
    assert agent_credentials.current(path, now).token == "token-0"
    assert not elsewhere.exists()
    lock.unlink()
    assert agent_credentials.current(path, now).token == "token-1"
    assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("status", [403, 500])
def test_a_refused_renewal_leaves_the_token_that_is_still_good(tokens: Tokens, tmp_path: Path, status: int) -> None:
    """The next call tries again."""
    tokens.status = status
    now = time.time()
    path = _file(tmp_path, **_due(tokens, now))
    before = path.read_bytes()
    assert agent_credentials.current(path, now).token == "token-0"
    assert path.read_bytes() == before


def test_a_token_that_is_no_longer_accepted_is_told(tokens: Tokens, tmp_path: Path) -> None:
    """Its ServiceAccount was deleted, say."""
    tokens.status = 401
    now = time.time()
    with pytest.raises(Problem, match="does not accept the token of seconder-agents/kiro any more"):
        agent_credentials.current(_file(tmp_path, **_due(tokens, now)), now)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"end": NOW}, "ended at 2027-01-15T08:00:00Z"), ({"expires": NOW}, "expired at 2027-01-15T08:00:00Z unused")],
)
def test_what_is_over_is_told_with_the_way_on(tokens: Tokens, tmp_path: Path, changes: Any, words: str) -> None:
    """Nothing is asked of the API server then."""
    path = _file(tmp_path, server=tokens.url, **changes)
    with pytest.raises(Problem, match=f"{words}.*run kubectl seconder agent-kubeconfig again"):
        agent_credentials.current(path, NOW)
    assert tokens.asked == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_token_that_others_reach_is_not_used(tmp_path: Path, mode: int) -> None:
    """They may have read it, or put one of theirs in its place."""
    path = _file(tmp_path)
    path.chmod(mode)
    with pytest.raises(Problem, match="chmod 600"):
        agent_credentials.read(path)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"token": 1}', "\xff"])
def test_a_file_that_holds_no_token_is_told(tmp_path: Path, content: str) -> None:
    """As one that is missing is."""
    path = _file(tmp_path)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(Problem, match="does not hold an agent's token"):
        agent_credentials.read(path)
    path.unlink()
    with pytest.raises(Problem, match="No such file"):
        agent_credentials.read(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Not even to a file of the same user."""
    link = tmp_path / "link"
    link.symlink_to(_file(tmp_path))
    with pytest.raises(Problem):
        agent_credentials.read(link)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """And leaves nothing beside it."""
    path = tmp_path / "file"
    private_files.write(path, b"old")
    path.chmod(0o644)
    private_files.write(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777, os.listdir(tmp_path)) == (b"new", 0o600, ["file"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        private_files.write(tmp_path / "folder", b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_what_was_done_is_taken_back_last_first() -> None:
    """When it fails, and only then."""
    taken: list[str] = []

    def work(error: BaseException | None) -> None:
        with Undo() as undo:
            undo.add("one", lambda: taken.append("one"))
            undo.add("two", lambda: taken.append("two"))
            if error:
                raise error

    work(None)
    assert taken == []
    with pytest.raises(KeyboardInterrupt):
        work(KeyboardInterrupt())
    assert taken == ["two", "one"]


def test_what_cannot_be_taken_back_is_named_and_the_rest_is_taken_back() -> None:
    """With the reason for it all; what is gone already is no trouble."""
    taken: list[str] = []

    def fail(status: int) -> None:
        raise ApiError(status, "no")

    def work() -> None:
        with Undo() as undo:
            undo.add("first", lambda: taken.append("first"))
            undo.add("second", lambda: fail(403))
            undo.add("third", lambda: fail(404))
            raise Problem("no rights")

    with pytest.raises(Problem, match=r"^no rights; left .*: second$"):
        work()
    assert taken == ["first"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_takes_no_service_accounts_is_told(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """With the way round it: the token is good, and somebody in between does not take it."""
    monkeypatch.setattr(agent_kubeconfig, "_PROOF_SECONDS", 0.0)
    tokens.status = status
    state = _state(server=tokens.url)
    theirs = Api(state.credentials(), user_agent="test")
    with pytest.raises(Problem, match=r"Rancher, Teleport, .* API server's own address with --agent-server URL"):
        agent_kubeconfig._prove(theirs, "system:serviceaccount:seconder-agents:kiro", DEFAULT_TAGS, state)


def test_a_token_is_renewed_the_way_that_the_kubeconfig_leads(tmp_path: Path) -> None:
    """Never another: not directly where a proxy is named, nor without looking at the certificate."""
    state = _state(server="https://api.example:6443", authority="x", server_name="kubernetes", proxy="http://p:1")
    assert state.cluster == {
        "server": "https://api.example:6443",
        "certificate-authority-data": "eA==",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://p:1",
    }
    with pytest.raises(NoCredentials, match="holds no certificate"):
        state.credentials()
    found = msgspec.structs.replace(state, authority="").credentials()
    assert (found.server_name, found.proxy, found.insecure) == ("kubernetes", "http://p:1", False)
    document = agent_credentials.kubeconfig(state, tmp_path)
    assert document["clusters"][0]["cluster"] == state.cluster
    assert document["users"][0]["user"]["exec"]["args"] == ["agent-token", "--state", str(tmp_path)]
    assert agent_credentials.kubeconfig(state, None)["users"][0]["user"] == {"token": "token-0"}


def test_a_file_of_an_older_plugin_is_read(tmp_path: Path) -> None:
    """It knows of no proxy, and needs none."""
    path = _file(tmp_path)
    known = json.loads(path.read_bytes())
    private_files.write(
        path, json.dumps({key: known[key] for key in known if key not in {"server_name", "proxy", "insecure"}}).encode()
    )
    assert agent_credentials.read(path) == _state()


def test_the_plugin_answers_kubectl_quickly_and_in_one_line_when_it_cannot(tmp_path: Path) -> None:
    """As kubectl calls it, with nothing but its file."""
    now = time.time()
    command = [sys.executable, "-m", "seconder.plugin.main", "agent-token", "--state"]
    good = _file(tmp_path, end=now + 8 * 3600, expires=now + 3600)
    done = subprocess.run([*command, good], capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert (document["apiVersion"], document["kind"]) == ("client.authentication.k8s.io/v1", "ExecCredential")
    assert document["status"]["token"] == "token-0"
    over = subprocess.run([*command, _file(tmp_path, end=now - 1)], capture_output=True, text=True)
    assert (over.returncode, over.stdout, over.stderr.count("\n")) == (1, "", 1)
    assert over.stderr.startswith("error: the access of seconder-agents/kiro ended at ")
