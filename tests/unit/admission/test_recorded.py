"""What a ChangeRequest records, asked again: of whom, about what, and under which policies."""

from typing import Any

import pytest
from tests.support import signing
from tests.support.builders import CONFIG_MAPS, DEPLOYMENTS, policy, state
from tests.support.change_requests import recorded
from tests.support.resolving import Answers

from seconder.admission import coverage, lookups, pipeline
from seconder.admission.recorded import caller_of, context_of, effect_of
from seconder.admission.request import NO_METADATA, Caller, Metadata
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import AgentTags, Mode, Policy, Requirement, Subjects
from seconder.api.resources import NAMESPACES, Action, GroupResource, Target
from seconder.client.api import collection

_NONE: frozenset[str] = frozenset()
_OTHERS = AgentTags(groups=frozenset({"others"}), service_account_namespaces=_NONE, extra_keys=_NONE)
_BOTS = AgentTags(groups=frozenset({"bots"}), service_account_namespaces=_NONE, extra_keys=_NONE)
POLICY = policy()


def covering(request: ChangeRequest, *policies: Policy, **cluster: Any) -> list[str]:
    """The policies that the request is judged by."""
    context = context_of(request, state(*policies, **cluster), signing.NOW, signing.memo())
    effect = effect_of(request, NO_METADATA)
    verdict = lookups.drive(pipeline.judge(context, effect), Answers())
    return sorted(policy.name for policy in verdict.covering)


def test_a_policy_that_came_later_is_judged_by_too() -> None:
    """Else the request would be called approved although the webhook refuses."""
    late = policy(name="late", requirement=Requirement(required=3))
    assert covering(recorded(POLICY), POLICY, late) == ["late", "p"]


@pytest.mark.parametrize(
    "late",
    [
        policy(CONFIG_MAPS, name="late"),
        policy(name="late", actions=frozenset({Action.SCALE_TO_ZERO})),
        policy(name="late", namespaces=frozenset({"elsewhere"})),
        policy(name="late", mode=Mode.AUDIT),
        policy(name="late", agents=_OTHERS),
    ],
    ids=["another resource", "another action", "another namespace", "only watching", "other agents"],
)
def test_a_later_policy_that_does_not_bind_the_request_asks_nothing(late: Policy) -> None:
    """Nobody would ever satisfy it."""
    assert covering(recorded(POLICY), POLICY, late) == ["p"]


def test_an_agent_by_what_is_not_recorded_stays_one_of_the_policies_that_took_it_for_one() -> None:
    """Groups are not recorded; the names of the policies are."""
    bots = policy(agents=_BOTS)
    asked = recorded(bots, requester="ci-bot", agent=None)
    assert covering(asked, bots, policy(name="late", agents=_OTHERS)) == ["p"]


def test_a_person_is_judged_by_policies_for_everyone_alone() -> None:
    """Whatever policies for agents came later."""
    everyone = policy(subjects=Subjects.EVERYONE)
    asked = recorded(everyone, requester="dana@example.com", agent=None, by_agent=False)
    assert covering(asked, everyone, policy(name="late")) == ["p"]


def test_a_persons_request_on_what_is_tagged_as_an_agents_keeps_its_policy() -> None:
    """A policy for agents asked about it, since the object carries the tag."""
    asked = recorded(POLICY, requester="dana@example.com", agent=None, by_agent=False)
    assert covering(asked, POLICY) == ["p"]


def test_operators_that_were_recorded_may_not_approve_and_neither_may_those_known_now() -> None:
    """An operator that was unnamed meanwhile had set the agent to it."""
    asked = recorded(POLICY, operators=frozenset({"alice@example.com"}))
    cluster = state(POLICY, operators={signing.REQUESTER: "bob@example.com"})
    context = context_of(asked, cluster, signing.NOW, signing.memo())
    assert context.principal.operators == {"alice@example.com", "bob@example.com"}


@pytest.mark.parametrize(
    ("requester", "agent", "caller"),
    [
        (
            "system:serviceaccount:seconder-agents:kiro",
            "kiro",
            Caller(
                "system:serviceaccount:seconder-agents:kiro",
                frozenset({"system:serviceaccounts", "system:serviceaccounts:seconder-agents", "system:authenticated"}),
            ),
        ),
        ("dana@example.com", "", Caller("dana@example.com", frozenset({"system:authenticated"}))),
        (
            "dana@example.com",
            "kiro",
            Caller("dana@example.com", frozenset({"system:authenticated"}), {"seconder.dev/agent": ("kiro",)}),
        ),
    ],
)
def test_a_name_that_is_not_the_serviceaccounts_came_with_the_extra_key(
    requester: str, agent: str, caller: Caller
) -> None:
    """Groups are those that the API server itself gives."""
    assert caller_of(requester, agent) == caller


def test_the_effect_carries_the_approvals_that_the_object_has_now() -> None:
    """Those on the change request are copies at best."""
    stored = Metadata(annotations={"approval.seconder.dev/alice": "x"})
    effect = effect_of(recorded(POLICY, action=Action.SCALE_TO_ZERO), stored)
    assert (effect.action, effect.target) == (Action.SCALE_TO_ZERO, signing.DEPLOYMENT)
    assert effect.stored == {"approval.seconder.dev/alice": "x"}


@pytest.mark.parametrize(
    ("policies", "looked_at"),
    [
        ((POLICY,), True),
        ((), False),
        ((policy(CONFIG_MAPS, name="p"),), False),
        ((policy(mode=Mode.AUDIT),), False),
    ],
    ids=["named", "no policy", "named no more", "only watching"],
)
def test_an_object_is_looked_at_only_where_it_makes_a_difference(policies: tuple[Policy, ...], looked_at: bool) -> None:
    """Rights to read what no policy names any more are gone."""
    request = recorded(POLICY)
    context = context_of(request, state(*policies), signing.NOW, signing.memo())
    assert coverage.may_be_covered(context, effect_of(request, NO_METADATA)) is looked_at


def test_a_namespace_is_looked_at_where_it_may_hold_what_policies_name() -> None:
    """What it holds is known only once it is listed."""
    request = recorded(POLICY, target=Target(NAMESPACES, "Namespace", "", "payments", "uid-1"))
    context = context_of(request, state(POLICY), signing.NOW, signing.memo())
    assert coverage.may_be_covered(context, effect_of(request, NO_METADATA))


def test_an_object_is_read_by_the_path_of_its_own_api() -> None:
    """Group, version and namespace, whatever a record says that somebody wrote by hand."""
    ref = effect_of(recorded(POLICY), NO_METADATA).ref
    assert (collection(ref.resource, ref.namespace), ref.name) == (
        "/apis/apps/v1/namespaces/payments/deployments",
        "checkout",
    )
    assert ref.resource.resource == DEPLOYMENTS
    odd = recorded(
        POLICY,
        version="v1/namespaces/x",
        target=Target(GroupResource("apps", "deployments/x"), "Deployment", "a/b#c", "checkout", "uid-1"),
    )
    ref = effect_of(odd, NO_METADATA).ref
    path = collection(ref.resource, ref.namespace)
    assert path == "/apis/apps/v1%2Fnamespaces%2Fx/namespaces/a%2Fb%23c/deployments%2Fx"
