"""Shell completion, as kubectl asks plugins for it: ``kubectl_complete-seconder WORD...``, the last one unfinished.

What is printed is cobra's protocol: a candidate a line, with a description after a tab, and ``:DIRECTIVE`` at the end.
Completion never fails loudly and never takes long: what cannot be found out in time is left out.
"""

import argparse
import importlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from seconder.api import change_request, constants
from seconder.api.text import clean, describe
from seconder.plugin.main import VERBS

if TYPE_CHECKING:
    from seconder.client.api import Api
    from seconder.plugin.terminal.connection import Connection

_SECONDS: Final = 0.7
"""For everything that is asked of the cluster."""

_MOST: Final = 200
_HIDDEN: Final = frozenset({"agent-token", "credential"})
"""Verbs for kubeconfigs, which nobody types."""

_WITH_REQUESTS: Final = frozenset({"approve", "deny", "show", "revoke", "wait"})
_WITH_OBJECTS: Final = frozenset({"approve", "show", "revoke", "explain", "verify"})
_WITH_DRILLS: Final = frozenset({"drill"})
_WITH_FILES: Final = frozenset({"replay"})
_TYPES: Final = ("deployment.apps/", "namespace/")

# cobra's ShellCompDirective.
_DEFAULT: Final = 0
_NO_SPACE: Final = 2
_NO_FILES: Final = 4

Candidates = list[tuple[str, str]]


def main() -> int:
    """Print what could stand in the place of the last word."""
    silence = os.open(os.devnull, os.O_RDWR)
    # An exec credential plugin may want to talk to whoever sits there: not while they type.
    os.dup2(silence, sys.stdin.fileno())
    os.dup2(silence, sys.stderr.fileno())
    lines = complete(sys.argv[1:])
    print("\n".join(lines), flush=True)
    # Whatever is still waiting for the cluster is left alone.
    os._exit(0)


def complete(words: Sequence[str]) -> list[str]:
    """The lines to print. Never raises."""
    before, word = list(words[:-1]), words[-1] if words else ""
    if before and word.startswith("--") and "=" in word:
        # Shells put the flag before a value by themselves.
        flag, _, word = word.partition("=")
        before.append(flag)
    try:
        candidates, directive = _complete(before, word)
    except Exception:  # noqa: BLE001 - a shell has no place for errors; the verb itself will tell
        candidates, directive = [], _NO_FILES
    fitting = [(text, description) for text, description in candidates if text.startswith(word)][:_MOST]
    return [*(_line(text, description) for text, description in fitting), f":{directive}"]


def _complete(before: list[str], word: str) -> tuple[Candidates, int]:
    if not before:
        return [(verb, text) for verb, text in VERBS.items() if verb not in _HIDDEN], _NO_FILES
    verb, given = before[0], before[1:]
    if verb not in VERBS:
        return [], _NO_FILES
    actions = _actions(verb)
    flag = next(
        (action for action in actions if given and given[-1] in action.option_strings and action.nargs != 0), None
    )
    if flag is not None:
        return _values(flag, given[:-1])
    if word.startswith("-"):
        return [
            (
                next((text for text in action.option_strings if text.startswith("--")), action.option_strings[0]),
                _help(action),
            )
            for action in actions
            if action.option_strings
        ], _NO_FILES
    return _positional(verb, word, given, actions)


def _values(flag: argparse.Action, given: Sequence[str]) -> tuple[Candidates, int]:
    if flag.choices is not None:
        return [(str(choice), "") for choice in flag.choices], _NO_FILES
    if "--namespace" in flag.option_strings:
        return _within(lambda: _namespaces(given)), _NO_FILES
    return [], _DEFAULT if flag.metavar == "FILE" else _NO_FILES


def _positional(
    verb: str, word: str, given: Sequence[str], actions: Sequence[argparse.Action]
) -> tuple[Candidates, int]:
    if verb in _WITH_FILES:
        return [], _DEFAULT
    if verb in _WITH_DRILLS and given and not given[0].startswith("-"):
        return _within(lambda: _drills(given)), _NO_FILES
    choices = [(str(choice), "") for action in actions if not action.option_strings for choice in action.choices or ()]
    if choices or verb not in _WITH_OBJECTS:
        return choices, _NO_FILES
    found = _within(lambda: _requests(given, everything=verb == "show")) if verb in _WITH_REQUESTS else []
    types = [prefix for prefix in _TYPES if prefix.startswith(word)]
    only_types = types and not any(text.startswith(word) for text, _ in found)
    return [*found, *((prefix, "") for prefix in types)], _NO_FILES | (_NO_SPACE if only_types else 0)


def _within(ask: Callable[[], Candidates]) -> Candidates:
    """Ask the cluster, but not for long."""
    found: Candidates = []

    def work() -> None:
        try:
            found.extend(ask())
        except Exception:  # noqa: BLE001 - likewise
            return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return [] if thread.is_alive() else found


def _requests(given: Sequence[str], *, everything: bool) -> Candidates:

    found = []
    for document in _api(given).get(f"{constants.API_PATH}/changerequests", timeout=_SECONDS, limit=_MOST)["items"]:
        request = change_request.readable(document)
        if request is not None and (everything or request.status.phase.open):
            who = request.spec.agent or request.spec.requester
            described = f"{request.spec.action} {describe(request.target)} by {who}"
            found.append((request.name, f"{described}, {request.status.phase}"))
    return found


def _drills(given: Sequence[str]) -> Candidates:
    from seconder.plugin.approving import drills

    connected = _connected(given)
    found = connected.api.get(
        drills.path(connected.namespace), timeout=_SECONDS, limit=_MOST, labelSelector=constants.DRILL_KEY
    )
    return [(drill["metadata"]["name"], "") for drill in found["items"]]


def _namespaces(given: Sequence[str]) -> Candidates:
    return [
        (namespace["metadata"]["name"], "") for namespace in _api(given).page("/api/v1/namespaces", timeout=_SECONDS)[0]
    ]


def _api(given: Sequence[str]) -> "Api":
    return _connected(given).api


def _connected(given: Sequence[str]) -> "Connection":
    from seconder.plugin.terminal import connection

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    connection.add_flags(parser)
    return connection.connect(parser.parse_known_args(list(given))[0])


def _actions(verb: str) -> list[argparse.Action]:
    module = importlib.import_module(f"seconder.plugin.commands.{verb.replace('-', '_')}")
    parser: argparse.ArgumentParser = module.parser()
    # argparse has no public way to list what was added.
    return parser._actions


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default))


def _line(text: str, description: str) -> str:
    described = clean(description)
    return f"{clean(text)}\t{described}" if described else clean(text)
