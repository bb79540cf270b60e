"""What a decision about one caller rests on, read from the cluster at this moment; and that caller."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from seconder.admission import principal, service_accounts
from seconder.admission.request import Caller
from seconder.admission.state import ClusterState
from seconder.api import change_request, moments
from seconder.api.change_request import ChangeRequest
from seconder.api.text import clean
from seconder.client.api import Api, ApiError
from seconder.plugin.approving import cluster_reads
from seconder.plugin.approving.cluster_reads import Place
from seconder.plugin.terminal import callers
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.problem import Problem


class Unreadable(Problem):
    """The one who asks has no right to read something that the answer rests on."""


def read(api: Api, caller: Caller, cluster_id: str = "") -> ClusterState:
    """Read policies, approvers, the cluster's identity, and what is recorded of this caller. Raises Problem, ApiError.

    A cluster's configured id is taken from any change request that Seconder wrote, unless it is given.
    """
    with readable():
        state = cluster_reads.read_state(api, None if cluster_id else _any_request(api), cluster_id)
    recorded = operator_of(api, caller.username)
    return state if recorded is None else replace(state, operators={caller.username: recorded})


def operator_of(api: Api, username: str) -> str | None:
    """The operator recorded on a ServiceAccount: who set it going. Raises Problem, ApiError.

    None: nobody is, or it is no ServiceAccount. What may not be read is never taken for nobody.
    """
    account = principal.service_account(username)
    if account is None:
        return None
    namespace, name = account
    with readable():
        try:
            recorded = service_accounts.account(api.metadata(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"))
        except ApiError as error:
            if error.status != 404:
                raise
            return None
    return recorded.operator if recorded else None


def object_of(connection: Connection, text: str, namespace: str | None) -> Place:
    """Read the object that somebody named. ``namespace`` is what the flag says. Raises Problem, ApiError."""
    with readable():
        place = cluster_reads.locate(connection, text)
    if place.request is not None:
        raise Problem(f"{clean(text)} is a change request: name its object, {place.typed}, as TYPE/NAME")
    if namespace and not place.target.namespace:
        raise Problem(f"{place.target.resource} are in no namespace: leave out -n {clean(namespace)}")
    if place.document is None:
        raise Problem(place.missing)
    return place


def clock(api: Api) -> float:
    """The time, in seconds since 1970, by the API server's last answer; by this machine where that told none.

    What counts there is decided by the cluster's clock, however wrong this machine's may be.
    """
    told = moments.http_seconds(api.server_date)
    return time.time() if told is None else told


def add_caller(parser: argparse.ArgumentParser) -> None:
    """Add what says whose request it is, where it is not one's own."""
    group = parser.add_argument_group("whose request (left out: your own)")
    group.add_argument("--requester", metavar="USER", help="a user name; a ServiceAccount's gets its groups by itself")
    group.add_argument("--group", metavar="NAME", action="append", default=[], help="a group of theirs; repeatable")
    group.add_argument("--extra", metavar="KEY=VALUE", action="append", default=[], help="extra of theirs; repeatable")


def caller_of(arguments: argparse.Namespace, api: Api) -> Caller:
    """The caller that the flags describe, or ask the API server who we are. Raises Problem, ApiError."""
    if not arguments.requester:
        if arguments.group or arguments.extra:
            raise Problem("--group and --extra describe somebody else: name them with --requester")
        return callers.who_am_i(api)
    extra: dict[str, tuple[str, ...]] = {}
    for pair in arguments.extra:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise Problem(f"--extra {clean(pair)} is not KEY=VALUE")
        extra[key] = (*extra.get(key, ()), value)
    groups = {*arguments.group, "system:authenticated"}
    account = principal.service_account(arguments.requester)
    if account is not None:
        groups |= {"system:serviceaccounts", f"system:serviceaccounts:{account[0]}"}
    return Caller(arguments.requester, frozenset(groups), extra)


@contextmanager
def readable() -> Iterator[None]:
    """Turn a 403 into Unreadable."""
    try:
        yield
    except ApiError as error:
        if error.status != 403:
            raise
        raise Unreadable(
            f"you may not read what the answer rests on: {clean(str(error))}; ask an administrator for the right, or "
            "somebody who has it"
        ) from None


def _any_request(api: Api) -> ChangeRequest | None:
    try:
        documents = api.get(change_request.PATH, limit=1)["items"]
        return change_request.parse(documents[0]) if documents else None
    except ApiError as error:
        if error.status != 403:
            raise
    except msgspec.ValidationError:
        pass
    return None
