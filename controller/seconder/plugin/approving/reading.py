"""What is to be decided, read from the cluster at this moment: never from what somebody passed on."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from seconder.admission import policy_index, principal, service_accounts
from seconder.admission.evidence import World
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.principal import Requester
from seconder.admission.request import Caller, Operation, Request
from seconder.api import change_request, constants, policy_documents
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import Mode, Policy
from seconder.api.resources import NAMESPACES, Action, Target
from seconder.api.text import clean
from seconder.approvals import approver_documents, change, change_requests, draft, impact
from seconder.approvals.change import Change
from seconder.approvals.impact import Contents, Impact
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Context, context_of
from seconder.client.api import Api, ApiError
from seconder.client.cache import audience
from seconder.client.lookup import Finder, LookupFailed
from seconder.plugin.terminal import resource_types
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.problem import Problem

_LOOKUP_SECONDS: Final = 20.0
_NAME: Final = re.compile(
    rf"(?:(?:chg|changerequests?)(?:\.{re.escape(constants.DOMAIN)})?/)?({change.PREFIX}[0-9a-z]+)"
)
_OBJECT_NAME: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9.:_]{0,252}")


@dataclass(frozen=True, slots=True)
class Place:
    """An object that somebody named, directly or by a change request.

    ``document`` is the object as it stands; None when it is gone or another one of its name, which ``missing`` tells.
    """

    target: Target
    version: str
    document: Mapping[str, Any] | None
    missing: str
    request: ChangeRequest | None

    @property
    def path(self) -> str:
        """The object's path in the API."""
        return resource_types.path(self.target.resource, self.version, self.target.namespace, self.target.name)

    @property
    def annotations(self) -> Mapping[str, str]:
        """The object's annotations."""
        return annotations_of(self.document or {})

    @property
    def typed(self) -> str:
        """``deployment.apps/checkout``, as kubectl names it."""
        return typed(self.target)

    @property
    def found(self) -> Mapping[str, Any]:
        """The object. Raises Problem when it is not there."""
        if self.document is None:
            raise Problem(self.missing)
        return self.document


@dataclass(frozen=True, slots=True)
class Case:
    """A wish to do something to an object, with all that its approval depends on. ``impact``: where it is bound."""

    place: Place
    change: Change
    world: World
    contents: Contents
    impact: Impact | None

    @property
    def context(self) -> Context:
        """What an approval must fit."""
        return context_of(self.change, self.world.audience)

    @property
    def digest(self) -> str | None:
        """The impact's digest, as ``judge_all`` takes it."""
        return None if self.impact is None else self.impact.sha256

    @property
    def txn(self) -> str:
        """The change request's uid, or nothing."""
        return self.place.request.uid if self.place.request else ""


def add_reference(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a change request or an object."""
    parser.add_argument("what", metavar="chg-NAME | TYPE/NAME", help="a change request, or an object")


def add_wish(parser: argparse.ArgumentParser) -> None:
    """Add what says whose wish it is, where no change request does."""
    group = parser.add_argument_group("whose wish, where there is no change request")
    group.add_argument("--requester", metavar="USER", help="user name of the refused request")
    group.add_argument("--agent", metavar="NAME", help="the agent's name; left out: its ServiceAccount's")
    group.add_argument(
        "--action", choices=[each.value for each in Action], help="left out: Delete, or the change request's"
    )
    group.add_argument("--cluster-id", metavar="ID", default="", help="as Seconder was started with, if it was")


def locate(connection: Connection, text: str) -> Place:
    """Find what somebody named. Raises Problem and ApiError."""
    named = _NAME.fullmatch(text)
    if named:
        return _of_request(connection.api, read_request(connection.api, named[1]))
    kind, slash, name = text.partition("/")
    if not slash or not kind or not _OBJECT_NAME.fullmatch(name):
        raise Problem(f"{clean(text)!r} is neither a change request (chg-...) nor an object (TYPE/NAME)")
    found = resource_types.find(connection.api, kind)
    namespace = connection.namespace if found.namespaced else ""
    if not _OBJECT_NAME.fullmatch(namespace or "x"):
        raise Problem(f"{clean(namespace)!r} cannot be a namespace")
    target = Target(found.resource, found.kind, namespace, name, "")
    return _live(connection.api, target, found.version, None)


def read_request(api: Api, name: str) -> ChangeRequest:
    """Read a change request. Raises Problem and ApiError."""
    try:
        found = change_request.parse(api.get(f"{change_request.PATH}/{name}"))
    except ApiError as error:
        if error.status == 404 and error.reason == "NotFound" and "could not find" not in str(error):
            raise Problem(
                f"there is no change request {name}: they are removed an hour after their end; see kubectl seconder "
                "pending, or have the requester try again"
            ) from None
        raise
    except msgspec.ValidationError as error:
        raise Problem(f"change request {name} is damaged: {clean(str(error))}") from None
    if change_requests.change_of(found, ()).name != name:
        raise Problem(f"change request {name} is not for what its name says: Seconder did not write it")
    return found


def open_requests(api: Api) -> list[ChangeRequest]:
    """List the change requests that wait for something. Raises ApiError."""
    found = []
    for document in api.items(change_request.PATH)[0]:
        try:
            request = change_request.parse(document)
        except msgspec.ValidationError:
            continue
        if request.status.phase.open:
            found.append(request)
    return found


def case_of(connection: Connection, place: Place, arguments: argparse.Namespace) -> Case:
    """Read what the approval of a wish depends on. Raises Problem and ApiError."""
    recorded_by_us = place.request
    if place.request is None:
        waiting = open_requests(connection.api)
        place = replace(place, request=_request_for(waiting, place, arguments))
        recorded_by_us = place.request or next(iter(waiting), None)
    else:
        _same_wish(place.request, arguments)
    world = read_world(connection.api, recorded_by_us, arguments.cluster_id)
    if place.request is not None:
        recorded = change_requests.change_of(place.request, ())
        operators = recorded.operators | _operators(connection.api, recorded.requester, world)
        return _case(connection.api, place, replace(recorded, operators=operators), world)
    if not arguments.requester:
        raise Problem(
            f"no change request waits for {place.typed}: say whose wish it is with --requester, or have the requester "
            "try again"
        )
    caller = _caller(arguments.requester, arguments.agent or None, world)
    wanted = principal.requester_of(caller, world.policies.known_tags, None)
    made = Change(
        requester=wanted.username,
        by_agent=wanted.agent,
        agent=wanted.agent_name,
        operators=_operators(connection.api, wanted.username, world),
        target=place.target,
        version=place.version,
        action=_action(arguments),
        claimed=clean(place.annotations.get(constants.REASON_KEY, "")),
        policies=(),
    )
    return _case(connection.api, place, made, world)


def context_for(api: Api, target: Target, world: World, requester: str, agent: str | None, action: Action) -> Context:
    """Give what an approval for this requester must fit, where nobody has made a wish. Raises ApiError."""
    wanted = principal.requester_of(_caller(requester, agent, world), world.policies.known_tags, None)
    operators = _operators(api, requester, world)
    return Context(world.audience, requester, wanted.agent, wanted.agent_name, operators, target, action)


def read_world(api: Api, request: ChangeRequest | None, cluster_id: str = "") -> World:
    """Read policies and approvers. Agents' operators are read one by one, where needed. Raises ApiError."""
    policies = [
        policy
        for document in api.items(f"{constants.API_PATH}/protectionpolicies")[0]
        for policy in policy_documents.policies(document)
    ]
    found = audience(api, cluster_id)
    recorded = _recorded_audience(request)
    # A cluster's configured id stands only in what Seconder itself wrote; the uid in it must be this cluster's.
    if not cluster_id and recorded.startswith(f"{found}:"):
        found = recorded
    return World(PolicyIndex(policies), read_registry(api), {}, found, Guarded())


def read_registry(api: Api) -> Registry:
    """Read the approvers. Raises ApiError."""
    documents = api.items(f"{constants.API_PATH}/approvers")[0]
    return Registry(each for each in map(approver_documents.approver, documents) if each is not None)


def annotations_of(document: Mapping[str, Any]) -> Mapping[str, str]:
    """Give a document's annotations."""
    found: Mapping[str, str] = document.get("metadata", {}).get("annotations") or {}
    return found


def created(document: Mapping[str, Any]) -> datetime | None:
    """Give when the object was made."""
    return change_request.moment(document.get("metadata", {}).get("creationTimestamp") or "")


def typed(target: Target) -> str:
    """Give ``deployment.apps/checkout``, as kubectl names it."""
    kind = target.kind.lower()
    return clean(f"{kind}.{target.resource.group}/{target.name}" if target.resource.group else f"{kind}/{target.name}")


def _of_request(api: Api, request: ChangeRequest) -> Place:
    return _live(api, request.target, request.spec.object.version, request)


def _live(api: Api, target: Target, version: str, request: ChangeRequest | None) -> Place:
    what = f"{typed(target)} in namespace {target.namespace}" if target.namespace else typed(target)
    path = resource_types.path(target.resource, version, target.namespace, target.name)
    try:
        document = api.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
        missing = f"{clean(what)} is gone" if request else f"there is no {clean(what)}"
        return Place(target, version, None, missing, request)
    uid = document["metadata"]["uid"]
    if document.get("kind") != target.kind:
        raise Problem(f"{clean(what)} is of another kind: {clean(str(document.get('kind')))}")
    if target.uid and uid != target.uid:
        missing = f"{clean(what)} was deleted and made anew since the request: what was asked for is gone"
        return Place(target, version, None, missing, request)
    if not target.uid:
        target = replace(target, uid=uid)
    return Place(target, version, document, "", request)


def _action(arguments: argparse.Namespace) -> Action:
    return Action(arguments.action or Action.DELETE)


def _same_wish(request: ChangeRequest, arguments: argparse.Namespace) -> None:
    """Raise Problem where the command line says something else than the change request that it names."""
    for flag, said, recorded in (
        ("--requester", arguments.requester, request.spec.requester),
        ("--agent", arguments.agent, request.spec.agent),
        ("--action", arguments.action, request.spec.action.value),
    ):
        if said and said != recorded:
            raise Problem(f"{request.name} is for another wish: {flag} there is {clean(recorded) or 'not known'}")


def _request_for(waiting: Sequence[ChangeRequest], place: Place, arguments: argparse.Namespace) -> ChangeRequest | None:
    """Find the open change request for this very object, requester and action."""
    fitting = [
        request
        for request in waiting
        if request.target.uid == place.target.uid
        and request.spec.action is _action(arguments)
        and arguments.requester in {None, request.spec.requester}
        and (not arguments.agent or arguments.agent == request.spec.agent)
    ]
    if len(fitting) > 1:
        known = ", ".join(f"{each.name} ({clean(each.spec.requester)})" for each in fitting[:5])
        raise Problem(f"several change requests wait for {place.typed}: choose one of {known}")
    return fitting[0] if fitting else None


def _case(api: Api, place: Place, wanted: Change, world: World) -> Case:
    """Find the policies that ask for approval of it now, and what goes down with it, as the webhook does."""
    requester = Requester(wanted.requester, wanted.by_agent, wanted.agent, wanted.operators)
    request = Request(
        uid="",
        operation=Operation.DELETE,
        target=wanted.target,
        subresource="",
        caller=_caller(wanted.requester, wanted.agent, world),
        field_manager="",
        dry_run=False,
        stored=place.annotations,
        incoming={},
        version=wanted.version,
    )
    index, mode, own = world.policies, Mode.ENFORCE, world.own
    named = {each.name for each in place.request.spec.policies} if place.request else set()
    # What asked for it at the refusal may know the caller by more than its name.
    asked = [each for each in index.all if each.name in named and each.mode is mode and not each.problem]
    covered = policy_index.covering(request, requester, index, mode, wanted.action, own)
    covered += [policy for policy in asked if policy not in covered]
    within: list[Policy] = []
    if wanted.action is Action.DELETE:
        within = policy_index.covering_contents(request, requester, index, mode, own)
        within = [policy for policy in within if policy not in covered]
        if impact.unresolved(within):
            raise Problem("policies have just been changed, and what they name is not known yet: try again in a moment")
    found: Contents = {}
    bound: list[Policy] = []
    if wanted.target.resource == NAMESPACES and place.document is not None:
        bound = draft.binds_impact(wanted.target, wanted.action, [*covered, *within])
        found = _look_up(api, wanted.target.name, within, bound)
        covered += [policy for policy in within if impact.held(policy, found)]
        bound = [policy for policy in bound if policy in covered]
    going = impact.impact(bound, found) if bound else None
    return Case(place, replace(wanted, policies=tuple(covered)), world, found, going)


def _look_up(api: Api, namespace: str, within: list[Policy], bound: list[Policy]) -> Contents:
    try:
        return Finder(api, seconds=_LOOKUP_SECONDS, at_once=4).find(impact.lookups(namespace, within, bound))
    except LookupFailed as error:
        raise Problem(f"what namespace {clean(namespace)} holds could not be looked up: {error}") from None


def _caller(requester: str, agent: str | None, world: World) -> Caller:
    """Give the caller as far as its names tell: an agent's name that is no ServiceAccount's came with the extra key."""
    plain = Caller(requester)
    if agent is None or principal.requester_of(plain, world.policies.known_tags, None).agent_name == agent:
        return plain
    return Caller(requester, extra={constants.AGENT_KEY: (agent,)})


def _operators(api: Api, requester: str, world: World) -> frozenset[str]:
    account = principal.service_account(requester)
    if account is None or not principal.identity_tagged(Caller(requester), world.policies.known_tags):
        return frozenset()
    try:
        document = api.metadata(f"/api/v1/namespaces/{account[0]}/serviceaccounts/{account[1]}")
    except ApiError as error:
        # Whom it bars it bars at the webhook, too: here it only spares somebody a signature.
        if error.status in {403, 404}:
            return frozenset()
        raise
    recorded = service_accounts.account(document)
    return frozenset({recorded.operator} if recorded and recorded.operator else ())


def _recorded_audience(request: ChangeRequest | None) -> str:
    if request is None or not request.status.statement:
        return ""
    try:
        return msgspec.json.decode(request.status.statement, type=draft.Draft).aud
    except msgspec.MsgspecError:
        return ""
