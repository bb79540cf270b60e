"""The verb replay: what it prints, what it takes for a policy, and how it ends."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit import DANA, event, line

_PROGRAM = Path(sys.executable).with_name("kubectl-seconder")
_POLICY = """\
apiVersion: seconder.dev/v1alpha1
kind: ProtectionPolicy
metadata: {name: production}
spec:
  resources:
  - {group: "", resources: [namespaces]}
  - {group: apps, resources: [deployments]}
"""


def _command(folder: Path, *logs: Path | str, policy: str = _POLICY) -> list[str]:
    saved = folder / "policy.yaml"
    saved.write_text(policy)
    return [str(_PROGRAM), "replay", *map(str, logs), f"--policy={saved}"]


def _run(command: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False, env={"HOME": "/nowhere"})


def _log(folder: Path, *documents: dict[str, Any], name: str = "audit.log") -> Path:
    path = folder / name
    path.write_bytes(b"".join(map(line, documents)))
    return path


def _told(folder: Path, *logs: Path) -> dict[str, Any]:
    done = _run([*_command(folder, *logs), "-o", "json"])
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_counts_by_policy_requester_and_object_with_first_and_last(tmp_path: Path) -> None:
    """Without a cluster, and without a kubeconfig."""
    early, late = "2026-11-20T08:00:00Z", "2026-11-21T09:00:00Z"
    path = _log(
        tmp_path,
        event(requestReceivedTimestamp=late),
        event(requestReceivedTimestamp=early),
        event(ref={"name": "other"}, user=DANA | {"groups": ["seconder.dev:agents"]}),
        event(user=DANA),
        event("get"),
        event(responseStatus={"code": 404}),
    )
    refused = _told(tmp_path, path)["refused"]
    assert (refused["requests"], refused["byAgents"], refused["first"]) == (3, 3, early)
    (policy,) = refused["byPolicy"]
    assert (policy["policy"], policy["action"], policy["requests"]) == ("production", "Delete", 3)
    assert [(each["requester"], each["requests"], each["last"]) for each in refused["byRequester"]] == [
        ("system:serviceaccount:seconder-agents:kiro", 2, late),
        ("dana@example.com", 1, "2026-11-22T12:00:00Z"),
    ]
    objects = [(each["object"], each["requests"]) for each in refused["byObject"]]
    assert objects == [("deployments.apps payments/checkout", 2), ("deployments.apps payments/other", 1)]
    text = _run(_command(tmp_path, path)).stdout.decode()
    assert "3 requests would have been refused: 3 by agents, 0 by others" in text
    assert "  1 requests by callers who are no agents: refused only if" in text
    assert "1 more might have been refused, but came to nothing anyway" in text
    assert "the log holds no write to namespaces: see whether policies spell it right" in text


def test_a_deletion_that_was_answered_with_a_timeout_is_judged(tmp_path: Path) -> None:
    """The caller chooses it, and the object may be gone."""
    log = _log(tmp_path, event(responseStatus={"code": 504}), event(responseStatus={"code": 404}))
    found = _told(tmp_path, log)
    assert (found["refused"]["requests"], found["failedAnyway"]) == (1, 1)


def test_what_stands_twice_is_counted_once_and_what_only_looks_so_is_not(tmp_path: Path) -> None:
    """A client chooses its audit ID: one who always takes the same hides nothing by it."""
    same = event(auditID="mine")
    later = same | {"requestReceivedTimestamp": "2026-11-22T12:00:00.123457Z"}
    found = _told(tmp_path, _log(tmp_path, same, later), _log(tmp_path, same, name="rotated.log"))
    assert (found["refused"]["requests"], found["countedOnce"]) == (2, 1)


def test_memory_does_not_grow_with_the_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bounds they are counted together."""
    from seconder.plugin.auditing import replay_counts

    monkeypatch.setattr(replay_counts, "_MOST_KEYS", 3)
    table: replay_counts.Table[str] = replay_counts.Table()
    for number in range(10):
        table.add(str(number), None, agent=True)
    assert len(table.rows) == 3
    assert (table.others.requests, table.others.by_agents) == (7, 7)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("kind: Secret\n", "holds no ProtectionPolicy"),
        (_POLICY.replace("resources:", "resource:", 1), "policy production is invalid"),
        (_POLICY.replace("{name: production}", "{}"), "without a name"),
        (f"{_POLICY}---\n{_POLICY}", "which was given before"),
        ("{", "neither YAML nor JSON"),
        (_POLICY.replace("spec:", "spec: {subjects: Everyone}\nx:"), "policy production is invalid"),
    ],
)
def test_a_policy_that_is_none_is_one_line(tmp_path: Path, policy: str, words: str) -> None:
    """Nothing is counted by half a policy."""
    done = _run(_command(tmp_path, _log(tmp_path, event()), policy=policy))
    assert (done.returncode, done.stdout) == (1, b"")
    assert words in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_log_comes_from_standard_input_and_text_steers_no_terminal(tmp_path: Path) -> None:
    """Names are what clients chose."""
    bad = event(ref={"name": "a\x1b[2Jb\u202e\nc"}, auditID="x\x1b]0;", user=DANA | {"groups": ["seconder.dev:agents"]})
    done = _run(_command(tmp_path, "-"), line(bad) + line(event(user={"username": "x\x1b\u202ey"})))
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "payments/a[2Jbc" in text
    assert not {"\x1b", "\u202e"} & set(text)


@pytest.mark.parametrize("flags", [(), ("-o", "json")])
def test_of_what_was_not_read_nothing_is_said(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Exit code 2 and one sentence that names the likely form; never that nothing would have been refused."""
    log = _log(tmp_path, {"protoPayload": {"methodName": "io.k8s.apps.v1.deployments.delete"}})
    done = _run([*_command(tmp_path, log), *flags])
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"error: nothing was read from" in done.stderr
    assert b"it looks like Google Cloud Logging's own form" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_beside_what_was_read_what_was_not_is_told(tmp_path: Path) -> None:
    """The report is of the rest, and is no success."""
    done = _run(_command(tmp_path, _log(tmp_path, event()), _log(tmp_path, {}, name="other")))
    assert done.returncode == 2
    assert b"1 request would have been refused" in done.stdout
    assert b"error: nothing was read from" in done.stderr


def test_seconders_own_namespace_is_where_it_is_installed(tmp_path: Path) -> None:
    """What agents did there is counted as always refused, and there alone."""
    log = _log(tmp_path, event(resource="configmaps", group="", ref={"namespace": "guard"}))

    def refused(*flags: str) -> int:
        done = _run([*_command(tmp_path, log), "-o", "json", *flags])
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["refused"]["requests"])

    assert refused() == 0
    assert refused("--installed-in=guard") == 1


@pytest.mark.parametrize(
    ("streams", "code", "words"),
    [("| true", 1, ""), (">/dev/full", 1, "No space left on device"), (">&-", 0, ""), ("<&-", 1, "it is closed")],
)
def test_an_output_or_input_that_is_gone_is_no_trace(tmp_path: Path, streams: str, code: int, words: str) -> None:
    """Buffered, as for everybody: what could not be written shows at the very end."""
    command = shlex.join(_command(tmp_path, "-" if streams == "<&-" else _log(tmp_path, event())))
    done = _run(["bash", "-c", f"{command} {streams}; exit ${{PIPESTATUS[0]}}"])
    assert done.returncode == code
    assert words in done.stderr.decode()
    assert done.stderr.count(b"\n") == bool(words)


def test_an_interrupt_prints_what_was_read_until_then(tmp_path: Path) -> None:
    """Exit code 130, as for every program that Ctrl-C ended; no traceback."""
    running = subprocess.Popen(
        [*_command(tmp_path, "-"), "-o", "json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"HOME": "/nowhere"},
    )
    assert running.stdin is not None
    # More than one buffer, so that the first of it has been judged once the writing is over.
    running.stdin.write(line(event(requestObject={"x": "y" * 1000})) * 6_000)
    running.stdin.flush()
    os.kill(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    found = json.loads(out)
    assert found["read"]["interrupted"] is True
    assert found["refused"]["requests"] == 1
    assert found["countedOnce"] > 1000
    assert b"Traceback" not in err
    assert b"interrupted after" in err
