"""How the webhook's process is set up."""

import resource
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from seconder.webhook import run


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    limit, interval = sys.getrecursionlimit(), sys.getswitchinterval()
    stack, of_threads = resource.getrlimit(resource.RLIMIT_STACK), threading.stack_size()
    yield
    threading.stack_size(of_threads)
    resource.setrlimit(resource.RLIMIT_STACK, stack)
    sys.setrecursionlimit(limit)
    sys.setswitchinterval(interval)


def test_a_thread_that_computes_gives_way_to_reviews_soon() -> None:
    """Asked of the interpreter: what it comes to cannot be timed on a machine that does something else."""
    run.prepare_interpreter()
    assert sys.getswitchinterval() <= 0.001


def test_json_as_deep_as_the_api_server_takes_it_is_read() -> None:
    """Of 10,000 levels (sigs.k8s.io/json)."""
    run.prepare_interpreter()
    assert sys.getrecursionlimit() >= 10_000


_READING = """
import threading
from tests.support.builders import update
from seconder.admission import codec
from seconder.admission.changes import differences
from seconder.admission.request import Malformed
from seconder.webhook import run

run.prepare_interpreter()
request = update(old={"spec": {"a": "OLD"}}, new={"spec": {"a": "NEW"}})
body = request.body.replace(b'"OLD"', b"[" * DEPTH + b"1" + b"]" * DEPTH)
body = body.replace(b'"NEW"', b"[" * DEPTH + b"2" + b"]" * DEPTH)

def read():
    try:
        before, after = codec.whole(codec.decode(body))
        print(differences.differ(before, after, []))
    except (Malformed, RecursionError):
        print("too deep")

read()
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""
_MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("soft", "hard", "depth", "told"),
    [
        (-1, -1, 9_900, ["True", "True"]),
        (8 * _MIB, -1, 9_900, ["True", "True"]),
        (1 * _MIB, -1, 9_900, ["True", "True"]),
        (1 * _MIB, 1 * _MIB, 9_900, ["too deep", "too deep"]),
        (1 * _MIB, 1 * _MIB, 900, ["True", "True"]),
    ],
    ids=["no limit", "the usual one", "a low one", "one that is not to be raised", "that, less deep"],
)
def test_deep_objects_are_read_or_refused_and_end_nothing(soft: int, hard: int, depth: int, told: list[str]) -> None:
    """Whatever the node's container runtime says of stacks: in the event loop's thread, and in any other."""
    limited = f"import resource, os, sys; resource.setrlimit(resource.RLIMIT_STACK, ({soft}, {hard}))\n"
    limited += "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    program = _READING.replace("DEPTH", str(depth))
    done = subprocess.run([sys.executable, "-c", limited, program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n")[:-1] == told
