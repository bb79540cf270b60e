"""The real kubectl calling the real plugin, in a script (no terminal) and at a terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import Cluster, Result

from seconder.plugin.agents import assistants

PROGRAM = Path(sys.executable).with_name("kubectl-seconder")
_SECONDS = 40.0
_KNOWN = assistants.read(Path(assistants.__file__).with_name("assistants.yaml"))
_MARKS = {variable.name for assistant in _KNOWN for variable in assistant.environment}
"""Whoever runs the tests has no say in what commands are taken for; see also ``localstack.own_terminal``."""


@dataclass(frozen=True)
class Screen:
    """What a person saw at a terminal: everything but the result, and the result (standard output)."""

    code: int
    shown: str
    out: str


class Plugin:
    """``kubectl seconder`` in somebody's hands, with a home directory of the test's own."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.cluster = cluster
        self.home = home
        self.environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("SSH_", "KUBE", "DISPLAY")) and key not in _MARKS
            },
            "HOME": str(home),
            # Lines stay whole, however long a test's names are.
            "COLUMNS": "1000",
            # kubectl finds plugins on the PATH.
            "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
        }

    def command(self, kubeconfig: Path, *arguments: str) -> list[str]:
        """Give the command line of a verb and its arguments."""
        kubectl = str(self.cluster.stack.folder / "bin" / "kubectl")
        return [kubectl, "seconder", arguments[0], f"--kubeconfig={kubeconfig}", *arguments[1:]]

    def script(self, kubeconfig: Path, *arguments: str, stdin: str = "", **environment: str) -> Result:
        """Run it as a script does: nobody can be asked."""
        return self.run(self.command(kubeconfig, *arguments), stdin=stdin, **environment)

    def run(self, command: list[str], *, stdin: str = "", **environment: str) -> Result:
        """Run any command in this home, with no controlling terminal."""
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=self.environment | environment,
            start_new_session=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def terminal(
        self,
        kubeconfig: Path,
        *arguments: str,
        answers: Mapping[str, str],
        before: Callable[[], object] = lambda: None,
        **environment: str,
    ) -> Screen:
        """Run it at a terminal and type each answer once its question has been shown, in this order.

        ``before`` is called before the last answer.
        """
        ours, theirs = pty.openpty()
        reading, writing = os.pipe()
        running = subprocess.Popen(
            [sys.executable, "-c", IN_CONTROL, *self.command(kubeconfig, *arguments)],
            stdin=theirs,
            stdout=writing,
            stderr=theirs,
            env=self.environment | environment,
            start_new_session=True,
        )
        os.close(theirs)
        os.close(writing)
        shown, out, seen = "", b"", 0
        questions = list(answers.items())
        deadline = time.monotonic() + _SECONDS
        sources = {ours, reading}
        try:
            while sources:
                ready, _, _ = select.select(sources, [], [], max(0.0, deadline - time.monotonic()))
                assert ready, f"no answer within {_SECONDS} s; shown: {shown}"
                for source in ready:
                    data = _read(source)
                    if not data:
                        sources.discard(source)
                    elif source == reading:
                        out += data
                    else:
                        shown += data.decode(errors="replace")
                while questions and questions[0][0] in shown[seen:]:
                    question, answer = questions.pop(0)
                    seen = shown.index(question, seen) + len(question)
                    if not questions:
                        before()
                    os.write(ours, f"{answer}\n".encode())
            code = running.wait(timeout=_SECONDS)
        finally:
            running.kill()
            running.wait()
            os.close(ours)
            os.close(reading)
        assert not questions, f"never asked {questions}; shown: {shown}"
        return Screen(code, shown.replace("\r\n", "\n"), out.decode())


IN_CONTROL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal the controlling one, as a shell's is: ssh-keygen asks there."""


def _read(source: int) -> bytes:
    try:
        return os.read(source, 65536)
    except OSError:
        # Linux says EIO where the other end of a terminal has closed.
        return b""
