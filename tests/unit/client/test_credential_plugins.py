"""Credential plugins, run for real: when they are run again, and that nothing is sent without what they give."""

import json
import shlex
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seconder.client import client_config
from seconder.client.credentials import Credentials, NoCredentials

_VERSION = "client.authentication.k8s.io/v1"


def _plugin(folder: Path, *, gives: str = "from-the-plugin", lasts: timedelta | None = None, before: str = ":") -> None:
    """Write a plugin that adds a line to the file ``runs`` each time."""
    status = {"token": gives}
    if lasts is not None:
        status["expirationTimestamp"] = (datetime.now(UTC) + lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = json.dumps({"apiVersion": _VERSION, "kind": "ExecCredential", "status": status})
    script = f"#!/bin/sh\necho >> {shlex.quote(str(folder / 'runs'))}\n{before}\necho {shlex.quote(answer)}\n"
    folder.joinpath("plugin").write_text(script)
    folder.joinpath("plugin").chmod(0o700)


def _load(folder: Path) -> Credentials:
    run = {"apiVersion": _VERSION, "command": "./plugin", "interactiveMode": "Never"}
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "local", "user": "me"}}],
        "clusters": [{"name": "local", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"exec": run}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return client_config.load(str(path))


def _runs(folder: Path) -> int:
    path = folder / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_plugin_is_run_when_something_is_to_be_sent_and_once(tmp_path: Path) -> None:
    """Its credential is kept while it holds; reading the kubeconfig runs nothing."""
    _plugin(tmp_path, lasts=timedelta(hours=1))
    loaded = _load(tmp_path)
    assert _runs(tmp_path) == 0
    assert [loaded.identity().authorization for _ in range(3)] == ["Bearer from-the-plugin"] * 3
    assert _runs(tmp_path) == 1


def test_an_expired_or_refused_credential_is_not_used_again(tmp_path: Path) -> None:
    """The plugin is asked anew."""
    _plugin(tmp_path, lasts=timedelta(seconds=-1))
    loaded = _load(tmp_path)
    loaded.identity()
    _plugin(tmp_path, gives="second")
    assert loaded.identity().authorization == "Bearer second"
    loaded.identity()
    assert _runs(tmp_path) == 2
    _plugin(tmp_path, gives="third")
    assert loaded.plugin is not None
    loaded.plugin.refused()
    assert loaded.identity().authorization == "Bearer third"


def test_a_plugin_that_fails_leaves_nothing_to_send(tmp_path: Path) -> None:
    """Not anonymously, and not with the credential that has expired; in one line that names the user."""
    _plugin(tmp_path, lasts=timedelta(seconds=-1))
    loaded = _load(tmp_path)
    loaded.identity()
    _plugin(tmp_path, before="exit 7")
    with pytest.raises(NoCredentials, match=r"user 'me': credential plugin .*plugin failed \(exit code 7\)") as error:
        loaded.identity()
    assert "\n" not in str(error.value)


def test_threads_share_one_run(tmp_path: Path) -> None:
    """A person is not asked to log in sixteen times."""
    _plugin(tmp_path, before="sleep 0.2")
    loaded = _load(tmp_path)
    barrier = threading.Barrier(16)

    def ask(_: int) -> str:
        barrier.wait(10)
        return loaded.identity().authorization

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {"Bearer from-the-plugin"}
    assert _runs(tmp_path) == 1
