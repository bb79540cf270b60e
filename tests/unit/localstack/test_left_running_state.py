"""What ``make up`` left running is known again, and nothing else is taken for it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from localstack import left_running
from localstack.errors import StackError
from localstack.identity import ProcessIdentity, start_of, stop_all
from localstack.state import State


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that runs until it is stopped."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a ``.local`` in a folder of the test's own, not made yet."""
    folder = tmp_path / ".local"
    monkeypatch.setattr(left_running, "REPOSITORY", tmp_path)
    monkeypatch.setattr(left_running, "_LOCAL", folder)
    monkeypatch.setattr(left_running, "_STATE", folder / "state.json")
    monkeypatch.setattr(left_running, "_GUIDE", folder / "README.txt")
    return folder


def left_by(local: Path, *processes: tuple[str, int]) -> None:
    """Write what an earlier ``up`` would have written."""
    local.mkdir()
    (local / "README.txt").write_text("how to try it\n")
    state = State(local / "state.json")
    for name, pid in processes:
        state.add(name, pid)


def test_a_running_process_is_known_again(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """What one run writes the next one reads."""
    State(tmp_path / "state.json").add("sleeper", sleeper.pid)
    [process] = State.read(tmp_path / "state.json").processes
    assert process == ProcessIdentity.of("sleeper", sleeper.pid)
    assert process.alive()


def test_a_process_that_got_the_same_id_later_is_another(sleeper: subprocess.Popen[bytes]) -> None:
    """After a reboot an id may belong to anybody: nobody else's process is ever signalled."""
    reused = ProcessIdentity("etcd", sleeper.pid, "some other moment")
    assert not reused.alive()
    stop_all([reused], grace=0.1)
    assert sleeper.poll() is None


def test_a_zombie_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    """In a container without an init nobody clears away what has ended."""
    process = ProcessIdentity.of("sleeper", sleeper.pid)
    os.kill(sleeper.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while process.alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert start_of(sleeper.pid) is None


def test_stop_all_kills_what_does_not_listen() -> None:
    """A server that ignores SIGTERM is gone all the same."""
    script = "trap '' TERM; echo ready; while :; do sleep 1; done"
    stubborn = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        stop_all([ProcessIdentity.of("stubborn", stubborn.pid)], grace=0.1)
        assert stubborn.wait(timeout=10) == -signal.SIGKILL
    finally:
        stubborn.kill()
        stubborn.communicate()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"processes": [{"name": "etcd"}]}', '{"processes": 1}'])
def test_a_state_file_that_is_not_ours_names_no_process(tmp_path: Path, content: str) -> None:
    """A file cut short by a crash is no reason for a traceback."""
    (tmp_path / "state.json").write_text(content)
    assert State.read(tmp_path / "state.json").processes == []
    assert State.read(tmp_path / "missing.json").processes == []


def test_a_second_up_says_that_it_is_up(
    local: Path, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """And shows again how to use it, touching nothing."""
    left_by(local, ("etcd", sleeper.pid))
    left_running.up()
    assert capsys.readouterr().out == "Seconder is already up.\n\nhow to try it\n\n"
    assert sleeper.poll() is None


def test_up_beside_half_a_stack_says_what_is_gone(local: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """It neither pretends to be up nor throws away what the user may want to look at."""
    processes = [ProcessIdentity.of("etcd", sleeper.pid), ProcessIdentity("kube-apiserver", sleeper.pid, "ended")]
    local.mkdir()
    (local / "README.txt").touch()
    (local / "state.json").write_text(json.dumps({"processes": [asdict(process) for process in processes]}))
    with pytest.raises(StackError, match=r"kube-apiserver no longer runs.*make down"):
        left_running.up()
    assert sleeper.poll() is None


def test_up_clears_what_a_reboot_left(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without processes are no stack: it starts anew."""
    local.mkdir()
    (local / "state.json").write_text('{"processes": [{"name": "etcd", "pid": 1, "started": "before the reboot"}]}')

    def provide(*, any_kubectl: bool) -> None:
        assert any_kubectl
        assert not local.exists()
        raise StackError("far enough")

    monkeypatch.setattr(left_running, "provide", provide)
    with pytest.raises(StackError, match="far enough"):
        left_running.up()


def test_up_clears_what_a_killed_up_left_running(
    local: Path, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a start is no stack, though every process of it runs."""
    left_by(local, ("etcd", sleeper.pid))
    (local / "README.txt").unlink()

    def provide(*, any_kubectl: bool) -> None:
        assert any_kubectl
        assert not local.exists()
        assert sleeper.wait(timeout=10) == -signal.SIGTERM
        raise StackError("far enough")

    monkeypatch.setattr(left_running, "provide", provide)
    with pytest.raises(StackError, match="far enough"):
        left_running.up()


def test_down_stops_what_runs_and_removes_its_files(
    local: Path, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left, and a second ``down`` has nothing to do."""
    left_by(local, ("etcd", sleeper.pid))
    left_running.down()
    assert sleeper.wait(timeout=10) == -signal.SIGTERM
    assert not local.exists()
    left_running.down()
    assert capsys.readouterr().out.endswith("Nothing is up.\n")
