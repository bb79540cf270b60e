"""``python -m localstack``: what the Makefile calls."""

import argparse
import importlib
import os
import signal
import sys
from types import FrameType
from typing import Final, NoReturn

from localstack.errors import StackError

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run one command; give the exit code."""
    parser = argparse.ArgumentParser(prog="localstack", description=sys.modules["localstack"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the stack in .local and leave it running")
    commands.add_parser("down", help="stop what up started and remove .local")
    commands.add_parser("demo", help="play the whole story, then clean up")
    commands.add_parser("generate", help="write the generated files anew")
    binaries = commands.add_parser("binaries", help="find or build Kubernetes' binaries")
    binaries.add_argument(
        "--for",
        dest="purpose",
        choices=("demo", "test", "e2e", "release"),
        default="test",
        help="test adds Helm, e2e what a node needs, release is Helm; "
        "demo takes a kubectl on PATH that is close enough (default: test)",
    )
    arguments = parser.parse_args()
    for number in _STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)
    try:
        return _run(arguments)
    except BrokenPipeError:  # as under "| head"; Python would complain once more when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (StackError, OSError) as error:
        print(f"localstack {arguments.command}: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    # Each command imports what it needs and no more: a second of imports is felt.
    match arguments.command:
        case "up":
            importlib.import_module("localstack.left_running").up()
        case "down":
            importlib.import_module("localstack.left_running").down()
        case "binaries":
            pins = importlib.import_module("localstack.pins")
            purposes = {
                "demo": pins.LOCAL_STACK,
                "test": pins.TESTS,
                "e2e": (*pins.TESTS, *pins.NODE),
                "release": (pins.Binary.HELM,),
            }
            wanted = purposes[arguments.purpose]
            importlib.import_module("localstack.binaries").provide(wanted, any_kubectl=arguments.purpose == "demo")
        case "generate":
            return int(importlib.import_module("localstack.generate").main())
        case "demo":
            return int(importlib.import_module("localstack.demo").main())
    return 0


def _stop(number: int, _: FrameType | None) -> NoReturn:
    """End by way of every clean-up on the stack, which a second Ctrl-C does not interrupt."""
    for stopping in _STOPPING:
        signal.signal(stopping, signal.SIG_IGN)
    os.write(sys.stderr.fileno(), b"\nStopping ...\n")  # print may be what was interrupted
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
