"""``revoke``: withdraw one's own approvals, wherever they stand for an object."""

import argparse
import time
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import DEFAULT_TAGS
from seconder.api.text import clean
from seconder.approvals import statement
from seconder.approvals.verification import approvals_of, claimed
from seconder.client import approval_writes
from seconder.client.api import Api, ApiError
from seconder.plugin.approving import cluster_reads, signing
from seconder.plugin.approving.cluster_reads import Place
from seconder.plugin.terminal import callers, connection, output
from seconder.plugin.terminal.parser import Parser
from seconder.plugin.terminal.problem import Problem

_COPIES_GO: Final = 15.0
"""Seconds in which the operator takes off the object what it has copied there."""

_PAUSE: Final = 0.3


def parser() -> Parser:
    """The parser of the command line."""
    command = Parser(
        "revoke",
        "Withdraw your approval: remove its annotation from the object's change requests, and from the object.",
    )
    cluster_reads.add_reference(command)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--slug", metavar="NAME", help="the one in annotation approval.seconder.dev/NAME")
    which.add_argument("--all-mine", action="store_true", help="each of yours on the object, whatever it is for")
    command.add_argument(
        "--key", metavar="FILE", help="whose approvals are yours; left out: ~/.ssh, ssh-agent, user name"
    )
    connection.add_flags(command)
    return command


@dataclass(frozen=True, slots=True)
class _Approval:
    """One of one's own: for whom it is, what tells its statement from any other, and its end, in seconds since 1970."""

    slug: str
    value: str
    requester: str
    identity: str
    ends: int


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where approvals stand: the object, or a change request for it."""

    typed: str
    resource: str
    path: str
    uid: str
    mine: Sequence[_Approval]
    request: ChangeRequest | None = None


def run(arguments: argparse.Namespace) -> int:
    """Remove the chosen approvals."""
    connected = connection.connect(arguments)
    caller = callers.who_am_i(connected.api)
    callers.no_agent(caller, DEFAULT_TAGS)
    place = cluster_reads.locate(connected, arguments.what)
    registry = cluster_reads.read_registry(connected.api)
    principals = signing.principals_of(registry, caller.username, arguments.key)
    requests, unread = _requests_of(connected.api, place)
    # The change requests' own first: what stands there may be copied to the object.
    stands = [*(_on_request(request, principals) for request in requests), _on_object(place, principals)]
    chosen = _chosen(place, [*stands, *_on_revisions(connected.api, place, principals)[0]], arguments)
    left = _withdraw(connected.api, stands, chosen)
    if unread:
        output.tell([f"{unread}: if the approval stands on one too, it has been left there"])
    # Only now do they get it no more.
    revisions, unlisted = _on_revisions(connected.api, place, principals)
    again = _withdraw(connected.api, revisions, chosen)
    if unlisted or again:
        why = unlisted or f"you may not patch {again[0]}"
        output.tell([f"{why}: a rollback to one that has the approval puts it on the object again, until its end"])
    if left:
        raise Problem(
            f"you may not patch {' nor '.join(left)}: ask somebody who may, or an administrator to end your key "
            "(notAfter)"
        )
    return 0


def _requests_of(api: Api, place: Place) -> tuple[Sequence[ChangeRequest], str]:
    """The change requests for this very object, open or not; and why they are not known, where that is so."""
    named = [place.request] if place.request else []
    try:
        documents = api.items(change_request.PATH)[0]
    except ApiError as error:
        if error.status == 404:
            return named, ""
        if error.status != 403:
            raise
        return named, "you may not list change requests"
    found = [request for request in map(change_request.readable, documents) if request is not None]
    return [request for request in found if request.target.uid == place.target.uid], ""


def _on_request(request: ChangeRequest, principals: Container[str]) -> _Stand:
    path = f"{change_request.PATH}/{request.name}"
    mine = _mine(request.metadata.get("annotations") or {}, principals)
    typed = f"changerequest.{constants.DOMAIN}/{request.name}"
    return _Stand(typed, f"changerequests.{constants.DOMAIN}", path, request.uid, mine, request)


def _on_object(place: Place, principals: Container[str]) -> _Stand:
    mine = _mine(place.annotations, principals)
    return _Stand(place.typed, str(place.target.resource), place.path, place.target.uid, mine)


def _on_revisions(api: Api, place: Place, principals: Container[str]) -> tuple[Sequence[_Stand], str]:
    """The ReplicaSets of what has pods by a template, as a Deployment; and why they are not known, where that is so.

    They keep its annotations, those that it has lost too, and whoever takes it back to one gives them to it again.
    """
    if not isinstance((place.document or {}).get("spec", {}).get("template"), Mapping):
        return (), ""
    path = f"/apis/apps/v1/namespaces/{quote(place.target.namespace, safe='')}/replicasets"
    try:
        found = api.items(path, metadata_only=True)[0]
    except ApiError as error:
        if error.status != 403:
            raise
        return (), "you may not list ReplicaSets"
    now = time.time()
    stands = []
    for metadata in (document["metadata"] for document in found):
        if any(owner["uid"] == place.target.uid for owner in metadata.get("ownerReferences") or ()):
            name = metadata["name"]
            mine = [each for each in _mine(metadata.get("annotations") or {}, principals) if each.ends > now]
            stands.append(
                _Stand(f"replicaset.apps/{name}", "replicasets.apps", f"{path}/{name}", metadata["uid"], mine)
            )
    return stands, ""


def _mine(annotations: Mapping[str, str], principals: Container[str]) -> list[_Approval]:
    """One's own approvals among these."""
    mine = []
    for slug, value in sorted(approvals_of(annotations).items()):
        claims = claimed(value)
        if claims is not None and claims.iss in principals:
            mine.append(_Approval(slug, value, claims.sub, statement.identity(claims), claims.exp))
    return mine


def _chosen(place: Place, stands: Sequence[_Stand], arguments: argparse.Namespace) -> Collection[str]:
    """What tells the chosen statements, wherever they stand."""
    request = place.request
    named = [stand for stand in stands if request is None or stand.request is None or stand.request.uid == request.uid]
    mine = [approval for stand in named for approval in stand.mine]
    if arguments.slug is not None:
        chosen = {approval.identity for approval in mine if approval.slug == arguments.slug}
        if not chosen:
            raise Problem(f"{place.typed} has no approval of yours called {clean(arguments.slug)}")
        return chosen
    chosen = {
        approval.identity
        for approval in mine
        if arguments.all_mine or request is None or approval.requester == request.spec.requester
    }
    if not chosen:
        raise Problem(f"{place.typed} has no approval of yours{f' for {request.name}' if request else ''}")
    if len(chosen) > 1 and request is None and not arguments.all_mine:
        slugs = sorted({approval.slug for approval in mine})
        raise Problem(
            f"{place.typed} has several approvals of yours: choose one with --slug ({', '.join(map(clean, slugs))}), "
            "or take --all-mine"
        )
    return chosen


def _withdraw(api: Api, stands: Sequence[_Stand], chosen: Collection[str]) -> list[str]:
    """Take the chosen ones off, say of each from where, and give what may not be written to."""
    left: list[str] = []
    copied: set[str] = set()
    deadline = time.monotonic() + _COPIES_GO
    for stand in stands:
        for approval in (each for each in stand.mine if each.identity in chosen):
            taken = _take(api, stand, approval)
            if taken and stand.request is not None and stand.request.status.accepts_approvals:
                copied.add(approval.identity)
            # Whoever may write to change requests alone has the copy taken off by the operator.
            if not taken and stand.request is None and approval.identity in copied:
                taken = _goes(api, stand, approval, deadline)
            if taken:
                print(f"{stand.typed} approval {clean(approval.slug)} revoked")
            else:
                left.append(f"{stand.resource}, where approval {clean(approval.slug)} stands")
    return left


def _take(api: Api, stand: _Stand, approval: _Approval) -> bool:
    """Remove an annotation, if it is not gone or another approval's by now; whether the caller may."""
    try:
        approval_writes.take(api, stand.path, stand.uid, approval.slug, approval.value)
    except ApiError as error:
        if error.status != 403 or "cannot patch resource" not in str(error):
            raise
        return False
    return True


def _goes(api: Api, stand: _Stand, approval: _Approval, deadline: float) -> bool:
    """Whether the approval leaves the object in time."""
    while True:
        found = api.find(stand.path, metadata=True)
        if found is None or found["metadata"]["uid"] != stand.uid:
            return True
        values = approvals_of(cluster_reads.annotations_of(found)).values()
        if approval.identity not in {statement.identity(claims) for claims in map(claimed, values) if claims}:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
