"""One change request as an approver is to judge it: read from the cluster at this moment, and built from that."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from seconder.admission import adjudication, lookups, recorded
from seconder.admission.changes import alike, differences, free_changes
from seconder.admission.changes.differences import Rebased
from seconder.admission.lookups import Lookup, NamespaceContents, ReadWhole, Unknown
from seconder.admission.request import NO_METADATA
from seconder.admission.review import Effect
from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import Policy
from seconder.api.resources import SECRETS, Action
from seconder.api.text import clean, describe
from seconder.approvals import change_requests, unsigned_statement
from seconder.approvals.change import Change
from seconder.approvals.impact import Contents, Impact
from seconder.approvals.registry import Approver
from seconder.approvals.unsigned_statement import UnsignedStatement
from seconder.approvals.verification import Context, context_of
from seconder.client.api import Api, ApiError
from seconder.client.objects import Objects, TooLate
from seconder.client.resolver import within
from seconder.portal.problem import Refused
from seconder.portal.view import View

MOST_ITEMS: Final = 5_000
"""Objects of a namespace that a page names one by one."""

MOST_BYTES: Final = 512 * 1024
"""Of an object's canonical JSON that a page shows a change of."""

SECONDS: Final = 5.0
"""That a visitor waits for one answer of the API server's."""

_PLUGIN: Final = "approve it with kubectl seconder approve"


@dataclass(frozen=True, slots=True)
class Case:
    """A wish, and what its approval depends on.

    ``statement`` is the canonical line to be completed by the signer; empty where there is nothing to sign here, and
    ``problem`` says why. ``based`` is what is changed, where that is the action. ``document`` is the object as it
    stands; None where it is gone, or may not be read.
    """

    request: ChangeRequest
    change: Change
    document: Mapping[str, Any] | None
    impact: Impact | None
    contents: Contents
    based: Rebased | None
    audience: str
    statement: str
    problem: str

    @property
    def fitting(self) -> Context:
        """What an approval must fit."""
        return context_of(self.change, self.audience)

    @property
    def lifetime(self) -> int:
        """For how many seconds an approval holds."""
        longest = (int(policy.requirement.max_ttl) for policy in self.change.policies)
        return min([constants.DEFAULT_TTL_SECONDS, *longest])

    @property
    def items(self) -> list[str]:
        """``group/resource/name/uid`` of each object that goes down with it: what the statement's digest is over."""
        listed = self.contents.items()
        return sorted(
            f"{kind.group}/{kind.resource}/{item.name}/{item.uid}" for kind, items in listed for item in items
        )


class Cases:
    """Reads change requests and what they name."""

    def __init__(self, api: Api, view: View) -> None:
        self._api = api
        self._view = view
        self._objects = Objects(api, ThreadPoolExecutor(4, thread_name_prefix="look-up"))

    def request(self, name: str) -> ChangeRequest:
        """Read a change request. Raises Refused and ApiError."""
        try:
            request = change_request.parse(self._api.get(f"{change_request.PATH}/{name}", timeout=SECONDS))
        except ApiError as error:
            if error.status != 404:
                raise
            raise Refused(
                404,
                f"There is no change request {name}. They are removed an hour after their end; the list shows "
                "what waits now.",
            ) from None
        except msgspec.ValidationError:
            raise Refused(502, f"Change request {name} is damaged.") from None
        if change_requests.change_of(request, ()).name != name:
            raise Refused(502, f"Change request {name} is not for what its name says: Seconder did not write it.")
        return request

    def read(self, name: str) -> Case:
        """Read a change request and all that its approval depends on. Raises Refused and ApiError."""
        request = self.request(name)
        asked = {required.name for required in request.spec.policies}
        policies = [policy for policy in self._view.policies.values() if policy.name in asked]
        change = change_requests.change_of(request, policies)
        case = Case(request, change, None, None, {}, None, self._view.audience, "", "")
        problem = _hopeless(request, policies)
        if change.target.resource == SECRETS:
            problem = problem or f"The portal reads no Secrets: {_PLUGIN} {name}."
        if problem:
            return replace(case, problem=problem)
        try:
            return self._looked_at(case, recorded.effect_of(request, NO_METADATA), policies)
        except (Unknown, TooLate, TimeoutError) as error:
            return replace(case, problem=f"What it depends on could not be looked up: {clean(str(error))}.")
        except ApiError as error:
            if error.status != 403:
                raise
            return replace(case, problem=f"The portal may not read what this names: {_PLUGIN} {name}.")
        except RecursionError:
            return replace(case, problem=f"The object nests too deeply to be shown: {_PLUGIN} {name}.")

    def _looked_at(self, case: Case, effect: Effect, policies: Sequence[Policy]) -> Case:
        deadline = within()
        document = self._objects.whole(ReadWhole(effect.ref, "the object"), deadline)
        missing = _missing(case.request, document)
        if document is None or missing:
            return replace(case, problem=missing)

        def answer(lookup: Lookup[Any]) -> Any:
            if not isinstance(lookup, NamespaceContents):
                raise lookup.unanswered
            return self._objects.contents(lookup, deadline)

        impact, contents = lookups.drive(adjudication.impact_of(effect, policies), answer)
        case = replace(case, document=document, impact=impact, contents=contents)
        if sum(map(len, contents.values())) > MOST_ITEMS:
            return replace(case, contents={}, problem=f"More goes down with it than a page can show: {_plugin(case)}.")
        if case.change.action is Action.CHANGE:
            case = _with_change(case, document, policies)
        return case if case.problem else _with_statement(case)


def obstacle(case: Case, approver: Approver) -> str:
    """Why this person's approval could not count for the case; empty where it could."""
    if approver.names.meets(case.fitting.barred):
        return "You made this request, or set the agent going that made it: a peer has to approve it."
    for policy in case.change.policies:
        teams = policy.requirement.teams
        if teams and teams.isdisjoint(approver.teams):
            return clean(f"Policy {policy.name} takes approvers of {', '.join(sorted(teams))} only.")
    return ""


def _plugin(case: Case) -> str:
    return f"{_PLUGIN} {case.request.name}"


def _hopeless(request: ChangeRequest, policies: Sequence[Policy]) -> str:
    """Why nothing is left to sign for, whatever the object is like; empty where something may be."""
    status = request.status
    if not status.phase.open:
        told = f": {clean(status.message)}" if status.message else ""
        return f"It is over ({status.phase}{told}). Should it be refused again, it waits again."
    if not policies:
        return "No policy asks for approval of it any more."
    invalid = sorted(policy.name for policy in policies if policy.problem)
    if invalid:
        return f"Policy {invalid[0]} is invalid and refuses it whatever is approved: ask an administrator to mend it."
    if not status.accepts_approvals:
        return (
            "Approvals are not copied from here to the object: Seconder's operator runs without --copy-approvals. "
            f"Until that is changed, {_PLUGIN} {request.name}."
        )
    return ""


def _missing(request: ChangeRequest, document: Mapping[str, Any] | None) -> str:
    named = describe(request.target)
    if document is None:
        return f"{named} is gone: nothing is left to approve."
    if document["metadata"]["uid"] != request.spec.object.uid:
        return f"{named} was deleted and made anew since: what was asked for is gone."
    if document["metadata"].get("deletionTimestamp"):
        return f"The deletion of {named} has begun: nothing is left to approve."
    return ""


def _with_change(case: Case, document: Mapping[str, Any], policies: Sequence[Policy]) -> Case:
    """The case with what is changed of the object as it stands, or with the reason why that cannot be shown."""
    difference = case.change.difference
    resource = case.change.target.resource
    free = free_changes.of_all(policies, resource)
    standing = None if difference is None else differences.standing(resource, document, difference, free)
    if standing is not None and standing.done:
        return replace(case, problem="The object is as it was asked to be: nothing is left to approve.")
    based = None if standing is None else standing.rebased
    if based is None:
        return replace(case, problem="The object has changed since it was asked for: have the requester try again.")
    if not based.proven:
        return replace(case, problem=f"What it makes of the object cannot be shown in full: {_plugin(case)}.")
    if max(len(alike.canonical(state)) for state in (based.before, based.after)) > MOST_BYTES:
        return replace(case, problem=f"The object is too large to be shown: {_plugin(case)}.")
    return replace(case, based=based, change=msgspec.structs.replace(case.change, difference=based.difference))


def _with_statement(case: Case) -> Case:
    """The case with the statement made from what was read, if that is what Seconder recorded."""
    made = unsigned_statement.for_change(case.change, case.audience, case.request.uid, case.impact)
    recorded_line = case.request.status.statement
    recorded = unsigned_statement.read(recorded_line)
    if recorded_line and (recorded is None or _lasting(made) != _lasting(recorded)):
        return replace(
            case,
            problem="What was recorded and what the cluster says differ: nothing here can be relied on. "
            "Have the requester try again, and tell whoever looks after Seconder.",
        )
    return replace(case, statement=unsigned_statement.line(made))


def _lasting(unsigned: UnsignedStatement) -> UnsignedStatement:
    """A statement without what may change meanwhile: what else goes down, and which state is changed."""
    details = [
        msgspec.structs.replace(detail, impact=msgspec.UNSET, change=msgspec.UNSET)
        for detail in unsigned.authorization_details
    ]
    return msgspec.structs.replace(unsigned, authorization_details=details)


def seconds_since(stamp: str) -> int | None:
    """The seconds since a time of a change request's status; None where there is none."""
    moment = change_request.moment(stamp)
    return None if moment is None else max(0, int(time.time() - moment.timestamp()))
