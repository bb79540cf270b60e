"""``credential``: an exec credential plugin that tells an AI assistant's kubectl from its owner's."""

import argparse
import os
import re
import time
from pathlib import Path
from typing import Final

from seconder.api import constants
from seconder.client.exec_plugin import Status
from seconder.plugin.agents import agent_tokens, assistants, exec_credential, own_credential
from seconder.plugin.agents.agent_tokens import Account
from seconder.plugin.agents.exec_credential import Invocation
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "credential",
        "Give kubectl your own credential; or, when an AI assistant runs it, a short-lived one of the agent's.",
        epilog="Not typed, but named in a kubeconfig: docs/assistants.md shows how. It is a tag, not a lock.",
    )
    command.add_argument("--user", metavar="NAME", required=True, help="the user entry that holds your own credential")
    command.add_argument("--agent", metavar="NAME", required=True, help="the agent's ServiceAccount")
    command.add_argument(
        "-n", "--namespace", metavar="NAME", default=constants.AGENT_NAMESPACE, help="its namespace (%(default)s)"
    )
    command.add_argument("--kubeconfig", metavar="FILE", help="where that entry is: $KUBECONFIG, then ~/.kube/config")
    command.add_argument(
        "--assistants", metavar="FILE", type=Path, help=f"more assistants than are known: ${assistants.EXTRA}"
    )
    return command


def run(arguments: argparse.Namespace) -> int:
    """Print an ExecCredential."""
    if os.environ.get(own_credential.RUNNING):
        raise Problem("--user names an entry that leads back here: name the one that holds your own credential")
    if not (_NAMESPACE.fullmatch(arguments.namespace) and _NAME.fullmatch(arguments.agent)):
        raise Problem(f"{arguments.namespace}/{arguments.agent} cannot be a ServiceAccount: see --agent and -n")
    invocation = exec_credential.read_invocation(os.environ)
    detection = assistants.detect_here(arguments.assistants)
    if detection is None:
        print(exec_credential.write(_own(arguments, invocation)))
        return 0
    # A person's kubectl does without what only requests need: it is slow to load.
    from seconder.client.api import ApiError
    from seconder.client.credentials import NoCredentials

    account = Account(arguments.namespace, arguments.agent)
    try:
        status = agent_tokens.token(account, invocation.cluster, lambda: _own(arguments, invocation), time.time())
    except (Problem, ApiError, NoCredentials) as error:
        raise Problem(
            f"{detection.assistant} runs this as {account}, whose token cannot be had: {_reason(error)}"
        ) from None
    print(exec_credential.write(status))
    return 0


def _own(arguments: argparse.Namespace, invocation: Invocation) -> Status:
    return own_credential.load(arguments.kubeconfig, arguments.user, invocation)


def _reason(error: Exception) -> str:
    status = getattr(error, "status", None)
    if status == 401:
        return "the API server does not accept its owner's own credential: they must log in again"
    return str(error)
