"""Prints the performance table: ``python -m bench``. Exits 0 also when a goal is missed; the table then says so.

``python -m bench flood`` prints what an agent does to people and to the two programs by mass alone.
``python -m bench touch`` prints how long it takes from a refusal to an approval by one touch in a browser.
"""

import argparse
import contextlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench import flood, machine, python, touch
from bench.load import WrongAnswers
from bench.python import Interpreter
from bench.run import LEGEND, Benchmark
from localstack.binaries import provide
from localstack.controlplane import ControlPlane
from localstack.errors import StackError
from localstack.stack import Stack
from seconder.client.api import ApiError

_INTERRUPTED: Final = 130


def main() -> int:
    """Run everything; give the exit code."""
    options = _options()
    # Asked to stop either way, it stops what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.what == "flood":
            return _flooded()
        if options.what == "touch":
            return _touched(options.runs)
        interpreter = python.interpreter(options.python, pure=options.pure)
        _head(interpreter)
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seconder-bench-")))
            # What is started anew finds its modules compiled, as installed ones are.
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            os.environ.setdefault("PYTHONPYCACHEPREFIX", str(folder / "pycache"))
            binaries = provide(any_kubectl=True)
            benchmark = Benchmark(folder, options.rounds, stack, interpreter)
            # Only now: compiling may use every core.
            machine.step_aside()
            plane = ControlPlane(folder / "control-plane", binaries, controllers=False)
            (folder / "control-plane").mkdir()
            return _measured(benchmark, stack.enter_context(plane))
    except (StackError, ApiError, WrongAnswers, TimeoutError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _flooded() -> int:
    with tempfile.TemporaryDirectory(prefix="seconder-flood-") as folder:
        binaries = provide(any_kubectl=True)
        with Stack(Path(folder) / "stack", binaries, controllers=False, apiserver_flags=flood.FLAGS) as stack:
            figures = flood.Flood(stack, flood.FULL, lambda text: print(text, flush=True)).run()
    print(flood.table(flood.FULL, figures), flush=True)
    return 0


def _touched(runs: int) -> int:
    print(f"Load before: {os.getloadavg()[0]:.1f}. {runs} runs, one every quarter of a minute.", flush=True)
    with tempfile.TemporaryDirectory(prefix="seconder-touch-") as folder:
        binaries = provide(any_kubectl=True)
        with Stack(Path(folder) / "stack", binaries, controllers=False, portal=True) as stack:
            timed = touch.measured(stack, Path(folder), runs)
    print(touch.table(timed), flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("table", "flood", "touch"), default="table", help="what to measure")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds of each comparison (default 3)")
    parser.add_argument("--runs", type=int, default=touch.RUNS, help=f"of touch (default {touch.RUNS})")
    parser.add_argument(
        "--python", type=Path, help="the Python that runs the webhook (default: the one that runs this)"
    )
    parser.add_argument("--pure", action="store_true", help="measure pure Python, as a checkout runs it")
    return parser.parse_args()


def _head(interpreter: Interpreter) -> None:
    pinned = (
        "each server on a core of its own" if machine.can_pin() else "no core of its own for anything (needs taskset)"
    )
    print(f"{interpreter.description}.\n{platform.system()} {platform.machine()}, {pinned}.", flush=True)
    load = os.getloadavg()[0]
    print(f"Load before: {load:.1f}. This takes some minutes; leave the machine alone meanwhile.\n", flush=True)


def _measured(benchmark: Benchmark, plane: ControlPlane) -> int:
    try:
        benchmark.run(plane)
    except KeyboardInterrupt:
        # What was started is stopped in peace.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("\nInterrupted: what stands above is what was measured.", flush=True)
        return _INTERRUPTED
    print(f"\n{LEGEND}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
