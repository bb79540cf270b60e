"""A build appears in the cache whole or not at all. The ``go`` here is a script: nothing is compiled."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localstack.build import build
from localstack.errors import StackError
from localstack.identity import start_of
from localstack.pins import MODULES, NODE, Binary, Module

GO = """\
#!/bin/sh
case "$1 $*" in
"list "*Stale*) printf 'to compile: a\\nto compile: b\\n' ;;
"build "*)
  for argument; do case "$argument" in -o=*) out="${argument#-o=}" ;; esac; done
  echo a
  for argument; do
    case "$argument" in */cmd/*|go.etcd.io/*) printf half > "$out$(basename "${argument%/v3}")" ;; esac
  done
  touch "$GOTMPDIR/left-by-go"
  BEHAVIOUR
  for file in "$out"*; do printf whole > "$file"; done ;;
esac
"""


def jobs(*wanted: Binary) -> list[tuple[Module, list[Binary]]]:
    """Give what is to be built, by module."""
    by_module = ((module, [binary for binary in module.programs if binary in wanted]) for module in MODULES)
    return [(module, programs) for module, programs in by_module if programs]


def go_that(folder: Path, behaviour: str) -> Path:
    """Make a ``go`` that does something between writing half of each program and the whole of it."""
    go = folder / "go"
    go.write_text(GO.replace("BEHAVIOUR", behaviour))
    go.chmod(0o755)
    return go


def entries(folder: Path) -> set[str]:
    """Give what lies in the cache, logs left out."""
    return {path.name for path in folder.iterdir() if path.suffix != ".log"}


def test_a_finished_build_leaves_only_the_programs(tmp_path: Path) -> None:
    """Each program gets its own name, is complete, and no scratch folder stays."""
    cache = tmp_path / "cache"
    stream = io.StringIO()
    cache.mkdir()
    build(go_that(tmp_path, ":"), jobs(*NODE), cache, stream)
    keys = {module.key for module, _ in jobs(*NODE)}
    built = {path.name: path.read_text() for key in keys for path in (cache / key).iterdir()}
    assert built == dict.fromkeys(NODE, "whole")
    assert entries(cache) == keys
    assert "Building kube-scheduler, kube-proxy, kubelet (Kubernetes v1." in stream.getvalue()


def test_a_failed_build_leaves_nothing_and_shows_the_compilers_words(tmp_path: Path) -> None:
    """The message has the error, not the names of packages that went well, and says where the whole log is."""
    cache = tmp_path / "cache"
    go = go_that(tmp_path, "echo 'x.go:1: it is broken'; echo b; exit 1")
    cache.mkdir()
    with pytest.raises(StackError) as raised:
        build(go, jobs(Binary.KUBECTL), cache, io.StringIO())
    assert str(cache / "kubernetes-build.log") in str(raised.value)
    assert str(raised.value).splitlines()[1:] == ["  x.go:1: it is broken"]
    assert entries(cache) == set()


def test_what_a_killed_build_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    """A machine that lost power during a build does not keep its scratch folder for ever."""
    cache = tmp_path / "cache"
    (cache / ".build-dead").mkdir(parents=True)
    build(go_that(tmp_path, ":"), jobs(Binary.ETCD), cache, io.StringIO())
    assert entries(cache) == {jobs(Binary.ETCD)[0][0].key}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing_half_written_and_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C during ``make demo``: exit code 130, no program, no scratch folder, no compiler."""
    marker = tmp_path / "compiler-pid"
    go_that(tmp_path, f"sleep 600 & echo $! > {marker}.part; mv {marker}.part {marker}; wait")
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment.pop("KUBEBUILDER_ASSETS", None)
    go = tmp_path / "go"
    go.write_text(go.read_text().replace("case ", '[ "$1" = env ] && echo go1.99.0\ncase ', 1))
    command = [sys.executable, "-m", "localstack", "binaries"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 60
        while not marker.exists():
            assert time.monotonic() < deadline, "the build did not start"
            time.sleep(0.02)
        running.send_signal(number)
        _, said = running.communicate(timeout=20)
    assert running.returncode == 128 + number
    assert "Traceback" not in said
    assert entries(tmp_path / "xdg" / "seconder" / "bin") == set()
    while start_of(int(marker.read_text())) is not None:
        assert time.monotonic() < deadline, "the compiler still runs"
        time.sleep(0.02)
