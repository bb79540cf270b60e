"""``agent-token``: an exec credential plugin that gives an agent's token, and renews it while it is valid."""

import argparse
import time
from pathlib import Path

from seconder.plugin.agents import agent_credentials, exec_credential
from seconder.plugin.terminal.parser import Parser


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "agent-token",
        "Give kubectl the token of an agent's ServiceAccount, renewed when a third of its life is left.",
        epilog="Not typed, but named in the kubeconfig that kubectl seconder agent-kubeconfig writes.",
    )
    command.add_argument("--state", metavar="FILE", type=Path, required=True, help="the file that holds the token")
    return command


def run(arguments: argparse.Namespace) -> int:
    """Print an ExecCredential."""
    now = time.time()
    print(exec_credential.write(agent_credentials.current(arguments.state, now).status(now)))
    return 0
