"""``revoke``: withdraw one's own approvals from an object."""

import argparse
from collections.abc import Container, Mapping

from seconder.api import change_request, constants
from seconder.api.policy import DEFAULT_TAGS
from seconder.api.text import clean
from seconder.approvals.verification import approvals_of, claimed
from seconder.client.api import ApiError
from seconder.plugin.approving import cluster_reads, signing
from seconder.plugin.approving.cluster_reads import Place
from seconder.plugin.terminal import callers, connection
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser("revoke", "Withdraw your approval: remove its annotation from the object.")
    cluster_reads.add_reference(command)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--slug", metavar="NAME", help="the one in annotation approval.seconder.dev/NAME")
    which.add_argument("--all-mine", action="store_true", help="each of yours on the object, whatever it is for")
    command.add_argument(
        "--key", metavar="FILE", help="whose approvals are yours; left out: ~/.ssh, ssh-agent, user name"
    )
    connection.add_flags(command)
    return command


def run(arguments: argparse.Namespace) -> int:
    """Remove the chosen approvals."""
    connected = connection.connect(arguments)
    caller = callers.who_am_i(connected.api)
    callers.no_agent(caller, DEFAULT_TAGS)
    place = cluster_reads.locate(connected, arguments.what)
    registry = cluster_reads.read_registry(connected.api)
    principals = signing.principals_of(registry, caller.username, arguments.key)
    on_request = place.request.metadata.get("annotations") or {} if place.request else {}
    mine = _mine({**on_request, **place.annotations}, principals)
    chosen = _chosen(place, mine, arguments)
    for slug in chosen:
        _remove(connected, place, on_request, slug)
        print(f"{place.typed} approval {clean(slug)} revoked")
    return 0


def _mine(annotations: Mapping[str, str], principals: Container[str]) -> dict[str, str]:
    """One's own approvals: slug, and whose wish each is for."""
    mine = {}
    for slug, value in approvals_of(annotations).items():
        claims = claimed(value)
        if claims is not None and claims.iss in principals:
            mine[slug] = claims.sub
    return mine


def _chosen(place: Place, mine: Mapping[str, str], arguments: argparse.Namespace) -> list[str]:
    if arguments.slug is not None:
        if arguments.slug not in mine:
            raise Problem(f"{place.typed} has no approval of yours called {clean(arguments.slug)}")
        return [arguments.slug]
    request = place.request
    chosen = [
        slug
        for slug, requester in sorted(mine.items())
        if arguments.all_mine or request is None or requester == request.spec.requester
    ]
    if not chosen:
        raise Problem(f"{place.typed} has no approval of yours{f' for {request.name}' if request else ''}")
    if len(chosen) > 1 and request is None and not arguments.all_mine:
        raise Problem(
            f"{place.typed} has several approvals of yours: choose one with --slug ({', '.join(map(clean, chosen))}), "
            "or take --all-mine"
        )
    return chosen


def _remove(connected: Connection, place: Place, on_request: Mapping[str, str], slug: str) -> None:
    key = f"{constants.APPROVAL_PREFIX}{slug}"
    # The change request's own first: what stands there may be copied to the object again.
    if place.request is not None and key in on_request:
        path = f"{change_request.PATH}/{place.request.name}"
        _take(connected, path, place.request.uid, key)
    if key not in place.annotations:
        return
    try:
        _take(connected, place.path, place.target.uid, key)
    except ApiError as error:
        if error.status != 403 or "cannot patch resource" not in str(error):
            raise
        raise Problem(
            f"you may not patch {place.target.resource}, where approval {clean(slug)} stands: ask somebody who may, "
            "or an administrator to end your key (notAfter)"
        ) from None


def _take(connected: Connection, path: str, uid: str, key: str) -> None:
    changes = {"metadata": {"uid": uid, "annotations": {key: None}}}
    connected.api.merge(path, changes, fieldManager=constants.APPROVAL_MANAGER)
