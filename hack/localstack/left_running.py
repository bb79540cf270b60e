"""``up`` and ``down``: the stack in ``.local``, left running for trying things by hand."""

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from localstack.binaries import provide
from localstack.errors import StackError
from localstack.identity import ProcessIdentity, stop_all
from localstack.locking import locked
from localstack.process import GRACE_SECONDS
from localstack.progress import duration_text
from localstack.stack import Stack
from localstack.state import State

REPOSITORY: Final = Path(__file__).parents[2]
_LOCAL: Final = REPOSITORY / ".local"
_STATE: Final = _LOCAL / "state.json"
_GUIDE: Final = _LOCAL / "README.txt"


def up() -> None:
    """Start the stack and say how to use it; when it is already up, say only that.

    Raises ``StackError``, and leaves nothing behind, when it cannot be started.
    """
    with locked(REPOSITORY, _say_waiting):
        processes = State.read(_STATE).processes
        ended = [process for process in processes if not process.alive()]
        completed = _GUIDE.exists()  # written last
        if completed and processes and not ended:
            print(f"Seconder is already up.\n\n{_GUIDE.read_text()}")
            return
        if completed and len(ended) < len(processes):
            names = ", ".join(process.name for process in ended)
            raise StackError(f"{names} no longer runs; its log is below {_LOCAL}. Run make down, then make up.")
        if _LOCAL.exists():
            print(f"Removing what an earlier make up left in {_LOCAL} ...", flush=True)
            _stop(processes)
            shutil.rmtree(_LOCAL)
        binaries = provide(any_kubectl=True)
        started = time.monotonic()
        print(
            "Starting etcd, kube-apiserver, kube-controller-manager, Seconder's operator, webhook and portal ...",
            flush=True,
        )
        state = State(_STATE)
        try:
            _LOCAL.mkdir(mode=0o700)
            stack = Stack(
                _LOCAL,
                binaries,
                portal=True,
                dies_with_parent=False,
                on_start=lambda child: state.add(child.name, child.pid),
            )
            stack.start()
            _GUIDE.write_text(_guide(stack))
        except BaseException:
            _stop(state.processes)
            shutil.rmtree(_LOCAL, ignore_errors=True)
            raise
        print(f"Seconder is up after {duration_text(time.monotonic() - started)}.\n\n{_GUIDE.read_text()}")


def down() -> None:
    """Stop the stack and remove its files; without one, say so."""
    with locked(REPOSITORY, _say_waiting):
        if not _LOCAL.exists():
            print("Nothing is up.")
            return
        processes = State.read(_STATE).processes
        _stop(processes)
        shutil.rmtree(_LOCAL)
        print(f"Stopped {len(processes)} processes and removed {_LOCAL}.")


def _stop(processes: list[ProcessIdentity]) -> None:
    # etcd started first and is stopped last: without it kube-apiserver would take its time to end.
    stop_all(processes[1:], GRACE_SECONDS)
    stop_all(processes[:1], GRACE_SECONDS)


def _say_waiting() -> None:
    print("Another make up or make down is at work; waiting for it ...", file=sys.stderr, flush=True)


def _guide(stack: Stack) -> str:
    folder = shlex.quote(str(stack.folder))
    seconder = stack.seconder
    return f"""\
Everything is in {folder}:
  kubeconfig                      administrator
  agent.kubeconfig                the agent kiro, a ServiceAccount with all an engineer's rights
  human.kubeconfig                a plain person, dana@example.com
  alice.kubeconfig, alice/id_ed25519 and the same for bob: the approvers and their keys
  bin/                            kubectl and the servers
  control-plane/logs, control-plane/audit.log, seconder/*.log

Try it:
  export PATH={folder}/bin:"$PATH" KUBECONFIG={folder}/human.kubeconfig
  kubectl create deployment checkout --image=nginx
  kubectl --kubeconfig {folder}/agent.kubeconfig delete deployment checkout     # refused until a peer has signed

The portal, where approvers sign with passkeys in a browser:
  {seconder.portal_origin}/enroll      makes a passkey, and shows the Approver to apply as the administrator
  {seconder.portal_origin}             shows what waits

Metrics:
  http://{seconder.webhook_metrics_address}/metrics     webhook
  http://{seconder.operator_metrics_address}/metrics     operator

Stop it with: make down
"""
