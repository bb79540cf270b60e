"""What an approver decides about, read from the cluster at this moment and never from what somebody passed on."""

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from seconder.admission import codec, coverage, recorded, service_accounts
from seconder.admission.adjudication import adjudicate, change_of, impact_of
from seconder.admission.decision import Decision, Verdict
from seconder.admission.findings import Affected
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.principal import classify, identity_tagged, service_account
from seconder.admission.request import Caller
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.state import ClusterState
from seconder.api import change_request, constants, policy_documents
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import Mode, Policy
from seconder.api.resources import Action, Target
from seconder.api.text import clean, named
from seconder.approvals import approver_documents, change, change_requests, unsigned_statement
from seconder.approvals.certificates import authority_documents
from seconder.approvals.change import Change
from seconder.approvals.impact import Contents, Impact
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Context, Memo, context_of
from seconder.client import namespace_labels
from seconder.client.api import Api, ApiError
from seconder.client.policy_watches import audience
from seconder.plugin.approving import changes
from seconder.plugin.approving.answers import Answers
from seconder.plugin.approving.changes import Wanted
from seconder.plugin.terminal import resource_types
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.problem import Problem

_NAME: Final = re.compile(
    rf"(?:(?:chg|changerequests?)(?:\.{re.escape(constants.DOMAIN)})?/)?({change.PREFIX}[0-9a-z]+)"
)
_MOST_COMPARED: Final = 16
"""Change requests for one object that are compared with it; each is a read."""

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
        """The object's annotations, approvals among them."""
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
    """A wish to do something to an object, with all that its approval depends on.

    ``impact`` and ``contents`` tell what goes down with the object, where a policy binds that. ``wanted`` is what is to
    be changed of it, where that is the action.
    """

    place: Place
    change: Change
    context: ReviewContext
    effect: Effect
    answers: Answers
    impact: Impact | None
    contents: Contents
    wanted: Wanted | None = None

    @property
    def state(self) -> ClusterState:
        """The cluster as it was read."""
        return self.context.state

    @property
    def fitting(self) -> Context:
        """What an approval must fit."""
        return context_of(self.change, self.state.audience)

    @property
    def txn(self) -> str:
        """The change request's uid, or nothing."""
        return self.place.request.uid if self.place.request else ""

    def verdict(self, values: Mapping[str, str]) -> Verdict:
        """The pipeline's verdict with these approvals, by their slugs, on the object. Raises Problem."""
        # Somebody may have thought for long before signing.
        self.context.now = time.time()
        stored = {f"{constants.APPROVAL_PREFIX}{slug}": value for slug, value in values.items()}
        affected = Affected(msgspec.structs.replace(self.effect, stored=stored), self.change.policies)
        verdict: Verdict = self.answers.run(adjudicate(self.context, affected))
        return verdict

    def dependents(self) -> list[Effect]:
        """The effects on dependents that need approval before the object can be deleted. Raises Problem."""
        if self.change.action is not Action.DELETE:
            return []
        # Imported only here: what is approved by itself needs no rules, and to load them takes as long as to approve.
        from seconder.admission import pipeline

        decided: Decision = self.answers.run(pipeline.review(self.context))
        effects = [verdict.effect for verdict in decided.parts if verdict.unmet]
        return [effect for effect in effects if effect.target != self.change.target]


def add_reference(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the argument that names a change request or an object; ``several``: any number of them, as a list."""
    nargs = "*" if several else None
    parser.add_argument("what", metavar="chg-NAME | TYPE/NAME", nargs=nargs, help="a change request, or an object")


def add_wish(parser: argparse.ArgumentParser) -> None:
    """Add what says whose wish it is, where no change request does."""
    group = parser.add_argument_group("whose wish, where there is no change request")
    group.add_argument("--requester", metavar="USER", help="user name of the refused request")
    group.add_argument("--agent", metavar="NAME", help="the agent's name; left out: its ServiceAccount's")
    group.add_argument(
        "--action",
        choices=[action.value for action in Action],
        metavar="ACTION",
        help=f"{', '.join(Action)}; left out: that of what waits, else Delete",
    )
    group.add_argument(
        "-f", "--filename", metavar="FILE", help="for a Change: the manifest that is wanted, YAML or JSON; - for stdin"
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
    resource_type = resource_types.find(connection.api, kind)
    namespace = connection.namespace if resource_type.namespaced else ""
    if not _OBJECT_NAME.fullmatch(namespace or "x"):
        raise Problem(f"{clean(namespace)!r} cannot be a namespace")
    target = Target(resource_type.resource, resource_type.kind, namespace, name, "")
    return live(connection.api, target, resource_type.version)


def read_request(api: Api, name: str) -> ChangeRequest:
    """Read a change request. Raises Problem and ApiError."""
    try:
        request = change_request.parse(api.get(f"{change_request.PATH}/{name}"))
    except ApiError as error:
        if error.status == 404 and error.reason == "NotFound" and "could not find" not in str(error):
            raise Problem(
                f"there is no change request {name}: they are removed an hour after their end; see kubectl seconder "
                "pending, or have the requester try again"
            ) from None
        raise
    except msgspec.ValidationError as error:
        raise Problem(f"change request {name} is damaged: {clean(str(error))}") from None
    if change_requests.change_of(request, ()).name != name:
        raise Problem(f"change request {name} is not for what its name says: Seconder did not write it")
    return request


def open_requests(api: Api) -> list[ChangeRequest]:
    """List the change requests that wait for something. Raises ApiError."""
    found = map(change_request.readable, api.items(change_request.PATH)[0])
    return [request for request in found if request is not None and request.status.phase.open]


def case_of(connection: Connection, place: Place, arguments: argparse.Namespace) -> Case:
    """Read what the approval of a wish depends on. Raises Problem and ApiError."""
    recorded_by_us = place.request
    waiting: Sequence[ChangeRequest] = ()
    fitting: Sequence[ChangeRequest] = ()
    if place.request is None:
        waiting = open_requests(connection.api)
        fitting = _requests_for(waiting, place, arguments)
        recorded_by_us = next(iter(fitting or waiting), None)
    else:
        _same_wish(place.request, arguments)
    state = read_state(connection.api, recorded_by_us, arguments.cluster_id)
    if fitting:
        place = replace(place, request=_only(_possible(connection.api, fitting, place, state), place))
    requester = place.request.spec.requester if place.request else arguments.requester
    if not requester:
        others = [request for request in waiting if request.target.uid == place.target.uid]
        if others:
            raise Problem(f"what waits for {place.typed} is another wish: {_told(others)}")
        raise Problem(
            f"no change request waits for {place.typed}: say whose wish it is with --requester, or have the requester "
            "try again"
        )
    state = replace(state, operators=_operators(connection.api, requester, state))
    context, action = _context(place, state, requester, arguments)
    effect = Effect(action, place.target, place.version, place.annotations, place.annotations)
    wanted: Wanted | None = None
    if action is Action.CHANGE and place.document is not None:
        told = change_requests.recorded_difference(place.request) if place.request else None
        wanted = changes.wanted(connection.api, place.path, context, effect, told, arguments.filename)
        effect = msgspec.structs.replace(effect, difference=wanted.difference)
    elif arguments.filename:
        raise Problem("-f is for what is to be changed: it goes with --action Change")
    return replace(_case(place, context, effect, Answers(connection.api, state)), wanted=wanted)


def deletions_of(connection: Connection, places: Sequence[Place], requester: str, cluster_id: str) -> list[Case]:
    """Read what the approval of the deletion of these depends on, whoever has asked yet. Raises Problem, ApiError."""
    waiting = open_requests(connection.api)
    state = read_state(connection.api, next(iter(waiting), None), cluster_id)
    state = replace(state, operators=_operators(connection.api, requester, state))
    wish = argparse.Namespace(requester=requester, agent=None, action=Action.DELETE.value)
    cases = []
    for place in places:
        found = replace(place, request=_only(_requests_for(waiting, place, wish), place))
        context, action = _context(found, state, requester, wish)
        effect = Effect(action, found.target, found.version, found.annotations, found.annotations)
        cases.append(_case(found, context, effect, Answers(connection.api, state)))
    return cases


def _context(
    place: Place, state: ClusterState, requester: str, arguments: argparse.Namespace
) -> tuple[ReviewContext, Action]:
    """The review as it would be now: from what is recorded of it, or from what the command line says."""
    memo, now = Memo(1000), time.time()
    if place.request is not None:
        return recorded.context_of(place.request, state, now, memo), place.request.spec.action
    caller = recorded.caller_of(requester, arguments.agent or "")
    body = codec.deletion_review(place.target, place.version, caller, place.document)
    return ReviewContext(codec.decode(body), state, Mode.ENFORCE, now, memo), _action(arguments)


def _case(place: Place, context: ReviewContext, effect: Effect, answers: Answers) -> Case:
    policies: list[Policy] = []
    going: tuple[Impact | None, Contents] = (None, {})
    if place.document is not None:
        policies = answers.run(coverage.policies_for(context, effect))
        going = answers.run(impact_of(effect, policies))
    change = change_of(context, effect, policies)
    if place.request is not None:
        by = change_requests.recorded_by(place.request)
        change = msgspec.structs.replace(change, claimed=place.request.reason, by=by)
    return Case(place, change, context, effect, answers, *going)


def context_for(
    api: Api, target: Target, state: ClusterState, requester: str, agent: str | None, action: Action
) -> Context:
    """What an approval for this requester must fit, where nobody has made a wish. Raises ApiError."""
    operator = _operators(api, requester, state).get(requester)
    asked = classify(recorded.caller_of(requester, agent or ""), state.policies, operator)
    return Context(state.audience, requester, asked.agent, asked.agent_name, asked.operators, target, action)


def read_state(api: Api, request: ChangeRequest | None, cluster_id: str = "") -> ClusterState:
    """Read policies and approvers. Agents' operators are read one by one, where needed. Raises ApiError."""
    policies = [
        policy
        for document in api.items(f"{constants.API_PATH}/protectionpolicies")[0]
        for policy in policy_documents.policies(document)
    ]
    own = audience(api, cluster_id)
    recorded = _recorded_audience(request)
    # A cluster's configured id stands only in what Seconder itself wrote; the uid in it must be this cluster's.
    if not cluster_id and recorded.startswith(f"{own}:"):
        own = recorded
    index = PolicyIndex(policies)
    return ClusterState(index, read_registry(api), {}, own, Installation(), namespaces=_labels(api, index))


def _labels(api: Api, index: PolicyIndex) -> Mapping[str, Mapping[str, str]]:
    """The labels by which policies select namespaces. Raises ApiError."""
    keys = index.selecting_keys
    found = api.items("/api/v1/namespaces", metadata_only=True)[0] if keys else []
    return {document["metadata"]["name"]: namespace_labels.kept(document, keys) for document in found}


def read_registry(api: Api) -> Registry:
    """Read the approvers and the authorities. Raises ApiError."""
    documents = api.items(f"{constants.API_PATH}/approvers")[0]
    try:
        of_authorities = api.items(f"{constants.API_PATH}/approverauthorities")[0]
    except ApiError as error:
        # A cluster whose Seconder is older knows none.
        if error.status != 404:
            raise
        of_authorities = []
    return Registry(
        (approver for approver in map(approver_documents.approver, documents) if approver is not None),
        (found for found in map(authority_documents.authority, of_authorities) if found is not None),
    )


def annotations_of(document: Mapping[str, Any]) -> Mapping[str, str]:
    """A document's annotations."""
    annotations: Mapping[str, str] = document.get("metadata", {}).get("annotations") or {}
    return annotations


def created(document: Mapping[str, Any]) -> datetime | None:
    """The time at which the object was made."""
    return change_request.moment(document.get("metadata", {}).get("creationTimestamp") or "")


def typed(target: Target) -> str:
    """``deployment.apps/checkout``, as kubectl names it."""
    kind = target.kind.lower()
    kind = clean(f"{kind}.{target.resource.group}" if target.resource.group else kind)
    return f"{kind}/{named(target.name)}"


def _of_request(api: Api, request: ChangeRequest) -> Place:
    return live(api, request.target, request.spec.object.version, request)


def live(api: Api, target: Target, version: str, request: ChangeRequest | None = None) -> Place:
    """Read an object as it stands; one without a uid is whichever has the name. Raises Problem and ApiError."""
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
        target = msgspec.structs.replace(target, uid=uid)
    return Place(target, version, document, "", request)


def _action(arguments: argparse.Namespace) -> Action:
    return Action(arguments.action or Action.DELETE)


def _same_wish(request: ChangeRequest, arguments: argparse.Namespace) -> None:
    """Raise Problem where the command line says something else than the change request that it names."""
    for flag, said, known in (
        ("--requester", arguments.requester, request.spec.requester),
        ("--agent", arguments.agent, request.spec.agent),
        ("--action", arguments.action, request.spec.action.value),
    ):
        if said and said != known:
            raise Problem(f"{request.name} is for another wish: {flag} there is {clean(known) or 'not known'}")


def _requests_for(
    waiting: Sequence[ChangeRequest], place: Place, arguments: argparse.Namespace
) -> Sequence[ChangeRequest]:
    """Find the open change requests for this very object and requester, and for the action if one is said.

    Without one, whatever waits: an approval of the object's end is no answer to another wish.
    """
    return [
        request
        for request in waiting
        if request.target.uid == place.target.uid
        and arguments.action in {None, request.spec.action.value}
        and arguments.requester in {None, request.spec.requester}
        and (not arguments.agent or arguments.agent == request.spec.agent)
    ]


def _possible(api: Api, fitting: Sequence[ChangeRequest], place: Place, state: ClusterState) -> Sequence[ChangeRequest]:
    """Leave out, of several, what the object has changed under: it was done a moment ago, or can be done no more."""
    if not 1 < len(fitting) <= _MOST_COMPARED or place.document is None:
        return fitting
    now, memo = time.time(), Memo(1)

    def possible(request: ChangeRequest) -> bool:
        effect = Effect(request.spec.action, place.target, place.version, place.annotations)
        difference = change_requests.recorded_difference(request)
        context = recorded.context_of(request, state, now, memo)
        return difference is None or changes.wanted(api, place.path, context, effect, difference, None).possible

    return list(filter(possible, fitting)) or fitting


def _only(fitting: Sequence[ChangeRequest], place: Place) -> ChangeRequest | None:
    """The only one of these, if any; of several, one for the action itself. Raises Problem where there are several."""
    fitting = [request for request in fitting if not request.spec.asked_by] or fitting
    if len(fitting) > 1:
        raise Problem(f"several change requests wait for {place.typed}: choose one of {_told(fitting)}")
    return next(iter(fitting), None)


def _told(requests: Sequence[ChangeRequest]) -> str:
    return ", ".join(
        f"{request.name} ({request.spec.action.value} for {clean(request.spec.requester)})" for request in requests[:5]
    )


def _operators(api: Api, requester: str, state: ClusterState) -> dict[str, str]:
    """The operator recorded on this requester, by its user name; empty where there is none."""
    account = service_account(requester)
    if account is None or not identity_tagged(Caller(requester), state.policies.known_tags):
        return {}
    try:
        document = api.find(f"/api/v1/namespaces/{account[0]}/serviceaccounts/{account[1]}", metadata=True)
    except ApiError as error:
        # Whom it bars it bars at the webhook, too: here it only spares somebody a signature.
        if error.status == 403:
            return {}
        raise
    read = service_accounts.account(document) if document is not None else None
    return {requester: read.operator} if read and read.operator else {}


def _recorded_audience(request: ChangeRequest | None) -> str:
    recorded = unsigned_statement.read(request.status.statement) if request is not None else None
    return recorded.aud if recorded is not None else ""
