"""An agent's own token: it is renewed until the end that is set for it, and by nobody else."""

from typing import Any

import pytest
from tests.support.builders import AGENT, PERSON, creation, deletion, document, policy, request, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.decision import Decision
from seconder.admission.lookups import FirstRight, Right
from seconder.admission.request import Caller, Malformed, Operation, Request
from seconder.admission.state import ClusterState
from seconder.api.policy import AgentTags
from seconder.api.reasons import Reason
from seconder.api.resources import SERVICE_ACCOUNTS, Target

NOW = 1_800_000_000.0
MINE = target(SERVICE_ACCOUNTS, "kiro", "seconder-agents")
BOT = target(SERVICE_ACCOUNTS, "bot", "ci")
HAL = "system:serviceaccount:seconder-agents:hal"
HOUR = {"expirationSeconds": 3600}
TOO_LONG = "agents may not change the end that is set for their tokens"
NOT_FOR_AGENTS = "agents may not change ServiceAccounts and tokens of agents"


def _token(spec: Any = HOUR, on: Target = MINE, user: Caller = AGENT, subresource: str = "token") -> Request:
    fields = {} if spec is ... else {"spec": spec}
    return creation(on, user, new=fields, subResource=subresource)


def _decide(asked: Request, left: float | None = None, *, fresh: bool = True, whose: str = AGENT.username) -> Decision:
    ends = {} if left is None else {whose: NOW + left}
    return decide(asked, state(token_ends=ends), answers=Answers(fresh=fresh), now=NOW)


@pytest.mark.parametrize(
    ("spec", "left", "allowed"),
    [
        (HOUR, None, True),
        ({"expirationSeconds": 10**9, "boundObjectRef": {"kind": "Pod"}}, None, True),
        ({"expirationSeconds": None}, None, True),
        (HOUR, 3600.0, True),
        (HOUR, 3599.0, False),
        ({"expirationSeconds": 600}, 3600.0, True),
        ({"expirationSeconds": 600, "boundObjectRef": None, "audiences": ["x"]}, 3600.0, True),
        ({"expirationSeconds": 600, "boundObjectRef": {"kind": "Pod"}}, 3600.0, False),
        ({"expirationSeconds": 600, "boundObjectRef": {}}, 3600.0, False),
        ({}, 3600.0, True),
        ({}, 3599.0, False),
        ({"expirationSeconds": 2**32}, 3600.0, False),
        ({"expirationSeconds": 600}, 0.0, False),
        ({"expirationSeconds": 0}, 3600.0, False),
        ({"expirationSeconds": -600}, -100.0, False),
        (HOUR, float("nan"), False),
        ({"expirationSeconds": None}, 3600.0, False),
    ],
)
def test_a_token_reaches_no_further_than_the_end(spec: Any, left: float | None, allowed: bool) -> None:
    """Without an end there is no limit; what is asked for must be known and fit. An hour is the API's own default."""
    assert refusal(_decide(_token(spec), left)) == ("" if allowed else TOO_LONG)


@pytest.mark.parametrize("left", [None, 10.0**9])
@pytest.mark.parametrize(
    "spec", [{"expirationSeconds": "600"}, {"expirationSeconds": 600.5}, {"boundObjectRef": 1}, [], "x", None, ...]
)
def test_a_token_request_that_is_not_understood_is_malformed(spec: Any, left: float | None) -> None:
    """It is refused, and never taken for a short one."""
    with pytest.raises(Malformed, match="TokenRequest") as caught:
        _decide(_token(spec), left)
    assert caught.value.uid == "review-1"


@pytest.mark.parametrize("left", [None, 10**6])
def test_an_end_far_ahead_opens_nobody_elses_token(left: float | None) -> None:
    """Nor the ServiceAccount itself, nor another subresource of it."""
    hal = target(SERVICE_ACCOUNTS, "hal", "seconder-agents")
    for asked in (_token(on=hal), _token(subresource=""), _token(subresource="status")):
        assert refusal(_decide(asked, left)) == NOT_FOR_AGENTS


def test_the_decision_counts_from_now_to_the_callers_own_end() -> None:
    """One second too long is refused, by the end of this very ServiceAccount."""
    assert _decide(_token(), 3600.0).allowed
    refused = _decide(_token(), 3599.0)
    assert (refused.allowed, refused.reason) == (False, Reason.PROTECTED_CONFIGURATION)
    assert _decide(_token(), -1.0, whose=HAL).allowed


def test_no_token_is_renewed_by_an_end_that_may_be_out_of_date() -> None:
    """It may have been brought forward since, or set for the first time."""
    for left in (None, 10.0**6):
        stale = _decide(_token(), left, fresh=False)
        assert (stale.allowed, stale.reason) == (False, Reason.INTERNAL_ERROR)
        assert "the end at hand of its tokens may be out of date" in stale.message
    assert _decide(_token(user=PERSON), fresh=False).allowed


def test_an_agent_renews_its_own_token_and_no_other() -> None:
    """Writing its own ServiceAccount is still refused, since its operator is recorded there."""
    assert decide(_token(), state()).allowed
    for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
        written = request(operation, MINE, object=document(MINE), oldObject=document(MINE))
        assert refusal(decide(written, state())) == NOT_FOR_AGENTS
    assert refusal(decide(_token(user=Caller(HAL)), state())) == NOT_FOR_AGENTS


@pytest.mark.parametrize(
    ("user", "renewed"),
    [
        (Caller("system:serviceaccount:ci:bot"), True),
        (Caller("system:serviceaccount:ci:bot", frozenset({"bots"})), False),
        (Caller("system:serviceaccount:ci:bot", frozenset({"system:serviceaccounts:ci"})), True),
        (Caller("system:serviceaccount:ci:bot", frozenset(), {"seconder.dev/agent": ("kiro",)}), False),
        (Caller("system:serviceaccount:ci:other"), False),
    ],
)
def test_a_token_of_its_own_is_renewed_where_nothing_of_its_tags_is_lost(user: Caller, renewed: bool) -> None:
    """An extra key or a group that a token does not give would be left behind."""
    users = frozenset({"system:serviceaccount:ci:bot", "system:serviceaccount:ci:other"})
    cluster = _tagging(AgentTags(users=users, groups=frozenset({"bots", "system:serviceaccounts:ci"})))
    assert refusal(decide(_token(on=BOT, user=user), cluster)) == ("" if renewed else NOT_FOR_AGENTS)


def test_a_token_is_refused_to_whom_it_would_not_make_an_agent() -> None:
    """It asks for its own, but is an agent by something else."""
    user = Caller("system:serviceaccount:ci:bot", frozenset({"seconder.dev:agents"}))
    said = refusal(decide(_token(on=BOT, user=user), state()))
    assert said == "agents may not change tokens of ServiceAccounts"


@pytest.mark.parametrize(
    ("namespace", "name", "guarded"), [("ci", "bot", True), ("ci", "other", False), ("qa", "any", True)]
)
def test_the_account_of_an_agent_is_guarded_wherever_it_is(namespace: str, name: str, guarded: bool) -> None:
    """It records who set the agent going and when its tokens end; its neighbours are nobody's."""
    tags = AgentTags(users=frozenset({"system:serviceaccount:ci:bot"}), groups=frozenset({"system:serviceaccounts:qa"}))
    on, user = target(SERVICE_ACCOUNTS, name, namespace), Caller("hal", frozenset({"seconder.dev:agents"}))
    for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
        written = request(operation, on, user, object=document(on), oldObject=document(on))
        assert refusal(decide(written, _tagging(tags))) == (NOT_FOR_AGENTS if guarded else "")


def _tagging(tags: AgentTags) -> ClusterState:
    """A cluster in which the defaults' agents are agents too."""
    return state(policy(agents=tags, resources=frozenset(), resolved={}))


def test_no_account_is_made_by_a_name_that_has_rights() -> None:
    """It is not there, and somebody has bound it; or nothing is asked of it. One that is there may be changed."""
    there = target(SERVICE_ACCOUNTS, "deployer", "payments")
    bound = Answers(may={Right("delete", "apps", "deployments", "", "payments")})
    said = "agents may not write ServiceAccount payments/deployer, which may delete deployments.apps"
    assert refusal(decide(creation(there), state(policy()), answers=bound)) == said
    assert decide(creation(there), state(policy())).allowed
    assert decide(creation(there, PERSON), state(policy()), answers=bound).allowed
    assert decide(update(there), state(policy()), answers=bound).allowed
    assert (
        decide(creation(there), state(policy()), answers=Answers(unknown=[FirstRight])).reason is Reason.INTERNAL_ERROR
    )


@pytest.mark.parametrize("write", [creation, update, deletion])
def test_accounts_of_whom_nothing_binds_are_not_for_agents(write: Any) -> None:
    """The control plane's own controllers, there or not."""
    account = target(SERVICE_ACCOUNTS, "service-controller", "kube-system")
    said = "agents may not write ServiceAccount kube-system/service-controller, of which nothing is asked"
    assert refusal(decide(write(account), state())) == said
    assert decide(write(account, PERSON), state()).allowed
