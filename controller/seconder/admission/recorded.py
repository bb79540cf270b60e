"""A refused action again, from what is recorded of it: judged by the same pipeline, without the request itself."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from seconder.admission import codec
from seconder.admission.principal import Principal, classify, service_account, service_account_caller
from seconder.admission.request import Caller, Metadata
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.state import ClusterState
from seconder.api import constants
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.resources import Action
from seconder.approvals import change_requests
from seconder.approvals.verification import Memo


def effect_of(recorded: ChangeRequest, stored: Metadata) -> Effect:
    """The effect that was asked for, on the object as it is stored now."""
    annotations: Mapping[str, str] = stored.annotations or {}
    version = recorded.spec.object.version
    difference = change_requests.recorded_difference(recorded)
    return Effect(recorded.spec.action, recorded.target, version, annotations, annotations, difference=difference)


def mark(action: Action, stored: Metadata) -> str:
    """The SHA-256, in hex, of what an action changes of an object that stays; empty where it tells that otherwise.

    Whoever compares it with an earlier one sees whether the action has been done.
    """
    marked: Any
    match action:
        case Action.REMOVE_FINALIZERS:
            marked = sorted(stored.finalizers or ())
        case Action.CHANGE_OWNERS:
            marked = sorted(stored.owners)
        case _:
            return ""
    return hashlib.sha256(msgspec.json.encode(marked)).hexdigest()


def context_of(recorded: ChangeRequest, state: ClusterState, now: float, memo: Memo) -> ReviewContext:
    """The review as it would be now. ``now`` is in seconds since 1970."""
    caller = caller_of(recorded.spec.requester, recorded.spec.agent)
    request = codec.decode(codec.deletion_review(recorded.target, recorded.spec.object.version, caller))
    return ReviewContext(request, state, Mode.ENFORCE, now, memo, _principal(recorded, caller, state))


def caller_of(requester: str, agent: str) -> Caller:
    """The caller as far as its names tell: an agent's name that is no ServiceAccount's came with the extra key."""
    account = service_account(requester)
    plain = service_account_caller(*account) if account else Caller(requester, frozenset({"system:authenticated"}))
    if not agent or (account is not None and account[1] == agent):
        return plain
    return Caller(plain.username, plain.groups, {constants.AGENT_KEY: (agent,)})


def _principal(recorded: ChangeRequest, caller: Caller, state: ClusterState) -> Principal:
    """The principal that asked. A record holds no groups and no extra: the recorded policies stand for them."""
    spec = recorded.spec
    known = classify(caller, state.policies, state.operators.get(caller.username))
    asked = [policy for policy in state.policies.all if _asked(policy, recorded)]
    bound = {policy.agents for policy in asked if spec.by_agent or policy.subjects is Subjects.AGENTS}
    operators = {operator for operator in (spec.operator, *spec.other_operators) if operator}
    return Principal(
        spec.requester,
        spec.by_agent or known.agent,
        spec.agent or None,
        known.operators | operators,
        known.tags | bound,
        known.controller,
        known.node,
        known.principals | spec.principals,
    )


def _asked(policy: Policy, recorded: ChangeRequest) -> bool:
    return policy.mode is Mode.ENFORCE and any(policy.name == asked.name for asked in recorded.spec.policies)
