"""``deny``: say no to what a change request asks for."""

import argparse
from collections.abc import Mapping
from typing import Final

from seconder.api import change_request, constants
from seconder.api.policy import DEFAULT_TAGS
from seconder.api.text import clean
from seconder.plugin.approving import cluster_reads, presence, signing
from seconder.plugin.terminal import callers, connection
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem

_MOST: Final = 512
_LONGEST: Final = 63
"""Characters of an annotation's name behind its prefix."""


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser("deny", "Say no to what a change request asks for. It decides nothing: approvals still count.")
    command.add_argument("name", metavar="chg-NAME", help="the change request")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--reason", metavar="TEXT", help="what the requester is told")
    which.add_argument("--take-back", action="store_true", help="take your no back, so that it waits again")
    command.add_argument("--key", metavar="FILE", help="which approver you are; left out: ~/.ssh, ssh-agent, user name")
    connection.add_flags(command, namespace=False)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Annotate the change request."""
    detection = presence.detect()
    if detection is not None:
        raise presence.refusal(detection)
    reason = None if arguments.take_back else clean(arguments.reason).strip()[:_MOST]
    if reason == "":
        raise Problem("--reason says nothing: the requester reads it, and whoever looks into it later")
    connected = connection.connect(arguments)
    caller = callers.who_am_i(connected.api)
    callers.no_agent(caller, DEFAULT_TAGS)
    request = cluster_reads.read_request(connected.api, arguments.name)
    if not request.status.phase.open:
        raise Problem(f"{request.name} is over ({request.status.phase}): there is nothing to deny")
    registry = cluster_reads.read_registry(connected.api)
    name = _approver(signing.principals_of(registry, caller.username, arguments.key))
    key = f"{constants.DENIAL_PREFIX}{name}"
    if reason is None and key not in (request.metadata.get("annotations") or {}):
        raise Problem(f"{request.name} has no denial of yours")
    path = f"{change_request.PATH}/{request.name}"
    changes = {"metadata": {"uid": request.uid, "annotations": {key: reason}}}
    connected.api.merge(path, changes, fieldManager=constants.APPROVAL_MANAGER)
    print(f"{request.name} {'denial taken back' if reason is None else f'denied by {clean(name)}'}")
    return 0


def _approver(principals: Mapping[str, str]) -> str:
    """The name under which the caller denies. Raises Problem for several."""
    names = sorted(set(principals.values()))
    if len(names) > 1:
        raise Problem(f"you may be any of {clean(', '.join(names))}: say which with --key FILE")
    if len(names[0]) > _LONGEST:
        raise Problem(f"Approver {clean(names[0])}: a name of more than {_LONGEST} characters fits no annotation")
    return names[0]
