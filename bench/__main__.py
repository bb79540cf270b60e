"""Prints the performance table: ``python -m bench``. Exits 0 also when a goal is missed; the table then says so."""

import argparse
import contextlib
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import machine
from bench.load import WrongAnswers
from bench.run import Benchmark
from localstack.binaries import provide
from localstack.controlplane import ControlPlane
from localstack.errors import StackError
from seconder.client.api import ApiError


def main() -> int:
    """Run everything; give the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of each comparison (default 5)")
    rounds = parser.parse_args().rounds
    pinned = (
        "each server on a core of its own" if machine.can_pin() else "no core of its own for anything (needs taskset)"
    )
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}; {pinned}.", flush=True)
    print("This takes some minutes; leave the machine alone meanwhile.", flush=True)
    # Asked to stop either way, it stops what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seconder-bench-")))
            binaries = provide(any_kubectl=True)
            benchmark = Benchmark(folder, rounds, stack)
            # Only now: compiling may use every core.
            machine.step_aside()
            plane = ControlPlane(folder / "control-plane", binaries, controllers=False)
            (folder / "control-plane").mkdir()
            print(benchmark.run(stack.enter_context(plane)))
    except (StackError, ApiError, WrongAnswers, TimeoutError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
