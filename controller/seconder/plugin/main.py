"""The command line of the kubectl plugin. No traceback reaches a user, and only success is exit code 0."""

import argparse
import importlib
import os
import shutil
import sys
import textwrap
from typing import Final

from seconder import __version__
from seconder.plugin.terminal.problem import Problem

PROGRAM: Final = "kubectl seconder"

VERBS: Final = {
    "approve": "sign for a refused action, and put the approval in place",
    "deny": "say no to what a change request asks for, or take that back",
    "wait": "wait until a change request is approved, denied or over",
    "pending": "list the change requests that wait for a peer",
    "show": "show a change request, or the approvals on an object",
    "revoke": "withdraw your approval",
    "verify": "check the approvals on an object, from the cluster or offline",
    "explain": "tell what would happen to a deletion, or who you are taken for",
    "drill": "have approvers sign what approves nothing: can they be reached?",
    "keys": "check approvers' public keys (keys lint)",
    "agent-kubeconfig": "give an agent an identity and a kubeconfig of its own",
    "agent-token": "(for kubeconfigs) give an agent's token, renewed while it is valid",
    "credential": "(for kubeconfigs) tell an AI assistant's kubectl from its owner's",
    "report": "tell what agents tried and who approved what, as text or as a page",
    "replay": "tell what policies would have refused in the past, from audit logs",
}


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the verb that the command line names, which is run."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            code = _main(given)
        except SystemExit as ended:
            # argparse, once it has shown its help.
            code = ended.code if isinstance(ended.code, int) else 0
        # Not left to the interpreter's end, which would show where it failed.
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # What is still to be written goes nowhere.
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Whoever read the output has gone (head, less): nothing is left to say.
        return 1 if isinstance(error, BrokenPipeError) else _fail(f"the output: {error.strerror or error}")


def _main(given: list[str]) -> int:
    verb = given[0] if given else ""
    if verb in {"-h", "--help", "help", ""}:
        print(_help())
        return 0 if verb else 1
    if verb == "--version":
        print(f"{PROGRAM} {__version__}")
        return 0
    if verb not in VERBS:
        what = "flags come after the verb" if verb.startswith("-") else "there is no such verb"
        return _fail(f"{verb}: {what}; see {PROGRAM} --help")
    # Imported only here: help needs neither.
    from seconder.importing import uncollected

    with uncollected():
        module = importlib.import_module(f"seconder.plugin.commands.{verb.replace('-', '_')}")
    parser: argparse.ArgumentParser = module.parser()
    try:
        parsed = parser.parse_args(given[1:])
        code: int = module.run(parsed)
    except Problem as error:
        return _fail(str(error), error.code)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
    except Exception as error:
        told = _foreseen(error)
        # One line for people; the trace for whoever asks for it.
        if told is None and os.environ.get("SECONDER_TRACE"):
            raise
        unexpected = f"unexpected {type(error).__name__}: {error}; set SECONDER_TRACE=1 to see where, and report it"
        return _fail(unexpected if told is None else told)
    return code


def _foreseen(error: Exception) -> str | None:
    """The words for what may go wrong with any API server; None for what nobody foresaw."""
    # Imported only here: not every verb needs a client, and it takes a third of a fast verb's time.
    from seconder.client.api import ApiError, NoIdentity
    from seconder.client.credentials import NoCredentials

    if isinstance(error, NoCredentials | NoIdentity):
        return str(error)
    if not isinstance(error, ApiError):
        return None
    if error.status == 0:
        return f"the API server cannot be reached ({error}): check --kubeconfig, --context and the network"
    if error.status == 401:
        return "the API server does not accept these credentials: log in again, or choose others with --kubeconfig"
    if error.status == 404 and "could not find the requested resource" in str(error):
        return "this cluster does not serve seconder.dev: install Seconder there, or choose another with --context"
    return str(error) or f"the API server answered {error.status}"


def _fail(text: str, code: int = 1) -> int:
    from seconder.plugin.terminal import output

    output.tell([f"error: {' '.join(text.split())}"])
    return code


def _help() -> str:
    columns = shutil.get_terminal_size().columns - 1
    left = max(map(len, VERBS)) + 4
    verbs = [
        textwrap.fill(text, columns, initial_indent=f"  {verb}".ljust(left), subsequent_indent=" " * left)
        for verb, text in VERBS.items()
    ]
    usage = f"Usage:\n  {PROGRAM} VERB [flags]"
    about = "Agents' deletions need a peer's signature: approve them, and look into them."
    flags = (
        f"Flags of one verb: {PROGRAM} VERB --help. kubectl's usual ones (-n, --kubeconfig, --context, -o) follow it."
    )
    parts = (textwrap.fill(about, columns), usage, "\n".join(["Verbs:", *verbs]), textwrap.fill(flags, columns))
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
