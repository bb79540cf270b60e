"""Each verb, at whatever terminal and however it ends. A new verb is covered once it stands in the list of verbs."""

import argparse
import fcntl
import importlib
import json
import os
import pty
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from tests.support.plugin import IN_CONTROL

from seconder.plugin.agents import agent_credentials
from seconder.plugin.agents.agent_credentials import State
from seconder.plugin.main import VERBS

pytestmark = pytest.mark.long

_PROGRAM = Path(sys.executable).with_name("kubectl-seconder")
_SECONDS = 60.0
_COLUMNS = 60
_SAMPLES = {
    "chg-NAME": "chg-k5xw2yqf7m3zt6a4jv0c8r1hpd",
    "chg-NAME | TYPE/NAME": "chg-k5xw2yqf7m3zt6a4jv0c8r1hpd",
    "TYPE/NAME": "namespace/payments",
    "NAME": "kiro",
    "USER": "u",
    "NAMESPACE/NAME": "seconder-agents/kiro",
    "FILE": "FIFO",
    "AUDIT-LOG": "FIFO",
    "TEXT": "why",
    "state": "STATE",
}
"""What is given for an argument, by its name or by what its help calls it."""


def _arguments(verb: str) -> list[str]:
    """Give a command line of the verb: what it must be given, and what may be given without a flag."""
    parser: argparse.ArgumentParser = importlib.import_module(
        f"seconder.plugin.commands.{verb.replace('-', '_')}"
    ).parser()
    found = [verb]
    one_of = {group._group_actions[0] for group in parser._mutually_exclusive_groups if group.required}
    for action in parser._actions:
        needed = action.required or action in one_of or (not action.option_strings and action.nargs in {"?", "*"})
        if not needed:
            continue
        metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        value = str(next(iter(action.choices))) if action.choices else _SAMPLES.get(action.dest, _SAMPLES.get(metavar))
        assert value is not None, f"{verb}: say in _SAMPLES what to give for {metavar}"
        found += [f"{action.option_strings[0]}={value}"] if action.option_strings else [value]
    return found


class _Cluster:
    """Takes connections and says nothing; tells when somebody has come."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        self.reached = threading.Event()
        self._held: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._socket.accept()
                self._held.append(taken)
                self.reached.set()

    def close(self) -> None:
        for each in (self._socket, *self._held):
            each.close()


@dataclass
class _Home:
    """Where a verb is run: a kubeconfig, a file that never ends, and nothing else."""

    folder: Path
    cluster: _Cluster
    writing: int | None = None

    def command(self, verb: str, *more: str) -> list[str]:
        given = [
            each.replace("FIFO", str(self.folder / "fifo")).replace("STATE", str(self.folder / "state"))
            for each in _arguments(verb)
        ]
        return [str(_PROGRAM), *given, *more]

    @property
    def environment(self) -> dict[str, str]:
        keys = ("PATH", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "LANG")
        return {
            **{key: os.environ[key] for key in keys if key in os.environ},
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "TERM": "xterm-256color",
            "KUBERNETES_EXEC_INFO": json.dumps(
                {
                    "kind": "ExecCredential",
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "spec": {"interactive": False, "cluster": {"server": self.cluster.address}},
                }
            ),
        }

    def close(self) -> None:
        if self.writing is not None:
            os.close(self.writing)

    def reached(self) -> bool:
        """Whether the verb waits for the cluster, or for the file."""
        if self.cluster.reached.is_set():
            return True
        try:
            # This is opened once somebody reads.
            self.writing = os.open(self.folder / "fifo", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True


@pytest.fixture
def home(tmp_path: Path) -> Iterator[_Home]:
    """Give a home with a cluster that never answers."""
    cluster = _Cluster()
    waits = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": "cat",
        "args": [str(tmp_path / "fifo")],
    }
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": cluster.address}}],
        "users": [{"name": "u", "user": {"token": "t"}}, {"name": "kiro", "user": {"exec": waits}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    os.mkfifo(tmp_path / "fifo")
    now = time.time()
    due = State(
        server=cluster.address,
        authority="",
        namespace="seconder-agents",
        name="kiro",
        end=now + 8 * 3600,
        lifetime=3600,
        token="t",
        expires=now + 1000,
        granted=3600,
    )
    agent_credentials.write(tmp_path / "state", due)
    yield _Home(tmp_path, cluster)
    cluster.close()


def _at_a_terminal(command: list[str], environment: Mapping[str, str], columns: int) -> tuple[int, str]:
    """Run it at a terminal of so many columns; give the exit code and what was shown there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        shown, deadline = b"", time.monotonic() + _SECONDS
        while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux says EIO where the other end has closed
                break
            if not data:
                break
            shown += data
        code = running.wait(timeout=_SECONDS)
    os.close(ours)
    return code, shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_a_terminal_of_60_columns_and_is_plain(home: _Home, verb: str) -> None:
    """No line is cut by the terminal, and nothing but letters is sent to it, for readers of screens and NO_COLOR."""
    command = [str(_PROGRAM), *([verb] if verb else []), "--help"]
    code, shown = _at_a_terminal(command, home.environment, _COLUMNS)
    assert code == 0
    assert shown.count("\n") > 5
    assert [line for line in shown.splitlines() if len(line) > _COLUMNS] == []
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("verb", VERBS)
def test_a_mistake_is_one_plain_sentence_at_a_terminal(home: _Home, verb: str) -> None:
    """Without colours, and without argparse's usage. What does not fit into its line hangs below it."""
    code, shown = _at_a_terminal([str(_PROGRAM), verb, "--no-such-flag"], home.environment, _COLUMNS)
    first, *others = shown.splitlines()
    assert code == 1
    assert first.startswith("error: ")
    assert all(line.startswith("    ") for line in others)
    assert all(len(line) < _COLUMNS for line in (first, *others))
    assert f"see kubectl seconder {verb} --help" in " ".join(shown.split())
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("verb", VERBS)
def test_a_mistake_is_one_line_for_programs(home: _Home, verb: str) -> None:
    """However long it is: what reads logs takes a line for one message."""
    done = subprocess.run(
        [str(_PROGRAM), verb, "--no-such-flag"],
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_a_pager_gets_plain_text(home: _Home, verb: str) -> None:
    """``kubectl seconder VERB --help | less``: the same words, in 80 columns where nothing tells how many there are."""
    command = [str(_PROGRAM), *([verb] if verb else []), "--help"]
    done = subprocess.run(
        command,
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace("\n", "").isprintable()
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_a_reader_that_has_gone_is_no_error_to_tell(home: _Home, verb: str) -> None:
    """``kubectl seconder VERB --help | true``: exit code 1, and not a word."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [str(_PROGRAM), *([verb] if verb else []), "--help"]
    with subprocess.Popen(command, env=home.environment, stdout=writing, stderr=subprocess.PIPE, text=True) as running:
        os.close(writing)
        _, told = running.communicate(timeout=_SECONDS)
    assert (running.returncode, told) == (1, "")


@pytest.mark.parametrize("verb", VERBS)
def test_an_error_that_nobody_reads_ends_it_all_the_same(home: _Home, verb: str) -> None:
    """Standard output and error closed, as from a script that has gone: no success, and no hanging."""
    code = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", str(_PROGRAM), verb, "--no-such-flag"],
        env=home.environment,
        timeout=_SECONDS,
        check=False,
    ).returncode
    assert code == 1


@pytest.mark.parametrize("verb", VERBS)
def test_ctrl_c_ends_each_verb_at_once_and_quietly(home: _Home, verb: str) -> None:
    """While it waits for the cluster or for a file: exit code 130, no trace, no result."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", IN_CONTROL, *home.command(verb)]
    with subprocess.Popen(
        command,
        env=home.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        text=True,
    ) as running:
        os.close(theirs)
        try:
            deadline = time.monotonic() + _SECONDS
            while not home.reached():
                assert running.poll() is None, os.read(ours, 65536)
                assert time.monotonic() < deadline, "it waits for nothing"
                time.sleep(0.02)
            # What opened the file or the socket has yet to wait for it: a key pressed between the two is not at once.
            while psutil.Process(running.pid).status() != psutil.STATUS_SLEEPING:
                assert running.poll() is None, os.read(ours, 65536)
                assert time.monotonic() < deadline, "it never waits"
                time.sleep(0.02)
            begun = time.monotonic()
            os.write(ours, b"\x03")
            out, _ = running.communicate(timeout=_SECONDS)
            told = os.read(ours, 65536).decode()
        finally:
            running.kill()
            os.close(ours)
            home.close()
    assert running.returncode == 130, told
    assert time.monotonic() - begun < 5
    assert "Traceback" not in told
    assert "Exception" not in told
    assert not out or verb == "replay", out
